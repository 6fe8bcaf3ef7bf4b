"""Keys that are granted to some namespaces. A key of before has none, and its scopes as before."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_key ADD COLUMN grants JSONB")


def downgrade() -> None:
    """A granted key has no scopes, so that without its grants it may do nothing."""
    op.execute("ALTER TABLE api_key DROP COLUMN grants")
