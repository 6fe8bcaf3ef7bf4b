"""Cells: which there are, and in which of them the namespaces of a tenant are."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE cell (
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    is_home BOOLEAN DEFAULT false NOT NULL,
    is_open BOOLEAN DEFAULT true NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (name)
);
ALTER TABLE cell ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell FORCE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON cell FOR SELECT USING (true);
GRANT SELECT ON cell TO memsvc_app;
CREATE TABLE placement (
    tenant_id UUID NOT NULL REFERENCES tenant (id),
    digest BYTEA NOT NULL,
    cell TEXT NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
ALTER TABLE placement ENABLE ROW LEVEL SECURITY;
ALTER TABLE placement FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON placement USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT ON placement TO memsvc_app;
ALTER TABLE directory ADD COLUMN moved_to TEXT;
ALTER TABLE namespace ADD COLUMN is_moved BOOLEAN DEFAULT false NOT NULL
"""

DOWN = """
ALTER TABLE namespace DROP COLUMN is_moved;
ALTER TABLE directory DROP COLUMN moved_to;
DROP TABLE placement;
DROP TABLE cell
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
