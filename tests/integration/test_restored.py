"""A database that is restored from a backup of before serves nothing that was erased since."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from api.app import create
from memsvc import bootstrap, errors
from memsvc.bootstrap import Service
from memsvc.cli import app as commands
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import SnapshotFolder
from memsvc.sdk import MemoryClient
from memsvc.services.indexes import Indexes
from memsvc.settings import JobSettings, ServerSettings, Settings
from memsvc.store import audit, keys, postmaster, tenants
from memsvc.store.embedded import EmbeddedPostgres
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.integration.test_erasure import rows_with
from tests.serving import served
from tests.waiting import LIMIT_S

KINDS = ("message", "session", "subject", "source", "channel", "actor", "unit", "namespace", "record", "tenant")
WORDS = {kind: f"zyxo{kind}{uuid.uuid4().hex[:6]}" for kind in KINDS}
LATER = f"quvo{uuid.uuid4().hex[:6]}"
OTHER = "another-tenant"
# Runs the service on a folder and ends it where the journal is about to do something.
KILLED = """
import os, signal, sys
from pathlib import Path
from memsvc import bootstrap, errors
from memsvc.cli import app as commands
from memsvc.domain.selection import By, Selection
from memsvc.services.indexes import Indexes
from memsvc.settings import JobSettings, ServerSettings, Settings
from memsvc.store.journal import Journal
settings = Settings(ServerSettings(data_dir=Path(sys.argv[1])))
settings.jobs = JobSettings(in_server=False)
service = bootstrap.build(settings)
real = getattr(Journal, sys.argv[2])
def killed(self, *given):
    if sys.argv[2] == "_note":
        real(self, *given)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Journal, sys.argv[2], killed)
service.erase.part(service.tenant_id, "test", "home", Selection(By.MESSAGE, sys.argv[3]))
"""


class Client(MemoryClient):
    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key, max_retries=0, timeout_s=LIMIT_S)
        self.url = url


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[Service, Client]]:
    """A service of its own on the folder; nothing runs its jobs but `settle`."""
    settings = Settings(ServerSettings(data_dir=folder))
    settings.jobs = JobSettings(in_server=False)
    service = bootstrap.build(settings)
    try:
        with (
            served(create(service)) as url,
            contextlib.closing(Client(url, service.api_key)) as client,
        ):
            yield service, client
    finally:
        service.close()


def settle(service: Service) -> None:
    for _ in range(3):
        for tenant_id in (service.tenant_id, tenants.id_of(OTHER)):
            with service.database.tenant(tenant_id) as connection:
                connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        service.runner.run_due()


def say(client: MemoryClient, name: str, kind: str, words: str, **more: Any) -> None:
    message = NewMessage(id=f"m-{kind}", role="user", content=words, **{"speaker": "Ben"} | more)
    client.namespace(name).write([NewExchange(id=f"e-{kind}", session_id=f"s-{kind}", messages=[message])])


def fill(service: Service, client: Client) -> dict[str, str]:
    """Something of each kind that is to be erased, and something that is not; what to name them by."""
    home = client.namespace("home")
    for kind in ("message", "session", "unit"):
        say(client, "home", kind, f"My {kind} project is called {WORDS[kind]}.")
    say(client, "home", "channel", f"My mail is from {WORDS['channel']}.", channel="mail")
    say(client, "home", "source", f"My page is called {WORDS['source']}.", source="https://page.example.com")
    say(client, "home", "subject", f"I have a numbat called {WORDS['subject']}.", speaker="Clara")
    home.declare_aliases("Clara", [WORDS["subject"]])
    home.put_record(["notes"], "one", {"text": WORDS["record"]})
    home.put_record(["notes"], "two", {"text": "a record that stays"})
    say(client, "home", "kept", "I have played the violin since 2011.")
    say(client, "gone", "namespace", f"All of this is {WORDS['namespace']}.")
    other = tenants.ensure(service.database, OTHER)
    writer, made = keys.create(service.database, service.tenant_id, ["write"], "", "test")
    theirs, _ = keys.create(service.database, other, ["admin"], "", "test")
    lost, _ = keys.create(service.database, other, ["admin"], WORDS["tenant"], "test")
    with Client(client.url, writer) as another:
        say(another, "home", "actor", f"The actor says {WORDS['actor']}.")
    with Client(client.url, theirs) as another:
        say(another, "theirs", "tenant", f"They call it {WORDS['tenant']}.")
    settle(service)
    return {"actor": made.id, "tenant": theirs, "lost": lost}


def erase_all(client: Client, named: dict[str, str]) -> None:
    home = client.namespace("home")
    (unit,) = [unit.id for unit in home.units() if WORDS["unit"] in unit.text]
    home.erase_unit(unit)
    home.erase_part("message", "m-message")
    home.erase_part("session", "s-session")
    home.erase_part("subject", "Clara")
    home.erase_part("source", "https://page.example.com")
    home.erase_part("channel", "mail")
    home.erase_part("actor", named["actor"])
    home.delete_record(["notes"], "one")
    client.namespace("gone").erase()
    headers = {"Authorization": f"Bearer {named['tenant']}"}
    httpx.delete(f"{client.url}/v1/tenant", headers=headers).raise_for_status()
    say(client, "gone", "later", f"What was written later is {LATER}.")


def require_gone(service: Service, client: Client) -> None:
    """No canary in any table, nor in what is served."""
    for kind, word in WORDS.items():
        for tenant_id in (service.tenant_id, tenants.id_of(OTHER)):
            assert rows_with(service, tenant_id, word) == {}, kind
    key, _ = keys.create(service.database, service.tenant_id, ["admin"], "", "test")
    with httpx.Client(base_url=client.url, timeout=LIMIT_S) as pages:
        pages.post("/admin/sign-in", data={"key": key})
        told = [pages.get("/admin/namespaces/home").text, pages.get("/admin/namespaces/home/units").text]
        assert "violin" in told[1]
    told += [result.text for word in WORDS.values() for result in client.namespace("home").recall(word).results]
    told += [client.namespace("home").export().decode()]
    assert not [kind for kind, word in WORDS.items() if any(word in text for text in told)]


def require_kept(client: Client) -> None:
    home = client.namespace("home")
    assert [message.id for message in home.messages()] == ["m-kept"]
    assert "violin" in home.recall("Which instrument does Ben play?").results[0].text
    kept = home.record(["notes"], "two")
    assert kept is not None and kept.value == {"text": "a record that stays"}


def program(name: str, server: EmbeddedPostgres, *arguments: str) -> None:
    where = ["--host=127.0.0.1", f"--port={server.port()}", "--username=postgres"]
    command = [str(postmaster.binary(name)), *where, *arguments]
    subprocess.run(command, check=True, env=os.environ | {"PGPASSWORD": server.superuser_password})


@contextlib.contextmanager
def server_of(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def dump(folder: Path, backup: Path) -> None:
    with server_of(folder) as server:
        program("pg_dump", server, "--format=custom", f"--file={backup}", "memsvc")


def restore_dump(folder: Path, backup: Path) -> None:
    with server_of(folder) as server:
        program("dropdb", server, "memsvc")
        program("createdb", server, "--owner=memsvc_owner", "memsvc")
        program("pg_restore", server, "--exit-on-error", "--dbname=memsvc", str(backup))


def copy(folder: Path, backup: Path) -> None:
    shutil.copytree(folder / "postgres", backup)


def restore_copy(folder: Path, backup: Path) -> None:
    shutil.rmtree(folder / "postgres")
    shutil.copytree(backup, folder / "postgres")


def keep_index(service: Service, folder: Path) -> Path:
    """A file of the index of `home`, as of a namespace of many changes."""
    pool, files = IndexPool(service.encoder.width, 2**30), SnapshotFolder(folder / "indexes", 2**30)
    indexes = Indexes(service.database, pool, service.encoder, files, few=0)
    with indexes.reading(service.tenant_id, "home") as (_, space, _):
        pass
    indexes.close()
    (file,) = (folder / "indexes").glob(f"{space.id.hex}*")
    return file


@pytest.mark.slow
@pytest.mark.parametrize(("back_up", "restore"), [(dump, restore_dump), (copy, restore_copy)])
def test_a_restored_database_serves_nothing_that_was_erased_since_and_keeps_the_rest(
    tmp_path: Path, back_up: Callable[[Path, Path], None], restore: Callable[[Path, Path], None]
) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    with running(folder) as (service, client):
        named = fill(service, client)
        require_kept_words(service)
    back_up(folder, backup)
    with running(folder) as (service, client):
        erase_all(client, named)
        settle(service)
        require_gone(service, client)
        require_kept(client)
        newer = keep_index(service, folder)
    journal = b"".join(file.read_bytes() for file in (folder / "erasures").iterdir()).decode()
    assert not [word for word in [*WORDS.values(), "m-message", "home", "gone", "Clara"] if word in journal]
    restore(folder, backup)
    with running(folder) as (service, client):
        assert not newer.exists()
    for _ in range(2):
        with running(folder) as (service, client):
            require_gone(service, client)
            settle(service)
            require_gone(service, client)
            require_kept(client)
            with service.database.tenant(service.tenant_id) as connection:
                trail = audit.page(connection, service.tenant_id, 0, 1000)
            assert [entry.action for entry in trail].count("erase.again") == 2
            assert audit.broken_at(service.tenant_id, trail) is None
            assert keys.authenticate(service.database, named["lost"]) is None
            assert keys.authenticate(service.database, named["tenant"]) is not None


def require_kept_words(service: Service) -> None:
    """What is looked for afterwards can be found."""
    for kind, word in WORDS.items():
        tenant_id = tenants.id_of(OTHER) if kind == "tenant" else service.tenant_id
        assert rows_with(service, tenant_id, word), kind


@pytest.mark.slow
def test_tombstones_are_carried_to_a_restored_database_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, backup, carried = tmp_path / "data", tmp_path / "backup", tmp_path / "carried.jsonl"
    monkeypatch.setenv("MEMSVC_DATA_DIR", str(folder))
    with running(folder) as (service, client):
        named = fill(service, client)
        refused = CliRunner().invoke(commands.app, ["erasures", "apply"])
        assert isinstance(refused.exception, errors.DataFolderBusy)
    copy(folder, backup)
    with running(folder) as (service, client):
        erase_all(client, named)
    told = CliRunner().invoke(commands.app, ["erasures", "export", "--out", str(carried)])
    assert told.exit_code == 0 and f"{len(carried.read_text().splitlines()) - 2} tombstones" in told.stdout
    restore_copy(folder, backup)
    shutil.rmtree(folder / "erasures")
    for arguments, word in ((["--dry-run"], "stands"), ([], "erased again"), ([], "nothing")):
        told = CliRunner().invoke(commands.app, ["erasures", "apply", str(carried), *arguments])
        assert told.exit_code == 0, told.output
        assert word in told.stdout
        if word != "nothing":
            assert f"{word}: namespace: 2, message: 7, record: 1, alias: 1, key: 1" in told.stdout.replace("\n", " ")
    with running(folder) as (service, client):
        settle(service)
        require_gone(service, client)
        require_kept(client)


@pytest.mark.slow
def test_a_kill_between_journal_and_commit_erases_nothing_and_one_behind_the_commit_counts(tmp_path: Path) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    with running(folder) as (service, client):
        say(client, "home", "message", f"My project is called {WORDS['message']}.")
        say(client, "home", "kept", "I have played the violin since 2011.")
    copy(folder, backup)
    assert killed(folder, "_note", "m-kept") == -signal.SIGKILL
    assert marks(folder) == [0]
    for _ in range(2):  # nor at the next start
        with running(folder) as (service, client):
            assert [message.id for message in client.namespace("home").messages()] == ["m-message", "m-kept"]
    assert killed(folder, "_stand", "m-message") == -signal.SIGKILL
    assert sorted(marks(folder)) == [0, 0]
    with running(folder) as (service, client):
        assert rows_with(service, service.tenant_id, WORDS["message"]) == {}
    assert sorted(marks(folder)) == [0, 1]
    restore_copy(folder, backup)
    with running(folder) as (service, client):
        assert rows_with(service, service.tenant_id, WORDS["message"]) == {}
        assert [message.id for message in client.namespace("home").messages()] == ["m-kept"]


def killed(folder: Path, where: str, message_id: str) -> int:
    return subprocess.run([sys.executable, "-c", KILLED, str(folder), where, message_id], check=False).returncode


def marks(folder: Path) -> list[int]:
    """Of each erasure in the journal, whether it is known to have been committed."""
    lines = [json.loads(line) for file in (folder / "erasures").iterdir() for line in file.read_text().splitlines()]
    return [line["stands"] for line in lines if "stands" in line]
