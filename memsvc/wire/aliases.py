"""Names that are one person's."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from memsvc.wire.base import Id, Request, Response, example


class NewAliases(Request):
    """`aliases` are other names of the person whom `name` names. Case needs none: "ana" and "Ana" are one anyway."""

    model_config = example({"name": "Caroline", "aliases": ["Caz", "Mum"]})

    name: Id = Field(description="The name that leads, 1 to 200 characters.")
    aliases: list[Id] = Field(
        min_length=1, max_length=100, description="Other names of this person; none may be the leading name itself."
    )


class AliasResult(Response):
    """One declared alias."""

    alias: str = Field(description="The other name.")
    name: str = Field(description="The name of the person that leads.")
    created_at: dt.datetime = Field(description="When it was declared.")


class AliasList(Response):
    """All declared aliases."""

    aliases: list[AliasResult] = Field(description="By name, then by alias.")


class ProposalQuote(Response):
    """Words on which a proposal stands."""

    message_id: str = Field(description="The message in which they stand.")
    words: str = Field(description="The words, as they stand there.")


class AliasProposal(Response):
    """Two names that a language model takes for one person's, until somebody accepts or declines it."""

    id: str = Field(description="Of the pair of names.")
    name: str = Field(description="The name that would lead.")
    alias: str = Field(description="The other name.")
    quotes: list[ProposalQuote] = Field(description="The words on which it stands.")
    model: str = Field(description="The model that said it.")
    prompt_version: int = Field(description="The version of the prompt `identify` by which it was asked.")
    made_at: dt.datetime = Field(description="When it said so.")


class AliasProposalList(Response):
    """All proposals that wait for somebody to decide."""

    proposals: list[AliasProposal] = Field(description="By name, then by alias; empty without a language model.")
