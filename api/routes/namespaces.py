"""Namespaces as a whole, and parts of them: set, erase, put aside, let back in."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import Admin, Caller, Eraser
from api.deps import NamespaceName, Services, UnitId
from memsvc.domain.selection import By, Selection
from memsvc.wire import selections, settings

router = APIRouter(prefix="/v1", tags=["namespaces"])


@router.get("/namespaces/{namespace}", response_model=settings.NamespaceSettings)
def found(namespace: NamespaceName, caller: Caller, service: Services) -> settings.NamespaceSettings:
    """What holds in the namespace."""
    return settings.NamespaceSettings(secrets=service.namespaces.find(caller.tenant_id, namespace).secrets)


@router.put("/namespaces/{namespace}", response_model=settings.NamespaceSettings)
def put(
    namespace: NamespaceName, body: settings.NewSettings, caller: Admin, service: Services
) -> settings.NamespaceSettings:
    """Set what is done about secrets: they are kept, masked wherever they would be served, or refused with what holds
    them. It holds at once, for what was said before, too. A namespace that is not there is made.
    """
    done = service.namespaces.set_secrets(caller.tenant_id, namespace, body.secrets, caller.writer)
    return settings.NamespaceSettings(secrets=done.secrets)


@router.delete("/namespaces/{namespace}", response_model=selections.ErasureReceipt)
def erase(namespace: NamespaceName, caller: Caller, service: Services) -> selections.ErasureReceipt:
    """Erase everything of a namespace. The receipt counts the rows per table and what is left of them: nothing."""
    done = service.erase.namespace(caller.tenant_id, caller.key_id, namespace)
    return selections.ErasureReceipt(namespace=namespace, erased=done.erased, remaining=done.remaining)


@router.post("/namespaces/{namespace}/erasures", response_model=selections.PartErasure)
def erase_part(
    namespace: NamespaceName, body: selections.Selection, caller: Eraser, service: Services
) -> selections.PartErasure:
    """Erase a message, a session, a person, or what came from one source, with everything made of it. For good: late
    writes and imports of the same messages are refused.
    """
    done = service.erase.part(caller.tenant_id, caller.key_id, namespace, _selection(body))
    return selections.PartErasure(namespace=namespace, erased=done.erased, remaining=done.remaining)


@router.delete("/namespaces/{namespace}/units/{unit_id}", response_model=selections.PartErasure)
def erase_unit(namespace: NamespaceName, unit_id: UnitId, caller: Caller, service: Services) -> selections.PartErasure:
    """Erase a unit with the messages that it was made from, those of the units merged into it, and all else that was
    made of them. To put it away and keep what was said, PATCH it.
    """
    done = service.erase.part(caller.tenant_id, caller.key_id, namespace, Selection(By.UNIT, unit_id))
    return selections.PartErasure(namespace=namespace, erased=done.erased, remaining=done.remaining)


@router.post("/namespaces/{namespace}/quarantine", response_model=selections.QuarantineReceipt)
def quarantine(
    namespace: NamespaceName, body: selections.Selection, caller: Caller, service: Services
) -> selections.QuarantineReceipt:
    """Put a part aside: kept word for word, neither recalled nor distilled, with every unit made of it."""
    moved = service.quarantine.put(caller.tenant_id, caller.writer, namespace, _selection(body))
    return selections.QuarantineReceipt(messages=moved.messages, units=moved.units)


@router.post("/namespaces/{namespace}/release", response_model=selections.QuarantineReceipt)
def release(
    namespace: NamespaceName, body: selections.Selection, caller: Caller, service: Services
) -> selections.QuarantineReceipt:
    """Let back in what was put aside."""
    moved = service.quarantine.release(caller.tenant_id, caller.writer, namespace, _selection(body))
    return selections.QuarantineReceipt(messages=moved.messages, units=moved.units)


@router.delete("/tenant", response_model=selections.TenantErasure)
def erase_tenant(caller: Admin, service: Services) -> selections.TenantErasure:
    """Erase every namespace of the tenant and every key but the one that asks."""
    done = service.erase.tenant(caller.tenant_id, caller.key_id)
    return selections.TenantErasure(erased=done.erased, remaining=done.remaining)


@router.post("/scrub", status_code=204)
def scrub(caller: Admin, service: Services) -> None:
    """Rewrite the embedded database's files, so that what was erased is in none of them any more. Each table is locked
    while it is rewritten.
    """
    service.erase.scrub(caller.tenant_id, caller.key_id)


def _selection(body: selections.Selection) -> Selection:
    return Selection(By(body.by), body.value)
