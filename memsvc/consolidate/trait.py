"""What of a unit decides how it stands to others."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from memsvc.domain import proposition, third_person
from memsvc.domain.timespan import Granularity
from memsvc.domain.unit import Assertion, Kind, Topic

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NEGATION = re.compile(
    r"\b(?:not|never|no longer|don't|doesn't|didn't|isn't|aren't|wasn't|won't|can't|haven't|hasn't|without|stopped|"
    r"quit|gave up|any ?more|cancel(?:l?ed)?)\b",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:now|no longer|any ?more|switched|instead|changed (?:to|from|my)|these days|from now on|"
    r"moved (?:it |them )?to|rescheduled|postponed|new plan|correction|actually)\b",
    re.IGNORECASE,
)
# Of sentences, not of words: "C" and "C#", "5", "-5" and ".5", 6' and 6" are two things.
_PUNCTUATION = re.compile(
    "(?!(?<!\\S)\\.\\w|(?<=\\d)['\"\u2019\u201d])"
    "[.,;:!?\u2026\"'()\\[\\]\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb\u00a1\u00bf\u3001\u3002\u300c-\u300f"
    "\uff01\uff08\uff09\uff0c\uff1b\uff1f\u0964\u060c\u061b\u061f]"
)
_VALUE = r"(?P<value>[\w$\u20ac\u00a3][^.,;!?()]{0,60}?)"
_END = r"(?=\s+(?:and|but|with|because|since|last|this|next|a few|in \d|now)\b|[.,;!?()]|$)"
_PROPER = r"(?P<value>[A-Z\u00c0-\u00de][\w'\u2019-]*(?: (?:of |de |la )?[A-Z\u00c0-\u00de][\w'\u2019-]*){0,3})"
# Attributes of which a person has one at a time. What one likes, has or does adds up, and is in no slot.
_SLOTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("name", re.compile(rf"\b(?i:my name is|call me) {_PROPER}")),
    ("residence", re.compile(
        r"\b(?i:i(?:'ve| have|'m| am)? (?:just |recently |finally |now )?(?:live|living|moved|relocated|moving back)"
        rf"(?: over| back)? (?:in|to|from \w+ to)) {_PROPER}")),
    ("employer", re.compile(
        r"\b(?i:i(?:'ve| have|'m| am)? (?:now |just |recently )?(?:work|working|started(?: working)?)(?: now)? "
        rf"(?:at|for)) {_PROPER}")),
    ("age", re.compile(r"\b(?i:i(?:'m| am)) (?P<value>\d{1,3})(?= years old\b)")),
    ("email", re.compile(r"\b(?i:my e-?mail(?: address)? is(?: now)?) (?P<value>[\w.+-]+@[\w.-]+\w)")),
    ("status", re.compile(r"\b(?i:i(?:'m| am)(?: now)?) (?P<value>(?i:single|married|engaged|divorced|widowed))\b")),
)  # fmt: skip
# "Haha, call me Captain Disaster", "I feel like I'm 90 years old".
_FIGURATIVE = re.compile(r"\b(?:like|as if|as though|haha|lol|joking|kidding)\b[^.!?]*$", re.IGNORECASE)
_FAVOURITE = re.compile(rf"\b(?i:my favou?rite (?P<noun>\w+) (?:is|has become)(?: now)?) {_VALUE}{_END}")
# "the deadline is Friday": one value at a time where the value is a figure, a day or a name.
_ATTRIBUTE = re.compile(
    r"\b(?i:my|our|the) (?P<noun>[a-z_]\w*(?: [a-z]\w*){0,2}) (?i:is|are|has been|was|were)"
    rf"(?: (?i:now|moved to|changed to|set to|raised to|due on|due|on|at))+ {_VALUE}{_END}"
)
# "Shall I move the dentist to Tuesday?", once it is agreed to.
_PROPOSED = re.compile(
    r"\b(?i:set|reset|move|moved|change|changed|raise|raised|lower|lowered|increase|increased|reduce|reduced|push|pushed|"
    r"shift|shifted|reschedule|rescheduled|postpone|postponed|switch|switched|update|updated) (?:back )?"
    rf"(?i:my|our|your|the) (?P<noun>[a-z_]\w*(?: [a-z]\w*){{0,2}}?) (?i:to|at|on|for) {_VALUE}{_END}"
)
_CONCRETE = re.compile(
    r"\d|\b(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june|july|august|"
    r"september|october|november|december)\b"
)


# Named whole, where only a part is meant: "I moved in March".
_PERIODS = frozenset({Granularity.WEEK, Granularity.MONTH, Granularity.SEASON, Granularity.YEAR})
_COMMA = re.compile("[,\uff0c\u3001\u060c]")
_MOST_HAILED = 5  # words
# How the units of pictures and blocks of code begin.
_SHOWN = re.compile(r"\[image: |\S+ block: ")
_NO_CLAIM = frozenset({Assertion.QUESTION, Assertion.REQUEST, Assertion.HYPOTHETICAL})


@dataclass(frozen=True, slots=True)
class Trait:
    """A unit as the consolidation sees it: `said` are its words, `core` the chief ones, `text` the same for comparing.

    `place` orders all units: when said, within one exchange by `turn` (message, character), then by id, never by
    arrival. It is so `since` it was said, or since the time before that of which it speaks. `slot` is (attribute,
    value) where the unit gives its subject one of which there is one at a time; `holds` whether it is asserted until
    further notice: only that takes a place, or loses it.

    Of a correction and of an assent `proposition` is what they say with the sentence behind them
    (`memsvc.domain.proposition`); they are judged by it, and never served with it. `cites` are its sources: a
    correction (`is_correction`) has among them those of what it takes the place of.
    """

    id: str
    kind: str
    said: str
    text: str
    subject: str
    session_id: str
    message_ids: tuple[str, ...]
    said_at: dt.datetime
    is_assistants: bool
    dates: tuple[dt.datetime, dt.datetime] | None
    entities: frozenset[str]
    numbers: frozenset[str]
    is_negated: bool
    says_change: bool
    slot: tuple[str, str] | None
    core: str = ""
    keywords: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()

    trust: float = 1.0
    holds: bool = True
    assertion: str = Assertion.ASSERTED
    exchange_id: str = ""
    turn: tuple[int, int] = (0, 0)
    cites: frozenset[tuple[str, int, int]] = frozenset()
    is_correction: bool = False
    proposition: str = ""
    hails: bool = False
    granularity: str = ""

    @property
    def place(self) -> tuple[dt.datetime, str, tuple[int, int], str]:
        return self.said_at, self.exchange_id, self.turn, self.id

    @property
    def is_claim(self) -> bool:
        """Whether it says that something is so, was or will be; what is asked, supposed or shown does not."""
        return (
            self.assertion not in _NO_CLAIM
            and "?" not in (self.proposition or self.said)
            and self.kind != Kind.ABSTRACT
            and not _SHOWN.match(self.core)
        )

    @property
    def tells(self) -> bool:
        """Whether its chief words tell something by themselves: a heading, what leads up to something else ("Here is my
        code:") and what is called out to somebody ("Well done, Ana!") do not.
        """
        return not self.hails and not self.core.rstrip().endswith((":", "\uff1a")) and self.core[:1] not in ("#", "*")

    @property
    def since(self) -> dt.datetime:
        return min(self.said_at, self.dates[0]) if self.dates else self.said_at

    @property
    def began(self) -> dt.datetime:
        """From when on it is taken to be so: of a month or a year in which it began, the middle. Until then what was so
        before is the likelier, behind it what is so since.
        """
        if self.dates is None or self.granularity not in _PERIODS:
            return self.since
        return min(self.said_at, self.dates[0] + (self.dates[1] - self.dates[0]) / 2)

    @property
    def is_agreed(self) -> bool:
        """Whether it says yes to what somebody proposed or asked."""
        return bool(self.proposition) and not self.is_correction

    @property
    def judged(self) -> str:
        """The words that it is judged by."""
        return self.proposition or self.core

    @property
    def readable(self) -> str:
        """Its chief words, with the sentence behind them where they are not understood without."""
        return self.said if self.proposition else self.core

    def corrects(self, other: Trait) -> bool:
        """Whether it takes back just what the other one says: it cites all that this was said in."""
        if not self.is_correction:
            return False
        own = {cited for cited in other.cites if cited[0] == other.message_ids[0]}
        return bool(own) and own < self.cites

    def follows(self, other: Trait) -> bool:
        """Whether it was said after the other one, as far as that is known."""
        one_exchange = bool(self.exchange_id) and self.exchange_id == other.exchange_id
        return self.said_at > other.said_at or (
            self.said_at == other.said_at and one_exchange and self.turn > other.turn
        )


def read(
    *,
    id: str,
    kind: str,
    text: str,
    subject: str | None,
    persons: Sequence[str],
    entities: Sequence[str],
    session_id: str,
    message_ids: Sequence[str],
    said_at: dt.datetime,
    is_assistants: bool,
    dates: tuple[dt.datetime, dt.datetime] | None,
    core_end: int = 0,
    keywords: Sequence[str] = (),
    topics: Sequence[Topic] = (),
    trust: float = 1.0,
    assertion: str = Assertion.ASSERTED,
    exchange_id: str = "",
    turn: tuple[int, int] = (0, 0),
    cites: Sequence[tuple[str, int, int]] = (),
    granularity: str = "",
) -> Trait:
    """`text` with its speaker in front, as units have it."""
    speaker, _, said = text.partition(": ")
    said = said or text
    stated, is_correction = proposition.stated(text, core_end), proposition.is_correction(text, core_end)
    plain = (stated or said).replace("\u2019", "'")
    is_agreed = bool(stated) and not is_correction
    holds = assertion == Assertion.ASSERTED and "?" not in plain
    return Trait(
        id=id,
        kind=kind,
        said=said,
        text=bare(said.replace("\u2019", "'")),
        subject=subject or "",
        session_id=session_id,
        message_ids=tuple(message_ids),
        said_at=said_at,
        is_assistants=is_assistants,
        dates=dates,
        entities=_things(entities, persons),
        numbers=frozenset(_NUMBER.findall(plain)),
        is_negated=bool(_NEGATION.search(plain)),
        says_change=bool(_CHANGE.search(plain)),
        slot=_slot(third_person.as_first_person(plain, speaker), is_agreed) if holds and not is_assistants else None,
        core=(text[:core_end].partition(": ")[2] or text[:core_end]) if core_end else said,
        keywords=tuple(keywords),
        topics=tuple(topics),
        trust=trust,
        holds=holds,
        assertion=assertion,
        exchange_id=exchange_id,
        turn=turn,
        cites=frozenset(cites),
        is_correction=is_correction,
        granularity=granularity,
        proposition=stated,
        hails=_hails(said, [person for person in persons if person != subject]),
    )


def _things(entities: Sequence[str], persons: Sequence[str]) -> frozenset[str]:
    """The names of what are no persons, in one spelling."""
    people = {person.lower() for person in persons}
    return frozenset(unicodedata.normalize("NFC", name.lower()) for name in entities if name.lower() not in people)


def _hails(said: str, others: Sequence[str]) -> bool:
    """Whether it is a few words and, apart by a comma, the name of somebody who is spoken to."""
    parts = [part.strip(" .!\u2026\uff01\u3002") for part in _COMMA.split(said)]
    names = {name.lower() for other in others for name in (other, *other.split()[:1])}
    return len(parts) == 2 and len(said.split()) <= _MOST_HAILED and any(part.lower() in names for part in parts)


def bare(text: str) -> str:
    """The text without case, punctuation and ways to write a letter: what is equal in this says the same. Anything less
    would hide one fact behind another ("left knee", "right knee"), case folding too ("Maße", "Masse").
    """
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    return " ".join(_PUNCTUATION.sub(" ", lowered).split())


def _slot(text: str, is_agreed: bool) -> tuple[str, str] | None:
    """(attribute, value) of what is stated, or of a proposal that was agreed to."""
    proposed = _PROPOSED.search(text) if is_agreed else None
    if proposed and _CONCRETE.search(proposed["value"]):
        return proposed["noun"].lower(), proposed["value"].strip().lower()
    for name, pattern in _SLOTS:
        match = pattern.search(text)
        if match and not _FIGURATIVE.search(text, 0, match.start()):
            return name, match["value"].strip().lower()
    favourite = _FAVOURITE.search(text)
    if favourite:
        return f"favourite {favourite['noun'].lower()}", favourite["value"].strip().lower()
    attribute = _ATTRIBUTE.search(text)
    if attribute and _CONCRETE.search(attribute["value"]):
        return attribute["noun"].lower(), attribute["value"].strip().lower()
    return None
