"""Alembic's entry: runs the migrations on the URL that memsvc.store.schema hands over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

# One migration at a time over all servers that start together; any constant of our own does.
ADVISORY_LOCK = 0x6D656D73


def run() -> None:
    url: str = context.config.attributes["url"]
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        # A migration must not stall a live service behind a lock it cannot get.
        connection.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
        context.configure(connection=connection, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
