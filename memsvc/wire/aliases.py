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
