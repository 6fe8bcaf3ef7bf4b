"""Who a text is about, in fields; the words themselves are never rewritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_I = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself)\b", re.IGNORECASE)
_WE = re.compile(r"\b(?:we|we're|we've|we'd|we'll|us|our|ours)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|you're|you've|you'd|you'll|your|yours)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class People:
    """`subject` is whom the statement is about first; `persons` everybody it involves, the speaker first."""

    subject: str
    persons: tuple[str, ...]


def people(text: str, speaker: str, addressees: Sequence[str]) -> People:
    """I and my are the speaker; we is the speaker with the addressee, you the addressee, where there is just one.

    A sentence without any of these is still the speaker's: he is its subject unless it names another participant.
    """
    plain = text.replace("\u2019", "'")
    other = addressees[0] if len(addressees) == 1 else None
    named = [name for name in addressees if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", plain, re.IGNORECASE)]
    persons = [speaker]
    own = bool(_I.search(plain) or _WE.search(plain))
    if other and (_WE.search(plain) or _YOU.search(plain)):
        persons.append(other)
    persons.extend(named)
    subject = speaker
    if not own and other and _YOU.search(plain):
        subject = other
    return People(subject, tuple(dict.fromkeys(persons)))
