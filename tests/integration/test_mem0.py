"""mem0's official clients, old and new, plain and asynchronous, against this service: only their host differs."""

from __future__ import annotations

import itertools
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

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.store import keys, tenants
from tests.integration.test_erasure import rows_with
from tests.waiting import LIMIT_S

CLIENTS = sorted(path.name for path in (Path(sys.prefix) / "mem0").glob("*"))
_users = itertools.count()


class Mem0Error(Exception):
    """What the official client raised: the name of its class, then its words."""


class Mem0:
    """Each method is the official client's of the same name, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], version: str = "2", form: str = "sync") -> None:
        self._process = process
        # The asynchronous client of 1.0.x lets its HTTP library's errors through, whatever the service answers.
        self.untyped = version.startswith("1.") and form == "async"

    def refuses(self, kind: str) -> Any:
        """Expects the client's own error: ValidationError or MemoryNotFoundError."""
        statuses = {"ValidationError": "400", "MemoryNotFoundError": "404"}
        return pytest.raises(Mem0Error, match=f"HTTPStatusError.*({statuses[kind]})" if self.untyped else f"^{kind}: ")

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"name": name, "args": args, "kwargs": kwargs}) + "\n")
            self._process.stdin.flush()
            reply = json.loads(self._process.stdout.readline())
            if "error" in reply:
                raise Mem0Error(f"{reply['error']}: {reply['message']}")
            return reply["result"]

        return call


def start(version: str, form: str, host: str, key: str, folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": str(Path(sys.prefix) / "mem0" / version),
        "MEM0_TELEMETRY": "False",
        "MEM0_DIR": str(folder),
    }
    command = [sys.executable, str(Path(__file__).parent / "mem0_driver.py"), host, key, form]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.fixture(scope="module", params=[(v, f) for v in CLIENTS for f in ("sync", "async")], ids="-".join)
def mem0(
    request: pytest.FixtureRequest, base_url: str, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mem0]:
    version, form = request.param
    process = start(version, form, base_url, service.api_key, tmp_path_factory.mktemp("mem0"))
    yield Mem0(process, version, form)
    process.terminate()
    process.communicate(timeout=LIMIT_S)


@pytest.fixture
def user() -> str:
    return f"user {next(_users)}/ä"


def test_both_generations_of_the_client_are_here() -> None:
    assert [version.partition(".")[0] for version in CLIENTS] == ["1", "2"]


def test_the_quick_start_works(mem0: Mem0, user: str) -> None:
    messages = [
        {"role": "user", "content": "I'm a vegetarian and allergic to nuts."},
        {"role": "assistant", "content": "Got it! I'll remember your dietary preferences."},
    ]
    added = mem0.add(messages, user_id=user)["results"]
    assert any("allergic to nuts" in item["memory"] and item["event"] == "ADD" for item in added)
    (best, *_) = mem0.search("What are my dietary restrictions?", filters={"user_id": user})["results"]
    assert "allergic to nuts" in best["memory"]
    assert best["id"] in {item["id"] for item in added}
    assert 0 <= best["score"] <= 1
    assert best["user_id"] == user


def test_a_threshold_leaves_out_what_does_not_answer(mem0: Mem0, user: str) -> None:
    mem0.add("My sister Nora plays the cello.", user_id=user)
    mem0.add("The harbour ferry was painted blue.", user_id=user)
    asked: dict[str, Any] = {"filters": {"user_id": user}, "threshold": 0.5}
    (found,) = mem0.search("Which instrument does my sister play?", **asked)["results"]
    assert "cello" in found["memory"]
    assert mem0.search("What is the dentist's phone number?", **asked)["results"] == []


def test_a_memory_is_read_changed_deleted_and_keeps_its_history(mem0: Mem0, user: str) -> None:
    mem0.add("My sister Nora plays the cello.", user_id=user, metadata={"topic": "family"})
    (memory,) = mem0.get_all(filters={"user_id": user})["results"]
    assert mem0.get(memory["id"]) == memory
    assert memory["metadata"] == {"topic": "family"}
    mem0.update(memory["id"], text="My sister Nora plays the viola.", metadata={"topic": "music"})
    changed = mem0.get(memory["id"])
    assert (changed["memory"], changed["metadata"]) == ("My sister Nora plays the viola.", {"topic": "music"})
    assert changed["updated_at"] > memory["updated_at"]
    assert "viola" in mem0.search("What does Nora play?", filters={"user_id": user})["results"][0]["memory"]
    mem0.delete(memory["id"])
    assert mem0.get_all(filters={"user_id": user})["results"] == []
    assert mem0.search("What does Nora play?", filters={"user_id": user})["results"] == []
    history = mem0.history(memory["id"])
    assert [event["event"] for event in history] == ["ADD", "UPDATE", "DELETE"]
    assert (history[1]["old_memory"], history[1]["new_memory"]) == (memory["memory"], changed["memory"])
    with mem0.refuses("MemoryNotFoundError"):
        mem0.get(memory["id"])
    with mem0.refuses("MemoryNotFoundError"):
        mem0.delete(memory["id"])


def test_a_fact_that_was_deleted_can_be_added_again(mem0: Mem0, user: str) -> None:
    fact = "My neighbour Otto breeds goldfish in his cellar."
    for _ in range(2):
        (memory,) = mem0.add(fact, user_id=user)["results"]
        assert [item["id"] for item in mem0.search("goldfish", filters={"user_id": user})["results"]] == [memory["id"]]
        mem0.delete(memory["id"])
    assert mem0.get_all(filters={"user_id": user})["results"] == []


def test_users_agents_and_runs_keep_their_memories_apart(mem0: Mem0, user: str) -> None:
    other, agent, run = f"{user}-other", f"{user}-agent", f"{user}-run"
    mem0.add("I keep bees on the roof.", user_id=user)
    mem0.add("I keep bees in the garden of my uncle.", user_id=other)
    mem0.add("I sold the honey of my bees at the market.", user_id=user, agent_id=agent, run_id=run)
    mem0.add("I answer questions about bees briefly.", agent_id=agent)

    def found(**filters: Any) -> set[str]:
        listed = {item["id"] for item in mem0.get_all(filters=filters)["results"]}
        searched = {item["id"] for item in mem0.search("bees", filters=filters, top_k=50)["results"]}
        assert listed == searched
        return {mem0.get(memory_id)["memory"].rsplit(" ", 1)[-1] for memory_id in listed}

    assert found(user_id=user) == {"roof.", "market."}
    assert found(user_id=other) == {"uncle."}
    assert found(run_id=run) == {"market."}
    assert found(agent_id=agent) == {"market.", "briefly."}
    assert found(AND=[{"user_id": user}, {"run_id": run}]) == {"market."}
    assert found(OR=[{"user_id": other}, {"AND": [{"agent_id": agent}, {"NOT": [{"run_id": "*"}]}]}]) == {
        "uncle.",
        "briefly.",
    }
    assert found(user_id={"in": [user, other]}, run_id=None) == {"roof.", "uncle."}
    listed = {(item["type"], item["name"]): item["total_memories"] for item in mem0.users()["results"]}
    assert listed[("user", user)] == 2
    assert listed[("agent", agent)] == 2
    assert listed[("run", run)] == 1
    mem0.delete_all(run_id=run)
    assert found(user_id=user) == {"roof."}
    mem0.delete_users(user_id=user)
    assert found(OR=[{"user_id": user}, {"user_id": other}]) == {"uncle."}


def test_deleting_all_of_a_user_erases_what_was_said(mem0: Mem0, user: str, client: MemoryClient) -> None:
    mem0.add("My locker code is 4711.", user_id="plain-user")
    said = [message.content for message in client.namespace("user:plain-user").messages()]
    assert said == ["My locker code is 4711."]
    for _ in range(2):
        assert "deleted" in mem0.delete_all(user_id="plain-user")["message"]
    assert "plain-user" not in {item["name"] for item in mem0.users()["results"]}
    with pytest.raises(Exception, match="no namespace"):
        client.namespace("user:plain-user").stats()


def test_deleting_all_of_a_run_erases_its_words_within_the_users_memory_and_nothing_else(
    mem0: Mem0, service: Service, client: MemoryClient
) -> None:
    memory = client.namespace("user:runner")
    word = f"Zyxo{uuid.uuid4().hex[:8]}"
    mem0.add("I keep bees on the roof.", user_id="runner")
    mem0.add("My knee hurts after running.", user_id="runner", run_id="clinic")
    (hidden,) = mem0.add(f"My doctor is called {word}.", user_id="runner", agent_id="nurse", run_id="clinic")["results"]
    mem0.update(hidden["id"], text=f"My new doctor is called {word}.", metadata={"name": word})
    assert set(rows_with(service, service.tenant_id, word)) >= {"message", "unit", "unit_version", "record"}
    for _ in range(2):
        mem0.delete_all(run_id="clinic")
        assert rows_with(service, service.tenant_id, word) == {}
        assert [message.content for message in memory.messages()] == ["I keep bees on the roof."]
    with mem0.refuses("MemoryNotFoundError"):
        mem0.history(hidden["id"])
    assert not {"clinic", "nurse"} & {item["name"] for item in mem0.users()["results"]}
    mem0.delete_all(user_id="runner")


def test_deleting_one_memory_puts_it_away_and_keeps_what_was_said(mem0: Mem0, client: MemoryClient) -> None:
    (memory,) = mem0.add("My boat is called Albatross.", user_id="sailor")["results"]
    mem0.delete(memory["id"])
    assert [message.content for message in client.namespace("user:sailor").messages()] == [
        "My boat is called Albatross."
    ]
    assert mem0.history(memory["id"])[-1]["event"] == "DELETE"
    mem0.delete_all(user_id="sailor")


def test_deleting_who_is_gone_or_was_never_there_succeeds(mem0: Mem0, user: str) -> None:
    mem0.add("I answer briefly.", agent_id=f"{user}-agent")
    for _ in range(2):
        mem0.delete_users(agent_id=f"{user}-agent")
        assert f"{user}-agent" not in {item["name"] for item in mem0.users()["results"]}
    mem0.delete_users(user_id=f"{user}-never")
    mem0.delete_all(run_id=f"{user}-never")


def test_filters_look_at_metadata_categories_words_and_times(mem0: Mem0, user: str) -> None:
    mem0.add("I climbed Mont Blanc.", user_id=user, metadata={"sport": "climbing", "level": 4}, timestamp=1_700_000_000)
    mem0.add("I swam across the lake of Zurich.", user_id=user, metadata={"sport": "swimming", "level": 2})
    mem0.add("I lost my library card.", user_id=user, expiration_date="2020-01-01")

    def found(extra: dict[str, Any], **options: Any) -> list[str]:
        results = mem0.search("What did I do?", filters={"AND": [{"user_id": user}, extra]}, **options)["results"]
        return sorted(word for item in results for word in ("Blanc", "Zurich", "card") if word in item["memory"])

    assert found({"metadata": {"sport": "climbing"}}) == ["Blanc"]
    assert found({"metadata": {"level": {"gte": 2, "lt": 4}}}) == ["Zurich"]
    assert found({"metadata.sport": {"ne": "climbing"}}) == ["Zurich"]
    assert found({"memory": {"icontains": "ZURICH"}}) == ["Zurich"]
    assert found({"created_at": {"lt": "2024-01-01"}}) == ["Blanc"]
    assert found({"categories": {"contains": "event"}}) + found({"NOT": [{"categories": {"in": ["event"]}}]}) != []
    assert found({}, show_expired=True) == ["Blanc", "Zurich", "card"]
    assert len(mem0.search("What did I do?", filters={"user_id": user}, top_k=1)["results"]) == 1


def test_pages_and_batches(mem0: Mem0, user: str) -> None:
    for animal in ("heron", "badger", "weasel"):
        mem0.add(f"I photographed a {animal} near the canal.", user_id=user)
    first = mem0.get_all(filters={"user_id": user}, page=1, page_size=2)
    second = mem0.get_all(filters={"user_id": user}, page=2, page_size=2)
    assert (first["count"], len(first["results"]), len(second["results"])) == (3, 2, 1)
    assert first["next"]
    assert second["next"] is None
    ids = [item["id"] for item in first["results"] + second["results"]]
    assert len(set(ids)) == 3
    mem0.batch_update(
        [{"memory_id": ids[0], "text": "I photographed an otter."}, {"memory_id": ids[1], "metadata": {"a": 1}}]
    )
    assert mem0.get(ids[0])["memory"] == "I photographed an otter."
    assert mem0.get(ids[1])["metadata"] == {"a": 1}
    with mem0.refuses("MemoryNotFoundError"):
        mem0.batch_delete([{"memory_id": ids[0]}, {"memory_id": "u_none"}])
    assert mem0.get(ids[0])
    mem0.batch_delete([{"memory_id": ids[0]}, {"memory_id": ids[1]}])
    assert [item["id"] for item in mem0.get_all(filters={"user_id": user})["results"]] == [ids[2]]


def test_bad_input_is_the_clients_own_typed_error(mem0: Mem0, user: str) -> None:
    for call, args, kwargs in (
        ("add", ["hello"], {}),
        ("add", [[{"role": "owner", "content": "x"}]], {"user_id": user}),
        ("add", [[{"role": "user", "content": "a\x00b"}]], {"user_id": user}),
        ("add", [[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]], {"user_id": user}),
        ("add", ["hello"], {"user_id": user, "infer": False}),
        ("add", ["hello"], {"user_id": user, "custom_categories": [{"a": "b"}]}),
        ("add", ["hello"], {"user_id": user, "metadata": {"x": "y" * 20_000}}),
        ("add", ["hello"], {"user_id": user, "timestamp": 10**30}),
        ("add", ["hello"], {"user_id": ""}),
        ("add", ["hello"], {"filters": {"user_id": user, "topic": "x"}}),
        ("search", ["hello"], {}),
        ("search", ["hello"], {"filters": {"topic": "x"}}),
        ("search", ["hello"], {"filters": {"user_id": user, "topic": "x"}}),
        ("search", ["hello"], {"filters": {"user_id": user, "AND": [1]}}),
        ("search", ["hello"], {"filters": {"user_id": user, "created_at": {"gt": "soon"}}}),
        ("search", ["hello"], {"filters": {"user_id": user}, "top_k": 0}),
        ("get_all", [], {"filters": {"user_id": user}, "page": 0, "page_size": 5}),
        ("delete_all", [], {}),
        ("batch_delete", [[]], {}),
        ("batch_update", [[{"memory_id": "x"}]], {}),
    ):  # fmt: skip
        with mem0.refuses("ValidationError"):
            getattr(mem0, call)(*args, **kwargs)
    for call in ("get", "delete", "history"):
        with mem0.refuses("MemoryNotFoundError"):
            getattr(mem0, call)("u_none")
        with mem0.refuses("ValidationError"):
            getattr(mem0, call)("no id at all")


def test_a_wrong_key_is_refused_at_the_first_call(base_url: str, tmp_path: Path) -> None:
    for version in CLIENTS:
        process = start(version, "sync", base_url, "mk_wrong", tmp_path)
        with pytest.raises(Mem0Error, match="API key is not known"):
            Mem0(process).users()
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def test_a_reset_deletes_everybodys_memories_in_its_own_account(
    base_url: str, service: Service, tmp_path: Path, client: MemoryClient
) -> None:
    client.namespace("user:elsewhere").add("This stays.", session_id="s")
    for version in CLIENTS:
        key = keys.new_key()
        tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
        keys.ensure_key(service.database, tenant_id, key, ("read", "write", "erase", "admin"), "test")
        process = start(version, "sync", base_url, key, tmp_path)
        mem0 = Mem0(process)
        mem0.add("I collect stamps.", user_id="a", agent_id="b", run_id="c")
        mem0.add("I collect coins.", agent_id="b", app_id="d")
        mem0.add("I collect maps.", run_id="c")
        assert {(item["type"], item["name"]) for item in mem0.users()["results"]} == {
            ("user", "a"), ("agent", "b"), ("app", "d"), ("run", "c"),
        }  # fmt: skip
        mem0.reset()
        assert mem0.users()["results"] == []
        assert mem0.get_all(filters={"OR": [{"user_id": "*"}, {"agent_id": "*"}, {"run_id": "*"}]})["results"] == []
        process.terminate()
        process.communicate(timeout=LIMIT_S)
    assert client.namespace("user:elsewhere").stats().messages == 1


@pytest.mark.parametrize("version", CLIENTS)
def test_a_key_that_may_not_erase_puts_memories_away_and_erases_nothing(
    version: str, base_url: str, service: Service, tmp_path: Path
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["read", "write"], "test", "operator")
    process = start(version, "sync", base_url, key, tmp_path)
    mem0 = Mem0(process)
    for animal in ("heron", "badger", "weasel"):
        mem0.add(f"I photographed a {animal} near the canal.", user_id="u")
    first, second, third = (item["id"] for item in mem0.get_all(filters={"user_id": "u"})["results"])
    mem0.delete(first)
    mem0.batch_delete([{"memory_id": second}])
    for call in (mem0.delete_all, mem0.delete_users):
        with pytest.raises(Mem0Error, match="may not erase"):
            call(user_id="u")
    assert [item["id"] for item in mem0.get_all(filters={"user_id": "u"})["results"]] == [third]
    process.terminate()
    process.communicate(timeout=LIMIT_S)


def test_each_deletion_needs_the_scope_of_the_route_that_it_stands_for(base_url: str, service: Service) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    deletions: dict[str, tuple[str, Any]] = {
        "/v1/memories/u_none/": ("write", None),
        "/v1/batch/": ("write", {"memories": [{"memory_id": "u_none"}]}),
        "/v1/memories/?user_id=nobody": ("erase", None),
        "/v2/entities/user/nobody/": ("erase", None),
    }
    for scope in keys.SCOPES:
        key, _ = keys.create(service.database, tenant_id, [scope], "test", "operator")
        for path, (wanted, body) in deletions.items():
            reply = httpx.request("DELETE", base_url + path, json=body, headers={"Authorization": f"Token {key}"})
            assert (reply.status_code == 403) == (scope not in (wanted, "admin")), (scope, path, reply.text)


def test_long_and_foreign_ids_keep_their_memories_apart_and_are_read_back(mem0: Mem0) -> None:
    first, second = "長" * 300, "長" * 299 + "x"
    for name in (first, second):
        mem0.add(f"I own {len(name.encode())} books.", user_id=name, run_id=name)
        (memory,) = mem0.get_all(filters={"AND": [{"user_id": name}, {"run_id": name}]})["results"]
        assert (memory["user_id"], memory["run_id"]) == (name, name)
        assert str(len(name.encode())) in memory["memory"]
    assert {first, second} <= {item["name"] for item in mem0.users()["results"]}
    mem0.delete_all(user_id=first)
    mem0.delete_all(user_id=second)


@pytest.mark.parametrize("version", CLIENTS)
def test_the_quick_start_of_the_page_runs_as_it_stands(
    version: str, base_url: str, service: Service, tmp_path: Path
) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "mem0.md").read_text()
    (script,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "from mem0" in block)
    script = script.replace("YOUR KEY", service.api_key).replace("http://127.0.0.1:8377", base_url)
    environment = os.environ | {
        "PYTHONPATH": str(Path(sys.prefix) / "mem0" / version), "MEM0_TELEMETRY": "False", "MEM0_DIR": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "allergic to nuts" in done.stdout
