"""What holds of persons."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from memsvc.wire.base import Response, UnitId
from memsvc.wire.reads import SourceRef


class FormerValue(Response):
    """What an attribute was until something else took its place."""

    value: str = Field(description="The value as it was written.")
    unit_id: UnitId
    until: dt.datetime = Field(description="Until when it was so.")


class ProfileAttribute(Response):
    """Something of which a person has one at a time: a home, a job, …"""

    name: str = Field(description="Which attribute it is.")
    value: str = Field(description="The value as it was written.")
    unit_id: UnitId
    since: dt.datetime = Field(description="Since when it is so.")
    source: SourceRef | None = Field(None, description="The message that it was said in.")
    before: FormerValue | None = Field(None, description="What it was until then; null: nothing is known.")


class ProfileWish(Response):
    """An instruction or a preference, as its unit says it."""

    unit_id: UnitId
    kind: str = Field(description="instruction or preference.")
    text: str = Field(description="What was said.")
    said_at: dt.datetime = Field(description="When it was said.")


class ProfileResult(Response):
    """What holds of one person now, or held at the moment asked for."""

    subject: str = Field(description="The person's name.")
    attributes: list[ProfileAttribute] = Field(description="What there is one of at a time.")
    wants: list[ProfileWish] = Field(description="How the person wants things.")


class ProfileList(Response):
    """What holds of each person."""

    profiles: list[ProfileResult] = Field(description="One for each person.")
