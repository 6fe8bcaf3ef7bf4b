"""What the consolidation makes: links, episodes with their segments, and how each unit stands."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

TABLES = """
CREATE TABLE link (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    src TEXT NOT NULL,
    dst TEXT NOT NULL,
    kind TEXT NOT NULL,
    weight FLOAT NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, src, dst, kind),
    FOREIGN KEY(tenant_id, namespace_id, src) REFERENCES unit (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id, dst) REFERENCES unit (tenant_id, namespace_id, id)
);
CREATE INDEX link_by_dst ON link (tenant_id, namespace_id, dst);
CREATE TABLE episode (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    medoid TEXT NOT NULL,
    start_at TIMESTAMP WITH TIME ZONE NOT NULL,
    end_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
CREATE TABLE segment (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    episode_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    unit_ids TEXT[] NOT NULL,
    medoid TEXT NOT NULL,
    start_at TIMESTAMP WITH TIME ZONE NOT NULL,
    end_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id, episode_id) REFERENCES episode (tenant_id, namespace_id, id)
);
ALTER TABLE unit ADD COLUMN proof_count INTEGER DEFAULT '1' NOT NULL;
ALTER TABLE unit ADD COLUMN valid_to TIMESTAMP WITH TIME ZONE;
CREATE INDEX unit_merged ON unit (tenant_id, namespace_id, superseded_by) WHERE status = 'merged';
ALTER TABLE namespace ADD COLUMN consolidated BIGINT DEFAULT '0' NOT NULL
"""
NAMES = ("link", "episode", "segment")


def upgrade() -> None:
    for statement in TABLES.split(";"):
        op.execute(statement)
    for name in NAMES:
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant_isolation ON {name} "
            f"USING (tenant_id = {CURRENT_TENANT}) WITH CHECK (tenant_id = {CURRENT_TENANT})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO memsvc_app")


def downgrade() -> None:
    op.execute("ALTER TABLE namespace DROP COLUMN consolidated")
    op.execute("DROP INDEX unit_merged")
    op.execute("ALTER TABLE unit DROP COLUMN valid_to")
    op.execute("ALTER TABLE unit DROP COLUMN proof_count")
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
