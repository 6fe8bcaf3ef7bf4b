"""Idempotency keys are kept as digests: a key that a client chose may hold a person's name."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Row security is forced on the owner too, who must see every tenant's rows.
UP = """
ALTER TABLE idempotency NO FORCE ROW LEVEL SECURITY;
UPDATE idempotency SET key = 'sha256:' || encode(sha256(convert_to(key, 'UTF8')), 'hex')
    WHERE key NOT LIKE 'sha256:%';
ALTER TABLE idempotency FORCE ROW LEVEL SECURITY
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        op.execute(statement)


def downgrade() -> None:
    pass
