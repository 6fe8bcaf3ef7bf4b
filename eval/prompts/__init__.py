"""What the evaluation asks language models: files as in `memsvc/prompts`, read by the same reader.

Each way to judge has two, one for questions that the conversation answers and one for those that it does not.
"""

from __future__ import annotations

import importlib.resources

from memsvc.prompts import Prompt, read


def _load(name: str) -> Prompt:
    return read(name, importlib.resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


ANSWER = _load("answer")
ANSWER_FROM_NOTHING = _load("answer_from_nothing")
WAYS = ("benchmark", "strict", "lenient")
# Our own words. The same answers are scored 91 % under one prompt and 35 % under another, so one alone says little.
SAID = {by: _load(f"judge_{by}") for by in WAYS}
# Where nothing was said, there is no reference to compare with.
UNSAID = {by: _load(f"judge_{by}_unsaid") for by in WAYS}
NUGGET = _load("judge_nugget")
ORDER = _load("judge_order")
JUDGES = (*SAID.values(), *UNSAID.values(), NUGGET, ORDER)
