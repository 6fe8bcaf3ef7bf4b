"""Columns and keys that many tables share."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

instant = sa.DateTime(timezone=True)


def tenant() -> sa.Column[object]:
    return sa.Column("tenant_id", UUID(as_uuid=True), primary_key=True)


def namespace() -> sa.Column[object]:
    return sa.Column("namespace_id", UUID(as_uuid=True), primary_key=True)


def belongs() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "namespace_id"], ["namespace.tenant_id", "namespace.id"])


def recorded(name: str = "recorded_at") -> sa.Column[object]:
    return sa.Column(name, instant, nullable=False, server_default=sa.func.now())


def of_unit(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "namespace_id", column], ["unit.tenant_id", "unit.namespace_id", "unit.id"]
    )
