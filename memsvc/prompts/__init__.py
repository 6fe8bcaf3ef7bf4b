"""What language models are told and asked: one file a prompt, with its version and the form of the reply.

A file whose words change gets the next version: what was made with it names the version.
"""

from __future__ import annotations

import importlib.resources
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FIELD = re.compile(r"\{\{(\w+)\}\}")
_REQUIRED = {"name": str, "version": int, "reply": list, "system": str, "ask": str}
_OPTIONAL = {"opening": str, "schema": str}


@dataclass(frozen=True, slots=True)
class Prompt:
    """`reply` are the fields of the reply that are read, none where it is no JSON; `schema` is the JSON schema that it
    should follow, and `opening` how such a reply begins.
    """

    name: str
    version: int
    system: str
    template: str
    reply: tuple[str, ...]
    schema: Mapping[str, Any] | None
    opening: str

    @property
    def fields(self) -> frozenset[str]:
        """What `ask` has to be given."""
        return frozenset(_FIELD.findall(self.template))

    def said_by(self, model: str) -> str:
        """Who said what it replied to this version, as that is stored and shown: `gpt-5, judge 1`."""
        return f"{model}, {self.name} {self.version}"

    def ask(self, **fields: str) -> str:
        """What the model is asked, with these in their places; nothing in them is a place itself. Raises TypeError for
        one that is missing, and for one that has no place.
        """
        if fields.keys() != self.fields:
            raise TypeError(f"the prompt {self.name!r} takes {sorted(self.fields)}, not {sorted(fields)}")
        return _FIELD.sub(lambda found: fields[found[1]], self.template)


def read(name: str, text: str) -> Prompt:
    """The prompt of a file's text. Raises ValueError with what is wrong with the file."""
    given = tomllib.loads(text)
    kinds = _REQUIRED | _OPTIONAL
    wrong = {key for key in _REQUIRED.keys() | given.keys() if not isinstance(given.get(key), kinds.get(key, ()))}
    if wrong or given["name"] != name:
        raise ValueError(f"the file of the prompt {name!r} is wrong in {sorted(wrong or {'name'})}")
    schema = json.loads(given["schema"]) if "schema" in given else None
    return Prompt(
        name, given["version"], given["system"], given["ask"], tuple(given["reply"]), schema, given.get("opening", "")
    )


def _load(name: str) -> Prompt:
    return read(name, importlib.resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))


REFINE = _load("refine")
SUMMARISE = _load("summarise")
JUDGE = _load("judge")
CONNECT = _load("connect")
IDENTIFY = _load("identify")
ANSWER = _load("answer")
EXAMPLES = _load("examples")
SAME = _load("same")
PLAN = _load("plan")
REFLECT = _load("reflect")
