"""The words that a record is found by, so that another encoder can make its vector."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE record ADD COLUMN text TEXT")


def downgrade() -> None:
    op.execute("ALTER TABLE record DROP COLUMN text")
