"""Answers that a language model gave, to be given again while what they were made from stands."""

from __future__ import annotations

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE answer (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    question TEXT NOT NULL,
    embedding BYTEA NOT NULL,
    form TEXT NOT NULL,
    maker TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    utc_offset_s INTEGER DEFAULT '0' NOT NULL,
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    cited TEXT[] NOT NULL,
    seen JSONB NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, digest),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
CREATE INDEX answer_by_form ON answer (tenant_id, namespace_id, form);
CREATE INDEX answer_by_made_at ON answer (tenant_id, namespace_id, made_at);
ALTER TABLE answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE answer FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON answer USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON answer TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE answer")
