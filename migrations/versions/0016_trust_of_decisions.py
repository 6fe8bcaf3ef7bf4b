"""How far the key is trusted that decided about a unit or a message by hand, and the one that wrote a record.

What was decided before is kept for keys that are trusted fully: who decided it is not known any more.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Row security is forced on the owner too, who must see every tenant's rows to change them.
UP = """
ALTER TABLE record ADD COLUMN trust FLOAT DEFAULT '1' NOT NULL;
ALTER TABLE message ADD COLUMN decided_trust FLOAT DEFAULT '0' NOT NULL;
ALTER TABLE unit ADD COLUMN decided_trust FLOAT DEFAULT '0' NOT NULL;
ALTER TABLE message NO FORCE ROW LEVEL SECURITY;
ALTER TABLE unit NO FORCE ROW LEVEL SECURITY;
UPDATE message SET decided_trust = 1 WHERE quarantined_at IS NOT NULL;
UPDATE unit SET decided_trust = 1
    WHERE pinned OR cause LIKE 'edited by hand%' OR cause LIKE 'invalidated by hand%' OR cause LIKE 'restored by hand%';
ALTER TABLE unit FORCE ROW LEVEL SECURITY;
ALTER TABLE message FORCE ROW LEVEL SECURITY
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    for table, column in (("unit", "decided_trust"), ("message", "decided_trust"), ("record", "trust")):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
