from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from memsvc import bootstrap, errors, rooms
from memsvc.bootstrap import Service
from memsvc.settings import DatabaseSettings, ServerSettings, Settings
from memsvc.store import schema, tables
from memsvc.store.database import Database, psycopg_url


@pytest.fixture
def empty_url(service: Service) -> Iterator[str]:
    """A database of its own whose owner may create roles: a PostgreSQL server of a user's."""
    assert service.postgres is not None
    server = sa.make_url(psycopg_url(service.postgres.owner_url))
    superuser = server.set(username="postgres", password=service.postgres.superuser_password, database="postgres")
    engine = sa.create_engine(superuser, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE other OWNER memsvc_owner"))
        connection.execute(sa.text("GRANT memsvc_app TO memsvc_owner"))
        yield server.set(database="other").render_as_string(hide_password=False)
        connection.execute(sa.text("DROP DATABASE other WITH (FORCE)"))
        connection.execute(sa.text("REVOKE memsvc_app FROM memsvc_owner"))
    engine.dispose()


def test_migrations_go_up_down_and_up_and_agree_with_the_tables(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations)
    schema.downgrade(empty_url, migrations, "base")
    engine = sa.create_engine(psycopg_url(empty_url))
    with engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version"}
    schema.upgrade(empty_url, migrations)
    schema.upgrade(empty_url, migrations)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_a_server_of_the_users_own_is_used_with_one_url_and_needs_a_key(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSVC_DATABASE_URL", empty_url)
    with pytest.raises(errors.Invalid, match="MEMSVC_API_KEY"):
        bootstrap.build(Settings(ServerSettings(data_dir=tmp_path)))
    monkeypatch.setenv("MEMSVC_API_KEY", "my-own-key-1234")
    built = bootstrap.build(Settings(ServerSettings(data_dir=tmp_path)))
    try:
        assert built.postgres is None
        assert DatabaseSettings().url == empty_url
        assert list(tmp_path.iterdir()) == []
    finally:
        built.close()


def test_a_url_that_leads_nowhere_or_is_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="MEMSVC_DATABASE_URL"):
        schema.upgrade("postgresql://nobody:secret@127.0.0.1:1/none", rooms.root() / "migrations")
    with pytest.raises(errors.Invalid, match="postgresql://"):
        Database("mysql://x")
