"""What is remembered: overview, namespaces, units, messages, episodes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from api.admin import charts, drawing, pages, signing, watching
from api.admin.filters import written
from api.deps import MessageId, NamespaceName, Services, UnitId
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.job import State
from memsvc.services import everywhere
from memsvc.services.directory import MarkedUnit

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_SPACES = 50
# Namespaces on the overview: those written to last.
_NEWEST = 6
_EPISODES = 50
# Of the line that shows how the memories grew.
_STEPS = 60
Cursor = Annotated[str, Query(pattern=r"^[0-9]{1,18}$")]


@router.get("")
def overview(request: Request, session: signing.Reader, service: Services) -> Response:
    tenant_id = session.principal.tenant_id
    held, spaces = service.directory.overview(tenant_id, _NEWEST)
    recent = service.maintain.listed(tenant_id, [], None, 8)
    return pages.show(
        request,
        "overview.html",
        session,
        spaces=spaces,
        totals={
            "namespaces": len(held),
            "messages": sum(held.values()),
            "jobs waiting": len(service.maintain.listed(tenant_id, [State.QUEUED, State.RUNNING], None, 1000)),
            "jobs failed": len(service.maintain.listed(tenant_id, [State.DEAD], None, 1000)),
        },
        most=max((space.units for space in spaces), default=0),
        jobs=recent,
        charts=watching.last_hour(request)[:2] if session.principal.may("admin") else [],
        names=service.directory.names(tenant_id, {job.namespace_id for job in recent}),
        encoder=service.encoder.name,
        index_bytes=service.pool.resident_bytes(held),
        cells=service.cells.all() if service.cells is not None else [],
        cell=service.settings.cells.name,
    )


@router.get("/namespaces")
def namespaces(
    request: Request, session: signing.Reader, service: Services, after: Annotated[str, Query(max_length=400)] = ""
) -> Response:
    pages.storable(after)
    found, missing = everywhere.spaces(
        service.directory, service.others, session.principal.tenant_id, after, _SPACES + 1
    )
    shown = found[:_SPACES]
    return pages.show(
        request,
        "namespaces.html",
        session,
        placed=shown,
        missing=missing,
        cell=service.settings.cells.name,
        first=not after,
        following=shown[-1].space.name if len(found) > _SPACES else None,
    )


@router.get("/namespaces/{namespace}")
def namespace(request: Request, namespace: NamespaceName, session: signing.Reader, service: Services) -> Response:
    tenant_id = session.principal.tenant_id
    stats = service.inspect.stats(tenant_id, namespace)
    profiles = service.inspect.profiles(tenant_id, namespace, None)
    settings = service.namespaces.find(tenant_id, namespace)
    first, grown = service.directory.growth(tenant_id, namespace, _STEPS)
    return pages.show(
        request,
        "namespace.html",
        session,
        namespace=namespace,
        stats=stats,
        profiles=profiles,
        settings=settings,
        growth=_growth(first, grown) if first else None,
    )


@router.get("/namespaces/{namespace}/units/{unit_id}")
def unit(
    request: Request, namespace: NamespaceName, unit_id: UnitId, session: signing.Reader, service: Services
) -> Response:
    given = (session.principal.tenant_id, namespace, unit_id)
    stored = service.inspect.unit(*given)
    links = service.inspect.links(*given)
    others = [link.dst if link.src == unit_id else link.src for link in links]
    texts = _units(service, session, namespace, others)
    edges = [(link, other, texts.get(other)) for link, other in zip(links, others, strict=True)]
    return pages.show(
        request,
        "unit.html",
        session,
        namespace=namespace,
        stored=stored,
        sources=service.inspect.sources(*given),
        versions=service.inspect.history(*given),
        edges=edges,
        spots=drawing.around(min(len(edges), drawing.MOST)),
        figure=(drawing.WIDTH, drawing.HEIGHT),
    )


@router.post("/namespaces/{namespace}/units/{unit_id}/{action}")
def change(
    request: Request,
    namespace: NamespaceName,
    unit_id: UnitId,
    action: Annotated[str, Path(pattern="^(edit|invalidate|restore|pin|unpin|expire)$")],
    session: signing.Writer,
    said: signing.Form,
    service: Services,
) -> Response:
    """The changes by hand that the API has."""
    given = (session.principal.tenant_id, namespace, unit_id)
    writer = session.principal.writer
    reason = pages.storable(said.get("reason", "").strip())[:500] or None
    if action == "edit":
        text = pages.storable(said.get("text", ""))
        if not text.strip() or len(text) > 4_000:
            raise errors.Invalid("A memory has between 1 and 4,000 characters.", "Go back and mend the words.")
        service.revise.edit(*given, text, reason, writer)
    elif action == "expire":
        service.revise.expire(*given, _moment(said.get("expires_at", "")), reason, writer)
    else:
        changes = {
            "invalidate": service.revise.invalidate, "restore": service.revise.restore,
            "pin": service.revise.pin, "unpin": service.revise.unpin,
        }  # fmt: skip
        changes[action](*given, reason, writer)
    done = {"edit": "edited", "invalidate": "invalidated", "restore": "restored", "expire": "expired"}
    return pages.back(request, said, done.get(action, f"{action}ned"))


@router.get("/namespaces/{namespace}/messages/{message_id}")
def message(
    request: Request, namespace: NamespaceName, message_id: MessageId, session: signing.Reader, service: Services
) -> Response:
    given = (session.principal.tenant_id, namespace, message_id)
    stored = service.inspect.message(*given)
    return pages.show(
        request,
        "message.html",
        session,
        namespace=namespace,
        stored=stored,
        left=service.inspect.left_out(*given),
        units=service.browse.made_of(*given),
        # The page of its conversation that begins with it.
        there=written((stored.message.occurred_at, stored.message.seq - 1)),
    )


@router.get("/namespaces/{namespace}/episodes")
def episodes(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    cursor: Cursor = "0",
) -> Response:
    every = service.inspect.episodes(session.principal.tenant_id, namespace)
    start = int(cursor)
    shown = every[start : start + _EPISODES]
    first = min((episode.start for episode in shown), default=dt.datetime.now(dt.UTC))
    last = max((episode.end for episode in shown), default=first)
    texts = _units(service, session, namespace, [episode.abstract or episode.medoid for episode in shown])
    return pages.show(
        request,
        "episodes.html",
        session,
        namespace=namespace,
        count=len(every),
        first=first,
        last=last,
        rows=[
            (episode, texts.get(episode.abstract or episode.medoid), drawing.bars(spans, first, last))
            for episode in shown
            if (spans := [(segment.start, segment.end) for segment in episode.segments]) is not None
        ],
        earlier=max(0, start - _EPISODES) if start else None,
        later=start + _EPISODES if len(every) > start + _EPISODES else None,
    )


def _growth(first: dt.datetime, grown: Sequence[tuple[dt.datetime, int, int]]) -> charts.Chart:
    """From nothing to what there is now."""
    moments = [first, *(at for at, _, _ in grown)]
    lines = [
        charts.Series("messages", [0, *(messages for _, messages, _ in grown)]),
        charts.Series("active memories", [0, *(memories for _, _, memories in grown)]),
    ]
    return charts.chart("Growth", "count", moments, lines)


def _units(service: Service, session: signing.Session, name: str, ids: list[str]) -> dict[str, MarkedUnit]:
    return {item.stored.unit.id: item for item in service.directory.units(session.principal.tenant_id, name, ids)}


def _moment(said: str) -> dt.datetime | None:
    """As a browser's field for date and time gives it, in UTC; empty is none."""
    if not said:
        return None
    try:
        read = dt.datetime.fromisoformat(said)
    except ValueError:
        raise errors.Invalid("The moment cannot be read.", "Write it like 2027-05-08T13:56, in UTC.") from None
    if not 1000 <= read.year <= 9000:
        raise errors.Invalid("The moment must lie between the years 1000 and 9000.", "Go back and mend it.")
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)
