"""Names that a language model takes for one person's, waiting for a person to decide; and those that one took apart."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE apart (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    pair TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, pair),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
CREATE TABLE proposal (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    pair TEXT NOT NULL,
    digest TEXT NOT NULL,
    shown TEXT[] NOT NULL,
    name TEXT,
    alias TEXT,
    quotes JSONB,
    model TEXT NOT NULL,
    prompt_version INTEGER NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, pair),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
ALTER TABLE apart ENABLE ROW LEVEL SECURITY;
ALTER TABLE apart FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON apart USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON apart TO memsvc_app;
ALTER TABLE proposal ENABLE ROW LEVEL SECURITY;
ALTER TABLE proposal FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON proposal USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON proposal TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE proposal")
    op.execute("DROP TABLE apart")
