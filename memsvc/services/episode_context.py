"""An episode's memories as one text, the same bytes as long as they are the same: what a reader reads ahead."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from memsvc.domain.context import Context, Memory, SourceRef
from memsvc.domain.exchange import Namespace
from memsvc.domain.unit import Status
from memsvc.models import tokens
from memsvc.reader.asked import Place
from memsvc.retrieval import packing
from memsvc.services import secrecy
from memsvc.store import links, units


def of(
    connection: sa.Connection, space: Namespace, episode_id: str, budget_tokens: int
) -> tuple[Context, Place] | None:
    """What stands of the episode, in time order; None when nothing does."""
    stored = secrecy.veil(connection, space)(
        units.by_id(connection, space, links.units_of_episode(connection, space, episode_id))
    )
    now = dt.datetime.now(dt.UTC)
    memories = []
    for item in sorted(stored.values(), key=lambda item: item.seq):
        unit = item.unit
        if unit.status is Status.ACTIVE and (unit.expires_at is None or unit.expires_at > now):
            sources = dict.fromkeys(zip((s.message_id for s in unit.sources), item.source_sessions, strict=True))
            refs = tuple(SourceRef(message_id, session_id) for message_id, session_id in sources)
            memories.append(
                Memory(
                    unit.id,
                    unit.kind.value,
                    unit.status.value,
                    unit.text,
                    1.0,
                    refs,
                    unit.t_mention,
                    unit.time,
                    item.seq,
                )
            )
    context = packing.pack(memories, budget_tokens, tokens.count)
    if not context.passages:
        return None
    read = tuple(unit_id for passage in context.passages for unit_id in passage.unit_ids)
    return context, Place(space.tenant_id, space.id, episode_id, read)


def medoid(connection: sa.Connection, space: Namespace, episode_id: str) -> str:
    """The words of the unit that stands for the episode; none when it is gone."""
    found = links.medoid_of(connection, space, episode_id)
    stored = secrecy.veil(connection, space)(units.by_id(connection, space, [found] if found else []))
    return next((item.unit.text for item in stored.values()), "")
