"""What the model reads: instructions and memories first, which stay the same from question to question; the question
last.

Text that somebody said is encoded without special tokens, so that nothing in it can end a turn or open one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.domain import served
from memsvc.prompts import ANSWER, EXAMPLES

VERSION = str(ANSWER.version)
# A question, and how it was answered.
Example = tuple[str, str]
# As the prompt asks for it.
NOT_KNOWN = "no information available"
# Stand-ins while the chat template is filled; any text without meaning for a template does.
_MEMORIES, _QUESTION = "MEMSVC7MEMORIES7", "MEMSVC7QUESTION7"


_NUMBER = re.compile(r"\[(\d{1,4})\]")


def system(memories: str) -> str:
    """What a model behind an endpoint is told before the question."""
    return f"{ANSWER.system}\n\n{memories}"


def question(text: str, asked_at: dt.datetime | None, examples: Sequence[Example] = ()) -> str:
    """The question, with the day it is asked on, behind examples where there are any."""
    when = f"(asked on {asked_at:%d %B %Y}) " if asked_at else ""
    asked = ANSWER.ask(asked_on=when, question=served.quoted(text))
    if not examples:
        return asked
    told = [EXAMPLES.ask(question=served.quoted(before), answer=served.quoted(said)) for before, said in examples]
    return "\n\n".join([EXAMPLES.system, *told, f"Question: {asked}"])


def numbers(text: str) -> tuple[int, ...]:
    """The memories that an answer names, in its order."""
    return tuple(dict.fromkeys(int(number) for number in _NUMBER.findall(text)))


def abstains(text: str) -> bool:
    """Whether an answer says that the memories do not hold it, or says nothing."""
    return not text.strip() or NOT_KNOWN in text.lower()


@dataclass(frozen=True, slots=True)
class Frame:
    """The chat template around memories and question, as token ids; the same for every prompt of a model."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)


def frame(tokenizer: Any) -> Frame:
    """Of a tokenizer with a chat template, with or without a system role; or plain words for one that has none."""
    text = _filled(tokenizer)
    before, rest = text.split(_MEMORIES)
    between, after = rest.split(_QUESTION)
    opens = tokenizer.bos_token_id
    start = [] if tokenizer.chat_template or opens is None else [int(opens)]
    return Frame(
        (*start, *_encode(tokenizer, before, trusted=True)),
        tuple(_encode(tokenizer, between, trusted=True)),
        tuple(_encode(tokenizer, after, trusted=True)),
    )


def prefix(tokenizer: Any, frame: Frame, memories: str) -> tuple[int, ...]:
    """Token ids up to the question. `memories` is a served context."""
    return (*frame.before, *_encode(tokenizer, memories, trusted=False), *frame.between)


def suffix(
    tokenizer: Any, frame: Frame, text: str, asked_at: dt.datetime | None, examples: Sequence[Example] = ()
) -> tuple[int, ...]:
    """Token ids of the question, and of what opens the answer."""
    return (*_encode(tokenizer, question(text, asked_at, examples), trusted=False), *frame.after)


def _filled(tokenizer: Any) -> str:
    told, user = system(_MEMORIES), _QUESTION
    if tokenizer.chat_template:
        forms = (
            [{"role": "system", "content": told}, {"role": "user", "content": user}],
            [{"role": "user", "content": f"{told}\n\n{user}"}],
        )
        for turns in forms:
            try:
                text = str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
            except Exception:  # a template that knows no system role says so in its own way
                continue
            if text.count(_MEMORIES) == text.count(_QUESTION) == 1:
                return text
    return f"{told}\n\nQuestion: {user}\nAnswer:"


def _encode(tokenizer: Any, text: str, *, trusted: bool) -> list[int]:
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=not trusted)["input_ids"]
    return [int(token) for token in ids]
