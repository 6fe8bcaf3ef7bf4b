from __future__ import annotations

import contextlib
import datetime as dt
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from memsvc import bootstrap, errors, rooms
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace, NewExchange, NewMessage
from memsvc.domain.message import Role
from memsvc.domain.unit import MemoryUnit
from memsvc.settings import DatabaseSettings, ServerSettings, Settings
from memsvc.store import idempotency, namespaces, schema, tables
from memsvc.store.database import Database, psycopg_url
from memsvc.store.embedded import EmbeddedPostgres
from tests.waiting import LIMIT_S


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


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005", "0006"])
def test_a_filled_database_of_an_early_version_is_brought_up_with_nothing_lost(empty_url: str, revision: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, revision)
    engine = sa.create_engine(psycopg_url(empty_url))
    early = sa.MetaData()
    early.reflect(engine, only=lambda name, _: name != "alembic_version")
    owners = [uuid.uuid5(uuid.NAMESPACE_OID, name) for name in ("first", "second")]
    with engine.begin() as connection:
        for owner in owners:
            connection.execute(_ACT_FOR, {"tenant": str(owner)})
            for table in early.sorted_tables:
                for number in range(1, 2 if table.name in ("tenant", "namespace") else 4):
                    given = [column for column in table.columns if column.identity is None]
                    connection.execute(sa.insert(table), {c.name: _filling(c, owner, number) for c in given})
    before = [_rows(engine, early, owner) for owner in owners]
    assert all(len(rows) >= 1 for one in before for rows in one.values())
    schema.upgrade(empty_url, migrations)
    assert [_rows(engine, early, owner) for owner in owners] == before
    now = sa.MetaData()
    now.reflect(engine)
    assert set(tables.metadata.tables) <= set(now.tables)
    for owner in owners:
        ((counted,),) = _rows(engine, now, owner, {"namespace": ["messages"]})["namespace"]
        assert counted == len(_rows(engine, now, owner)["message"]) == 3
    engine.dispose()


def test_an_idempotency_key_of_before_is_kept_as_its_digest_and_is_still_found(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, "0013")
    engine = sa.create_engine(psycopg_url(empty_url))
    space = Namespace(uuid.uuid4(), uuid.uuid4(), "a", 0, "mini")
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": str(space.tenant_id)})
        connection.execute(sa.insert(tables.tenant).values(id=space.tenant_id, name="a"))
        own = {"tenant_id": space.tenant_id, "id": space.id, "name": "a", "encoder": "mini"}
        connection.execute(sa.insert(tables.namespace).values(own))
        held = {"tenant_id": space.tenant_id, "namespace_id": space.id, "request_hash": b"1", "response": {"seq": 1}}
        connection.execute(sa.insert(tables.idempotency).values(held | {"key": "diary-of-Étienne"}))
    schema.upgrade(empty_url, migrations)
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": str(space.tenant_id)})
        assert idempotency.find(connection, space, "diary-of-Étienne") == idempotency.Reply(b"1", {"seq": 1})
        assert "tienne" not in connection.execute(sa.select(tables.idempotency.c.key)).scalar_one()
    engine.dispose()


_ACT_FOR = sa.text("SELECT set_config('app.tenant', :tenant, true)")
_MOMENT = dt.datetime(2024, 5, 1, 10, tzinfo=dt.UTC)
# Where a word of its own would not be what the service writes.
_WORDS = {"role": "user", "status": "active", "state": "queued"}


def _filling(column: sa.Column[Any], owner: uuid.UUID, number: int) -> Any:
    """A value of the column's type; ids agree over the tables, so that rows belong to each other."""
    if isinstance(column.type, sa.UUID):
        whole = column.name == "tenant_id" or column.table.name == "tenant"
        space = column.name == "namespace_id" or column.table.name == "namespace"
        return owner if whole else uuid.uuid5(owner, "namespace" if space else str(number))
    if isinstance(column.type, sa.ARRAY):
        return [f"r{number}", "ü"]
    if column.table.name in ("tenant", "api_key") and column.name in ("id", "name"):
        return f"{owner}-{number}"
    if column.table.name == "idempotency" and column.name == "key":
        return f"sha256:{number}"
    made: dict[type, Any] = {
        sa.Boolean: True, sa.Integer: number, sa.Float: 0.5, sa.DateTime: _MOMENT + dt.timedelta(days=number),
        sa.LargeBinary: bytes([number, 0, 255]), sa.JSON: {"number": number, "nested": ["ü", None]},
    }  # fmt: skip
    found = next((value for kind, value in made.items() if isinstance(column.type, kind)), f"r{number}")
    return _WORDS.get(column.name, found)


def _rows(
    engine: sa.Engine, schema_of: sa.MetaData, owner: uuid.UUID, columns: dict[str, list[str]] | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> the owner's rows, in the columns that `schema_of` has."""
    found = {}
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": str(owner)})
        for table in schema_of.sorted_tables:
            chosen = (columns or {}).get(table.name) or [column.name for column in table.columns]
            statement = sa.select(*(table.c[name] for name in chosen))
            if table.name != "alembic_version":
                found[table.name] = sorted((tuple(row) for row in connection.execute(statement)), key=repr)
    return found


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


def test_an_upgrade_takes_back_merges_that_todays_rules_would_not_make(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMSVC_DATABASE_URL", empty_url)
    monkeypatch.setenv("MEMSVC_API_KEY", "my-own-key-1234")
    said = ("My left knee was operated on in May.", "My right knee was operated on in May.", "I keep two goats.")
    built = bootstrap.build(Settings(ServerSettings(data_dir=tmp_path)))
    try:
        for number, text in enumerate((*said, said[-1])):
            message = NewMessage(f"m{number}", Role.USER, "Ana", text, _MOMENT + dt.timedelta(days=number))
            built.ingest.write(built.tenant_id, "knees", [NewExchange(None, f"s{number}", None, (message,))])
        units = {unit.t_mention: unit.id for unit in _units(built)}
        left, right, goats, again = (units[_MOMENT + dt.timedelta(days=number)] for number in range(4))
        merge = sa.text("UPDATE unit SET status = 'merged', superseded_by = :into WHERE id = :id")
        with built.database.tenant(built.tenant_id) as connection:
            connection.execute(merge, {"into": left, "id": right})
            connection.execute(merge, {"into": goats, "id": again})
            connection.execute(sa.text("DELETE FROM job"))
    finally:
        built.close()
    schema.downgrade(empty_url, rooms.root() / "migrations", "0012")
    built = bootstrap.build(Settings(ServerSettings(data_dir=tmp_path)))
    try:
        built.runner.run_due()
        standing = {unit.id: (unit.status.value, unit.superseded_by) for unit in _units(built)}
        assert standing[right] == ("active", None)
        assert standing[again] == ("merged", goats)
    finally:
        built.close()


def _units(built: Service) -> list[MemoryUnit]:
    page = built.inspect.units(built.tenant_id, "knees", 0, 100)
    return [item.unit for item in page.units]


def test_the_words_of_a_record_become_its_texts_and_stay_when_that_is_taken_back(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, "0013")
    engine = sa.create_engine(psycopg_url(empty_url))
    owner, space = str(uuid.uuid4()), str(uuid.uuid4())
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": owner})
        place = {"owner": owner, "space": space}
        connection.execute(sa.text("INSERT INTO tenant (id, name) VALUES (:owner, 'a')"), place)
        connection.execute(
            sa.text("INSERT INTO namespace (tenant_id, id, name, encoder) VALUES (:owner, :space, 'n', 'e')"), place
        )
        connection.execute(
            sa.text(
                "INSERT INTO record (tenant_id, namespace_id, path, key, value, embedding, text) VALUES"
                " (:owner, :space, '{p}', 'bare', '{}', NULL, NULL), (:owner, :space, '{p}', 'mute', '{}', 'm', NULL),"
                " (:owner, :space, '{p}', 'worded', '{}', 'w', 'Ana sails')"
            ),
            place,
        )

    def held(column: str) -> list[tuple[object, ...]]:
        with engine.begin() as connection:
            connection.execute(_ACT_FOR, {"tenant": owner})
            return [tuple(row) for row in connection.execute(sa.text(f"SELECT key, embedding, {column} FROM record"))]

    schema.upgrade(empty_url, migrations)
    assert sorted(held("texts")) == [("bare", None, None), ("mute", b"m", None), ("worded", b"w", ["Ana sails"])]
    schema.downgrade(empty_url, migrations, "0013")
    assert sorted(held("text")) == [("bare", None, None), ("mute", b"m", None), ("worded", None, "Ana sails")]
    engine.dispose()


def test_names_of_before_stand_in_the_directory_and_are_unique_again_when_that_is_taken_back(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, "0021")
    engine = sa.create_engine(psycopg_url(empty_url))
    owners = [uuid.uuid4(), uuid.uuid4()]
    put = sa.text("INSERT INTO namespace (tenant_id, id, name, encoder) VALUES (:owner, :space, :name, 'e')")
    for owner in owners:
        with engine.begin() as connection:
            connection.execute(_ACT_FOR, {"tenant": str(owner)})
            connection.execute(sa.insert(tables.tenant).values(id=owner, name=str(owner)))
            for name in ("mine", "ours"):
                connection.execute(put, {"owner": owner, "space": uuid.uuid4(), "name": name})
    schema.upgrade(empty_url, migrations)
    for owner in owners:
        with engine.begin() as connection:
            connection.execute(_ACT_FOR, {"tenant": str(owner)})
            for name in ("mine", "ours"):
                found = namespaces.find(connection, owner, name)
                assert found is not None and found.name == name
            assert connection.execute(sa.select(sa.func.count()).select_from(tables.directory)).scalar_one() == 2
    schema.downgrade(empty_url, migrations, "0021")
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(_ACT_FOR, {"tenant": str(owners[0])})
        connection.execute(put, {"owner": owners[0], "space": uuid.uuid4(), "name": "mine"})
    engine.dispose()


def test_secrets_in_what_was_said_before_are_found_by_the_upgrade(empty_url: str) -> None:
    migrations = rooms.root() / "migrations"
    schema.upgrade(empty_url, migrations, "0016")
    engine = sa.create_engine(psycopg_url(empty_url))
    place = {"owner": str(uuid.uuid4()), "space": str(uuid.uuid4())}
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": place["owner"]})
        for statement in (
            "INSERT INTO tenant (id, name) VALUES (:owner, 'a')",
            "INSERT INTO namespace (tenant_id, id, name, encoder) VALUES (:owner, :space, 'n', 'e')",
            "INSERT INTO message (tenant_id, namespace_id, id, seq, session_id, exchange_id, role, content, caption,"
            " metadata, occurred_at, content_hash) SELECT :owner, :space, 'm' || n, n, 's', 'e', 'user',"
            " 'My password is hunter' || n || '.', 'PIN: 4711', '{}', now(), 'h' FROM generate_series(1, 2500) AS n",
        ):
            connection.execute(sa.text(statement), place)
    schema.upgrade(empty_url, migrations)
    with engine.begin() as connection:
        connection.execute(_ACT_FOR, {"tenant": place["owner"]})
        found = sa.text(
            "SELECT place, start_char, end_char, kind FROM secret WHERE message_id = 'm2500' ORDER BY place"
        )
        assert [tuple(row) for row in connection.execute(found)] == [
            (["caption"], 5, 9, "PIN"), (["content"], 15, 25, "Password"),
        ]  # fmt: skip
        assert connection.execute(sa.text("SELECT count(*) FROM secret")).scalar_one() == 5000
    engine.dispose()


def test_a_database_of_a_newer_version_is_left_as_it_is_and_every_command_says_what_to_install(empty_url: str) -> None:
    schema.upgrade(empty_url, rooms.root() / "migrations")
    with contextlib.closing(psycopg.connect(empty_url.replace("+psycopg", ""), autocommit=True)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        bare = {name: value for name, value in os.environ.items() if not name.startswith("MEMSVC_")}
        given = {
            "MEMSVC_DATABASE_URL": empty_url, "MEMSVC_API_KEY": "my-own-key-1234",
            "MEMSVC_JOB_BROKER_URL": "redis://127.0.0.1:1/0",
        }  # fmt: skip
        commands = (["serve", "--port", "0"], ["worker"], ["tenants", "create", "acme"], ["doctor"])
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "memsvc.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, env=bare | given,
            )
            for command in commands
        ]  # fmt: skip
        for command, process in zip(commands, running, strict=True):
            said = " ".join(process.communicate(timeout=LIMIT_S)[0].split())
            assert process.returncode == (1 if command == ["doctor"] else 2), said
            assert "newer version of memsvc: it has revision 9999" in said
            assert "Install that version" in said
            assert "Traceback" not in said
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
        assert connection.execute("SELECT count(*) FROM tenant").fetchone() == (0,)


def test_an_owner_that_makes_the_services_role_itself_serves_as_that(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "server", 600)
    postgres.start()
    try:
        with postgres._superuser() as connection:
            connection.execute("DROP DATABASE memsvc")
            connection.execute("DROP ROLE memsvc_app")
            connection.execute("CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'secret'")
            connection.execute("CREATE DATABASE own OWNER boss")
        url = sa.make_url(postgres.owner_url).set(username="boss", password="secret", database="own")
        settings = Settings(ServerSettings(data_dir=tmp_path, api_key="my-own-key-1234"))
        settings.database = DatabaseSettings(url=url.render_as_string(hide_password=False))
        bootstrap.build(settings).close()
    finally:
        postgres.stop()
