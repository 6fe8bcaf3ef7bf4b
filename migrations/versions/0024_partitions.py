"""Partitions: the vectors of a namespace that outgrows memory, in a table of its own with pgvector."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# Only the owner makes tables, and the service runs as a role that owns nothing: so it asks these two, which make and
# drop one kind of table, of a namespace of the tenant that the transaction is of. The type is named in text alone, so
# that a database without pgvector has them too.
UP = """
ALTER TABLE namespace ADD COLUMN partitioned BIGINT;

CREATE FUNCTION memsvc_partition(space UUID, width INTEGER, most INTEGER) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    place TEXT := 'vectors_' || replace(space::text, '-', '');
    tenant UUID := nullif(current_setting('app.tenant', true), '')::uuid;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM namespace n WHERE n.id = space AND n.tenant_id = tenant) THEN
        RAISE EXCEPTION 'no namespace of this tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('memsvc_partition'));
    IF to_regclass(place) IS NOT NULL THEN
        RETURN true;
    END IF;
    IF (SELECT count(*) FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = '{schema}'::regnamespace
            AND c.relname ~ '^vectors_[0-9a-f]{{32}}$') >= most THEN
        RETURN false;
    END IF;
    -- Wide vectors too stand in the rows themselves, where a search reads them at once.
    EXECUTE format('CREATE TABLE %I (namespace_id UUID NOT NULL CHECK (namespace_id = %L),
        ref TEXT COLLATE "C" NOT NULL, part SMALLINT NOT NULL, vector halfvec(%s) NOT NULL,
        PRIMARY KEY (namespace_id, ref, part)) WITH (toast_tuple_target = 8160)', place, space, width);
    EXECUTE format('CREATE INDEX ON %I USING hnsw (vector halfvec_ip_ops)', place);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', place);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', place);
    EXECUTE format('CREATE POLICY tenant_isolation ON %I USING (current_setting(''app.tenant'', true) = %L)
        WITH CHECK (current_setting(''app.tenant'', true) = %L)', place, tenant, tenant);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO memsvc_app', place);
    RETURN true;
END $$;

CREATE FUNCTION memsvc_unpartition(space UUID) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    tenant UUID := nullif(current_setting('app.tenant', true), '')::uuid;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM namespace n WHERE n.id = space AND n.tenant_id = tenant) THEN
        RAISE EXCEPTION 'no namespace of this tenant' USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS %I', 'vectors_' || replace(space::text, '-', ''));
END $$;

REVOKE ALL ON FUNCTION memsvc_partition(UUID, INTEGER, INTEGER) FROM PUBLIC;
REVOKE ALL ON FUNCTION memsvc_unpartition(UUID) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memsvc_partition(UUID, INTEGER, INTEGER) TO memsvc_app;
GRANT EXECUTE ON FUNCTION memsvc_unpartition(UUID) TO memsvc_app
"""

# Partitions are copies: what they were made from stays.
DOWN = """
DO $$
DECLARE
    place TEXT;
BEGIN
    FOR place IN SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = '{schema}'::regnamespace
            AND c.relname ~ '^vectors_[0-9a-f]{{32}}$' LOOP
        EXECUTE format('DROP TABLE %I', place);
    END LOOP;
END $$;

DROP FUNCTION memsvc_partition(UUID, INTEGER, INTEGER);
DROP FUNCTION memsvc_unpartition(UUID);
ALTER TABLE namespace DROP COLUMN partitioned
"""


def upgrade() -> None:
    _run(UP)


def downgrade() -> None:
    _run(DOWN)


def _run(statements: str) -> None:
    connection = op.get_bind()
    schema = connection.execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
    for statement in statements.format(schema=schema).split(";\n\n"):
        connection.exec_driver_sql(statement.replace("%", "%%"))
