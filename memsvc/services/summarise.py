"""Let a language model write the abstracts of episodes: a job, each a new version over the rule-made one.

What is not grounded in the members' words leaves the rule-made abstract as it is, and the job's result counts it.
"""

from __future__ import annotations

import collections
import dataclasses

from memsvc.distill import grounding
from memsvc.domain.unit import Kind, MemoryUnit, Status
from memsvc.models import replies, tokens
from memsvc.prompts import SUMMARISE
from memsvc.services import abstracts, secrecy, writing
from memsvc.services.causes import BY_HAND
from memsvc.services.costs import Asking
from memsvc.services.work import Lease
from memsvc.store import jobs, links, units

KIND = "summarise"
CAUSE = "written by a model"
DISTILLER = f"model-abstract-{SUMMARISE.version}"
_MAX_TOKENS = 160
_NOTES_CHARS = 4_000


class Summarise:
    def __init__(self, model: Asking) -> None:
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler, over all abstracts that were made by rule."""
        with lease.reading() as (connection, space):
            members = {
                episode.abstract: [unit for segment in episode.segments for unit in segment.units]
                for episode in links.episodes(connection, space)
                if episode.abstract
            }
            ids = [item.unit.id for item in units.of_kind(connection, space, Kind.ABSTRACT) if _is_open(item)]
        counts: collections.Counter[str] = collections.Counter({"written": 0})
        for number, unit_id in enumerate(ids, start=1):
            self._one(lease, unit_id, members.get(unit_id, []), counts)
            with lease.transaction() as (connection, _):
                jobs.advance(connection, lease.job, number, len(ids))
        with lease.transaction() as (connection, _):
            lease.finish(connection, dict(counts) | {"model": self._model.name})

    def _one(self, lease: Lease, unit_id: str, members: list[str], counts: collections.Counter[str]) -> None:
        with lease.reading() as (connection, space):
            found = units.by_id(connection, space, [unit_id, *members])
            cited = units.sources(connection, space, members) if members else {}
            # What a model is told is served.
            shown = secrecy.veil(connection, space)(found)
        old = found.pop(unit_id, None)
        notes = [item.unit for ref, item in shown.items() if ref != unit_id and _is_told(item.unit)]
        if old is None or not notes:
            return
        notes.sort(key=lambda unit: (unit.t_mention, unit.id))
        text = self._ask(lease, notes, min(_MAX_TOKENS, sum(unit.tokens for unit in notes)), counts)
        if text is None:
            return
        sources = {source: session for unit in notes for source, session in cited.get(unit.id, ())}
        new = dataclasses.replace(
            old.unit,
            text=text,
            core_end=len(text),
            sources=tuple(sources),
            tokens=tokens.count(text),
            confidence=0.8,
            distiller=f"{DISTILLER}:{self._model.name}",
        )
        with lease.transaction() as (connection, locked):
            now = units.by_id(connection, locked, [unit_id, *found])
            seen = found | {unit_id: old}
            if any(u not in now or now[u].unit.version != item.unit.version for u, item in seen.items()):
                counts["changed meanwhile"] += 1
                return
            batch = writing.Batch(connection, locked)
            batch.replace(now[unit_id], new, CAUSE, None, tuple(sources.values()))
            batch.commit()
        counts["written"] += 1

    def _ask(self, lease: Lease, notes: list[MemoryUnit], most: int, counts: collections.Counter[str]) -> str | None:
        """The summary, if it can be read and believed, and has at most so many tokens."""
        said = "\n".join(f"- {unit.t_mention.date().isoformat()}: {unit.text}" for unit in notes)[:_NOTES_CHARS]
        reply = self._model.ask(lease, SUMMARISE, SUMMARISE.ask(notes=said))
        try:
            value = replies.value(reply.text, "{")
        except replies.Unreadable:
            value = None
        summary = value.get("summary") if isinstance(value, dict) else None
        text = replies.one_line(summary) if isinstance(summary, str) else ""
        if not text:
            counts["unreadable reply"] += 1
            return None
        if tokens.count(text) > most:
            counts["kept: too long"] += 1
            return None
        reason = grounding.unsaid(text, said, said)
        if reason or grounding.turns(text, [unit.text for unit in notes]):
            counts["kept: not grounded"] += 1
            return None
        return text


def _is_open(item: units.StoredUnit) -> bool:
    """Whether the abstract is still the rule's."""
    by_rule = item.unit.distiller == abstracts.DISTILLER and not item.cause.startswith(BY_HAND)
    return by_rule and item.unit.status is Status.ACTIVE


def _is_told(unit: MemoryUnit) -> bool:
    return unit.status is Status.ACTIVE and unit.expires_at is None
