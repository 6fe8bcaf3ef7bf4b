"""What the background changed: old and new side by side, with the call that takes it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query

from api.auth import Caller
from api.deps import Limit, NamespaceName, Services
from memsvc.domain.unit import Status
from memsvc.services.inspect import Change
from memsvc.store.units import StoredUnit
from memsvc.wire import changes as wire
from memsvc.wire.base import Moment
from memsvc.wire.reads import UnitSource

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["read"])
# A moment in microseconds since 1970, and a change's place among those of that moment.
CURSOR = r"^[0-9]{1,17}-[0-9]{1,18}$"
_KINDS: Mapping[Status, Literal["superseded", "merged", "forgotten"]] = {
    Status.SUPERSEDED: "superseded", Status.MERGED: "merged", Status.ARCHIVED: "forgotten",
}  # fmt: skip
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TICK = dt.timedelta(microseconds=1)


@router.get("/changes", response_model=wire.ChangePage)
def changes(
    namespace: NamespaceName,
    caller: Caller,
    service: Services,
    since: Annotated[
        Moment | None, Query(description="Decided at that moment or later, ISO 8601; without an offset in UTC.")
    ] = None,
    until: Annotated[
        Moment | None, Query(description="Decided before that moment, ISO 8601; without an offset in UTC.")
    ] = None,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR, description="`next_cursor` of the page before; none: the first page.")
    ] = None,
    limit: Limit = 100,
) -> wire.ChangePage:
    """What was superseded, merged or forgotten in the background, as far as it still stands, the newest decision first;
    each with the call that takes it back. What was erased cannot be: the audit trail counts it.
    """
    page = service.inspect.changes(caller.tenant_id, namespace, limit, place(cursor), since, until)
    return wire.ChangePage(
        changes=[_change(namespace, item) for item in page.changes],
        next_cursor=written(page.next_before),
    )


def place(cursor: str | None) -> tuple[dt.datetime, int] | None:
    """What a cursor stands for."""
    if cursor is None:
        return None
    ticks, _, number = cursor.partition("-")
    return _EPOCH + int(ticks) * _TICK, int(number)


def written(found: tuple[dt.datetime, int] | None) -> str | None:
    """A place as a cursor."""
    return f"{(found[0] - _EPOCH) // _TICK}-{found[1]}" if found else None


def _change(namespace: str, found: Change) -> wire.ChangeResult:
    unit_id = quote(found.unit.unit.id, safe="")
    return wire.ChangeResult(
        kind=_KINDS[found.unit.unit.status],
        unit=_side(found.unit),
        by=_side(found.by) if found.by is not None else None,
        decided_at=found.decided_at,
        cause=found.cause,
        undo=wire.Undo(method="PATCH", path=f"/v1/namespaces/{namespace}/units/{unit_id}", body={"action": "restore"}),
    )


def _side(stored: StoredUnit) -> wire.ChangedUnit:
    unit = stored.unit
    return wire.ChangedUnit(
        id=unit.id,
        text=unit.text,
        status=unit.status.value,
        since=min(unit.t_mention, unit.time.start) if unit.time else unit.t_mention,
        until=unit.valid_to,
        sources=[
            UnitSource(message_id=source.message_id, session_id=session, start=source.start, end=source.end)
            for source, session in zip(unit.sources, stored.source_sessions, strict=True)
        ],
    )
