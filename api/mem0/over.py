"""What is asked of users in several cells at once: each cell is asked for what it has, and the answers are merged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.mem0 import bodies, entities, filters
from api.mem0.memories import Memories, fields, most, newest, wanted_of
from memsvc import errors
from memsvc.domain import grant
from memsvc.services import others
from memsvc.store import cells

_Found = list[dict[str, Any]]


def part(memories: Memories, call: str, asked: Mapping[str, Any]) -> _Found:
    """What this cell alone has to say to it. Raises Unavailable while something is on its way to another cell."""
    with cells.alone():
        match call:
            case "search":
                return memories.search(bodies.Search.model_validate(asked))
            case "list":
                return memories.listed(bodies.Listing.model_validate(asked))
            case "users":
                return entities.listed(memories)
            case _:
                return [{"deleted": entities.delete(memories, asked)}]


@dataclass(frozen=True, slots=True)
class Everywhere:
    """The memories of a tenant, in whichever cells they are. Where all that is asked for is one user's, the question is
    answered as any other is: here, or where the user is. Else it raises Unavailable where a cell does not answer.
    """

    memories: Memories

    def search(self, body: bodies.Search) -> _Found:
        """The best of all cells by their scores."""
        self.memories.require_named(body)
        if self._is_of_one(body):
            return self.memories.search(body)
        now = dt.datetime.now(dt.UTC).isoformat()
        given = {"fields": None, "reference_date": now if body.reference_date is None else body.reference_date}
        found = self._of_each("search", body.model_copy(update=given).model_dump(mode="json", exclude_none=True))
        found.sort(key=lambda item: -item["score"])
        return [fields(item, body.fields) for item in found[: most(body)]]

    def listed(self, body: bodies.Listing) -> _Found:
        """All of all cells, the newest first."""
        self.memories.require_named(body)
        if self._is_of_one(body):
            return self.memories.listed(body)
        asked = body.model_dump(mode="json", exclude_none=True, exclude={"fields", "page", "page_size"})
        found = self._of_each("list", asked)
        found.sort(key=newest, reverse=True)
        return [fields(item, body.fields) for item in found]

    def users(self) -> _Found:
        """Each user, agent, app and run once, with its memories in all cells; the first seen first."""
        if self.memories.service.others is None:
            return entities.listed(self.memories)
        merged: dict[tuple[str, str], dict[str, Any]] = {}
        for item in sorted(self._of_each("users", {}), key=lambda item: dt.datetime.fromisoformat(item["created_at"])):
            known = merged.setdefault((item["type"], item["id"]), item)
            if known is not item:
                known["total_memories"] += item["total_memories"]
                known["updated_at"] = max(known["updated_at"], item["updated_at"], key=dt.datetime.fromisoformat)
        return list(merged.values())

    def delete(self, ids: Mapping[str, str]) -> int:
        """As `entities.delete`, in every cell where more than one user may be meant. Where a cell does not answer, the
        others have deleted theirs, and what is raised says so.
        """
        entities.require(self.memories, ids)
        service = self.memories.service
        if service.others is None or ids.get("user_id") not in (None, "*"):
            return entities.delete(self.memories, ids)
        found, silent = self._parts("delete", ids)
        count = sum(int(item["deleted"]) for item in found)
        if silent:
            raise errors.Unavailable(
                f"Of what was to be deleted {count} memories are, and the rest is not: "
                + " ".join(error.detail for error in silent),
                "Send it again in a moment.",
            )
        return count

    def _is_of_one(self, body: bodies.Listing) -> bool:
        owners = filters.owners(wanted_of(body))
        return self.memories.service.others is None or (owners is not None and len(owners) < 2)

    def _of_each(self, call: str, asked: Mapping[str, Any]) -> _Found:
        found, silent = self._parts(call, asked)
        if silent:
            raise silent[0]
        return found

    def _parts(self, call: str, asked: Mapping[str, Any]) -> tuple[_Found, list[errors.Unavailable]]:
        service, caller = self.memories.service, self.memories.caller
        assert service.others is not None
        given: dict[str, Any] = {"tenant_id": str(caller.tenant_id), "key_id": caller.key_id}
        given |= {"call": call, "asked": dict(asked)}
        if caller.grants is not None:
            given["grants"] = grant.written(caller.grants)
        told, silent = service.others.all(others.MEMORIES, given, is_long=True)
        own = part(self.memories, call, asked)
        return [*own, *(item for reply in told.values() for item in reply["found"])], silent
