"""Abstracts of episodes, what units take on from others, and forgetting: pins, ends of life, how often recalled."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
CREATE TABLE unit_access (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    unit_id TEXT NOT NULL,
    recalls BIGINT NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, unit_id),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
ALTER TABLE unit_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE unit_access FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON unit_access USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
GRANT SELECT, INSERT, UPDATE, DELETE ON unit_access TO memsvc_app;
ALTER TABLE unit ADD COLUMN gained_keywords TEXT[] DEFAULT '{{}}' NOT NULL;
ALTER TABLE unit ADD COLUMN gained_topics JSONB DEFAULT '[]' NOT NULL;
ALTER TABLE unit ADD COLUMN pinned BOOLEAN DEFAULT 'false' NOT NULL;
ALTER TABLE unit ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE message ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE episode ADD COLUMN abstract TEXT
"""

DOWN = """
ALTER TABLE episode DROP COLUMN abstract;
ALTER TABLE message DROP COLUMN expires_at;
ALTER TABLE unit DROP COLUMN expires_at;
ALTER TABLE unit DROP COLUMN pinned;
ALTER TABLE unit DROP COLUMN gained_topics;
ALTER TABLE unit DROP COLUMN gained_keywords;
DROP TABLE unit_access
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
