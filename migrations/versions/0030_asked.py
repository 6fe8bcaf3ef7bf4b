"""What a language model was asked of messages, so that it is not asked the same again."""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE asked (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    message_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, message_id),
    FOREIGN KEY(tenant_id, namespace_id, message_id) REFERENCES message (tenant_id, namespace_id, id)
);
ALTER TABLE asked ENABLE ROW LEVEL SECURITY;
ALTER TABLE asked FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON asked USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON asked TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE asked")
