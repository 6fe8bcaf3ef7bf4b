"""Names that language models give episodes, beside those that are made by rule."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE episode ADD COLUMN given_name TEXT, ADD COLUMN named_by TEXT")


def downgrade() -> None:
    op.execute("ALTER TABLE episode DROP COLUMN given_name, DROP COLUMN named_by")
