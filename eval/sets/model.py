"""What every dataset is read into."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


class BadDataset(Exception):
    """The file is not what its reader expects; the message says where."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; `id` is unique in it."""

    id: str
    session_id: str
    role: str
    speaker: str | None
    text: str
    caption: str | None
    occurred_at: dt.datetime

    @property
    def words(self) -> str:
        """All that can be found of the turn, caption included."""
        caption = f" [image: {self.caption}]" if self.caption else ""
        return f"{self.speaker or self.role}: {self.text}{caption}"


@dataclass(frozen=True, slots=True)
class Question:
    """`evidence` are turn ids (none: not ranked); `answer` is None where the set gives none (not covered); `rubric` are
    what a good answer does, one demand each, where the set has them.
    """

    id: str
    text: str
    answer: str | None
    evidence: tuple[str, ...]
    category: str
    asked_at: dt.datetime
    rubric: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """`adversarial` names the category of trick questions, `sweeping` those that ask for summaries, orders, several
    sessions; `dropped_evidence` counts ids that name no turn.
    """

    name: str
    conversations: tuple[Conversation, ...]
    adversarial: str
    dropped_evidence: int
    sweeping: tuple[str, ...] = ()
