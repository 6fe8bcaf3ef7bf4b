"""Three cells, each with a PostgreSQL and a service of its own, that serve as one."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from memsvc import errors
from memsvc.sdk import MemoryClient, NotFound
from memsvc.sdk.errors import ApiError, MemsvcClientError
from memsvc.services import costs
from memsvc.store import keys, moving, namespaces, partitions, tenants
from tests.cells import KEY, Cell, Installation, Writers, installed
from tests.waiting import LIMIT_S, until


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("cells"), "north", "south", "west") as made:
        yield made


@pytest.fixture
def clients(installation: Installation) -> Iterator[dict[str, MemoryClient]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(cell.client()) for name, cell in installation.cells.items()}


def test_what_is_written_through_one_cell_is_found_through_every_other(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    spaces = [f"user-{number}" for number in range(12)]
    for number, space in enumerate(spaces):
        writer = list(clients.values())[number % 3]
        writer.namespace(space).add(f"I keep {number} goats in the barn.", session_id="s", id=f"m{number}")
    for client in clients.values():
        for number, space in enumerate(spaces):
            (found, *_) = client.namespace(space).recall("How many goats?").results
            assert found.sources[0].message_id == f"m{number}"
    held = []
    for cell in installation.cells.values():
        assert cell.service is not None
        here = [space.name for space in cell.service.directory.spaces(cell.service.tenant_id, "", 100)]
        held += here
        assert here
    assert sorted(held) == sorted(spaces)


def test_a_namespace_that_is_moved_is_found_where_it_was(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    memory = clients["north"].namespace("mover")
    for number in range(5):
        memory.add(f"I bought canoe number {number} in May.", session_id="s", id=f"m{number}")
    source = holder(installation, "mover")
    target = next(name for name in installation.cells if name != source)
    before = [(unit.id, unit.text) for unit in memory.units()]
    assert partition(installation.cells[source], "mover", make=True) == (True, 0)
    service = installation.cells[source].service
    assert service is not None
    with costs.counted(service.database, service.tenant_id, "mover", "answer") as spent:
        spent.told(70, 7)
    assert installation.move("mover", source, target) > 10
    # Its vectors' partition is a copy: it goes, and the target makes its own.
    assert partition(installation.cells[target], "mover") == (False, None)
    assert not partitions_of(installation.cells[source])
    for client in clients.values():
        assert [(unit.id, unit.text) for unit in client.namespace("mover").units()] == before
        assert client.namespace("mover").stats().language_model["answer"].prompt_tokens == 70
    clients[source].namespace("mover").add("I sold a canoe.", session_id="s")
    for client in clients.values():
        moved = client.namespace("mover")
        assert moved.recall("Which canoe did I sell?").results[0].text.endswith("I sold a canoe.")


def holder(installation: Installation, name: str) -> str:
    """The cell that has the namespace."""
    (found,) = [cell.name for cell in installation.cells.values() if cell.has(name)]
    return found


def partitions_of(cell: Cell) -> int:
    with cell.postgres._superuser("memsvc") as connection:
        found = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'vectors_%' AND relkind = 'r'")
        (count,) = found.fetchone() or (0,)
    return int(count)


def partition(cell: Cell, name: str, *, make: bool = False) -> tuple[bool, int | None]:
    """Whether there are partitions in the cell, and up to where that of the namespace is."""
    service = cell.service
    assert service is not None
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock_existing(connection, service.tenant_id, name)
        assert space is not None
        if make:
            assert partitions.make(connection, space, service.encoder.width, 10)
            space = namespaces.by_id(connection, service.tenant_id, space.id)
            assert space is not None
    return partitions_of(cell) > 0, space.partitioned


@pytest.mark.slow
def test_a_namespace_that_moves_under_four_writers_loses_nothing_and_keeps_nothing_twice(
    installation: Installation,
) -> None:
    with Writers([cell.url for cell in installation.cells.values()], ["busy"]) as writers:
        writers.go_on(5)
        for _ in range(3):
            source = holder(installation, "busy")
            cells = list(installation.cells)
            installation.move("busy", source, cells[(cells.index(source) + 1) % 3])
            writers.go_on(5)
    with installation.cells["south"].client() as client:
        writers.check(client)
    assert set(writers.refused) <= {503}
    holder(installation, "busy")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["_follow", "_catch_up", "_insert", "_place", "_clear"])
def test_a_move_that_breaks_off_at_any_step_is_finished_by_the_same_command(
    installation: Installation, clients: dict[str, MemoryClient], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    space = f"broken{step}"
    memory = clients["west"].namespace(space)
    for number in range(3):
        memory.add(f"My boat number {number} is green.", session_id="s", id=f"m{number}")
    memory.add("My boat sank.", session_id="s", id="erased")
    memory.erase_part("message", "erased")
    source = holder(installation, space)
    target = next(name for name in installation.cells if name != source)
    assert clients[source].namespace(space).recall("Which boat?").results  # its id is remembered there

    def breaks(*_: object, **__: object) -> None:
        raise ConnectionError("the cable was pulled")

    with monkeypatch.context() as patched:
        patched.setattr(moving if step == "_insert" else moving.Move, step, breaks)
        with pytest.raises(ConnectionError):
            installation.move(space, source, target)
    if step in ("_follow", "_catch_up", "_clear"):  # it is still where it was, or already where it goes
        memory.add("My boat number 3 is red.", session_id="s", id="m3")
    else:  # between two cells: that is no answer, and never that there is nothing
        with pytest.raises(ApiError) as asked:
            clients[source].namespace(space).recall("Which boat?")
        assert asked.value.status == 503
    installation.move(space, source, target)
    for client in clients.values():
        stored = [message.id for message in client.namespace(space).messages()]
        assert stored == ["m0", "m1", "m2", "m3"][: len(stored)] and len(stored) >= 3
    assert holder(installation, space) == target
    memory.add("My boat number 4 is blue.", session_id="s", id="m4")
    assert memory.recall("Which boat is blue?").results[0].sources[0].message_id == "m4"
    with pytest.raises(ApiError, match="was erased"):
        memory.add("My boat sank.", session_id="s", id="erased")
    with pytest.raises(errors.NotFound):
        installation.move(space, source, target)


@pytest.mark.slow
def test_a_namespace_that_is_erased_while_it_is_copied_leaves_nothing_in_either_cell(
    installation: Installation, clients: dict[str, MemoryClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = clients["north"].namespace("vanishing")
    memory.add("The vault code is Quagga-Twelve.", session_id="s", id="m")
    source = holder(installation, "vanishing")
    target = next(name for name in installation.cells if name != source)
    follow = moving.Move._follow

    def erased_behind(move: moving.Move, space: uuid.UUID, limit_s: float) -> None:
        follow(move, space, limit_s)
        memory.erase()

    monkeypatch.setattr(moving.Move, "_follow", erased_behind)
    with pytest.raises(errors.NotFound, match="erased"):
        installation.move("vanishing", source, target)
    for name in (source, target):
        with installation.cells[name].postgres._superuser("memsvc") as connection:
            for asked in (
                "SELECT count(*) FROM message WHERE content LIKE '%Quagga%'",
                "SELECT count(*) FROM pg_subscription WHERE subname LIKE 'memsvc_move%'",
                "SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'memsvc_move%'",
            ):
                assert connection.execute(asked).fetchone() == (0,), asked


def test_a_key_that_is_made_through_any_cell_opens_all_of_them(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    made = clients["west"].create_key(["read", "write"], label="reader")
    for cell in installation.cells.values():
        until(lambda cell=cell: opens(cell, made.key))  # type: ignore[misc]
    clients["south"].revoke_key(made.id)
    for cell in installation.cells.values():
        until(lambda cell=cell: not opens(cell, made.key))  # type: ignore[misc]


def test_keys_and_tenants_are_not_made_where_there_is_a_copy_of_them(installation: Installation) -> None:
    south = installation.cells["south"]
    assert south.service is not None
    with pytest.raises(Exception, match="permission denied"):
        keys.create(south.service.database, tenants.DEFAULT, ["read"], "", "operator")
    with httpx.Client(base_url=south.url, timeout=LIMIT_S, follow_redirects=True) as http:
        page = http.post("/admin/sign-in", data={"key": KEY})
        assert page.is_success
        told = http.post("/admin/keys", data={"scope": "read", "csrf": _csrf(http.get("/admin/keys").text)})
        assert told.status_code == 409 and "home cell" in told.text
        assert "This is the cell south" in http.get("/admin").text
    command = [sys.executable, "-m", "memsvc.cli", "tenants", "create", "new"]
    given = os.environ | {"MEMSVC_DATABASE_URL": south.postgres.owner_url, "MEMSVC_CELL_NAME": "south"}
    given["MEMSVC_DATABASE_APP_URL"] = south.postgres.app_url
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given)
    assert done.returncode == 2 and "home cell" in " ".join(done.stderr.split())


def _csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found.group(1)


def opens(cell: Cell, key: str | None) -> bool:
    with cell.client(key or "") as client:
        try:
            client.jobs(limit=1)
        except MemsvcClientError:
            return False
        return True


def test_jobs_of_all_cells_are_listed_and_found_by_their_ids_through_each(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    asked = {}
    for number in range(6):
        memory = clients["north"].namespace(f"worker-{number}")
        memory.add("I row.", session_id="s")
        asked[memory.maintain("distill").id] = holder(installation, memory.name)
    assert len(set(asked.values())) > 1
    for client in clients.values():
        assert set(asked) <= {job.id for job in client.jobs(limit=1000)}
        for job_id in asked:
            assert client.job(job_id).id == job_id
    first, second, *_ = asked
    assert clients["west"].cancel_job(first).state == "cancelled"
    assert clients["south"].cancel_job(second).state == "cancelled"
    with pytest.raises(NotFound):
        clients["north"].job(str(uuid.uuid4()))


def test_a_tenant_is_erased_in_every_cell_with_one_receipt(installation: Installation) -> None:
    home = installation.cells["north"].service
    assert home is not None
    tenant_id = tenants.ensure(home.database, "leaving")
    key, _ = keys.create(home.database, tenant_id, keys.SCOPES, "all", "operator")
    for cell in installation.cells.values():
        until(lambda cell=cell: opens(cell, key))  # type: ignore[misc]
    with installation.cells["west"].client(key) as client:
        for number in range(9):
            client.namespace(f"secret-{number}").add("The vault code is Quagga-Twelve.", session_id="s", id="m")
        assert all(cell.count(tenant_id) for cell in installation.cells.values())
        headers = {"Authorization": f"Bearer {key}"}
        receipt = httpx.delete(f"{installation.cells['west'].url}/v1/tenant", headers=headers, timeout=LIMIT_S).json()
        assert (receipt["erased"]["namespace"], receipt["erased"]["message"], receipt["remaining"]) == (9, 9, 0)
        assert not any(cell.count(tenant_id) for cell in installation.cells.values())
        with pytest.raises(NotFound):
            client.namespace("secret-3").recall("What is the code?")


@pytest.mark.slow
def test_while_the_database_of_one_cell_is_away_the_others_go_on_and_nothing_is_lost(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    spaces = [f"steady-{number}" for number in range(9)]
    for space in spaces:
        clients["north"].namespace(space).add(f"I am {space}.", session_id="s", id="first")
    where = {space: holder(installation, space) for space in spaces}
    lost = installation.cells["west"]
    lost.postgres.stop()
    try:
        for space in spaces:
            memory = clients["south"].namespace(space)
            if where[space] == "west":
                with pytest.raises(ApiError) as refused:
                    memory.recall("Who am I?")
                assert refused.value.status == 503
            else:
                memory.add("I go on.", session_id="s", id="second")
                assert memory.recall("Who am I?").results
        assert "west" in where.values()
    finally:
        lost.postgres.start()
    for space in spaces:
        until(lambda space=space: answers(clients["west"], space))  # type: ignore[misc]
        assert next(m.id for m in clients["north"].namespace(space).messages()) == "first"


def answers(client: MemoryClient, space: str) -> bool:
    try:
        return bool(client.namespace(space).recall("Who am I?").results)
    except MemsvcClientError:
        return False


def test_who_says_that_a_request_was_handed_on_gets_no_namespace_of_another_cell(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    clients["north"].namespace("handed").add("I row.", session_id="s")
    other = next(cell for cell in installation.cells.values() if cell.name != holder(installation, "handed"))
    headers = {"Authorization": f"Bearer {KEY}", "X-Memsvc-Hop": "nobody"}
    with httpx.Client(base_url=other.url, headers=headers, timeout=LIMIT_S) as http:
        body = {"exchanges": [{"session_id": "s", "messages": [{"role": "user", "content": "I forge."}]}]}
        assert http.post("/v1/namespaces/handed/exchanges", json=body).status_code == 421
        assert http.get("/v1/namespaces/handed/messages").status_code == 421
    assert not other.has("handed")


def test_mem0_chat_and_the_tools_reach_what_another_cell_has(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    for number, cell in enumerate(installation.cells.values()):
        with httpx.Client(base_url=cell.url, headers=headers, timeout=LIMIT_S) as http:
            for user in range(3):
                said = {"role": "user", "content": f"I keep {number}{user} goats in the barn."}
                body = {"user_id": f"farmer{user}", "messages": [said]}
                assert http.post("/v1/memories/", json=body).is_success
    for cell in installation.cells.values():
        with httpx.Client(base_url=cell.url, headers=headers, timeout=LIMIT_S) as http:
            for user in range(3):
                asked = {"query": "How many goats?", "filters": {"user_id": f"farmer{user}"}}
                found = http.post("/v2/memories/search/", json=asked).json()["results"]
                assert {item["memory"].count("goats") for item in found} == {1} and len(found) == 3
                one = http.get(f"/v1/memories/{found[0]['id']}/")
                assert one.json()["memory"] == found[0]["memory"]
                asks = [{"role": "user", "content": "How many goats do I keep?"}]
                chat = {
                    "model": "memsvc",
                    "messages": asks,
                    "memsvc": {"grounded": True, "remember": False},
                    "stream": user == 1,
                }
                told = http.post(
                    "/v1/chat/completions", json=chat, headers={"X-Memsvc-Namespace": f"user:farmer{user}"}
                )
                assert told.status_code == 200, told.text
                assert "goats in the barn" in told.text
                call = {"name": "recall", "arguments": {"query": "How many goats?"}}
                tool: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
                takes = {"X-Memsvc-Namespace": f"user:farmer{user}", "Accept": "application/json, text/event-stream"}
                assert "goats in the barn" in http.post("/mcp", json=tool, headers=takes).text
            both = {"query": "goats", "filters": {"OR": [{"user_id": f"farmer{n}"} for n in range(3)]}}
            told = http.post("/v2/memories/search/", json=both)
            assert {item["user_id"] for item in told.json()["results"]} == {f"farmer{n}" for n in range(3)}
    talked = {holder(installation, name) for name in (f"user:farmer{user}" for user in range(3))}
    assert talked <= set(installation.cells)


def test_a_chat_is_imported_and_exported_through_a_cell_that_does_not_have_it(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    memory = clients["north"].namespace("traveller")
    for number in range(4):
        memory.add(f"I slept in hut number {number}.", session_id="s", id=f"m{number}")
    headers = {"Authorization": f"Bearer {KEY}"}
    for number, cell in enumerate(installation.cells.values()):
        with httpx.Client(base_url=cell.url, headers=headers, timeout=LIMIT_S) as http:
            exported = http.get("/v1/namespaces/traveller/export").content
            assert exported.count(b"I slept in hut") >= 4
            copy = f"copy-{number}"
            done = http.post(f"/v1/namespaces/{copy}/import", content=iter([exported[:100], exported[100:]]))
            assert done.is_success, done.text
            assert done.json()["imported"]["message"] == 4
            holder(installation, copy)
    for client in clients.values():
        assert client.namespace("copy-2").recall("Where did I sleep?", limit=1).results


@pytest.mark.slow
def test_new_namespaces_come_to_a_cell_that_is_added_and_none_to_one_that_is_closed(
    installation: Installation, clients: dict[str, MemoryClient]
) -> None:
    clients["west"].namespace("early").add("I slept in a hut.", session_id="s")
    installation.add("east")
    with moving.connected(installation.cells["north"].postgres.owner_url) as home:
        moving.set_open(home, "south", is_open=False)
    for cell in installation.cells.values():
        assert cell.service is not None and cell.service.cells is not None
        cells = cell.service.cells
        until(lambda cells=cells: [c.is_open for c in cells.all()] == [True, True, False, True])  # type: ignore[misc]
    for number in range(16):
        clients["south"].namespace(f"late-{number}").add("I row.", session_id="s")
    where = collections.Counter(holder(installation, f"late-{number}") for number in range(16))
    assert where["south"] == 0 and where["east"] > 0
    with installation.cells["east"].client() as client:
        assert client.namespace("early").recall("Where did I sleep?", limit=1).results


@pytest.mark.slow
def test_the_operator_lists_moves_and_drains_by_commands(
    installation: Installation, clients: dict[str, MemoryClient], tmp_path: Path
) -> None:
    file = tmp_path / "cells.json"
    file.write_text(json.dumps({name: cell.postgres.owner_url for name, cell in installation.cells.items()}))

    def run(*arguments: str, file: Path = file) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "memsvc.cli", "cells", *arguments]
        given = os.environ | {"MEMSVC_CELLS": str(file)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=given)

    for number in range(8):
        clients["north"].namespace(f"crate-{number}").add(f"I am crate {number}.", session_id="s", id="m")
    told = run("list")
    assert told.returncode == 0, told.stderr
    lines = {line.split("\t")[0]: line for line in told.stdout.splitlines()}
    assert set(lines) == set(installation.cells) and "home" in lines["north"]
    source = holder(installation, "crate-0")
    target = next(name for name in installation.cells if name != source)
    moved = run("move", "crate-0", "--to", target)
    assert moved.returncode == 0, moved.stderr
    assert f"from {source} to {target}" in moved.stdout
    assert holder(installation, "crate-0") == target
    assert run("open", "south").returncode == 0
    drained = run("drain", "west")
    assert drained.returncode == 0, drained.stderr
    assert "west\t" in (after := run("list").stdout) and "closed\t0 namespaces" in after
    removed = run("remove", "west")
    assert removed.returncode == 0, removed.stderr
    assert "west" not in run("list").stdout
    for number in range(8):
        found = clients["north"].namespace(f"crate-{number}").recall("Which crate?", limit=1).results
        assert found[0].text.endswith(f"I am crate {number}.")
    for wrong, words in (
        (run("move", "nobody", "--to", "north"), "No cell has a namespace"),
        (run("move", "crate-1", "--to", "nowhere"), "no cell 'nowhere'"),
        (run("drain", "nowhere"), "There is no cell 'nowhere'"),
        (run("remove", "north"), "is the home cell"),
        (run("remove", "south"), "drain south first"),
        (run("add", "south", "--url", "10.0.0.2"), "no address of a service"),
        (run("list", file=tmp_path / "none.json"), "cannot be read"),
    ):
        assert wrong.returncode == 2 and words in " ".join(wrong.stderr.split()), wrong.stderr
        assert "Traceback" not in wrong.stderr
