"""Names that are one person's."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from memsvc.wire.base import Id, Request, Response


class NewAliases(Request):
    """`aliases` are other names of the person whom `name` names. Case needs none: "ana" and "Ana" are one anyway."""

    name: Id
    aliases: list[Id] = Field(min_length=1, max_length=100)


class AliasResult(Response):
    alias: str
    name: str
    created_at: dt.datetime


class AliasList(Response):
    """By name, then by alias."""

    aliases: list[AliasResult]
