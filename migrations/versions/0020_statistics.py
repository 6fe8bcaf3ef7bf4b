"""What the planner knows of a namespace's rows while they are new: statistics that the service may ask for itself.

Without them all indexes that begin with the namespace look alike, and a foreign key is checked by the newest of them,
which reads the whole namespace for each row. Autovacuum makes none before a commit.
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# The two columns alone: it takes little, and no text is quoted. Large tables are known; a table that another
# transaction analyses is left to it.
FUNCTION = """
CREATE FUNCTION analyse_small_tables() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    small regclass;
BEGIN
    FOR small IN
        SELECT oid FROM pg_class
        WHERE oid = ANY (ARRAY['public.message'::regclass, 'public.unit'::regclass]) AND reltuples < 10000
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s (tenant_id, namespace_id)', small);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(FUNCTION)
    op.execute("REVOKE ALL ON FUNCTION analyse_small_tables() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION analyse_small_tables() TO memsvc_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION analyse_small_tables()")
