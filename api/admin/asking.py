"""The recall analyser: what each stage of a recall saw, and why something is not among the results."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.admin import pages, signing
from api.deps import NamespaceName, Services
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.domain.message import Message
from memsvc.domain.query import Query as Question
from memsvc.retrieval.support import ANSWERABLE
from memsvc.services.recall import Recalled
from memsvc.wire.questions import RecallRequest

router = APIRouter(prefix=signing.PATH, include_in_schema=False, route_class=pages.Page)
# Behind the results so many of the further candidates are shown.
_SHOWN = 40


@router.get("/namespaces/{namespace}/recall")
def recall(
    request: Request,
    namespace: NamespaceName,
    session: signing.Reader,
    service: Services,
    query: Annotated[str, Query(max_length=8_192)] = "",
    explain: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 10,
    as_of: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    tenant_id = session.principal.tenant_id
    found = None
    if query.strip():
        asked = _checked(query, explain.strip(), limit, as_of)
        moment = asked.as_of or dt.datetime.now(dt.UTC)
        found = service.recall.recall(
            tenant_id, namespace, Question(asked.query, moment, asked.as_of), limit, trace=True, explain=asked.explain
        )
    else:
        service.namespaces.find(tenant_id, namespace)  # a namespace that is not there is told
    return pages.show(
        request,
        "recall.html",
        session,
        namespace=namespace,
        asked={"query": query, "explain": explain, "limit": limit, "as_of": as_of},
        found=found,
        trace=found.trace if found else None,
        answerable=ANSWERABLE,
        candidates=_candidates(service, tenant_id, namespace, found, limit + _SHOWN) if found else [],
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One line of the ranking with its words: those served for a result, its own for what stands below the limit;
    `said` is the message that it is or was made of, None where that was erased meanwhile.
    """

    entry: Mapping[str, Any]
    text: str
    said: Message | None


def _candidates(service: Service, tenant_id: uuid.UUID, namespace: str, found: Recalled, most: int) -> list[Candidate]:
    """The first `most` of the ranking, those below the limit too."""
    entries = (found.trace or {})["ranking"][:most]
    served = {memory.unit_id or memory.sources[0].message_id: memory.text for memory in found.memories}
    unit_ids = {entry["unit_id"] for entry in entries if entry["unit_id"]}
    units, messages = service.browse.candidates(
        tenant_id, namespace, unit_ids, {entry["message_id"] for entry in entries}
    )
    listed = []
    for entry in entries:
        message = messages[entry["message_id"]].message if entry["message_id"] in messages else None
        own = units[entry["unit_id"]].unit.text if entry["unit_id"] in units else message.text if message else ""
        listed.append(Candidate(entry, served.get(entry["unit_id"] or entry["message_id"], own), message))
    return listed


def _checked(query: str, explain: str, limit: int, as_of: str) -> RecallRequest:
    """As the API checks it. Raises Invalid."""
    try:
        return RecallRequest.model_validate(
            {"query": query, "explain": explain or None, "limit": limit, "as_of": as_of or None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise errors.Invalid(f"{first['loc'][0]}: {first['msg']}", "Go back and mend the form.") from None
