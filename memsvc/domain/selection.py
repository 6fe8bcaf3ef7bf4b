"""Which messages of a namespace are meant: one, a unit's, a session's, a person's, or all that came from one source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class By(StrEnum):
    """`unit`: what a unit was made from; `subject`: said by a person, saying its name, or cited by a unit about it;
    `actor` is the key that wrote.
    """

    MESSAGE = "message"
    UNIT = "unit"
    SESSION = "session"
    SUBJECT = "subject"
    SOURCE = "source"
    CHANNEL = "channel"
    ACTOR = "actor"


@dataclass(frozen=True, slots=True)
class Selection:
    by: By
    value: str
