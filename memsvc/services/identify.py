"""Let a language model say which names may be one person's: a job, pair by pair. What it says changes nothing: it waits
for a person to accept or decline it (`aliases`).

One pair a call, so that words which are no statement but orders to the model reach the pair of names alone beside which
they stand. Which pairs are likely is told by rule, and what was asked of a pair is kept as a digest, so that it is not
asked the same again; a job that was interrupted finds by that where it was.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic
import sqlalchemy as sa

from memsvc.consolidate import namesakes
from memsvc.consolidate.namesakes import Person
from memsvc.distill import identity
from memsvc.distill.identity import Mentions, Place, Said, Shown
from memsvc.domain.alias import Alias, Names, folded
from memsvc.domain.exchange import Namespace
from memsvc.domain.message import Role
from memsvc.domain.proposal import Proposal, Quote, forms, may_declare, pair_id
from memsvc.models import replies
from memsvc.models.generator import Generated, GeneratorLate
from memsvc.prompts import IDENTIFY
from memsvc.services import secrecy
from memsvc.services.costs import Asking
from memsvc.services.work import Lease
from memsvc.store import aliases, exchanges, jobs, names, proposals
from memsvc.wire.base import Id

KIND = "identify"
# So many pairs a job asks about; a further job takes the rest, behind what was queued meanwhile.
_AT_ONCE = 50
_MOST_PAIRS = 200
_MOST_MESSAGES = 20_000
_READ_CHARS = 4_000
# As the prompt asks for them.
VERDICTS = _ONE, _TWO, _UNCLEAR = "one person", "two persons", "unclear"
_ID = pydantic.TypeAdapter[str](Id)
_ROLES = {role.value for role in Role}

Counts = collections.Counter[str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """A pair with what a model is shown of it; `strangers` are all other persons' names."""

    id: str
    lead: Person
    follower: Person
    shown: Sequence[Shown]
    strangers: frozenset[str]

    @property
    def asked(self) -> str:
        return identity.prompt(self.lead.name, self.follower.name, self.shown)


class Identify:
    def __init__(self, model: Asking) -> None:
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler. Raises GeneratorFailed, to be tried again from the pair that it came to, and
        GeneratorRefused.
        """
        counts = collections.Counter({str(k): int(v) for k, v in lease.job.payload.get("counts", {}).items()})
        done = int(lease.job.done or 0)
        fresh, known = self._read(lease)
        ahead = fresh[: max(1, _AT_ONCE - done)]
        total = done + len(ahead)
        for number, question in enumerate(ahead, start=1):
            quotes = self._ask(lease, question, counts)
            with lease.transaction() as (connection, locked):
                self._keep(connection, locked, question, quotes, counts)
                progress = dict(lease.job.payload) | {"counts": dict(counts)}
                jobs.advance(connection, lease.job, done + number, total, progress)
        with lease.transaction() as (connection, locked):
            if len(ahead) < len(fresh):
                jobs.enqueue(connection, locked, KIND, f"{KIND}:{uuid.uuid4()}", {})
            told = {"asked before": known} if known else {}
            lease.finish(connection, {"proposed": 0} | dict(counts) | told | {"model": self._model.name})

    def _read(self, lease: Lease) -> tuple[list[_Question], int]:
        """What is to be asked, the likeliest pair first, and of how many pairs the same was asked before."""
        with lease.reading() as (connection, space):
            declared = aliases.of(connection, space)
            now = dt.datetime.now(dt.UTC)
            said = [Said(*row) for row in names.said(connection, space, _MOST_MESSAGES, _READ_CHARS, now)]
            veil = secrecy.veil(connection, space)
            known = _persons(said, names.of_units(connection, space), declared)
            # A name that is a secret is shown to nobody.
            persons = [person for person in known if all(veil(form) == form for form in person.forms)]
            apart = proposals.apart(connection, space)
            pairs = namesakes.likely(persons, declared, apart, _MOST_PAIRS)
            before = proposals.asked(connection, space)
            waiting = {pair for pair, item in before.items() if item.waits}
            pairs = [pair for pair in pairs if pair_id(pair[0].name, pair[1].name) not in waiting]
            mentions = Mentions(said, {person.forms for pair in pairs for person in pair})
            places = [mentions.evidence(lead.forms, follower.forms) for lead, follower in pairs]
            cited = {place.message_id for found in places for place in found}
            # What a model is told is served.
            messages = veil(exchanges.by_id(connection, space, cited))
        every = frozenset(form for person in persons if person.sure for form in person.forms)
        questions = [
            _question(pair, found, messages, every) for pair, found in zip(pairs, places, strict=True) if found
        ]
        fresh = [one for one in questions if one.id not in before or before[one.id].digest != self._digest(one)]
        return fresh, len(questions) - len(fresh)

    def _digest(self, question: _Question) -> str:
        return identity.digest(question.asked, self._model.name)

    def _ask(self, lease: Lease, question: _Question, counts: Counts) -> list[Quote]:
        """The quotes on which a proposal of the pair stands; none where there is none to make."""
        try:
            reply = self._model.ask(lease, IDENTIFY, question.asked)
        except GeneratorLate:
            counts["no proposal: late"] += 1
            return []
        value = _verdict(reply)
        if value is None:
            counts["no proposal: late" if reply.stopped == "time" else "no proposal: unreadable"] += 1
            return []
        if value["verdict"] != _ONE:
            counts[f"no proposal: {value['verdict']}"] += 1
            return []
        lead, follower = question.lead.forms, question.follower.forms
        found = identity.believed(value.get("quotes"), question.shown, lead, follower, question.strangers)
        if not found:
            counts["no proposal: not grounded"] += 1
        return found

    def _keep(
        self, connection: sa.Connection, locked: Namespace, question: _Question, quotes: Sequence[Quote], counts: Counts
    ) -> None:
        """Store what was said, unless a person has decided about the two meanwhile."""
        lead, follower = question.lead, question.follower
        apart = proposals.apart(connection, locked)
        if not may_declare(lead.name, follower.name, aliases.of(connection, locked)) or any(
            pair_id(a, b) in apart for a in lead.forms for b in follower.forms
        ):
            counts["changed meanwhile"] += 1
            return
        now = dt.datetime.now(dt.UTC)
        made = Proposal(
            question.id, lead.name, follower.name, tuple(quotes), self._model.name, IDENTIFY.version, now
        ) if quotes else None  # fmt: skip
        shown = sorted({item.message.id for item in question.shown})
        proposals.put(
            connection, locked, question.id, digest=self._digest(question), shown=shown, made=made,
            model=self._model.name, prompt_version=IDENTIFY.version,
        )  # fmt: skip
        counts["proposed"] += made is not None


def _question(
    pair: tuple[Person, Person],
    places: Iterable[Place],
    messages: Mapping[str, exchanges.StoredMessage],
    every: frozenset[str],
) -> _Question:
    lead, follower = pair
    shown = [Shown(messages[place.message_id].message, place) for place in places]
    own = {folded(form) for form in (*lead.forms, *follower.forms)}
    strangers = frozenset(name for name in every if folded(name) not in own)
    return _Question(pair_id(lead.name, follower.name), lead, follower, shown, strangers)


def _persons(said: Iterable[Said], of_units: Iterable[Any], declared: Sequence[Alias]) -> list[Person]:
    """Everybody who speaks or is named in a unit, under all his names; names that nobody may declare left out."""
    spoke: dict[str, set[str]] = collections.defaultdict(set)
    named: dict[str, set[str]] = collections.defaultdict(set)
    things: dict[str, set[str]] = collections.defaultdict(set)
    for message in said:
        if message.speaker:
            spoke[message.speaker].add(message.session_id)
    for row in of_units:
        for name in (row.subject, *row.persons):
            if name:
                named[name].add(row.session_id)
        for name in row.entities:
            things[name].add(row.session_id)
    every = sorted({*spoke, *named, *things})
    called = Names(declared, every)
    written: dict[str, list[str]] = collections.defaultdict(list)
    for name in every:
        if _is_name(name):
            written[called.of(name)].append(name)
    none: frozenset[str] = frozenset()
    return [
        Person(
            tuple(forms(leading, declared)),
            none.union(*(by_name.get(name, none) for name in own for by_name in (named, things))),
            none.union(*(spoke.get(name, none) for name in own)),
            any(name in spoke or name in named for name in own),
        )
        for leading, own in sorted(written.items())
        if _is_name(leading)
    ]


def _is_name(name: str) -> bool:
    """Whether a person could declare it, and it is no role."""
    try:
        _ID.validate_python(name)
    except pydantic.ValidationError:
        return False
    return folded(name) not in _ROLES


def _verdict(reply: Generated) -> dict[str, Any] | None:
    """The reply's object, None where it has no verdict of ours."""
    try:
        value = replies.value(reply.text, "{")
    except replies.Unreadable:
        return None
    return value if isinstance(value, dict) and value.get("verdict") in VERDICTS else None
