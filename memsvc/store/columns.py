"""Columns and keys that many tables share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID

instant = sa.DateTime(timezone=True)
# Of which rows the indexes are that are not of all.
RUNNING = sa.text("state = 'running'")
NAMED = sa.text("speaker IS NOT NULL")
WITHOUT_VECTORS = sa.text("embedding IS NULL AND quarantined_at IS NULL")
SOURCED = sa.text("source IS NOT NULL")
OPEN = sa.text("state <> ALL (ARRAY['done', 'dead', 'cancelled'])")
ENDED = sa.text("state = ANY (ARRAY['done', 'cancelled'])")
REPLACED = sa.text("superseded_by IS NOT NULL")
ARCHIVED = sa.text("status = 'archived'")


def tenant() -> sa.Column[object]:
    return sa.Column("tenant_id", UUID(as_uuid=True), primary_key=True)


def namespace() -> sa.Column[object]:
    return sa.Column("namespace_id", UUID(as_uuid=True), primary_key=True)


def owner() -> tuple[sa.Column[object], sa.Column[object]]:
    return tenant(), namespace()


def belongs() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["tenant_id", "namespace_id"], ["namespace.tenant_id", "namespace.id"])


def recorded(name: str = "recorded_at") -> sa.Column[object]:
    return sa.Column(name, instant, nullable=False, server_default=sa.func.now())


def written_over() -> tuple[sa.Column[object], sa.Column[object]]:
    return recorded("created_at"), recorded("updated_at")


def ending() -> tuple[sa.Column[Any], sa.Column[object]]:
    """How long the row lives behind its last use, and until when; null: for good."""
    return sa.Column("ttl_s", sa.Float), sa.Column("expires_at", instant)


def trusted() -> tuple[sa.Column[object], sa.Column[object]]:
    """How far the row is trusted, and how far the key is that last decided about it by hand; 0 where none did."""
    return (
        sa.Column("trust", sa.Float, nullable=False, server_default="1"),
        sa.Column("decided_trust", sa.Float, nullable=False, server_default="0"),
    )


def by_trust(table: str) -> sa.Index:
    """What is trusted wholly no question leaves out."""
    key = ("tenant_id", "namespace_id", "trust")
    return sa.Index(f"{table}_by_trust", *key, postgresql_include=["id"], postgresql_where=sa.text("trust < 1"))


def utc_offset() -> sa.Column[object]:
    return sa.Column("utc_offset_s", sa.Integer, nullable=False, server_default="0")


def offset_s(moment: dt.datetime) -> int:
    """Seconds that the moment's clock is ahead of UTC."""
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def local(moment: dt.datetime, utc_offset_s: int) -> dt.datetime:
    """The moment on a clock so far ahead of UTC; whatever zone the connection gives it in."""
    zone = dt.timezone(dt.timedelta(seconds=utc_offset_s)) if utc_offset_s else dt.UTC
    return moment.astimezone(zone)


def names(table: str, column: str) -> sa.ForeignKeyConstraint:
    """`column` is the id of a row of `table` in the same namespace."""
    key = [f"{table}.tenant_id", f"{table}.namespace_id", f"{table}.id"]
    return sa.ForeignKeyConstraint(["tenant_id", "namespace_id", column], key)


def overlaps(column: sa.ColumnElement[Any], ids: Collection[str]) -> sa.ColumnElement[bool]:
    """An array of text holds one of `ids`, which are hashed once: PostgreSQL's own `&&` compares each with each."""
    item = sa.func.unnest(column).column_valued()
    return sa.exists(sa.select(1).where(item == sa.any_(sa.literal(list(ids), ARRAY(sa.Text)))))
