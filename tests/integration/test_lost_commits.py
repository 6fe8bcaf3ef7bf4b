"""What is said when the database fails: the truth about whether something was stored, and why it could not be."""

from __future__ import annotations

import contextlib
import dataclasses
import select
import socket
import threading
import uuid
from collections.abc import Iterator

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from api.app import create
from memsvc import errors
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services.ingest import Ingest
from memsvc.store.database import Database
from tests.serving import served


class Wire:
    """A way to the database that breaks once at the next COMMIT of messages when it is `armed`: "before" the database gets it, or
    "after" the database has it and before its reply is back.
    """

    def __init__(self, port: int) -> None:
        self.armed: str | None = None
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._to)) as far, contextlib.suppress(OSError):
            said = b""
            while True:
                for end in select.select([near, far], [], [])[0]:
                    data = end.recv(65_536)
                    if not data:
                        return
                    ends = end is near and b"COMMIT" in data
                    stores, said = b"INSERT INTO message" in said, b"" if ends else said + data * (end is near)
                    if ends and stores and self.armed:
                        when, self.armed = self.armed, None
                        if when == "after":
                            far.sendall(data)
                            far.recv(65_536)  # it is done
                        return
                    (far if end is near else near).sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def wire(service: Service) -> Iterator[Wire]:
    assert service.postgres is not None
    port = sa.make_url(service.postgres.app_url).port
    assert port is not None
    made = Wire(port)
    yield made
    made.close()


@pytest.fixture(scope="module")
def behind(service: Service, wire: Wire) -> Iterator[str]:
    """The address of a server whose writes go over the wire."""
    assert service.postgres is not None
    url = sa.make_url(service.postgres.app_url).set(port=wire.port).render_as_string(hide_password=False)
    database = Database(url, pool_size=2, cell=service.settings.cells.name)
    with served(create(dataclasses.replace(service, ingest=Ingest(database, service.encoder)))) as address:
        yield address
    database.close()


@pytest.fixture
def armed(wire: Wire) -> Iterator[Wire]:
    yield wire
    wire.armed = None


def _body(id: str) -> dict[str, object]:
    return {"exchanges": [{"id": id, "session_id": "s", "messages": [{"role": "user", "content": "I row."}]}]}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_whose_reply_is_lost_is_said_to_be_unknown_and_sent_again_it_is_there_once(
    service: Service, memory: Namespace, behind: str, armed: Wire, when: str
) -> None:
    path = f"/v1/namespaces/{memory.name}/exchanges"
    headers = {"Authorization": f"Bearer {service.api_key}"}
    with httpx.Client(base_url=behind, headers=headers, timeout=60) as http:
        http.post(path, json=_body("first")).raise_for_status()
        armed.armed = when
        reply = http.post(path, json=_body("second"))
        problem = reply.json()
        assert (reply.status_code, problem["type"]) == (503, "urn:memsvc:problem:outcome-unknown"), problem
        assert "not known whether this was stored" in problem["title"]
        assert "nothing was stored" not in reply.text
        assert "same ids or Idempotency-Key" in problem["next_step"]
        assert (problem["retryable"], reply.headers["Retry-After"]) == (True, "1")
        again = http.post(path, json=_body("second")).raise_for_status().json()["results"][0]
    assert again["duplicate"] == (when == "after")
    assert sorted(message.content for message in memory.messages()) == ["I row.", "I row."]


def test_the_sdk_sends_a_write_again_by_its_key_when_the_commit_was_lost(
    service: Service, memory: Namespace, behind: str, armed: Wire
) -> None:
    with MemoryClient(behind, service.api_key, max_retries=2) as client:
        written = client.namespace(memory.name)
        written.write([{"session_id": "s", "messages": [{"role": "user", "content": "I sail."}]}])
        armed.armed = "after"
        written.write([{"session_id": "s", "messages": [{"role": "user", "content": "I row."}]}])
        assert armed.armed is None
    assert [message.content for message in memory.messages()] == ["I sail.", "I row."]


@pytest.mark.parametrize(
    ("state", "status", "type", "words"),
    [
        ("53100", 507, "storage-full", "no room left on its disk"),
        ("53200", 503, "unavailable", "out of memory"),
        ("53300", 503, "unavailable", "no free connection"),
        ("40P01", 503, "unavailable", "gave way"),
        ("55P03", 503, "unavailable", "locked for too long"),
        ("57014", 503, "unavailable", "in the time that it is given"),
        ("25006", 503, "unavailable", "read-only"),
        ("58030", 503, "unavailable", "SQLSTATE 58030"),
    ],
)
def test_each_failure_of_the_database_has_its_own_sentence(
    service: Service, state: str, status: int, type: str, words: str
) -> None:
    with pytest.raises(errors.Unavailable, match=words) as caught, service.database.tenant(uuid.uuid4()) as connection:
        connection.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'as it says' USING ERRCODE = '{state}'; END $$"))
    assert (caught.value.status, caught.value.type) == (status, type)
    assert "nothing was stored" in caught.value.next_step
    assert "cannot be reached" not in str(caught.value)


def test_a_lock_a_slow_statement_and_a_read_only_database_are_told_as_they_come(service: Service) -> None:
    tenant_id = uuid.uuid4()
    with (
        pytest.raises(errors.Unavailable, match="in the time that it is given"),
        service.database.tenant(tenant_id) as connection,
    ):
        connection.execute(sa.text("SET LOCAL statement_timeout = '10ms'"))
        connection.execute(sa.text("SELECT pg_sleep(600)"))
    with pytest.raises(errors.Unavailable, match="read-only"), service.database.tenant(tenant_id) as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        connection.execute(sa.text("UPDATE namespace SET head = head"))
    with service.database.tenant(tenant_id) as held:
        held.execute(sa.text("SELECT pg_advisory_xact_lock(771)"))
        with (
            pytest.raises(errors.Unavailable, match="locked for too long"),
            service.database.tenant(tenant_id) as connection,
        ):
            connection.execute(sa.text("SET LOCAL lock_timeout = '10ms'"))
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(771)"))


def test_a_database_without_a_free_connection_is_not_one_that_cannot_be_reached(service: Service) -> None:
    assert service.postgres is not None
    url = sa.make_url(service.postgres.app_url)
    role = f"crowded_{uuid.uuid4().hex}"
    superuser = url.set(username="postgres", password=service.postgres.superuser_password, drivername="postgresql")
    with psycopg.connect(superuser.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0 IN ROLE memsvc_app".encode())
    crowded = Database(url.set(username=role, password="x").render_as_string(hide_password=False))
    with pytest.raises(errors.Unavailable, match="no free connection"), crowded.tenant(uuid.uuid4()):
        pass
    crowded.close()
    gone = Database(url.set(port=1).render_as_string(hide_password=False))
    with pytest.raises(errors.Unavailable, match="cannot be reached"), gone.tenant(uuid.uuid4()):
        pass
    gone.close()


def test_a_programs_own_error_in_a_statement_is_not_hidden(service: Service) -> None:
    with pytest.raises(sa.exc.ProgrammingError), service.database.tenant(uuid.uuid4()) as connection:
        connection.execute(sa.text("SELECT nonsense"))
