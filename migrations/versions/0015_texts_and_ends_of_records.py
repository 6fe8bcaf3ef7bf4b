"""Records are found by several texts, and may end. What was written before keeps the one vector of its first words
until it is written or encoded again.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rewriting the column passes row security, which an update would be kept back by.
    op.execute("ALTER TABLE record ALTER COLUMN text TYPE TEXT[] USING CASE WHEN text <> '' THEN ARRAY[text] END")
    op.execute("ALTER TABLE record RENAME COLUMN text TO texts")
    op.execute("ALTER TABLE record ADD COLUMN ttl_s FLOAT, ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE")


def downgrade() -> None:
    # One vector was made of one text: those of several wait to be encoded again.
    op.execute("ALTER TABLE record ALTER COLUMN embedding TYPE BYTEA USING CASE WHEN texts IS NULL THEN embedding END")
    op.execute("ALTER TABLE record RENAME COLUMN texts TO text")
    op.execute("ALTER TABLE record ALTER COLUMN text TYPE TEXT USING array_to_string(text, E'\\n')")
    op.execute("ALTER TABLE record DROP COLUMN ttl_s, DROP COLUMN expires_at")
