"""The owner may act as the service's role, also where it made that role itself.

Since PostgreSQL 16 who makes a role is its administrator, and no more: SET ROLE is a right of its own.
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        DO $$ BEGIN
            IF current_setting('server_version_num')::integer >= 160000 THEN
                IF NOT pg_has_role(current_user, 'memsvc_app', 'SET') THEN
                    -- Only so that one role can serve as both; a role apart for the service needs no membership here.
                    BEGIN
                        EXECUTE format('GRANT memsvc_app TO %I', current_user);
                    EXCEPTION WHEN insufficient_privilege THEN NULL;
                    END;
                END IF;
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Who may act as the role stays: it may have been so before."""
