"""Versions of units, tokens of messages, and what a job runner needs: order, progress, result."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE unit_version (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    unit_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    cause TEXT NOT NULL,
    state JSONB NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    replaced_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, unit_id, version),
    FOREIGN KEY(tenant_id, namespace_id, unit_id) REFERENCES unit (tenant_id, namespace_id, id)
);
ALTER TABLE unit_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_version FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON unit_version USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON unit_version TO memsvc_app;

ALTER TABLE unit ADD COLUMN cause TEXT DEFAULT 'distilled' NOT NULL;
ALTER TABLE unit ADD COLUMN recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
ALTER TABLE message ADD COLUMN tokens INTEGER;

ALTER TABLE job ADD COLUMN ordinal BIGINT GENERATED ALWAYS AS IDENTITY;
ALTER TABLE job ADD COLUMN done INTEGER DEFAULT '0' NOT NULL;
ALTER TABLE job ADD COLUMN total INTEGER;
ALTER TABLE job ADD COLUMN result JSONB;
ALTER TABLE job ADD COLUMN started_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE job ADD COLUMN finished_at TIMESTAMP WITH TIME ZONE;
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'running';
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO memsvc_app;
CREATE POLICY job_dispatch ON job FOR SELECT USING (current_setting('app.dispatch', true) = 'on')
"""

DOWN = """
DROP POLICY job_dispatch ON job;
DROP INDEX job_leased;
ALTER TABLE job DROP COLUMN finished_at;
ALTER TABLE job DROP COLUMN started_at;
ALTER TABLE job DROP COLUMN result;
ALTER TABLE job DROP COLUMN total;
ALTER TABLE job DROP COLUMN done;
ALTER TABLE job DROP COLUMN ordinal;
ALTER TABLE message DROP COLUMN tokens;
ALTER TABLE unit DROP COLUMN recorded_at;
ALTER TABLE unit DROP COLUMN cause;
DROP TABLE unit_version
"""


def upgrade() -> None:
    """The dispatcher sees the job rows of all tenants, and only to read them: it must learn whose turn it is before
    it can act as that tenant.
    """
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
