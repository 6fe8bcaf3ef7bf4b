"""Shares: how much of a tenant's quota each cell may use."""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
ALTER TABLE tenant ADD COLUMN quota_number INTEGER DEFAULT 1 NOT NULL;
CREATE TABLE share (
    tenant_id UUID NOT NULL REFERENCES tenant (id),
    cell TEXT NOT NULL,
    namespaces BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    number BIGINT NOT NULL,
    quota_number INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, cell)
);
ALTER TABLE share ENABLE ROW LEVEL SECURITY;
ALTER TABLE share FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON share USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE ON share TO memsvc_app
"""

DOWN = """
DROP TABLE share;
ALTER TABLE tenant DROP COLUMN quota_number
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
