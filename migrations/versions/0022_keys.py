"""The namespace in the key of all that it holds, and names in a directory of their own.

What is spread over machines by its namespace can be unique within one namespace only. The directory is small, and
stands on every machine.
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE directory (
    tenant_id UUID NOT NULL REFERENCES tenant (id),
    name TEXT NOT NULL,
    namespace_id UUID NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
ALTER TABLE namespace NO FORCE ROW LEVEL SECURITY;
INSERT INTO directory SELECT tenant_id, name, id FROM namespace;
ALTER TABLE namespace FORCE ROW LEVEL SECURITY;
CREATE INDEX directory_by_namespace ON directory (tenant_id, namespace_id);
ALTER TABLE directory ENABLE ROW LEVEL SECURITY;
ALTER TABLE directory FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON directory USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON directory TO memsvc_app;
ALTER TABLE namespace DROP CONSTRAINT namespace_tenant_id_name_key;
CREATE INDEX namespace_by_name ON namespace (tenant_id, name);
ALTER TABLE job DROP CONSTRAINT job_pkey, ADD PRIMARY KEY (tenant_id, namespace_id, id);
CREATE INDEX job_by_id ON job (tenant_id, id)
"""

DOWN = """
DROP INDEX job_by_id;
ALTER TABLE job DROP CONSTRAINT job_pkey, ADD PRIMARY KEY (tenant_id, id);
DROP INDEX namespace_by_name;
ALTER TABLE namespace ADD CONSTRAINT namespace_tenant_id_name_key UNIQUE (tenant_id, name);
DROP TABLE directory
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
