"""Which names are one person's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from api.auth import Author, Caller, require
from api.deps import NamespaceName, Services
from memsvc.domain.alias import Alias
from memsvc.wire import aliases as wire
from memsvc.wire.base import Id

router = APIRouter(prefix="/v1/namespaces/{namespace}/aliases", tags=["aliases"])


@router.put("", response_model=wire.AliasList)
def declare(namespace: NamespaceName, body: wire.NewAliases, caller: Caller, service: Services) -> wire.AliasList:
    """Declare that names are one person's, beside what was declared before. Memories of all of them are consolidated
    as of one from then on, those that are there included.
    """
    require(caller, "read", namespace)  # it is told all that were declared
    return _list(service.aliases.declare(caller.tenant_id, namespace, body.name, body.aliases, caller.writer))


@router.get("", response_model=wire.AliasList)
def listed(namespace: NamespaceName, caller: Caller, service: Services) -> wire.AliasList:
    """All declared aliases."""
    return _list(service.aliases.listed(caller.tenant_id, namespace))


@router.delete("/{alias}", status_code=204)
def take_back(
    namespace: NamespaceName,
    alias: Annotated[Id, Path(description="The other name; its case needs not fit.")],
    caller: Author,
    service: Services,
) -> None:
    """Take a declaration back: the background restores what it changed. Nothing that was said is erased."""
    service.aliases.take_back(caller.tenant_id, namespace, alias, caller.writer)


def _list(found: Sequence[Alias]) -> wire.AliasList:
    return wire.AliasList(
        aliases=[wire.AliasResult(alias=item.alias, name=item.name, created_at=item.created_at) for item in found]
    )
