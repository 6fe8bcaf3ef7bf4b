"""Why one unit bears on another, as a language model told it, and of which pairs it was asked."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE reason (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    src TEXT NOT NULL,
    dst TEXT NOT NULL,
    digest TEXT NOT NULL,
    text TEXT,
    told_by TEXT NOT NULL,
    prompt_version INTEGER NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, src, dst),
    FOREIGN KEY(tenant_id, namespace_id, src) REFERENCES unit (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id, dst) REFERENCES unit (tenant_id, namespace_id, id)
);
CREATE INDEX reason_by_dst ON reason (tenant_id, namespace_id, dst);
ALTER TABLE reason ENABLE ROW LEVEL SECURITY;
ALTER TABLE reason FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON reason USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON reason TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE reason")
