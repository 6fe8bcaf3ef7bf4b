"""Distil a namespace again with the distiller of this version: a job, session by session.

Each session is one transaction that also notes how far the job is, so an interrupted job goes on where it was and
makes nothing twice. Units keep their ids and get a new version; what a person or a model wrote over them stays.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from memsvc import errors
from memsvc.distill import compose, upgrade
from memsvc.distill.compose import Depth
from memsvc.domain.unit import Kind, Status
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.services import follow_ups, writing
from memsvc.services.causes import DISTILLED_AGAIN, is_by_rule
from memsvc.services.ingest import ending, require_encoder
from memsvc.services.work import Lease
from memsvc.store import exchanges, jobs, units

KIND = "distill"
# A session that is written into again and again is left to the next attempt of the job.
_ROUNDS = 5


class Redistil:
    def __init__(self, encoder: TextEncoder, depth: Depth, *, southern: bool = False) -> None:
        self._encoder = encoder
        self._depth = depth
        self._southern = southern

    def run(self, lease: Lease) -> None:
        """The job's handler."""
        job = lease.job
        with lease.reading() as (connection, space):
            require_encoder(space, self._encoder.name)
            sessions = sorted(exchanges.sessions(connection, space))
        counts = {"replaced": 0, "fresh": 0, "retired": 0} | dict(job.payload.get("counts", {}))
        last = job.payload.get("last_session")
        ahead = [session for session in sessions if last is None or session > last]
        for number, session in enumerate(ahead, start=len(sessions) - len(ahead) + 1):
            self._session(lease, session, counts, number, len(sessions))
        with lease.transaction() as (connection, locked):
            follow_ups.consolidation(connection, locked, locked.head)
            jobs.finish(connection, job, counts | {"sessions": len(sessions), "distiller": compose.DISTILLER})

    def _session(self, lease: Lease, session: str, counts: dict[str, int], number: int, total: int) -> None:
        for _ in range(_ROUNDS):
            if self._attempt(lease, session, counts, number, total):
                return
        raise errors.Unavailable("The session is being written into all the time.", "The job tries again later.")

    def _attempt(self, lease: Lease, session: str, counts: dict[str, int], number: int, total: int) -> bool:
        """False when somebody wrote into the session in the meantime: read it again."""
        with lease.reading() as (connection, space):
            messages = exchanges.of_session(connection, space, session)
            names = exchanges.participants(connection, space, session)
            stored = {item.unit.id: item for item in units.of_session(connection, space, session)}
            bare = exchanges.without_vectors(connection, space, session)
            decided = _decided(jobs.payloads(connection, space, KIND))
        made = compose.distill(
            messages, preceding=(), participants=names, namespace_id=str(space.id), count_tokens=tokens.count,
            depth=self._depth, southern=self._southern,
        )  # fmt: skip
        old = [item.unit for item in stored.values() if is_by_rule(item)]
        # The first source is where it was said; others lent it a name, or are what it corrects.
        held = {
            item.unit.sources[0].message_id
            for item in stored.values()
            if not is_by_rule(item) and item.unit.kind is not Kind.ABSTRACT and item.unit.sources
        }
        ends = {message.id: message.expires_at for message in messages}
        fresh = [
            dataclasses.replace(ending(unit, ends), **decided.get((first.message_id, first.start), {}))
            for unit in made.units
            if (first := unit.sources[0]).message_id not in held
        ]
        plan = upgrade.plan(old, fresh)
        pairs = [(b, m) for b, m in zip([None, *messages], messages, strict=False) if m.id in bare]
        said = zip((m.id for _, m in pairs), writing.encode_messages(self._encoder, pairs), strict=True)
        vectors = iter(writing.encode(self._encoder, [*(new for _, new in plan.replaced), *plan.fresh]))
        origin = {message.id: message.exchange_id for message in messages}
        with lease.transaction() as (connection, locked):
            require_encoder(locked, self._encoder.name)
            if [message.id for message in exchanges.of_session(connection, locked, session)] != list(origin):
                return False
            batch = writing.Batch(connection, locked)
            for unit, new in plan.replaced:
                batch.replace(stored[unit.id], new, DISTILLED_AGAIN, next(vectors))
            for unit in plan.fresh:
                batch.insert(unit, origin[unit.sources[0].message_id], session, next(vectors), DISTILLED_AGAIN)
            for unit in plan.retired:
                batch.replace(stored[unit.id], dataclasses.replace(unit, status=Status.ARCHIVED), DISTILLED_AGAIN)
            batch.set_vectors(dict(said))
            exchanges.set_skips(connection, locked, list(origin), made.skips)
            batch.commit()
            counts["replaced"] += len(plan.replaced)
            counts["fresh"] += len(plan.fresh)
            counts["retired"] += len(plan.retired)
            progress = dict(lease.job.payload) | {"last_session": session, "counts": counts}
            jobs.advance(connection, lease.job, number, total, progress)
        return True


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
