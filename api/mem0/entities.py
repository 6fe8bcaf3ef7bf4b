"""Users, agents, apps and runs: who has memories, and the deletion of all that belongs to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.mem0 import scope
from api.mem0.memories import Memories
from memsvc import errors
from memsvc.domain.unit import Status

_HELD = (Status.ACTIVE, Status.SUPERSEDED, Status.MERGED)


def listed(memories: Memories) -> list[dict[str, Any]]:
    """Every user, agent, app and run with a memory. Users come last, so that who deletes all in this order deletes
    each while it is still there.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for session in memories.service.directory.sessions(memories.tenant_id):
        ids = scope.of_marks(session.marks, session.namespace).ids
        for field, name in ids.items():
            entity = field.removesuffix("_id")
            if not session.units and scope.Scope(ids).namespace != scope.namespace(entity, name):
                continue
            entry = found.setdefault((entity, name), {
                "id": name, "name": name, "type": entity, "total_memories": 0,
                "created_at": session.created_at.isoformat(), "updated_at": session.changed_at.isoformat(),
            })  # fmt: skip
            entry["total_memories"] += session.units
            entry["updated_at"] = max(entry["updated_at"], session.changed_at.isoformat())
    return sorted(found.values(), key=lambda entry: (-scope.ENTITIES.index(entry["type"]), entry["created_at"]))


def delete(memories: Memories, ids: Mapping[str, str]) -> int:
    """Delete all memories with these ids (`*`: whoever has one); how many there were.

    What belongs to the one that a namespace is named for is erased, messages and all; of what only shares the ids
    within another's namespace the memories are put away. -1 when nobody ever had these ids.
    """
    service, tenant_id = memories.service, memories.tenant_id
    count, known = 0, False
    for name, sessions in _sessions(memories, ids).items():
        known = True
        held = service.directory.all_units(tenant_id, name, _HELD)
        if _is_named_for(name, ids):
            count += sum(item.stored.unit.status is Status.ACTIVE for item in held)
            service.erase.namespace(tenant_id, memories.writer.actor or "", name)
            continue
        for item in held:
            if item.stored.session_id in sessions:
                count += item.stored.unit.status is Status.ACTIVE
                service.revise.invalidate(tenant_id, name, item.stored.unit.id, None)
    return count if known else -1


def _is_named_for(name: str, ids: Mapping[str, str]) -> bool:
    """Whether these ids mean all of a namespace, and not only a part of it."""
    if len(ids) != 1:
        return False
    ((field, value),) = ids.items()
    entity = field.removesuffix("_id")
    return name.startswith(f"{entity}:") if value == "*" else name == scope.namespace(entity, value)


def _sessions(memories: Memories, ids: Mapping[str, str]) -> dict[str, set[str]]:
    """Namespace -> its sessions that have these ids."""
    owner = ids.get("user_id")
    names = [scope.namespace("user", owner)] if owner not in (None, "*") else None
    found: dict[str, set[str]] = {}
    for session in memories.service.directory.sessions(memories.tenant_id, names):
        held = scope.of_marks(session.marks, session.namespace).ids
        if all(field in held and value in ("*", held[field]) for field, value in ids.items()):
            found.setdefault(session.namespace, set()).add(session.id)
    return found


def named(entity: str, name: str) -> dict[str, str]:
    """Raises NotFound for what is no kind of entity."""
    if entity not in scope.ENTITIES:
        raise errors.NotFound(f"There are no entities of type {entity!r}.", f"There are {', '.join(scope.ENTITIES)}.")
    return {f"{entity}_id": name}
