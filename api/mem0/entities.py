"""Users, agents, apps and runs: who has memories, and the deletion of all that belongs to one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from api import auth
from api.mem0 import scope
from api.mem0.memories import Memories
from memsvc import errors
from memsvc.domain.selection import By, Selection
from memsvc.store.directory import Session


def listed(memories: Memories) -> list[dict[str, Any]]:
    """Every user, agent, app and run with a memory, the first seen first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for session in memories.service.directory.sessions(memories.tenant_id):
        if not memories.caller.may("read", session.namespace):
            continue
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
    return list(found.values())


def require(memories: Memories, ids: Mapping[str, str]) -> None:
    """Raises Forbidden where the key may not erase what these ids are named for; `*` is what it may."""
    first = next(ids[field] for field in scope.FIELDS if field in ids)
    if first != "*":
        auth.require(memories.caller, "erase", scope.Scope(ids).namespace)


def delete(memories: Memories, ids: Mapping[str, str]) -> int:
    """Erase all that was said and made under these ids (`*`: whoever has one), where the key may; how many memories
    there were.

    What belongs to the one that a namespace is named for goes as a whole, of another's namespace the sessions that have
    the ids. Whoever is gone already is deleted.
    """
    count = 0
    for name, sessions in _places(memories, ids).items():
        count += sum(session.units for session in sessions)
        actor = memories.caller.key_id
        # Somebody else may have erased it since it was looked up.
        if _is_named_for(name, ids):
            with contextlib.suppress(errors.NotFound):
                memories.service.erase.namespace(memories.tenant_id, actor, name)
            continue
        for session in sessions:
            with contextlib.suppress(errors.NotFound):
                memories.service.erase.part(memories.tenant_id, actor, name, Selection(By.SESSION, session.id))
    return count


def _is_named_for(name: str, ids: Mapping[str, str]) -> bool:
    """Whether these ids mean all of a namespace, and not only a part of it."""
    if len(ids) != 1:
        return False
    ((field, value),) = ids.items()
    entity = field.removesuffix("_id")
    return name.startswith(f"{entity}:") if value == "*" else name == scope.namespace(entity, value)


def _places(memories: Memories, ids: Mapping[str, str]) -> dict[str, list[Session]]:
    """Namespace -> its sessions that have these ids; one that is named for them also when it holds no session."""
    directory, tenant_id = memories.service.directory, memories.tenant_id
    own = [scope.namespace(field.removesuffix("_id"), value) for field, value in ids.items() if value != "*"]
    found: dict[str, list[Session]] = {
        name: [] for name in own if _is_named_for(name, ids) and directory.has(tenant_id, name)
    }
    owner = ids.get("user_id")
    names = [scope.namespace("user", owner)] if owner not in (None, "*") else None
    for session in directory.sessions(tenant_id, names):
        held = scope.of_marks(session.marks, session.namespace).ids
        if all(field in held and value in ("*", held[field]) for field, value in ids.items()):
            found.setdefault(session.namespace, []).append(session)
    return {name: sessions for name, sessions in found.items() if memories.caller.may("erase", name)}


def named(entity: str, name: str) -> dict[str, str]:
    """Raises NotFound for what is no kind of entity."""
    if entity not in scope.ENTITIES:
        raise errors.NotFound(f"There are no entities of type {entity!r}.", f"There are {', '.join(scope.ENTITIES)}.")
    return {f"{entity}_id": name}
