"""Two indexes of messages: those whose vectors are still to be made, and a session's by their speakers."""

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
    op.execute(
        "CREATE INDEX message_by_speaker ON message (tenant_id, namespace_id, session_id, speaker) "
        "WHERE speaker IS NOT NULL"
    )


def downgrade() -> None:
    op.execute("DROP INDEX message_by_speaker")
    op.execute("DROP INDEX message_without_vectors")
