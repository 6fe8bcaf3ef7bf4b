"""mem0's memories: units under a scope, in the form that its clients get."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api import auth
from api.mem0 import bodies, filters, scope
from api.mem0.beside import Beside
from api.mem0.filters import Filter
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.domain.query import Query
from memsvc.domain.served import quoted
from memsvc.domain.unit import Status
from memsvc.services.causes import RUN_OUT
from memsvc.services.directory import MarkedUnit
from memsvc.services.recall import Recall
from memsvc.store.keys import Principal

# Records of what a client changed about a memory beside its words: metadata, times.
RECORDS = (scope.MARK,)
_DEFAULT_TOP_K = 10
_FIRST_LOOK = 200
# All of a namespace, for filters that leave out most of what a usual recall brings.
_WIDE_CANDIDATES = 50_000
_WIDE_LIMIT = 10_000
_HYDRATED = 25
# An add has been carried out when it is answered.
_DONE = "SUCCEEDED"
_ID = re.compile(r"(u|exc)_\w+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_MAX_NAMESPACES = 200
_LATEST = (Status.ACTIVE,)
_WITH_OLDER = (Status.ACTIVE, Status.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Memories:
    """The memories of one tenant; `caller` is the key that asks."""

    service: Service
    caller: Principal

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.caller.tenant_id

    @property
    def _sees(self) -> Callable[[str], bool] | None:
        """Where the key may do anything at all: what is elsewhere is not there for it. None: everywhere."""
        return None if self.caller.grants is None else self.caller.sees

    def require_named(self, body: bodies.Listing) -> None:
        """Raises Forbidden where the key may not read the memories of a user that is asked for by name."""
        for name in sorted(filters.owners(wanted_of(body)) or ()):
            auth.require(self.caller, "read", name)

    def add(self, body: bodies.Add) -> dict[str, Any]:
        """Store the messages that have words, but for what the session ends with already: the memories that came of
        them (`ADD`), those that were known (`NOOP`), how many messages were `skipped`. Memories may hold words said
        before: a key that may not read is told their ids.
        """
        if body.filters and set(body.filters) - set(scope.FIELDS):
            raise errors.Invalid("The filters of an add name ids only.", 'Use filters={"user_id": "…"}.')
        ids: dict[str, Any] = {**(body.filters or {}), **body.ids}
        if not ids or not all(isinstance(value, str) and value for value in ids.values()):
            raise errors.Invalid("An add needs at least one id.", "Give user_id, agent_id, app_id or run_id.")
        place = scope.Scope({field: ids[field] for field in scope.FIELDS if field in ids})
        auth.require(self.caller, "write", place.namespace)
        mark: dict[str, Any] = {"scope": dict(place.ids), "metadata": body.metadata or {}}
        occurred_at = filters.moment(body.timestamp) if body.timestamp is not None else None
        # Facts are handed in one by one, and each must be there to be listed, changed and deleted.
        metadata = {scope.MARK: mark}
        said = tuple(
            NewMessage(None, Role(message.role), message.name, message.content, metadata=metadata)
            for message in body.messages
            if message.content.strip()
        )
        told: dict[str, Any] = {
            "results": [],
            "event_id": None,
            "status": _DONE,
            "skipped": len(body.messages) - len(said),
        }
        if not said:
            return told
        ends = _end_of(body.expiration_date)
        exchange = NewExchange(None, place.session, occurred_at, said, expires_at=ends, continues=True)
        receipt = self.service.ingest.write(self.tenant_id, place.namespace, [exchange], None, self.caller.writer)
        (written,) = receipt.results
        events = dict.fromkeys(written.units, "ADD") | dict.fromkeys(written.known, "NOOP")
        units = self.service.directory.units(self.tenant_id, place.namespace, list(events))
        return told | {"results": self._told(place.namespace, units, events), "event_id": written.exchange_id}

    def event(self, event_id: str) -> dict[str, Any]:
        """What came of an add: it is done when it is answered. Raises NotFound and Invalid."""
        found = self.service.directory.exchange(self.tenant_id, event_id, self._sees)
        if found is None:
            raise _absent("event", event_id)
        written, units = found
        auth.require(self.caller, "read", written.namespace)
        at = _written(written.recorded_at)
        results = self._told(written.namespace, units, dict.fromkeys((item.stored.unit.id for item in units), "ADD"))
        return {
            "id": event_id, "event_id": event_id, "event_type": "ADD", "status": _DONE, "results": results,
            "created_at": at, "updated_at": at,
        }  # fmt: skip

    def _told(self, name: str, units: Sequence[MarkedUnit], events: Mapping[str, str]) -> list[dict[str, Any]]:
        """What happened to memories; of those that are still there."""
        there = [item for item in units if _is_there(item)]
        if not self.caller.may("read", name):
            return [{"event": events[item.stored.unit.id], "id": item.stored.unit.id} for item in there]
        return [
            {"event": events[item["id"]], "data": {"memory": item["memory"]}} | item for item in self._form(name, there)
        ]

    def search(self, body: bodies.Search) -> list[dict[str, Any]]:
        """The best memories that pass the filters and reach `threshold`, in the order of a recall; of several
        namespaces by their scores, which are comparable: each is how likely it is that this memory answers.
        """
        wanted = wanted_of(body)
        top_k = most(body)
        asked = filters.moment(body.reference_date) if body.reference_date is not None else dt.datetime.now(dt.UTC)
        found: list[dict[str, Any]] = []
        names = self._namespaces(wanted)
        for name in names:
            found += self._search(name, Query(body.query, asked), wanted, body, top_k)
        if len(names) > 1:
            found.sort(key=lambda item: -item["score"])
        if body.threshold is not None:
            found = [item for item in found if item["score"] >= body.threshold]
        return [fields(item, body.fields) for item in found[:top_k]]

    def listed(self, body: bodies.Listing) -> list[dict[str, Any]]:
        """All memories that pass the filters, the newest first."""
        wanted = wanted_of(body)
        found = [item for name in self._namespaces(wanted) for item in self._listed(name, wanted, body)]
        found.sort(key=newest, reverse=True)
        return [fields(item, body.fields) for item in found]

    def _listed(self, name: str, wanted: Filter, body: bodies.Listing) -> list[dict[str, Any]]:
        statuses = _WITH_OLDER if body.latest_only is False else _LATEST
        archived = (Status.ARCHIVED,) if body.show_expired else ()
        there = [
            unit
            for unit in self.service.directory.all_units(self.tenant_id, name, (*statuses, *archived))
            if _is_there(unit)
        ]
        return [
            item
            for item in self._form(name, there)
            if filters.matches(wanted, item) and (body.show_expired or not _expired(item))
        ]

    def get(self, memory_id: str) -> dict[str, Any]:
        """Raises NotFound."""
        name, _ = self.where(memory_id)
        auth.require(self.caller, "read", name)
        return self._read(name, [memory_id])[0]

    def update(self, memory_id: str, body: bodies.Update) -> dict[str, Any]:
        """Other words or another end make a version of the unit; metadata and `created_at` stand in a record beside it.
        A key that may not read is told the id. Raises NotFound.
        """
        name, unit = self.where(memory_id)
        self.require(memory_id, body)
        changed = body.model_fields_set
        held = self.service.records.find(self.tenant_id, name, RECORDS, [memory_id], verbatim=True).get(memory_id)
        beside = dict(held.value) if held else {}
        if body.metadata is not None:
            beside["metadata"] = body.metadata
        if body.timestamp is not None:
            beside["created_at"] = filters.moment(body.timestamp).isoformat()
        ends = "expiration_date" in changed
        if ends and ("expiration_date" in beside or "expiration_date" in scope.mark(unit.marks)):
            beside["expiration_date"] = None  # of before it was the memory's own end
        # The record first: whoever may write that may change the words too.
        if beside:
            self.service.records.put(self.tenant_id, name, RECORDS, memory_id, beside, writer=self.caller.writer)
        if ends:
            at = _end_of(body.expiration_date)
            self.service.revise.expire(self.tenant_id, name, memory_id, at, None, self.caller.writer)
        if body.text is not None:
            self.service.revise.edit(self.tenant_id, name, memory_id, body.text, None, self.caller.writer)
        return self.get(memory_id) if self.caller.may("read", name) else {"id": memory_id}

    def delete(self, memory_id: str, *, linked: bool = False) -> None:
        """Put a memory away, with those that it superseded if `linked`. Raises NotFound."""
        name, _ = self.where(memory_id)
        auth.require(self.caller, "write", name)
        gone = [memory_id]
        if linked:
            older: dict[str, list[str]] = {}
            for item in self.service.directory.all_units(self.tenant_id, name, (Status.SUPERSEDED,)):
                older.setdefault(item.stored.unit.superseded_by or "", []).append(item.stored.unit.id)
            for unit_id in gone:
                gone += [other for other in older.get(unit_id, []) if other not in gone]
        self.service.revise.require(self.tenant_id, name, gone, self.caller.writer)
        for unit_id in gone:
            self.service.revise.invalidate(self.tenant_id, name, unit_id, None, self.caller.writer)

    def require(self, memory_id: str, body: bodies.Update | None = None) -> None:
        """That the memory is there, and the key may change it, so. Raises NotFound, Forbidden, and Invalid for secrets
        where they are refused.
        """
        name, _ = self.where(memory_id)
        auth.require(self.caller, "write", name)
        given = {"text": body.text, "metadata": body.metadata} if body else None
        self.service.revise.require(self.tenant_id, name, [memory_id], self.caller.writer, given)

    def where(self, memory_id: str) -> tuple[str, MarkedUnit]:
        """The namespace and the unit of a memory. Raises NotFound for one that is not there or was deleted."""
        name = self.service.directory.namespace_of_unit(self.tenant_id, memory_id, self._sees)
        found = self.service.directory.units(self.tenant_id, name, [memory_id]) if name else []
        if name is None or not found or not _is_there(found[0]):
            raise _absent("memory", memory_id)
        return name, found[0]

    def history(self, memory_id: str) -> list[dict[str, Any]]:
        """What became of a memory, from its first words on; a deleted one has its history still. Raises NotFound."""
        name = self.service.directory.namespace_of_unit(self.tenant_id, memory_id, self._sees)
        if name is None:
            raise _absent("memory", memory_id)
        auth.require(self.caller, "read", name)
        (unit,) = self.service.directory.units(self.tenant_id, name, [memory_id])
        base = dict(scope.of_marks(unit.marks, name).ids) | {"memory_id": memory_id}
        created_at = _written(unit.stored.created_at)
        events: list[dict[str, Any]] = []
        before: tuple[str | None, str | None] = (None, None)
        for version in reversed(self.service.inspect.history(self.tenant_id, name, memory_id)):
            now = (quoted(version.state["text"]), version.state["status"])
            event = _event(before, now)
            if event:
                events.append(base | {
                    "id": f"{memory_id}.{version.version}", "event": event, "old_memory": before[0],
                    "new_memory": None if event == "DELETE" else now[0], "input": [], "created_at": created_at,
                    "updated_at": _written(version.recorded_at),
                })  # fmt: skip
            before = now
        return events

    def _search(self, name: str, query: Query, wanted: Filter, body: bodies.Search, top_k: int) -> list[dict[str, Any]]:
        """Of one namespace: first as any recall is, then, when the filters left too little of that, among all of it."""
        passed: list[dict[str, Any]] = []
        if not self.service.directory.has(self.tenant_id, name):
            return passed
        # Of a user's memories nearly all pass; of a run's among them few.
        usual = min(_FIRST_LOOK, 2 * top_k + 10) if filters.entities(wanted) == {"user_id"} else _FIRST_LOOK
        for recall, limit in ((self.service.recall, usual), (self._wide(), _WIDE_LIMIT)):
            scores: dict[str, float] = {}
            recalled = recall.recall(self.tenant_id, name, query, limit)
            for memory in recalled.memories:
                if memory.unit_id is not None and (memory.status == Status.ACTIVE or body.latest_only is False):
                    scores[memory.unit_id] = round(recalled.likely[memory.unit_id], 4)
            passed = []
            for item in self._hydrated(name, list(scores)):
                if filters.matches(wanted, item) and (body.show_expired or not _expired(item)):
                    passed.append(item | {"score": scores[item["id"]]})
                if len(passed) == top_k:
                    return passed
        if body.show_expired:  # no recall finds them
            known = {item["id"] for item in passed}
            over = [item for item in self._listed(name, wanted, body) if _expired(item) and item["id"] not in known]
            passed += [item | {"score": 0.0} for item in sorted(over, key=newest, reverse=True)]
        return passed[:top_k]

    def _wide(self) -> Recall:
        chosen = self.service.settings
        settings = chosen.recall.model_copy(update={"candidates_per_arm": _WIDE_CANDIDATES})
        return Recall(
            self.service.encoder,
            self.service.indexes,
            settings,
            locale=chosen.distill.locale,
        )

    def _namespaces(self, wanted: Filter) -> list[str]:
        """Where something may pass. Raises Invalid when that is too many places to look into at once."""
        owners = filters.owners(wanted)
        names = sorted(owners) if owners is not None else []
        if owners is None or filters.entities(wanted) != {"user_id"}:
            sessions = self.service.directory.sessions(self.tenant_id, None if owners is None else names)
            names = list(dict.fromkeys(
                session.namespace
                for session in sessions
                if filters.possible(wanted, scope.of_marks(session.marks, session.namespace).ids)
            ))  # fmt: skip
        names = self.caller.readable(names)
        if len(names) > _MAX_NAMESPACES:
            raise errors.Invalid(
                f"The filters leave {len(names)} memory spaces to search; {_MAX_NAMESPACES} is the most.",
                "Name a user_id, or several.",
            )
        return names

    def _hydrated(self, name: str, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(ids), _HYDRATED):
            yield from self._read(name, ids[start : start + _HYDRATED])

    def _read(self, name: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        return self._form(name, self.service.directory.units(self.tenant_id, name, ids))

    def _form(self, name: str, found: Sequence[MarkedUnit]) -> list[dict[str, Any]]:
        """In the form that mem0's clients get."""
        beside = self.service.records.find(self.tenant_id, name, RECORDS, [item.stored.unit.id for item in found])
        formed = []
        for item in found:
            unit, held = item.stored.unit, beside.get(item.stored.unit.id)
            said = Beside.of({**scope.mark(item.marks), **(held.value if held else {})})
            changed = max([item.stored.recorded_at, *([held.updated_at] if held else [])])
            ends = unit.expires_at.astimezone(dt.UTC).date() if unit.expires_at else said.expiration_date
            ids = dict.fromkeys(scope.FIELDS) | dict(scope.of_marks(item.marks, name).ids)
            formed.append(ids | {
                "id": unit.id, "memory": quoted(unit.text), "hash": hashlib.md5(unit.text.encode()).hexdigest(),
                "metadata": said.metadata or None, "categories": [unit.kind.value],
                "created_at": _written(said.created_at or unit.t_mention), "updated_at": _written(changed),
                "expiration_date": ends.isoformat() if ends else None, "immutable": False,
            })  # fmt: skip
        return formed


def _written(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat()


def most(body: bodies.Search) -> int:
    """How many memories a search brings."""
    return body.top_k or body.limit or _DEFAULT_TOP_K


def wanted_of(body: bodies.Listing) -> Filter:
    """All that a request asks of a memory. Raises Invalid when it names no user, agent, app or run."""
    parts = [filters.parse(body.filters or {}), filters.parse(dict(body.ids))]
    if body.metadata:
        parts.append(filters.parse({"metadata": body.metadata}))
    if body.categories:
        parts.append(filters.parse({"categories": {"in": body.categories}}))
    if body.start_date:
        parts.append(filters.parse({"created_at": {"gte": body.start_date}}))
    if body.end_date:
        parts.append(filters.parse({"created_at": {"lte": body.end_date}}))
    wanted = filters.All(tuple(parts))
    if not filters.entities(wanted):
        raise errors.Invalid("The filters name nobody.", 'Use filters={"user_id": "…"}, or "*" for everybody.')
    return wanted


def _absent(what: str, given: str) -> errors.MemsvcError:
    """Why there is no such memory or event: an id of ours, or of mem0's own, is unknown; anything else is none."""
    if _ID.fullmatch(given):
        return errors.NotFound(f"There is no {what} {given!r}.", "Ids come from add, search and get_all.")
    return errors.Invalid(f"{given!r} is no id of a {what}.", "Ids come from add, search and get_all.")


def _is_there(unit: MarkedUnit) -> bool:
    """Deleted ones are not; those that have run out are, for who asks for them."""
    return unit.stored.unit.status is not Status.ARCHIVED or unit.stored.cause == RUN_OUT


def _end_of(day: dt.date | None) -> dt.datetime | None:
    """The last moment of a day, in UTC."""
    return dt.datetime.combine(day, dt.time.max, dt.UTC) if day else None


def newest(item: dict[str, Any]) -> tuple[str, str]:
    return item["created_at"], item["id"]


def _expired(item: dict[str, Any]) -> bool:
    date = item["expiration_date"]
    return date is not None and dt.date.fromisoformat(date) < dt.datetime.now(dt.UTC).date()


def fields(item: dict[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    return (
        {name: value for name, value in item.items() if name in {"id", "memory", "score", *wanted}} if wanted else item
    )


def _event(before: tuple[str | None, str | None], now: tuple[str, str]) -> str | None:
    if before[0] is None:
        return "ADD"
    if now[1] == Status.ARCHIVED != before[1]:
        return "DELETE"
    return "UPDATE" if now[0] != before[0] or before[1] == Status.ARCHIVED else None
