"""Statements: how each was made, vectors beside each message, and the offset of the speaker's clock."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE unit ADD COLUMN assertion TEXT DEFAULT 'asserted' NOT NULL;
ALTER TABLE unit ADD COLUMN reported_by TEXT;
ALTER TABLE unit ADD COLUMN holds_until TIMESTAMP WITH TIME ZONE;
ALTER TABLE unit ADD COLUMN utc_offset_s INTEGER DEFAULT '0' NOT NULL;
ALTER TABLE message ADD COLUMN utc_offset_s INTEGER DEFAULT '0' NOT NULL;
ALTER TABLE message ADD COLUMN embedding BYTEA
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for table, column in (
        ("message", "embedding"),
        ("message", "utc_offset_s"),
        ("unit", "utc_offset_s"),
        ("unit", "holds_until"),
        ("unit", "reported_by"),
        ("unit", "assertion"),
    ):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
