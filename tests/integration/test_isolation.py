from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace, NotFound, Unauthorized
from memsvc.store import keys, tables, tenants
from memsvc.store.database import Database


@pytest.fixture
def stranger(service: Service, base_url: str) -> Iterator[MemoryClient]:
    """A client of another tenant."""
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ("read", "write", "erase"), "test", "operator")
    with MemoryClient(base_url, key, max_retries=0) as made:
        yield made


def test_every_table_has_row_level_security_enabled_and_forced(service: Service) -> None:
    with service.database.tenant(service.tenant_id) as connection:
        rows = connection.execute(
            sa.text(
                "SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"
            )
        ).all()
    assert {row[0] for row in rows} == set(tables.metadata.tables)
    assert all(enabled and forced for _, enabled, forced, _ in rows)
    assert {owner for *_, owner in rows} == {"memsvc_owner"}


def test_no_view_reads_with_its_owners_rights_and_unique_keys_are_the_tenants_own(service: Service) -> None:
    with service.database.tenant(service.tenant_id) as connection:
        views = connection.execute(sa.text(
            "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
            " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)"
        )).scalars().all()  # fmt: skip
        unique = connection.execute(sa.text(
            "SELECT c.relname, (SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[0])"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'"
        )).all()  # fmt: skip
    assert views == []
    # A key is looked up before its tenant is known; a tenant is what the others belong to; cells are the operator's.
    foreign = {(table, first) for table, first in unique if first != "tenant_id"}
    assert foreign == {("api_key", "id"), ("tenant", "id"), ("tenant", "name"), ("cell", "name")}
    assert len(unique) > 20


def test_the_services_role_cannot_pass_row_level_security_or_change_tables(service: Service) -> None:
    with service.database.tenant(service.tenant_id) as connection:
        role = connection.execute(
            sa.text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        ).one()
    assert tuple(role) == (False, False)
    with pytest.raises(sa.exc.ProgrammingError), service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.text("ALTER TABLE message DISABLE ROW LEVEL SECURITY"))


def test_without_a_tenant_or_with_another_one_no_row_is_visible_or_writable(
    memory: Namespace, service: Service
) -> None:
    memory.add("A secret.", session_id="s")
    for table in tables.metadata.tables.keys() - {"cell"}:  # which cells there are is seen by all
        with service.database.tenant(uuid.uuid4()) as connection:
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
        with service.database.key_lookup("nobody") as connection:
            assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 0
    with (
        pytest.raises(sa.exc.ProgrammingError, match="row-level security"),
        service.database.tenant(uuid.uuid4()) as connection,
    ):
        connection.execute(sa.text("INSERT INTO tenant (id, name) VALUES (:id, 'x')"), {"id": service.tenant_id})


def test_foreign_names_and_ids_are_not_found_and_the_same_name_is_another_space(
    memory: Namespace, stranger: MemoryClient
) -> None:
    unit = memory.add("The vault code is 4711.", session_id="s", id="m1").units[0]
    foreign = stranger.namespace(memory.name)
    with pytest.raises(NotFound):
        foreign.recall("vault code")
    foreign.add("My own note.", session_id="s", id="m1")
    assert [result.text for result in foreign.recall("vault code").results] == ["User: My own note."]
    with pytest.raises(NotFound):
        foreign.unit(unit)
    foreign.erase()
    assert memory.message("m1").content == "The vault code is 4711."


def test_a_wrong_missing_or_revoked_key_is_refused(base_url: str, service: Service) -> None:
    for key in ("wrong", "mk_0000000000000000_00", service.api_key[:-1] + ("0" if service.api_key[-1] != "0" else "1")):
        with MemoryClient(base_url, key, max_retries=0) as client, pytest.raises(Unauthorized):
            client.namespace("x").recall("x")
    response = httpx.get(f"{base_url}/v1/namespaces/x/messages")
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    tenant_id, old, new = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}"), keys.new_key(), keys.new_key()
    for key in (old, new):
        keys.ensure_key(service.database, tenant_id, key, ("read",), "test")
    keys.revoke_others(service.database, tenant_id, new, "test")
    assert keys.authenticate(service.database, old) is None
    assert keys.authenticate(service.database, new) is not None


def test_the_tenant_setting_does_not_outlive_its_transaction(service: Service) -> None:
    for number in range(200):
        wanted = service.tenant_id if number % 2 else uuid.uuid4()
        with service.database.tenant(wanted) as connection:
            count = connection.execute(sa.text("SELECT count(*) FROM tenant")).scalar_one()
        assert count == number % 2


def test_a_transaction_takes_the_services_role_on_and_leaves_nothing_set_behind_it(empty_url: str) -> None:
    asked = sa.text(
        "SELECT current_user, session_user, nullif(current_setting('app.tenant', true), ''), current_setting('TimeZone')"
    )
    database = Database(empty_url, pool_size=1)
    tenant_id = uuid.uuid4()
    for _ in range(2):
        with database.tenant(tenant_id) as connection:
            assert connection.execute(asked).one() == ("memsvc_app", "memsvc_owner", str(tenant_id), "UTC")
        with database._engine.connect() as connection:  # the same one, as a pooler would hand it to somebody else
            assert connection.execute(asked).one()[:3] == ("memsvc_owner", "memsvc_owner", None)
    database.close()
