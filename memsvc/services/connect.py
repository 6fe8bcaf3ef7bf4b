"""Let a language model say which units bear on one another, and why: a job, unit by unit, behind the consolidation.

A unit is shown with a few others beside it. Which of them the reply names is no more than a proposal: each is asked
about again alone with the unit, and the reason of that reply is kept, where it stands on the words of both. So words
that are no statement but orders to the model reach the links of their own unit at most. What is trusted less is not
shown beside what is trusted more, whose links it could keep from being found. A pair is asked about once while it has
these words; what is kept of it is what a job that was interrupted goes on by.
"""

from __future__ import annotations

import collections
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from memsvc.distill import connect
from memsvc.distill.connect import Note
from memsvc.domain.exchange import Namespace
from memsvc.domain.judgement import digest
from memsvc.domain.link import Reason
from memsvc.domain.unit import Kind, MemoryUnit, Status
from memsvc.models.generator import GeneratorLate
from memsvc.models.replies import Unreadable
from memsvc.prompts import CONNECT
from memsvc.services import secrecy
from memsvc.services.costs import Asking
from memsvc.services.work import Lease
from memsvc.store import feed, jobs, reasons, units

KIND = CONNECT.name
# So many others a unit is shown with, and so many of them are asked about alone.
_OTHERS = 8
_NAMED = 3
# Links of a unit, at either end.
_MOST = 4
# So many units a job asks about; a further job takes the rest, behind what was queued meanwhile.
_AT_ONCE = 25

Counts = collections.Counter[str]


@dataclass(slots=True)
class _Course:
    """How far a job is: behind the change `after`, at the unit `number` of `total`."""

    after: int
    number: int
    total: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class _Round:
    """A unit with those beside it that are equally trusted, as a model is shown them, and by id the texts of all as
    they are stored.
    """

    note: Note
    others: Sequence[Note]
    texts: Mapping[str, str]


class Connect:
    def __init__(self, model: Asking) -> None:
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler, over the units written behind the change `after` in its payload, or over all, in the order
        in which they were. Raises GeneratorFailed, to be tried again from the unit that it came to, and
        GeneratorRefused.
        """
        payload = lease.job.payload
        after = int(payload.get("after", 0))
        counts = Counts({str(k): int(v) for k, v in payload.get("counts", {}).items()})
        with lease.reading() as (connection, space):
            written = {
                c.ref: c.seq for c in feed.changes(connection, space, after) if (c.kind, c.op) == ("unit", "put")
            }
        wanted = sorted(written, key=lambda unit_id: written[unit_id])
        course = _Course(after, 0, len(wanted), counts)
        asked = 0
        for unit_id in wanted:
            if asked == _AT_ONCE:
                break
            asked += self._unit(lease, unit_id, course)
            course.after = written[unit_id]
            course.number += 1
        with lease.transaction() as (connection, locked):
            if course.number < course.total:
                jobs.enqueue(connection, locked, KIND, f"{KIND}:{uuid.uuid4()}", {"after": course.after})
                counts["left to the next job"] = course.total - course.number
            lease.finish(connection, dict(counts) | {"model": self._model.name})

    def _unit(self, lease: Lease, unit_id: str, course: _Course) -> bool:
        """Whether there was anything to ask."""
        with lease.reading() as (connection, space):
            rounds = _rounds(connection, space, unit_id, self._model.name)
        for one in rounds:
            self._ask_about(lease, one, course)
        return bool(rounds)

    def _ask_about(self, lease: Lease, one: _Round, course: _Course) -> None:
        found = self._believed(lease, one, one.others, course.counts)
        if found is None:
            return
        named = dict(list(found.items())[:_NAMED])
        self._keep(lease, one, {other.id: None for other in one.others if other.id not in named}, course)
        for other in one.others:
            if other.id not in named:
                continue
            alone = found if len(one.others) == 1 else self._believed(lease, one, [other], course.counts)
            if alone is not None:
                self._keep(lease, one, {other.id: alone.get(other.id)}, course)

    def _believed(self, lease: Lease, one: _Round, others: Sequence[Note], counts: Counts) -> dict[str, str] | None:
        """Unit id -> why it bears on the one that is asked about, as far as the reply can be read and believed; None
        for a late one: these are asked about again when the job is asked for.
        """
        try:
            reply = self._model.ask(lease, CONNECT, connect.prompt(one.note, others))
        except GeneratorLate:
            counts.update({"calls": 1, "left out: late": 1})
            return None
        counts.update(calls=1, tokens=reply.prompt_tokens + reply.completion_tokens)
        try:
            told = connect.parse(reply.text)
        except Unreadable:
            is_late = reply.stopped == "time"
            counts["left out: late" if is_late else "left out: unreadable reply"] += 1
            return None if is_late else {}
        believed = {}
        for item in told:
            if not 0 < item.n <= len(others):
                counts["left out: it is of no other"] += 1
                continue
            other = others[item.n - 1]
            refused = connect.ungrounded(item, one.note, other)
            if refused is None:
                believed[other.id] = item.reason
            else:
                counts[f"left out: {refused}"] += 1
        return believed

    def _keep(self, lease: Lease, one: _Round, found: Mapping[str, str | None], course: _Course) -> None:
        """Store what was told of the unit and these, None for nothing, of those that stand as they were asked about,
        and how far the job is.
        """
        counts = course.counts
        with lease.transaction() as (connection, locked):
            ids = [one.note.id, *found]
            now = units.by_id(connection, locked, ids)
            held = reasons.tally(connection, locked, ids)
            for other_id, text in found.items():
                if not all(_stands(now, ref, one.texts[ref]) for ref in (one.note.id, other_id)):
                    counts["changed meanwhile"] += 1
                    continue
                if text is not None and max(held[one.note.id], held[other_id]) >= _MOST:
                    text = None
                texts = digest(one.texts[other_id], one.texts[one.note.id])
                told = Reason(other_id, one.note.id, texts, text, self._model.name, CONNECT.version)
                reasons.put(connection, locked, told)
                counts["linked" if text is not None else "not linked"] += 1
                held.update([one.note.id, other_id] if text is not None else [])
            progress = {"after": course.after, "counts": dict(counts)}
            jobs.advance(connection, lease.job, course.number, course.total, progress)


def _rounds(connection: sa.Connection, space: Namespace, unit_id: str, model: str) -> list[_Round]:
    """What is to be asked about a unit: none for one that has its links, or beside which there is nothing new."""
    stored = units.by_id(connection, space, [unit_id]).get(unit_id)
    if stored is None or not _is_shown(stored.unit):
        return []
    beside = reasons.beside(connection, space, stored, 2 * _OTHERS)
    found = units.by_id(connection, space, beside)
    held = reasons.tally(connection, space, [unit_id, *found])
    if held[unit_id] >= _MOST:
        return []
    asked = reasons.asked(connection, space, unit_id, model, CONNECT.version)
    text = stored.unit.text
    fresh = [
        item.unit
        for ref, item in ((ref, found[ref]) for ref in beside if ref in found)
        if _is_shown(item.unit)
        and held[ref] < _MOST
        and (ref, unit_id, digest(item.unit.text, text)) not in asked
        and (unit_id, ref, digest(text, item.unit.text)) not in asked
    ][:_OTHERS]
    texts = {unit.id: unit.text for unit in (stored.unit, *fresh)}
    # What a model is told is served.
    veil = secrecy.veil(connection, space)
    by_trust: dict[float, list[Note]] = {}
    for unit in fresh:
        by_trust.setdefault(unit.trust, []).append(_note(veil(unit)))
    return [_Round(_note(veil(stored.unit)), others, texts) for others in by_trust.values()]


def _note(unit: MemoryUnit) -> Note:
    return Note(unit.id, unit.t_mention.date().isoformat(), unit.text, unit.subject)


def _is_shown(unit: MemoryUnit) -> bool:
    return unit.status is Status.ACTIVE and unit.kind is not Kind.ABSTRACT and unit.expires_at is None


def _stands(now: Mapping[str, units.StoredUnit], unit_id: str, text: str) -> bool:
    return unit_id in now and now[unit_id].unit.text == text and _is_shown(now[unit_id].unit)
