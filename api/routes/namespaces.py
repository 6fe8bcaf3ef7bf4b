"""Namespaces as a whole."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Caller
from api.deps import NamespaceName, Services
from memsvc.wire import reads as wire

router = APIRouter(prefix="/v1/namespaces", tags=["namespaces"])


@router.delete("/{namespace}", response_model=wire.ErasureReceipt)
def erase(namespace: NamespaceName, caller: Caller, service: Services) -> wire.ErasureReceipt:
    """Erase everything of a namespace. The receipt counts the rows per table and what is left of them: nothing."""
    done = service.erase.namespace(caller.tenant_id, namespace)
    return wire.ErasureReceipt(namespace=done.namespace, erased=done.erased, remaining=done.remaining)
