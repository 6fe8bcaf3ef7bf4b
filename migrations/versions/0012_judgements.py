"""What a language model said of pairs of units."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE judgement (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    earlier TEXT NOT NULL,
    later TEXT NOT NULL,
    digest TEXT NOT NULL,
    replaces BOOLEAN,
    judged_by TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, earlier, later),
    FOREIGN KEY(tenant_id, namespace_id, earlier) REFERENCES unit (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id, later) REFERENCES unit (tenant_id, namespace_id, id)
);
CREATE INDEX judgement_by_later ON judgement (tenant_id, namespace_id, later);
ALTER TABLE judgement ENABLE ROW LEVEL SECURITY;
ALTER TABLE judgement FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON judgement USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON judgement TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE judgement")
