"""That two names may be one person's, as a language model says: what waits for a person, who alone decides it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from memsvc.domain.alias import Alias, Names, folded


@dataclass(frozen=True, slots=True)
class Quote:
    """The characters of a message that a proposal stands on; `words` are theirs, where they were read."""

    message_id: str
    start: int
    end: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """That `alias` is another name of the person whom `name` names. `id` is that of the pair."""

    id: str
    name: str
    alias: str
    quotes: tuple[Quote, ...]
    model: str
    prompt_version: int
    made_at: dt.datetime


def pair_id(one: str, other: str) -> str:
    """The same for two names in either order and in every spelling that is one: a digest, which holds no names."""
    return hashlib.sha256(json.dumps(sorted((folded(one), folded(other)))).encode()).hexdigest()


def forms(name: str, declared: Iterable[Alias]) -> list[str]:
    """The name that leads and all other names of its person, each once."""
    known = list(declared)
    person = Names(known).of(name)
    return [person, *(item.alias for item in known if item.name == person)]


def may_declare(name: str, alias: str, declared: Iterable[Alias]) -> bool:
    """Whether `alias` could be declared as another name of `name`, beside what was: the first is nobody's other name,
    and the second has no person and no other names yet.
    """
    known = list(declared)
    leading = {folded(item.name) for item in known}
    others = {folded(item.alias) for item in known}
    one, other = folded(name), folded(alias)
    return one != other and one not in others and other not in others | leading
