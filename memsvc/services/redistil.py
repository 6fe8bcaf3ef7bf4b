"""Make the units of messages that are stored: all of a namespace again with the distiller of this version, or those of
a write that was too long to distil at once. Jobs, portion by portion.

Each portion is one transaction that also notes how far the job is, so an interrupted job goes on where it was and
makes nothing twice. Units keep their ids and get a new version; what a person or a model wrote over them stays.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from memsvc import errors
from memsvc.distill import compose, upgrade
from memsvc.distill.compose import Depth, Place, Portion
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message
from memsvc.domain.unit import Kind, MemoryUnit, Source, Status, is_found
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.services import contexts, follow_ups, writing
from memsvc.services.causes import DISTILLED, DISTILLED_AGAIN, is_by_rule
from memsvc.services.ingest import ending, require_encoder
from memsvc.services.work import Lease
from memsvc.store import exchanges, jobs, units

KIND = "distill"
STATEMENTS = follow_ups.STATEMENTS
# More than any message has.
_END = 2**31 - 1
# A session that is written into again and again is left to the next attempt of the job.
_ROUNDS = 5
# Units and messages of one transaction, about: less than three seconds of a processor, whatever they say.
_PORTION = 30


@dataclasses.dataclass(slots=True)
class _Course:
    """How far a job is: in session `number` of `total`, the one behind `before`, at (seq, character). `wanted`
    are the messages that it is about, None for all; `cause` is why units come into being.
    """

    total: int
    wanted: frozenset[str] | None
    cause: str
    counts: dict[str, int]
    number: int
    before: str | None
    at: tuple[int, int] | None = None


class Redistil:
    def __init__(self, encoder: TextEncoder, depth: Depth, *, locale: Locale = HERE) -> None:
        self._encoder = encoder
        self._depth = depth
        self._locale = locale

    def run(self, lease: Lease) -> None:
        """The job's handler. With `after` and `to` in its payload it is about that stretch of the change feed."""
        payload = lease.job.payload
        with lease.reading() as (connection, space):
            require_encoder(space, self._encoder.name)
            if "to" in payload:
                said = exchanges.between(connection, space, payload["after"], payload["to"])
                sessions = sorted({message.session_id for message in said})
                wanted, cause = frozenset(message.id for message in said), DISTILLED
            else:
                sessions, wanted, cause = sorted(exchanges.sessions(connection, space)), None, DISTILLED_AGAIN
        counts = {"replaced": 0, "fresh": 0, "retired": 0} | dict(payload.get("counts", {}))
        last = payload.get("last_session")
        ahead = [session for session in sessions if last is None or session > last]
        course = _Course(len(sessions), wanted, cause, counts, len(sessions) - len(ahead), last)
        within, *at = payload.get("at") or [None]
        for session in ahead:
            contexts.give(lease, self._encoder)  # who writes meanwhile need not wait for the end
            course.number += 1
            course.at = (at[0], at[1]) if session == within else None
            self._session(lease, session, course)
            course.before = session
        contexts.give(lease, self._encoder)
        with lease.transaction() as (connection, locked):
            follow_ups.consolidation(connection, locked, locked.head)
            lease.finish(connection, counts | {"sessions": len(sessions), "distiller": compose.DISTILLER})

    def _session(self, lease: Lease, session: str, course: _Course) -> None:
        for _ in range(_ROUNDS):
            if self._attempt(lease, session, course):
                return
        raise errors.Unavailable("The session is being written into all the time.", "The job tries again later.")

    def _attempt(self, lease: Lease, session: str, course: _Course) -> bool:
        """False when somebody wrote into what was read in the meantime: read it again and go on."""
        with lease.reading() as (connection, space):
            messages = exchanges.of_session(connection, space, session)
            names = exchanges.participants(connection, space, session)
        portions = compose.portions(
            messages, begin=_place(messages, course.at), wanted=course.wanted, most=_PORTION, participants=names,
            namespace_id=str(space.id), count_tokens=tokens.count,
            depth=compose.depth_of(space.settings.reply_share, self._depth),
            locale=space.settings.locale(self._locale),
        )  # fmt: skip
        return all(self._store(lease, session, messages, portion, course) for portion in portions)

    def _store(
        self, lease: Lease, session: str, messages: Sequence[Message], portion: Portion, course: _Course
    ) -> bool:
        """The portion in one transaction; False when the messages up to its end are no longer what was read."""
        (first, begin), (last, end) = portion.begin, portion.end
        touched = messages[first : last + (end > 0)]
        ended = [message.id for message in messages[first:last]]
        with lease.reading() as (connection, space):
            found = units.said_in(connection, space, [m.id for m in touched], begin, end or _END)
            decided = _decided(jobs.payloads(connection, space, KIND))
        stored = {item.unit.id: item for item in found}
        # What others wrote holds its place; the rest of its message is distilled again.
        held = [item.unit.sources[0] for item in found if _holds(item)]
        old = [item.unit for item in found if is_by_rule(item) and not _meets(item.unit, held)]
        ends = {message.id: message.expires_at for message in messages[: last + 1]}
        fresh = [
            dataclasses.replace(ending(unit, ends), **decided.get(_begin(unit), {}))
            for unit in portion.units
            if not _meets(unit, held)
        ]
        plan = upgrade.plan(old, fresh)
        vectors = iter(writing.encode(self._encoder, [*(new for _, new in plan.replaced), *plan.fresh]))
        origin = {message.id: message.exchange_id for message in touched}
        read = [message.id for message in messages[: first + len(touched)]]
        with lease.transaction() as (connection, locked):
            require_encoder(locked, self._encoder.name)
            if exchanges.ids_of_session(connection, locked, session)[: len(read)] != read:
                return False
            batch = writing.Batch(connection, locked)
            for unit, new in plan.replaced:
                batch.replace(stored[unit.id], new, DISTILLED_AGAIN, next(vectors))
            for unit in plan.fresh:
                batch.insert(unit, origin[unit.sources[0].message_id], session, next(vectors), course.cause)
            for unit in plan.retired:
                batch.replace(stored[unit.id], dataclasses.replace(unit, status=Status.ARCHIVED), DISTILLED_AGAIN)
            exchanges.set_skips(connection, locked, ended, portion.skips)
            batch.commit()
            course.counts["replaced"] += len(plan.replaced)
            course.counts["fresh"] += len(plan.fresh)
            course.counts["retired"] += len(plan.retired)
            course.at = (messages[last].seq, end) if last < len(messages) else None
            progress = {"last_session": course.before, "at": [session, *course.at] if course.at else None}
            if course.at is None:
                progress["last_session"] = session
            progress = dict(lease.job.payload) | progress | {"counts": course.counts}
            jobs.advance(connection, lease.job, course.number - bool(course.at), course.total, progress)
        return True


def _holds(item: units.StoredUnit) -> bool:
    """Whether its words are another's, in place of a rule's. What a model found stands beside the rule's."""
    is_beside = item.unit.kind is Kind.ABSTRACT or is_found(item.unit.id)
    return not is_beside and not is_by_rule(item)


def _begin(unit: MemoryUnit) -> tuple[str, int]:
    """Where it was said: its first source. Others lent it a name, or are what it corrects."""
    return unit.sources[0].message_id, unit.sources[0].start


def _meets(unit: MemoryUnit, held: Sequence[Source]) -> bool:
    """Whether it is about characters that are held; what stands in a caption shares it whole."""
    own = unit.sources[0]
    return any(
        own == other or (own.message_id == other.message_id and max(own.start, other.start) < min(own.end, other.end))
        for other in held
    )


def _place(messages: Sequence[Message], at: tuple[int, int] | None) -> Place:
    """Where to go on: at the beginning too where that message is gone."""
    found = (number for number, message in enumerate(messages) if at and message.seq == at[0])
    number = next(found, None)
    return (number, at[1]) if at and number is not None else (0, 0)


def _decided(payloads: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """(message, first character) of units that had to go -> what was decided about them, for those made there anew."""
    return {
        (item["message_id"], item["start"]): {
            "pinned": item["pinned"],
            "expires_at": dt.datetime.fromisoformat(item["expires_at"]) if item["expires_at"] else None,
        }
        for payload in payloads
        for item in payload.get("decided", ())
    }
