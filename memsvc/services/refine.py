"""Rewrite rule-made units with a language model: a job, message by message, each a new version over the old one.

The model is never waited for by a write, and never asked inside a transaction. What it cannot be asked, what cannot be
read and what is not grounded leaves the rule-made unit as it is, and the job's result counts it with the reason.
"""

from __future__ import annotations

import collections

from memsvc.distill import refine
from memsvc.domain import proposition
from memsvc.domain.message import Message
from memsvc.domain.unit import MemoryUnit, Status
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.models.replies import Unreadable
from memsvc.prompts import REFINE
from memsvc.services import secrecy, writing
from memsvc.services.causes import is_by_rule
from memsvc.services.costs import Asking
from memsvc.services.ingest import require_encoder
from memsvc.services.work import Lease
from memsvc.store import exchanges, jobs, units
from memsvc.store.units import StoredUnit

KIND = "refine"
CAUSE = "rewritten by a model"
# Messages before the one in question that the model sees.
_BEFORE = 3


class Refine:
    def __init__(self, encoder: TextEncoder, model: Asking) -> None:
        self._encoder = encoder
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler, over the messages of the change range in its payload, or over all."""
        job = lease.job
        after, to = int(job.payload.get("after", 0)), int(job.payload.get("to", 2**62))
        reached = int(job.payload.get("reached", after))
        counts = collections.Counter({str(k): int(v) for k, v in job.payload.get("counts", {}).items()})
        with lease.reading() as (connection, space):
            require_encoder(space, self._encoder.name)
            total = len(exchanges.between(connection, space, after, to))
            ahead = exchanges.between(connection, space, reached, to)
        for number, message in enumerate(ahead, start=total - len(ahead) + 1):
            self._message(lease, message, counts)
            with lease.transaction() as (connection, _):
                progress = dict(job.payload) | {"reached": message.seq, "counts": dict(counts)}
                jobs.advance(connection, job, number, total, progress)
        with lease.transaction() as (connection, _):
            lease.finish(connection, dict(counts) | {"model": self._model.name})

    def _message(self, lease: Lease, message: Message, counts: collections.Counter[str]) -> None:
        with lease.reading() as (connection, space):
            ids = units.of_messages(connection, space, [message.id]).get(message.id, [])
            stored = [item for item in units.by_id(connection, space, ids).values() if _is_draft(item, message)]
            # What a model is told is served.
            veil = secrecy.veil(connection, space)
            message, stored = veil(message), veil(stored)
            session = veil(exchanges.of_session(connection, space, message.session_id)) if stored else []
            names = exchanges.participants(connection, space, message.session_id) if stored else []
        if not stored:
            return
        stored.sort(key=lambda item: item.seq)
        place = next(number for number, said in enumerate(session) if said.id == message.id)
        before = session[max(0, place - _BEFORE) : place]
        fresh = self._ask(lease, message, before, names, [item.unit for item in stored], counts)
        vectors = writing.encode(self._encoder, [unit for _, unit in fresh])
        with lease.transaction() as (connection, locked):
            require_encoder(locked, self._encoder.name)
            current = units.by_id(connection, locked, [old.id for old, _ in fresh])
            batch = writing.Batch(connection, locked)
            for (old, unit), vector in zip(fresh, vectors, strict=True):
                now = current.get(old.id)
                if now is None or now.unit.version != old.version:
                    counts["changed meanwhile"] += 1
                    continue
                batch.replace(now, unit, CAUSE, vector)
                counts["rewritten"] += 1
            batch.commit()

    def _ask(
        self,
        lease: Lease,
        message: Message,
        before: list[Message],
        names: list[str],
        drafts: list[MemoryUnit],
        counts: collections.Counter[str],
    ) -> list[tuple[MemoryUnit, MemoryUnit]]:
        """Drafts with their next versions, as far as the reply can be read and believed."""
        reply = self._model.ask(lease, REFINE, refine.prompt(message, before, drafts))
        try:
            notes = {note.n: note for note in refine.parse(reply.text)}
        except Unreadable:
            counts["unreadable reply" if reply.stopped == "end" else f"unreadable reply, out of {reply.stopped}"] += 1
            counts["kept"] += len(drafts)
            return []
        made = []
        for number, draft in enumerate(drafts, start=1):
            note = notes.get(number)
            reason = _refusal(note, draft, message, before)
            if note is None or reason:
                counts["kept"] += 1
                counts[f"kept: {reason}"] += 1
                continue
            unit = refine.refined(note, draft, message, before, names, self._model.name, tokens.count)
            made.append((draft, unit))
        return made


def _is_draft(item: StoredUnit, message: Message) -> bool:
    """A rule-made unit of this message; what a person or a model wrote stays, and a correction, which ends what stands
    behind its words.
    """
    if proposition.is_correction(item.unit.text, item.unit.core_end):
        return False
    made_here = bool(item.unit.sources) and item.unit.sources[0].message_id == message.id
    return made_here and is_by_rule(item) and item.unit.status is Status.ACTIVE


def _refusal(note: refine.Note | None, draft: MemoryUnit, message: Message, before: list[Message]) -> str | None:
    if note is None:
        return "no note"
    if tokens.count(note.text) > refine.MAX_NOTE_TOKENS:
        return "too long"
    return "not grounded" if refine.ungrounded(note, draft, message, before) else None
