"""What is set for a namespace, beside its secrets, and a way to what was put away. One of before has nothing set."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE namespace ADD COLUMN settings JSONB")
    op.execute("CREATE INDEX unit_archived ON unit (tenant_id, namespace_id, id) WHERE status = 'archived'")


def downgrade() -> None:
    """What was set is lost; the service's own holds again, and nothing is erased by age any more."""
    op.execute("DROP INDEX unit_archived")
    op.execute("ALTER TABLE namespace DROP COLUMN settings")
