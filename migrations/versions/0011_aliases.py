"""Names that are one person's."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE alias (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    alias TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, alias),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
ALTER TABLE alias ENABLE ROW LEVEL SECURITY;
ALTER TABLE alias FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON alias USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON alias TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE alias")
