"""An installation of several cells: each a PostgreSQL of its own with a service on it, on real ports."""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.app import create
from memsvc import bootstrap, rooms
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import ApiError, ConnectionFailed
from memsvc.settings import CellSettings, DatabaseSettings, JobSettings, ServerSettings, Settings
from memsvc.store import moving, schema, tables
from memsvc.store.embedded import EmbeddedPostgres
from memsvc.store.moving import Move
from tests import pooler
from tests.serving import free_port, served
from tests.waiting import LIMIT_S, until

KEY = "the-key-of-all-cells"
# What docs/scale.md asks of a server, and room for many moves.
FOLLOWED = {
    "wal_level": "logical", "max_wal_senders": "20", "max_replication_slots": "20", "max_worker_processes": "24",
    "max_logical_replication_workers": "16", "max_sync_workers_per_subscription": "4",
}  # fmt: skip


@dataclass
class Cell:
    name: str
    url: str
    postgres: EmbeddedPostgres
    service: Service | None = None

    def may_copy(self) -> None:
        """What docs/scale.md asks of the owner of a cell's database."""
        with self.postgres._superuser("memsvc") as connection:
            connection.execute("ALTER ROLE memsvc_owner REPLICATION BYPASSRLS")
            connection.execute("GRANT pg_create_subscription TO memsvc_owner")

    def has(self, name: str) -> bool:
        assert self.service is not None and self.service.cells is not None
        return self.service.cells.has(self.service.tenant_id, name)

    def count(self, tenant_id: uuid.UUID) -> int:
        """The rows of a tenant's memory in the cell's database."""
        with self.postgres._superuser("memsvc") as connection:
            counts = [
                connection.execute(f"SELECT count(*) FROM {table.name} WHERE tenant_id = %s", [tenant_id]).fetchone()
                for table in (*tables.NAMESPACE_TABLES, tables.namespace)
            ]
        return sum(count[0] for count in counts if count)

    def client(self, key: str = KEY, max_retries: int = 0) -> MemoryClient:
        return MemoryClient(self.url, key, max_retries=max_retries, timeout_s=LIMIT_S)


class Installation:
    def __init__(self, folder: Path, stack: contextlib.ExitStack, *, is_pooled: bool = False) -> None:
        self._folder = folder
        self._stack = stack
        self._is_pooled = is_pooled
        self.cells: dict[str, Cell] = {}

    def add(self, name: str) -> Cell:
        """One cell more, which answers."""
        port = free_port()
        cell = Cell(name, f"http://127.0.0.1:{port}", EmbeddedPostgres(self._folder / name, 600, FOLLOWED))
        postgres = cell.postgres
        postgres.start()
        self._stack.callback(postgres.stop)
        cell.may_copy()
        schema.upgrade(postgres.owner_url, rooms.root() / "migrations")
        self.cells[name] = cell
        home = next(iter(self.cells.values())).postgres.owner_url
        with moving.connected(home) as first:
            if len(self.cells) == 1:
                moving.begin(first, name, cell.url)
            else:
                with moving.connected(postgres.owner_url) as other:
                    moving.add(first, home, other, name, cell.url)
        settings = Settings(ServerSettings(data_dir=self._folder / name, api_key=KEY))
        app_url = self._stack.enter_context(pooler.pooled(postgres.app_url)) if self._is_pooled else postgres.app_url
        settings.database = DatabaseSettings(url=postgres.owner_url, app_url=app_url, pooled=self._is_pooled)
        # More than a busy machine takes for a first question: a cell that is slow is not one that is away.
        settings.cells = CellSettings(name=name, patience_s=20)
        settings.jobs = JobSettings(in_server=False)
        cell.service = bootstrap.build(settings)
        self._stack.callback(cell.service.close)
        self._stack.enter_context(served(create(cell.service), port=port))
        return cell

    def close(self, *names: str) -> None:
        """New namespaces come to the other cells only. Returns when all know."""
        with moving.connected(next(iter(self.cells.values())).postgres.owner_url) as home:
            for name in names:
                moving.set_open(home, name, is_open=False)
        for cell in self.cells.values():
            assert cell.service is not None and cell.service.cells is not None
            known = cell.service.cells
            until(lambda known=known: not any(c.is_open for c in known.all() if c.name in names))  # type: ignore[misc]

    def wait_for_copies(self) -> None:
        """From now on home's database acknowledges what is done when every other cell has its copy of it."""
        with next(iter(self.cells.values())).postgres._superuser("memsvc") as connection:
            others = len(self.cells) - 1
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'FIRST {others} (memsvc_home)'")
            connection.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
            connection.execute("SELECT pg_reload_conf()")

    def move(self, name: str, source: str, target: str, tenant_id: uuid.UUID | None = None) -> int:
        service = self.cells[source].service
        assert service is not None
        urls = [
            cell.postgres.owner_url
            for cell in (next(iter(self.cells.values())), self.cells[source], self.cells[target])
        ]
        with contextlib.ExitStack() as stack:
            home, here, there = (stack.enter_context(moving.connected(url)) for url in urls)
            return Move(home, here, there, urls[1], source, target, tenant_id or service.tenant_id, name).run()


class Writers:
    """Four threads that write through these addresses one message after the other, over the spaces in turn, and send
    each again until it is acknowledged.
    """

    def __init__(self, urls: Sequence[str], spaces: Sequence[str], key: str = KEY) -> None:
        self._urls = urls
        self._key = key
        self._spaces = spaces
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(4)]
        self.acknowledged: list[list[tuple[str, str]]] = [[] for _ in self._threads]  # space and id
        self.refused: collections.Counter[int] = collections.Counter()

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, count: int) -> None:
        """Returns when each has `count` more acknowledged writes."""
        before = [len(done) for done in self.acknowledged]

        def all_have() -> bool:
            # Gone, gone behind a proxy, or not now: anything else is no outage.
            assert set(self.refused) <= {0, 502, 503}, self.refused
            return all(len(done) >= was + count for done, was in zip(self.acknowledged, before, strict=True))

        until(all_have)

    def check(self, client: MemoryClient) -> None:
        """Everything acknowledged is there, once, and found by its words."""
        for space in self._spaces:
            stored = [message.id for message in client.namespace(space).messages(page_size=1000)]
            written = [name for done in self.acknowledged for where, name in done if where == space]
            assert len(stored) == len(set(stored))
            assert set(written) <= set(stored)
            assert len(stored) <= len(written) + len(self._threads)  # of each at most the one that was under way
            for name in written[:1] + written[-1:]:
                found = client.namespace(space).recall(f"Where is parcel {name}?", limit=3).results
                assert name in {source.message_id for result in found for source in result.sources}

    def _write(self, writer: int) -> None:
        with MemoryClient(self._urls[writer % len(self._urls)], self._key, max_retries=0, timeout_s=LIMIT_S) as client:
            for number in itertools.count():
                space, name = self._spaces[number % len(self._spaces)], f"w{writer}n{number}"
                while not self._enough.is_set():
                    try:
                        client.namespace(space).add(f"Parcel {name} is here.", session_id=f"s{writer}", id=name)
                    except ApiError as error:
                        self.refused[error.status] += 1
                    except ConnectionFailed:
                        self.refused[0] += 1
                    else:
                        self.acknowledged[writer].append((space, name))
                        break
                    time.sleep(0.05)
                if self._enough.is_set():
                    return


@contextlib.contextmanager
def installed(folder: Path, *names: str, is_pooled: bool = False) -> Iterator[Installation]:
    """Cells of these names, the first of them home; each behind a pgbouncer where that is wanted."""
    with contextlib.ExitStack() as stack:
        installation = Installation(folder, stack, is_pooled=is_pooled)
        for name in names:
            installation.add(name)
        yield installation
