"""Let a language model name episodes and write their abstracts: a job, a call an episode, and each abstract a new
version over the rule-made one.

What is not grounded in the members' words leaves the name or the abstract that the rules made as it is, and the job's
result counts it. A name stays while the abstract does that stood when it was given (services/consolidate.py).
"""

from __future__ import annotations

import collections
import dataclasses

from memsvc.distill import grounding
from memsvc.domain.link import Episode
from memsvc.domain.unit import Kind, MemoryUnit, Source, Status
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
_NAME_CHARS = 60
_NOTES_CHARS = 4_000


class Summarise:
    def __init__(self, model: Asking) -> None:
        self._model = model

    def run(self, lease: Lease) -> None:
        """The job's handler, over all abstracts that were made by rule."""
        with lease.reading() as (connection, space):
            about = {episode.abstract: episode for episode in links.episodes(connection, space) if episode.abstract}
            ids = [item.unit.id for item in units.of_kind(connection, space, Kind.ABSTRACT) if _is_open(item)]
        counts: collections.Counter[str] = collections.Counter({"written": 0, "named": 0})
        for number, unit_id in enumerate(ids, start=1):
            if unit_id in about:
                self._one(lease, unit_id, about[unit_id], counts)
            with lease.transaction() as (connection, _):
                jobs.advance(connection, lease.job, number, len(ids))
        with lease.transaction() as (connection, _):
            lease.finish(connection, dict(counts) | {"model": self._model.name})

    def _one(self, lease: Lease, unit_id: str, episode: Episode, counts: collections.Counter[str]) -> None:
        members = [unit for segment in episode.segments for unit in segment.units]
        with lease.reading() as (connection, space):
            found = units.by_id(connection, space, [unit_id, *members])
            cited = units.sources(connection, space, members)
            # What a model is told is served.
            shown = secrecy.veil(connection, space)(found)
        notes = [item.unit for ref, item in shown.items() if ref != unit_id and _is_told(item.unit)]
        if unit_id not in found or not notes:
            return
        notes.sort(key=lambda unit: (unit.t_mention, unit.id))
        name, text = self._ask(lease, notes, counts)
        if name is None and text is None:
            return
        with lease.transaction() as (connection, locked):
            now = units.by_id(connection, locked, list(found))
            if any(u not in now or now[u].unit.version != item.unit.version for u, item in found.items()):
                counts["changed meanwhile"] += 1
                return
            if text is not None:
                sources = {source: session for unit in notes for source, session in cited.get(unit.id, ())}
                new = _written(found[unit_id].unit, text, tuple(sources), self._model.name)
                batch = writing.Batch(connection, locked)
                batch.replace(now[unit_id], new, CAUSE, None, tuple(sources.values()))
                batch.commit()
                counts["written"] += 1
            by = SUMMARISE.said_by(self._model.name)
            if name is not None and links.give_name(connection, locked, episode.id, unit_id, name, by):
                counts["named"] += 1

    def _ask(
        self, lease: Lease, notes: list[MemoryUnit], counts: collections.Counter[str]
    ) -> tuple[str | None, str | None]:
        """The name and the summary, each if it can be read and believed, and is not too long."""
        said = "\n".join(f"- {unit.t_mention.date().isoformat()}: {unit.text}" for unit in notes)[:_NOTES_CHARS]
        reply = self._model.ask(lease, SUMMARISE, SUMMARISE.ask(notes=said))
        try:
            value = replies.value(reply.text, "{")
        except replies.Unreadable:
            value = None
        if not isinstance(value, dict):
            counts["unreadable reply"] += 1
            return None, None
        name, text = (
            replies.one_line(given) if isinstance(given := value.get(f), str) else "" for f in SUMMARISE.reply
        )
        refused = _why_no_name(name, notes, said), _why_no_summary(text, notes, said)
        counts.update(reason for reason in refused if reason)
        return None if refused[0] else name, None if refused[1] else text


def _why_no_name(name: str, notes: list[MemoryUnit], said: str) -> str | None:
    """Why it is not believed, in the words of the job's result; None when it is."""
    if not name:
        return "name kept: none given"
    if len(name) > _NAME_CHARS:
        return "name kept: too long"
    # A name is shown in one line, in lists: nothing in it may change how they are shown.
    if not name.isprintable() or not grounding.is_named(name, [unit.text for unit in notes], said):
        return "name kept: not grounded"
    return None


def _why_no_summary(text: str, notes: list[MemoryUnit], said: str) -> str | None:
    """As `_why_no_name`."""
    if not text:
        return "unreadable reply"
    if tokens.count(text) > min(_MAX_TOKENS, sum(unit.tokens for unit in notes)):
        return "kept: too long"
    if grounding.unsaid(text, said, said) or grounding.turns(text, [unit.text for unit in notes]):
        return "kept: not grounded"
    return None


def _written(old: MemoryUnit, text: str, sources: tuple[Source, ...], model: str) -> MemoryUnit:
    return dataclasses.replace(
        old,
        text=text,
        core_end=len(text),
        sources=sources,
        tokens=tokens.count(text),
        confidence=0.8,
        distiller=f"{DISTILLER}:{model}",
    )


def _is_open(item: units.StoredUnit) -> bool:
    """Whether the abstract is still the rule's."""
    by_rule = item.unit.distiller == abstracts.DISTILLER and not item.cause.startswith(BY_HAND)
    return by_rule and item.unit.status is Status.ACTIVE


def _is_told(unit: MemoryUnit) -> bool:
    return unit.status is Status.ACTIVE and unit.expires_at is None
