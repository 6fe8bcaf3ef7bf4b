"""Which names are one person's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from api.auth import Author, Caller, require
from api.deps import NamespaceName, Services
from memsvc.domain.alias import Alias
from memsvc.domain.proposal import Proposal
from memsvc.wire import aliases as wire
from memsvc.wire.base import Id

router = APIRouter(prefix="/v1/namespaces/{namespace}/aliases", tags=["aliases"])
ProposalId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{64}$", description="The id of a proposal, as it is listed; that of its pair of names."),
]


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


@router.get("/proposals", response_model=wire.AliasProposalList)
def proposals(namespace: NamespaceName, caller: Caller, service: Services) -> wire.AliasProposalList:
    """Names that a language model takes for one person's, with the words on which that stands. A proposal changes
    nothing before it is accepted.
    """
    return wire.AliasProposalList(
        proposals=[_proposal(item) for item in service.aliases.proposed(caller.tenant_id, namespace)]
    )


@router.post("/proposals/{proposal_id}/accept", response_model=wire.AliasList)
def accept(namespace: NamespaceName, proposal_id: ProposalId, caller: Caller, service: Services) -> wire.AliasList:
    """Declare the alias that is proposed, as if by its two names."""
    require(caller, "read", namespace)  # it is told all that were declared
    return _list(service.aliases.accept(caller.tenant_id, namespace, proposal_id, caller.writer))


@router.post("/proposals/{proposal_id}/decline", status_code=204)
def decline(namespace: NamespaceName, proposal_id: ProposalId, caller: Author, service: Services) -> None:
    """The two names are two persons': they are not proposed again, whatever a model says. They may still be declared
    one person's by hand.
    """
    service.aliases.decline(caller.tenant_id, namespace, proposal_id, caller.writer)


def _proposal(item: Proposal) -> wire.AliasProposal:
    quotes = [wire.ProposalQuote(message_id=quote.message_id, words=quote.words) for quote in item.quotes]
    return wire.AliasProposal(
        id=item.id, name=item.name, alias=item.alias, quotes=quotes, model=item.model,
        prompt_version=item.prompt_version, made_at=item.made_at,
    )  # fmt: skip


def _list(found: Sequence[Alias]) -> wire.AliasList:
    return wire.AliasList(
        aliases=[wire.AliasResult(alias=item.alias, name=item.name, created_at=item.created_at) for item in found]
    )
