"""Provenance and trust, quarantine, tombstones, the audit trail, keys that end, quotas."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

UP = """
ALTER TABLE api_key ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE api_key ADD COLUMN max_trust FLOAT DEFAULT '1' NOT NULL;
ALTER TABLE tenant ADD COLUMN max_namespaces INTEGER;
ALTER TABLE tenant ADD COLUMN max_messages BIGINT;
ALTER TABLE message ADD COLUMN actor TEXT;
ALTER TABLE message ADD COLUMN channel TEXT;
ALTER TABLE message ADD COLUMN source TEXT;
ALTER TABLE message ADD COLUMN trust FLOAT DEFAULT '1' NOT NULL;
ALTER TABLE message ADD COLUMN quarantined_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE unit ADD COLUMN trust FLOAT DEFAULT '1' NOT NULL;
CREATE INDEX message_by_source ON message (tenant_id, namespace_id, source) WHERE source IS NOT NULL;
CREATE TABLE tombstone (
    tenant_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    erased_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, digest)
);
CREATE TABLE audit (
    tenant_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    counts JSONB NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, seq)
)
"""

# What the service may do with each table; nobody but the owner changes or shortens the audit trail.
GRANTS = {"tombstone": "SELECT, INSERT, UPDATE", "audit": "SELECT, INSERT"}

DOWN = """
DROP TABLE audit;
DROP TABLE tombstone;
DROP INDEX message_by_source;
ALTER TABLE unit DROP COLUMN trust;
ALTER TABLE message DROP COLUMN quarantined_at;
ALTER TABLE message DROP COLUMN trust;
ALTER TABLE message DROP COLUMN source;
ALTER TABLE message DROP COLUMN channel;
ALTER TABLE message DROP COLUMN actor;
ALTER TABLE tenant DROP COLUMN max_messages;
ALTER TABLE tenant DROP COLUMN max_namespaces;
ALTER TABLE api_key DROP COLUMN max_trust;
ALTER TABLE api_key DROP COLUMN expires_at
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)
    for name, rights in GRANTS.items():
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant_isolation ON {name} "
            f"USING (tenant_id = {CURRENT_TENANT}) WITH CHECK (tenant_id = {CURRENT_TENANT})"
        )
        op.execute(f"GRANT {rights} ON {name} TO memsvc_app")


def downgrade() -> None:
    for statement in DOWN.split(";"):
        op.execute(statement)
