"""Writing."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Header, Response

from api.auth import Caller
from api.deps import NamespaceName, Services
from memsvc.domain.exchange import NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.wire import exchanges as wire

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["write"])
_ONCE = (
    "A name of your own for this write, 1 to 255 printable ASCII characters without spaces: sent again with the same "
    "content, nothing is stored twice, and the reply says Idempotency-Replayed."
)


@router.post("/exchanges", status_code=201, response_model=wire.WriteResponse)
def write(
    namespace: NamespaceName,
    body: wire.WriteRequest,
    caller: Caller,
    service: Services,
    response: Response,
    idempotency_key: Annotated[str | None, Header(pattern=r"^[\x21-\x7e]{1,255}$", description=_ONCE)] = None,
) -> wire.WriteResponse:
    """Store exchanges, all of them or none. Durable and searchable when this returns. What a write of more than 32
    messages says in its context is searched when a job behind it has run; the statements of one that is longer than
    the service distils at once follow in the job `job_id`.

    Safe to repeat: with own ids, or with an Idempotency-Key, nothing is stored twice. The same id or key with other
    content is a conflict.
    """
    receipt = service.ingest.write(
        caller.tenant_id,
        namespace,
        [_exchange(item) for item in body.exchanges],
        idempotency_key,
        caller.writer,
    )
    if receipt.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return wire.WriteResponse(
        seq=receipt.seq,
        job_id=str(receipt.job_id) if receipt.job_id else None,
        results=[
            wire.WriteResult(
                exchange_id=result.exchange_id,
                messages=list(result.messages),
                units=list(result.units),
                skipped=[wire.SkippedMessage.model_validate(dataclasses.asdict(skip)) for skip in result.skipped],
                duplicate=result.duplicate,
            )
            for result in receipt.results
        ],
    )


def _exchange(item: wire.NewExchange) -> NewExchange:
    return NewExchange(
        id=item.id,
        session_id=item.session_id,
        occurred_at=item.occurred_at,
        messages=tuple(_message(message) for message in item.messages),
        metadata=item.metadata,
        expires_at=item.expires_at,
    )


def _message(message: wire.NewMessage) -> NewMessage:
    return NewMessage(
        id=message.id,
        role=Role(message.role),
        speaker=message.speaker,
        content=message.content,
        occurred_at=message.occurred_at,
        caption=message.caption,
        metadata=message.metadata,
        channel=message.channel,
        source=message.source,
        trust=message.trust,
    )
