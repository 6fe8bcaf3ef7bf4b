"""What calls of language models cost, by namespace, step and day."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

CURRENT_TENANT = "nullif(current_setting('app.tenant', true), '')::uuid"

# The dispatching connection reads the sums of all, for the metrics: numbers and the names of steps, nothing else.
UP = """
CREATE TABLE model_usage (
    tenant_id UUID NOT NULL,
    namespace_id UUID NOT NULL,
    step TEXT NOT NULL,
    day DATE NOT NULL,
    calls BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant_id, namespace_id, step, day),
    FOREIGN KEY(tenant_id, namespace_id) REFERENCES namespace (tenant_id, id)
);
ALTER TABLE model_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON model_usage USING (tenant_id = {tenant}) WITH CHECK (tenant_id = {tenant});
CREATE POLICY model_usage_dispatch ON model_usage FOR SELECT USING (current_setting('app.dispatch', true) = 'on');
GRANT SELECT, INSERT, UPDATE, DELETE ON model_usage TO memsvc_app
"""


def upgrade() -> None:
    for statement in UP.format(tenant=CURRENT_TENANT).split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE model_usage")
