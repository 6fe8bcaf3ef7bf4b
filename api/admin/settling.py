"""Duplicates and contradictions: pairs of units side by side, what the consolidation made of them, and what a person
decides about them; names that a language model takes for one person's, likewise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from api.routes.changes import CURSOR, place, written
from memsvc import errors
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import Status
from memsvc.services.browse import MOST_COUNTED

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
_PAGE = 20
_REASON = "settled by hand"


@router.get("/namespaces/{namespace}/pairs")
def pairs(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    kind: Literal["same", "supersedes", "doubts", "near"] = "supersedes",
    behind: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """`behind` is the weight and the ends of the last pair of the page before."""
    given = session.principal.tenant_id, namespace
    found, last = service.browse.pairs(*given, LinkKind(kind), _link(behind, LinkKind(kind)), _PAGE)
    return pages.show(
        request,
        "pairs.html",
        session,
        namespace=namespace,
        kind=kind,
        pairs=found,
        counts={each.value: count for each, count in service.browse.pair_counts(*given).items()},
        most=MOST_COUNTED,
        first=not behind,
        weaker=f"{last.weight!r}/{last.src}/{last.dst}" if last is not None else None,
    )


def _link(behind: str, kind: LinkKind) -> Link | None:
    """Ids have no slash in them."""
    if not behind:
        return None
    try:
        weight, src, dst = pages.storable(behind).split("/")
        return Link(src, dst, kind, float(weight))
    except ValueError:
        raise errors.Invalid("There is no such place.", "Go back to the strongest pairs.") from None


@router.post("/namespaces/{namespace}/pairs")
def settle(
    request: Request, namespace: NamespaceName, session: signing.Writer, said: signing.Form, service: Services
) -> Response:
    """Keep one of a pair, or both. What a person decided no rule decides again."""
    given = (session.principal.tenant_id, namespace)
    ends = (said.get("newer", ""), said.get("older", ""))
    keep = said.get("keep", "")
    if keep not in ("newer", "older", "both"):
        raise errors.Invalid("Nothing was chosen.", "Go back and choose which to keep.")
    writer = session.principal.writer
    service.revise.require(*given, ends, writer)
    for end, unit_id in zip(("newer", "older"), ends, strict=True):
        active = service.inspect.unit(*given, unit_id).unit.status is Status.ACTIVE
        in_doubt = end == "older" and said.get("kind") == LinkKind.DOUBTS.value
        if keep in (end, "both") and (not active or in_doubt):
            service.revise.restore(*given, unit_id, _REASON, writer)
        elif keep not in (end, "both") and active:
            service.revise.invalidate(*given, unit_id, _REASON, writer)
    return pages.back(request, said, "settled")


@router.get("/namespaces/{namespace}/names")
def names(request: Request, namespace: NamespaceName, session: signing.Reader, service: Services) -> Response:
    """Names that a language model takes for one person's, and those that were declared to be."""
    given = session.principal.tenant_id, namespace
    return pages.show(
        request,
        "names.html",
        session,
        namespace=namespace,
        proposals=service.aliases.proposed(*given),
        aliases=service.aliases.listed(*given),
    )


@router.post("/namespaces/{namespace}/names")
def decide(
    request: Request, namespace: NamespaceName, session: signing.Writer, said: signing.Form, service: Services
) -> Response:
    """Accept a proposal or decline it. One that was declined is not made again."""
    choices = {"accept": service.aliases.accept, "decline": service.aliases.decline}
    chosen = choices.get(said.get("decide", ""))
    if chosen is None:
        raise errors.Invalid("Nothing was chosen.", "Go back and choose whether they are one person.")
    proposal_id = pages.storable(said.get("proposal", ""))
    chosen(session.principal.tenant_id, namespace, proposal_id, session.principal.writer)
    return pages.back(request, said, said["decide"])


@router.get("/namespaces/{namespace}/changes")
def changes(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    cursor: Annotated[str | None, Query(pattern=CURSOR)] = None,
) -> Response:
    """What was superseded or merged, the newest decision first; its forms are those that restore a memory."""
    page = service.inspect.changes(session.principal.tenant_id, namespace, _PAGE, place(cursor))
    return pages.show(
        request,
        "changes.html",
        session,
        namespace=namespace,
        changes=page.changes,
        counts={
            kind.value: count
            for kind, count in service.browse.pair_counts(session.principal.tenant_id, namespace).items()
        },
        most=MOST_COUNTED,
        first=cursor is None,
        older=written(page.next_before),
    )
