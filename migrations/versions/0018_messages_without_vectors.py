"""An index of the messages whose vectors are still to be made: the job behind each write asks for them."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX message_without_vectors ON message (tenant_id, namespace_id, seq) "
        "WHERE embedding IS NULL AND quarantined_at IS NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX message_without_vectors")
