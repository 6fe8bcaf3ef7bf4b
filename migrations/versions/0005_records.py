"""Records: documents that programs keep beside a memory."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE record (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    path TEXT[] NOT NULL,
    key TEXT NOT NULL,
    value JSONB NOT NULL,
    embedding BYTEA,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, path, key),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
ALTER TABLE record ENABLE ROW LEVEL SECURITY;
ALTER TABLE record FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON record USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON record TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE record")
