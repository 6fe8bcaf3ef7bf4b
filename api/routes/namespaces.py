"""Namespaces as a whole, and parts of them: set, erase, put aside, let back in."""

from __future__ import annotations

import dataclasses

from fastapi import APIRouter

from api.auth import Admin, Caller, Eraser
from api.deps import NamespaceName, Services, UnitId
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace
from memsvc.domain.selection import By, Selection
from memsvc.store.keys import Principal
from memsvc.wire import selections, settings

router = APIRouter(prefix="/v1", tags=["namespaces"])


@router.get("/namespaces/{namespace}", response_model=settings.NamespaceSettings)
def found(namespace: NamespaceName, caller: Caller, service: Services) -> settings.NamespaceSettings:
    """What holds in the namespace, and what of it is set for it alone."""
    return _settings(service, service.namespaces.find(caller.tenant_id, namespace), caller)


@router.put("/namespaces/{namespace}", response_model=settings.NamespaceSettings)
def put(
    namespace: NamespaceName, body: settings.NewSettings, caller: Admin, service: Services
) -> settings.NamespaceSettings:
    """Set what holds in the namespace: what is not named stays as it is, null is as it is for all. What is done about
    secrets holds at once for what was said before, too; how dates are read and how much is distilled for what is said
    from now on, and for the rest after a job `distill`. Retention is looked after once a day, first in a day; a job
    `retain` does it at once, or with `dry_run` says what it would do. A namespace that is not there is made.
    """
    given = body.model_dump(exclude_unset=True)
    return _settings(service, service.namespaces.put(caller.tenant_id, namespace, given, caller.writer), caller)


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


def _settings(service: Service, space: Namespace, caller: Principal) -> settings.NamespaceSettings:
    chosen, own = service.settings.distill, space.settings
    locale = own.locale(chosen.locale)
    return settings.NamespaceSettings(
        secrets=space.secrets,
        retention=[settings.RetentionTerm(**dataclasses.asdict(term)) for term in own.retention or ()],
        reply_share=chosen.reply_share if own.reply_share is None else own.reply_share,
        languages=list(locale.languages),
        time_zone=locale.time_zone or "UTC",
        hemisphere="southern" if locale.southern else "northern",
        language_model=own.language_model or "allowed",
        own=service.namespaces.own(caller.tenant_id, space.name),
    )


def _selection(body: selections.Selection) -> Selection:
    return Selection(By(body.by), body.value)
