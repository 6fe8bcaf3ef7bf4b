"""Namespaces that hold merged or superseded memories are consolidated from scratch once: what today's rules would not
merge stands for itself again. Nothing is waited for: it is a job of each of them.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Row security is forced on the owner too, who must see every tenant's rows to find them.
UP = """
ALTER TABLE unit NO FORCE ROW LEVEL SECURITY;
ALTER TABLE job NO FORCE ROW LEVEL SECURITY;
ALTER TABLE namespace NO FORCE ROW LEVEL SECURITY;
INSERT INTO job (tenant_id, id, namespace_id, kind, idem_key, payload)
    SELECT DISTINCT tenant_id, md5(tenant_id::text || namespace_id::text || 'rebuild:0013')::uuid, namespace_id,
        'rebuild', 'rebuild:0013', '{}'::jsonb
    FROM unit WHERE status IN ('merged', 'superseded')
    ON CONFLICT DO NOTHING;
ALTER TABLE namespace FORCE ROW LEVEL SECURITY;
ALTER TABLE job FORCE ROW LEVEL SECURITY;
ALTER TABLE unit FORCE ROW LEVEL SECURITY
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    pass
