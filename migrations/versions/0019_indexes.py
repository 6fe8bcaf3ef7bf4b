"""Indexes for what reads look for: units by their place and session, jobs by state, records by their update."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX unit_by_seq ON unit (tenant_id, namespace_id, seq);
CREATE INDEX unit_by_session ON unit (tenant_id, namespace_id, session_id);
CREATE INDEX unit_by_successor ON unit (tenant_id, namespace_id, superseded_by) WHERE superseded_by IS NOT NULL;
DROP INDEX unit_merged;
CREATE INDEX exchange_by_bytes ON exchange (tenant_id, namespace_id, id text_pattern_ops);
CREATE INDEX job_open ON job (tenant_id, namespace_id, kind, ordinal)
    WHERE state <> ALL (ARRAY['done', 'dead', 'cancelled']);
CREATE INDEX job_ended ON job (finished_at) WHERE state = ANY (ARRAY['done', 'cancelled']);
CREATE INDEX job_by_ordinal ON job (tenant_id, ordinal);
CREATE INDEX job_by_state ON job (tenant_id, state, ordinal);
CREATE INDEX job_by_namespace ON job (tenant_id, namespace_id, ordinal);
CREATE INDEX record_by_update ON record (tenant_id, namespace_id, updated_at);
CREATE INDEX record_by_key ON record (tenant_id, namespace_id, key)
"""
DOWN = """
CREATE INDEX unit_merged ON unit (tenant_id, namespace_id, superseded_by) WHERE status = 'merged';
DROP INDEX unit_by_seq, unit_by_session, unit_by_successor, exchange_by_bytes, job_open, job_ended, job_by_ordinal,
    job_by_state, job_by_namespace, record_by_update, record_by_key
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
