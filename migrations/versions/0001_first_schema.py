"""The first schema: tenants, keys, namespaces, what was said, units, the change feed, jobs, idempotency keys.

Row-level security is forced on every table, and the app role owns none of them.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE tenant (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE api_key (
    tenant_id UUID NOT NULL,
    id TEXT NOT NULL,
    hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    UNIQUE (id)
);

CREATE TABLE namespace (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    head BIGINT DEFAULT '0' NOT NULL,
    encoder TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);

CREATE TABLE change (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    op TEXT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, seq),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE TABLE exchange (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    metadata JSONB,
    content_hash BYTEA NOT NULL,
    message_ids TEXT[] NOT NULL,
    skipped JSONB NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE TABLE idempotency (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    response JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, key),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE TABLE job (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    kind TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    epoch BIGINT DEFAULT '0' NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    run_after TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_error TEXT,
    payload JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, namespace_id, idem_key),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE INDEX job_due ON job (run_after) WHERE state = 'queued';

CREATE UNIQUE INDEX job_one_running_per_namespace ON job (tenant_id, namespace_id) WHERE state = 'running';

CREATE TABLE message (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    session_id TEXT NOT NULL,
    exchange_id TEXT NOT NULL,
    role TEXT NOT NULL,
    speaker TEXT,
    content TEXT NOT NULL,
    caption TEXT,
    metadata JSONB NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    content_hash BYTEA NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    UNIQUE (tenant_id, namespace_id, seq),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE INDEX message_by_session ON message (tenant_id, namespace_id, session_id, occurred_at, seq);

CREATE TABLE session (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE TABLE unit (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    exchange_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    core_end INTEGER NOT NULL,
    subject TEXT,
    persons TEXT[] NOT NULL,
    entities TEXT[] NOT NULL,
    keywords TEXT[] NOT NULL,
    topics JSONB NOT NULL,
    artefacts JSONB NOT NULL,
    quantities JSONB NOT NULL,
    location TEXT,
    t_mention TIMESTAMP WITH TIME ZONE NOT NULL,
    t_start TIMESTAMP WITH TIME ZONE,
    t_end TIMESTAMP WITH TIME ZONE,
    t_granularity TEXT,
    t_phrase TEXT,
    salience FLOAT NOT NULL,
    confidence FLOAT NOT NULL,
    tokens INTEGER NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    superseded_by TEXT,
    distiller TEXT NOT NULL,
    embedding BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);

CREATE TABLE unit_source (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    unit_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    start_char INTEGER NOT NULL,
    end_char INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, unit_id, ordinal),
    FOREIGN KEY(tenant_id, namespace_id, unit_id) REFERENCES unit (tenant_id, namespace_id, id),
    FOREIGN KEY(tenant_id, namespace_id, message_id) REFERENCES message (tenant_id, namespace_id, id)
);

CREATE INDEX unit_source_by_message ON unit_source (tenant_id, namespace_id, message_id);
"""

NAMES = (
    "tenant",
    "api_key",
    "namespace",
    "change",
    "exchange",
    "idempotency",
    "job",
    "message",
    "session",
    "unit",
    "unit_source",
)

# '' is what the setting reads once its transaction is over: it must match no row, and must not fail as a uuid.
CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"


def upgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'memsvc_app') THEN
                CREATE ROLE memsvc_app NOLOGIN NOSUPERUSER NOBYPASSRLS;
            END IF;
            IF NOT pg_has_role(current_user, 'memsvc_app', 'MEMBER') THEN
                -- Only so that one role can serve as both; a role apart for the service needs no membership here.
                BEGIN
                    EXECUTE format('GRANT memsvc_app TO %I', current_user);
                EXCEPTION WHEN insufficient_privilege THEN NULL;
                END;
            END IF;
        END $$
        """
    )
    for statement in TABLES.split(";"):
        if statement.strip():
            op.execute(statement)
    op.execute("GRANT USAGE ON SCHEMA public TO memsvc_app")
    for name in NAMES:
        column = "id" if name == "tenant" else "tenant_id"
        op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant_isolation ON {name} "
            f"USING ({column} = {CURRENT_TENANT}) WITH CHECK ({column} = {CURRENT_TENANT})"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO memsvc_app")
    # A key is looked up by its id before its tenant is known; who knows the id sees that row, and only to read it.
    op.execute(
        "CREATE POLICY key_lookup ON api_key FOR SELECT USING (id = nullif(current_setting('app.key_id', true), ''))"
    )


def downgrade() -> None:
    # The role stays: other databases of the same server may use it.
    for name in reversed(NAMES):
        op.execute(f"DROP TABLE {name}")
    op.execute("REVOKE USAGE ON SCHEMA public FROM memsvc_app")
