"""Ranked entries with their words, and what is no longer so among them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from memsvc.consolidate.trait import Trait
from memsvc.domain.context import Memory, SourceRef
from memsvc.domain.exchange import Namespace
from memsvc.domain.ranking import Ranked, Scored
from memsvc.retrieval import packing
from memsvc.services import evidence, secrecy
from memsvc.store import shown as store
from memsvc.store.shown import Shown


def served(
    connection: sa.Connection,
    space: Namespace,
    chosen: Sequence[Ranked],
    facts: Sequence[Trait],
    scored: Sequence[Scored],
    weights: Mapping[str, float],
    *,
    now: bool,
    facts_now: bool,
) -> tuple[list[Memory], list[Memory]]:
    """What is served of the chosen entries, and of the facts that hold: secrets hidden where they are to be, and marked
    what is in doubt where it is asked how things are (`now`, `facts_now`). `weights`: term -> its share of the
    question. It ends the transaction.
    """
    coverage = {item.candidate.message_id: item.candidate.coverage for item in scored}
    unit_ids = [*(entry.unit_id for entry in chosen if entry.unit_id), *(fact.id for fact in facts)]
    # Those whose words may be served: without a unit, and where a sentence may say more than the unit does.
    ids = {e.message_id for e in chosen if e.unit_id is None or coverage.get(e.message_id, 0.0) >= evidence.MORE}
    found = store.read(connection, space, unit_ids, ids, hides=secrecy.hides(space))
    veil = secrecy.veil_of(space, found.said, found.citing)
    memories = evidence.serve(found, veil(read(found, chosen)), weights, coverage, veil)
    entries = [Ranked(fact.message_ids[0], fact.session_id, fact.id, fact.said_at, fact.turn[0], 0.0) for fact in facts]
    held = veil(read(found, entries))
    return doubted(found, memories) if now else memories, doubted(found, held) if facts_now else held


def read(shown: Shown, chosen: Sequence[Ranked]) -> list[Memory]:
    """The entries with their words. One that was erased since the index was read has none, and is left out."""
    memories: list[Memory] = []
    for entry in chosen:
        if entry.unit_id is not None and entry.unit_id in shown.units:
            unit = shown.units[entry.unit_id]
            refs = tuple(SourceRef(message_id, session_id) for message_id, session_id in unit.sources)
            memories.append(
                Memory(
                    unit.id, unit.kind, unit.status, unit.text, entry.score, refs, unit.t_mention, unit.time,
                    entry.seq, unit.place, unit.valid_to, unit.superseded_by,
                )
            )  # fmt: skip
        elif entry.unit_id is None and entry.message_id in shown.messages:
            said = shown.messages[entry.message_id]
            ref = SourceRef(said.id, said.session_id)
            text = f"{said.name}: {said.text}"
            memories.append(
                Memory(None, "message", "active", text, entry.score, (ref,), said.occurred_at, None, entry.seq)
            )
    return memories


def doubted(shown: Shown, memories: Sequence[Memory]) -> list[Memory]:
    """The memories, each with what was said later and may have ended it; what a person decided is in no doubt."""
    found = shown.doubts
    return [
        dataclasses.replace(memory, doubted_by=found[memory.unit_id][0], doubted_at=found[memory.unit_id][1])
        if memory.unit_id is not None and memory.unit_id in found
        else memory
        for memory in memories
    ]


def dated(memories: Sequence[Memory], past: Collection[str], *, now: bool) -> list[Memory]:
    """What a context says of them: until when something was so, and since when it is in doubt; where the question is
    about `now`, nothing of what something else took the place of. `past` are the units that are no longer so.
    """
    told = [memory for memory in memories if not (now and memory.superseded_by and memory.unit_id in past)]
    return [_with_date(memory, is_past=memory.unit_id in past, now=now) for memory in told]


def _with_date(memory: Memory, *, is_past: bool, now: bool) -> Memory:
    if is_past and memory.valid_to is not None:
        # What holds until a midnight holds on the day before.
        last = memory.valid_to - dt.timedelta(microseconds=1)
        return dataclasses.replace(memory, text=f"{memory.text} (so until {packing.day_in_words(last)})")
    if now and memory.doubted_at is not None:
        since = packing.day_in_words(memory.doubted_at)
        return dataclasses.replace(memory, text=f"{memory.text} (perhaps no longer so since {since})")
    return memory
