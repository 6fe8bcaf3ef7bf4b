"""Namespaces count their messages, so that a quota need not."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Row security is forced on the owner too, who must see every tenant's rows to count them.
UP = """
ALTER TABLE namespace ADD COLUMN messages BIGINT DEFAULT '0' NOT NULL;
ALTER TABLE namespace NO FORCE ROW LEVEL SECURITY;
ALTER TABLE message NO FORCE ROW LEVEL SECURITY;
UPDATE namespace n SET messages = (
    SELECT count(*) FROM message m WHERE m.tenant_id = n.tenant_id AND m.namespace_id = n.id
);
ALTER TABLE message FORCE ROW LEVEL SECURITY;
ALTER TABLE namespace FORCE ROW LEVEL SECURITY
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE namespace DROP COLUMN messages")
