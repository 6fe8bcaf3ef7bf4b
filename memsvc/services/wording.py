"""Ranked entries with their words, and what is no longer so among them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Sequence

from memsvc.domain.context import Memory, SourceRef
from memsvc.domain.ranking import Ranked
from memsvc.retrieval import packing
from memsvc.store.shown import Shown


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


def standing(memories: Sequence[Memory], past: Collection[str], *, now: bool) -> list[Memory]:
    """What a context says of them: until when something was so, and since when it is in doubt; where the question is
    about `now`, nothing of what something else took the place of. `past` are the units that are no longer so.
    """
    told = [memory for memory in memories if not (now and memory.superseded_by and memory.unit_id in past)]
    return [_dated(memory, is_past=memory.unit_id in past, now=now) for memory in told]


def _dated(memory: Memory, *, is_past: bool, now: bool) -> Memory:
    if is_past and memory.valid_to is not None:
        # What holds until a midnight holds on the day before.
        last = memory.valid_to - dt.timedelta(microseconds=1)
        return dataclasses.replace(memory, text=f"{memory.text} (so until {packing.day_in_words(last)})")
    if now and memory.doubted_at is not None:
        since = packing.day_in_words(memory.doubted_at)
        return dataclasses.replace(memory, text=f"{memory.text} (perhaps no longer so since {since})")
    return memory
