"""What the rules of both languages find in talk, and what they write: the shapes between their stages."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.sets.model import Turn


@dataclass(frozen=True, slots=True)
class Fact:
    """A span of a message that can be asked for. Facts of one `frame` answer the same question, until a day or one of
    `topics` (what else the message is about) tells them apart.
    """

    frame: str
    turn: Turn
    answer: str
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is sifted: `answers` are spans of the evidence (none: the whole messages answer)."""

    text: str
    answers: tuple[str, ...]
    evidence: tuple[str, ...]
    category: str


class Language(Protocol):
    """The rules of a language: a module with these names."""

    def facts(self, turns: Sequence[Turn]) -> list[Fact]:
        """All that can be asked for by a frame."""
        ...

    def replies(self, turns: Sequence[Turn], person: str, rng: random.Random) -> list[Draft]:
        """The assistant's questions, asked again of the user's answers."""
        ...

    def topics(self, text: str) -> frozenset[str]:
        """The topics of a closed list that a text names."""
        ...

    def wording(self, frame: str, person: str | None, when: str, rng: random.Random) -> str:
        """A question of this frame, in the third person where `person` is given; `when` is "", or by the two below."""
        ...

    def on_day(self, day: dt.date, rng: random.Random) -> str:
        """The words for a day."""
        ...

    def about(self, topic: str, rng: random.Random, day: dt.date | None = None) -> str:
        """The words for a talk about a topic (on a day), not always those in which it is named."""
        ...

    def named(self, topic: str, person: str | None, rng: random.Random) -> str:
        """A question for all that the user said of a topic."""
        ...

    def holds(self, text: str, span: str) -> bool:
        """Whether a span stands in a text, as whole words where a language has them."""
        ...
