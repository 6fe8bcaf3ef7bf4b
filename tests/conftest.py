"""One real service for the whole run: embedded PostgreSQL, the default encoder, uvicorn on loopback."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa

from api.app import create
from memsvc import bootstrap, logs
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import DatabaseSettings, JobSettings, LogSettings, ServerSettings, Settings
from memsvc.store.database import psycopg_url
from memsvc.store.embedded import EmbeddedPostgres
from tests import pooler, statements
from tests.cells import Installation, installed
from tests.serving import served
from tests.waiting import LIMIT_S

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("memsvc", deadline=None)
hypothesis.settings.load_profile("memsvc")
_WHOLE = Path(__file__).parent / "e2e"
_names = itertools.count()
# The service of this process, once a test has asked for it.
_running: list[Service] = []


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    logs.configure(LogSettings())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pooled", action="store_true", help="the service behind a pgbouncer in transaction mode")
    parser.addoption(
        "--cells", action="store_true", help="three cells behind poolers: the one that is asked has nothing"
    )


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole processes, browsers and other programs are slow."""
    for item in items:
        if _WHOLE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def cells(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation | None]:
    """With --cells: three of them. Namespaces come to the first, where the tests look into the database."""
    if not request.config.getoption("--cells"):
        yield None
        return
    with installed(tmp_path_factory.mktemp("cells"), "north", "south", "west", is_pooled=True) as made:
        made.close("south", "west")
        # A test makes a key, and asks another cell with it the next moment.
        made.wait_for_copies()
        yield made


@pytest.fixture(scope="session")
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, gate: statements.Gate,
    cells: Installation | None,
) -> Iterator[Service]:  # fmt: skip
    folder = tmp_path_factory.mktemp("data")
    with contextlib.ExitStack() as stack:
        postgres = None
        settings = Settings(ServerSettings(data_dir=folder))
        if request.config.getoption("--pooled"):
            postgres = EmbeddedPostgres(folder, 600)
            postgres.start()
            stack.callback(postgres.stop)
            app_url = stack.enter_context(pooler.pooled(postgres.app_url))
            settings.database = DatabaseSettings(url=postgres.owner_url, app_url=app_url, pooled=True)
            settings.server = ServerSettings(data_dir=folder, api_key=secrets.token_urlsafe(32))
        # Tests run the jobs that they are about, when they are about them.
        settings.jobs = JobSettings(in_server=False)
        if cells is None:
            built = bootstrap.build(settings)
            stack.callback(built.close)
        else:
            home = cells.cells["north"]
            assert home.service is not None
            built, postgres = home.service, home.postgres
        built = dataclasses.replace(built, postgres=built.postgres or postgres)
        with built.database.tenant(built.tenant_id) as connection:
            volatile = connection.execute(sa.text("SELECT proname FROM pg_proc WHERE provolatile = 'v'"))
            gate.volatile = frozenset(volatile.scalars())
        _running.append(built)
        yield built
        _running.remove(built)


@pytest.fixture(scope="module", autouse=True)
def nobodys_jobs() -> None:
    """What the tests of another file left to be done is done by none of this one's: whoever runs jobs would do it all."""
    for built in _running:
        if built.postgres is not None:
            with psycopg.connect(built.postgres.superuser_url, autocommit=True) as connection:
                # As libpq sends it: what the service sends is about one namespace, and the gate looks at it.
                done = connection.pgconn.exec_(b"UPDATE job SET state = 'cancelled' WHERE state = 'queued'")
                assert done.status == psycopg.pq.ExecStatus.COMMAND_OK, done.error_message


@pytest.fixture(scope="session", autouse=True)
def gate() -> Iterator[statements.Gate]:
    """Every statement that the service sends is held to what a database that is spread over machines can run."""
    held = statements.Gate()
    execute, many = psycopg.Cursor.execute, psycopg.Cursor.executemany

    def executed(cursor: Any, query: Any, *given: Any, **more: Any) -> Any:
        held.ask(query)
        return execute(cursor, query, *given, **more)

    def executed_many(cursor: Any, query: Any, *given: Any, **more: Any) -> Any:
        held.ask(query)
        return many(cursor, query, *given, **more)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", executed)
        patched.setattr(psycopg.Cursor, "executemany", executed_many)
        yield held
    # What raised it may have been told as an error of another kind.
    assert not held.violations, "\n\n".join(held.violations)


@pytest.fixture(scope="session")
def base_url(service: Service, cells: Installation | None) -> Iterator[str]:
    if cells is not None:
        yield cells.cells["south"].url
        return
    with served(create(service)) as url:
        yield url


@pytest.fixture(scope="session")
def client(service: Service, base_url: str) -> Iterator[MemoryClient]:
    with MemoryClient(base_url, service.api_key, max_retries=0, timeout_s=LIMIT_S) as made:
        yield made


@pytest.fixture
def memory(client: MemoryClient) -> Namespace:
    """A namespace that nobody has used."""
    return client.namespace(f"test-{next(_names)}")


@pytest.fixture
def settle(service: Service) -> Callable[[], None]:
    """Run every job that is queued, without the wait that they have behind a write."""

    def run() -> None:
        for _ in range(3):  # a job may queue another one
            with service.database.tenant(service.tenant_id) as connection:
                connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
            service.runner.run_due()

    return run


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


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark files beside the checkout, where there is one."""
    return Path(__file__).parent.parent.parent / "shared" / "data"
