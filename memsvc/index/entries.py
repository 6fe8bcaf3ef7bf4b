"""What the index keeps of each message and each unit, and the moment a question is about."""

from __future__ import annotations

import collections
import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import regex

from memsvc.domain import served
from memsvc.domain.change import UnitEntry
from memsvc.domain.message import Message
from memsvc.domain.query import Filter
from memsvc.domain.ranking import Form
from memsvc.index import words

# A message lends its neighbours no more than its first terms: the long reply of an assistant would bury the short
# message beside it (recall@10 on chats with an assistant 55.4 without the limit, 58.4 with it; talk: no change).
_LENT_TERMS = 60
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|once|twice)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|(?:last|next|this) (?:week|month|year|night|summer|winter|spring|fall|"
    r"autumn|weekend)|ago|since|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|june|july|august|"
    r"september|october|november|december|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
# A capital inside a sentence; the first word of one has it anyway.
_NAME = regex.compile(r"(?<=[\w,;:] )(?!I\b)\p{Lu}[\w-]*")
_CASED = regex.compile(r"\p{Ll}")


def form(text: str) -> Form:
    names = tuple(name.casefold() for name in _NAME.findall(text)) if _CASED.search(text) else None
    return Form(len(text.split()), "?" in text, bool(_NUMBER.search(text)), bool(_TIME.search(text)), names)


@dataclass(slots=True)
class Holding:
    """What a message holds: ids of searched units in the order they were made, and of those that were put away."""

    units: list[str] = field(default_factory=list)
    put_away: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Entry:
    """A message in the index. `place` sorts a session; `counts` are the terms of its own words, `lent` those that its
    neighbours are found by too.
    """

    id: str
    session_id: str
    speaker: str
    role: str
    occurred_at: dt.datetime
    seq: int
    counts: dict[str, int]
    lent: dict[str, int]
    form: Form
    recorded_at: dt.datetime | None = None
    expires_at: dt.datetime | None = None
    # With units of it put away and nothing else left of it, it is not recalled either.
    held: Holding = field(default_factory=Holding)
    has_vectors: bool = False

    @property
    def units(self) -> list[str]:
        return self.held.units

    def passes(self, only: Filter) -> bool:
        return only.allows(self.session_id, self.speaker, self.role, self.occurred_at)

    def existed(self, moment: Moment) -> bool:
        """Whether it had been recorded, and has neither run out nor been put away. What its units say of their end goes
        before its own: that can be changed.
        """
        if not self.units and (self.held.put_away or self._is_over(moment.now)):
            return False
        return moment.known_at is None or self.recorded_at is None or self.recorded_at <= moment.known_at

    def _is_over(self, now: dt.datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    @property
    def place(self) -> tuple[dt.datetime, int]:
        return self.occurred_at, self.seq


def entry(message: Message, held: Holding) -> Entry:
    terms = words.terms(f"{message.name}: {served.without(message.text)}")
    counts = collections.Counter(terms)
    lent = counts if len(terms) <= _LENT_TERMS else collections.Counter(terms[:_LENT_TERMS])
    return Entry(
        message.id, message.session_id, message.name, message.role.value, message.occurred_at, message.seq,
        dict(counts), dict(lent), form(message.text), message.recorded_at, message.expires_at, held,
    )  # fmt: skip


@dataclass(slots=True)
class Unit:
    id: str
    slot: int
    seq: int
    span: tuple[dt.datetime, dt.datetime] | None
    said_at: dt.datetime | None
    valid_from: dt.datetime | None
    valid_to: dt.datetime | None
    created_at: dt.datetime | None
    superseded_at: dt.datetime | None
    expires_at: dt.datetime | None
    assertion: str
    superseded_by: str | None = None
    holds_until: dt.datetime | None = None
    # Its own and those of what was merged into it, once it is linked to them.
    message_ids: tuple[str, ...] = ()

    def stands(self, query: Moment) -> bool:
        """Whether it was so at `as_of`, and recorded by `known_at`; what superseded it later does not count then. What
        has run out does not stand, whenever it is asked about.
        """
        if self.expires_at is not None and self.expires_at <= query.now:
            return False
        if query.known_at is not None and self.created_at is not None and self.created_at > query.known_at:
            return False
        if query.as_of is None:
            return True
        begins = [moment for moment in (self.valid_from, query.began.get(self.id)) if moment is not None]
        if begins and max(begins) > query.as_of:
            return False
        if self.is_over(query.as_of):
            return False
        return self.ends(query) is None or self.valid_to is None or query.as_of < self.valid_to

    def is_over(self, at: dt.datetime | None) -> bool:
        """Whether it has ended by itself by then."""
        return at is not None and self.holds_until is not None and self.holds_until <= at

    def ends(self, query: Moment) -> dt.datetime | None:
        """When it was superseded, as far as that was known at `known_at`."""
        known = query.known_at is None or self.superseded_at is None or self.superseded_at <= query.known_at
        return self.superseded_at if known else None


def unit(entry: UnitEntry, slot: int) -> Unit:
    span = (entry.t_start, entry.t_end) if entry.t_start and entry.t_end else None
    starts = [moment for moment in (entry.t_start, entry.t_mention) if moment is not None]
    return Unit(
        entry.id, slot, entry.seq, span, entry.t_mention, min(starts, default=None), entry.valid_to,
        entry.created_at, entry.superseded_at, entry.expires_at, entry.assertion, entry.superseded_by,
        entry.holds_until,
    )  # fmt: skip


def began(units: Collection[Unit]) -> dict[str, dt.datetime]:
    """Unit id -> the latest end of those that it took the place of and was said after."""
    said = {unit.id: unit.said_at for unit in units}
    found: dict[str, dt.datetime] = {}
    for unit in units:
        later = said.get(unit.superseded_by or "")
        if later and unit.superseded_by and unit.valid_to and unit.said_at and later > unit.said_at:
            found[unit.superseded_by] = max(unit.valid_to, found.get(unit.superseded_by, unit.valid_to))
    return found


def told(moment: Moment, units: Collection[Unit]) -> Moment:
    """The moment with when each unit began, where it is one of the past."""
    return moment if moment.as_of is None else replace(moment, began=began(units))


def superseded(units: Mapping[str, Unit], ids: Iterable[str], moment: Moment) -> dict[str, str]:
    """Of these units those whose place something took, each with the unit that stands at the end of its chain; itself
    where none is searched; and those that have ended by themselves, each with itself. Of a moment in the past none:
    what was so then had no successor.
    """
    found: dict[str, str] = {}
    for unit_id in ids if moment.as_of is None else ():
        unit, passed = units[unit_id], {unit_id}
        while unit.superseded_by is not None and unit.ends(moment):
            found[unit_id] = unit.id
            later = units.get(unit.superseded_by)
            if later is None or later.id in passed or not later.stands(moment):
                break
            passed.add(later.id)
            unit = later
            found[unit_id] = unit.id
        if units[unit_id].is_over(moment.asked_at):
            found.setdefault(unit_id, unit_id)
    return found


@dataclass(frozen=True, slots=True)
class Moment:
    """The point in both times that is asked about, None being now; `now` is the clock's."""

    as_of: dt.datetime | None = None
    known_at: dt.datetime | None = None
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    # Unit id -> when what it took the place of ended: before, it was not so yet, whatever time it speaks of.
    began: Mapping[str, dt.datetime] = field(default_factory=dict)
    # Against this moment "until Friday" is over or not.
    asked_at: dt.datetime | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of is None and self.known_at is None
