"""Who a text is about, in fields; the words themselves are never rewritten."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain import third_person
from memsvc.domain.message import Role

_I = re.compile(r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself)\b", re.IGNORECASE)
_WE = re.compile(r"\b(?:we|we're|we've|we'd|we'll|us|our|ours)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|you're|you've|you'd|you'll|your|yours)\b", re.IGNORECASE)


_THIRD = re.compile(r"\b(?:he|she|him|her|his|hers|he's|she's)\b", re.IGNORECASE)
# "my sister Rita": the one way in which a text says by itself that a name is a person's.
_INTRODUCED = re.compile(
    r"\b(?i:my|his|her|our|their|your) (?:\w+[- ])?(?:sister|brother|mother|mom|mum|father|dad|wife|husband|partner|"
    r"girlfriend|boyfriend|son|daughter|cousin|aunt|uncle|friend|colleague|boss|manager|mentor|teacher|doctor|neighbou?r|"
    r"coach|roommate|grandma|grandpa|grandmother|grandfather|niece|nephew|dog|cat|puppy|kitten),? "
    r"(?P<name>[A-Z\u00c0-\u00de][\w'\u2019-]{1,30})"
)


@dataclass(frozen=True, slots=True)
class People:
    """`subject` is whom the statement is about first; `persons` everybody it involves, the speaker first."""

    subject: str
    persons: tuple[str, ...]


def people(
    text: str, speaker: str, addressees: Sequence[str], before: Sequence[str] = (), role: Role = Role.USER
) -> People:
    """I and my are the speaker; we is the speaker with the addressee, you the addressee, where there is just one.

    "She" is the one person that the text or the messages `before` introduced ("my sister Rita"), and nobody when there
    are two. A sentence without any of these is still the speaker's.

    "The user" is the speaker too; where an assistant speaks, the one to whom it does, or whoever speaks without a name.
    """
    plain = text.replace("\u2019", "'")
    other = addressees[0] if len(addressees) == 1 else None
    named = [name for name in addressees if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", plain, re.IGNORECASE)]
    persons = [speaker]
    own = bool(_I.search(plain) or _WE.search(plain))
    if other and (_WE.search(plain) or _YOU.search(plain)):
        persons.append(other)
    persons.extend(named)
    introduced = [match["name"] for match in _INTRODUCED.finditer(text)]
    persons.extend(introduced)
    if not introduced and _THIRD.search(plain):
        recent = {match["name"] for said in before for match in _INTRODUCED.finditer(said)}
        persons.extend(recent if len(recent) == 1 else ())
    subject = speaker
    if third_person.is_about_user(plain):
        own = True
        if role is Role.ASSISTANT and len(addressees) < 2:
            subject = other or Role.USER.value.capitalize()
            persons.append(subject)
    if not own and other and _YOU.search(plain):
        subject = other
    return People(subject, tuple(dict.fromkeys(persons)))
