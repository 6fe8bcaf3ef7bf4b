"""The namespace in the key of jobs, as it is in that of all that it holds."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE job DROP CONSTRAINT job_pkey, ADD PRIMARY KEY (tenant_id, namespace_id, id)")
    op.execute("CREATE INDEX job_by_id ON job (tenant_id, id)")


def downgrade() -> None:
    op.execute("DROP INDEX job_by_id")
    op.execute("ALTER TABLE job DROP CONSTRAINT job_pkey, ADD PRIMARY KEY (tenant_id, id)")
