"""mem0's official JavaScript client under node, against this service over a real port: only its host differs."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memsvc.bootstrap import Service
from tests.waiting import LIMIT_S

PACKAGES = Path(sys.prefix) / "node" / "node_modules"
NODE = shutil.which("node")
_users = itertools.count()

if NODE is None or not (PACKAGES / "mem0ai").is_dir():
    pytest.skip(f"needs node, and mem0ai in {PACKAGES}", allow_module_level=True)


class ClientError(Exception):
    """What the client threw: its name, then its words."""


class Node:
    """Each method is the client's of the same name, in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"name": name, "args": args}) + "\n")
            self._process.stdin.flush()
            reply = json.loads(self._process.stdout.readline())
            if "error" in reply:
                raise ClientError(f"{reply['error']}: {reply['message']}")
            return reply["result"]

        return call


@pytest.fixture(scope="module")
def mem0(base_url: str, service: Service) -> Iterator[Node]:
    assert NODE is not None
    environment = os.environ | {"NODE_PATH": str(PACKAGES), "MEM0_TELEMETRY": "false"}
    process = subprocess.Popen(
        [NODE, str(Path(__file__).parent / "mem0_driver.js"), base_url, service.api_key], env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    yield Node(process)
    process.terminate()
    process.communicate(timeout=LIMIT_S)


@pytest.fixture
def user() -> str:
    return f"node-{next(_users)}"


def said(*words: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": content} for content in words]


def test_memories_are_added_found_listed_and_read(mem0: Node, user: str) -> None:
    added = mem0.add(said("I'm a vegetarian and allergic to nuts.", "My barge is called Albatross."), {"user_id": user})
    ids = {item["id"] for item in added["results"]}
    assert {item["event"] for item in added["results"]} == {"ADD"}
    assert added["event_id"]
    for options in (
        {"user_id": user},
        {"filters": {"user_id": user}, "api_version": "v1"},
        {"user_id": user, "top_k": 1},
    ):
        found = mem0.search("What is my barge called?", options)
        assert "Albatross" in found[0]["memory"]
        assert found[0]["id"] in ids
    newer = mem0.search("What is my barge called?", {"filters": {"user_id": user}, "api_version": "v2"})
    assert "Albatross" in newer["results"][0]["memory"]
    listed = mem0.getAll({"user_id": user})
    assert {item["id"] for item in listed} == ids
    assert mem0.get(listed[0]["id"]) == listed[0]
    page = mem0.getAll({"user_id": user, "page": 1, "page_size": 1})
    assert (page["count"], len(page["results"])) == (len(ids), 1)
    assert mem0.getAll({"filters": {"user_id": user}, "api_version": "v2"})["count"] == len(ids)
    assert mem0.getAll({"user_id": user, "categories": ["none", "nothing"]}) == []


def test_a_transcript_sent_whole_again_stands_once(mem0: Node, user: str) -> None:
    turns = said("I keep bees in Ghent.", "I sail boats in Bruges.")
    mem0.add(turns[:1], {"user_id": user, "run_id": "r"})
    assert [item["event"] for item in mem0.add(turns, {"user_id": user, "run_id": "r"})["results"]] == ["ADD", "NOOP"]
    assert len(mem0.getAll({"user_id": user})) == 2


def test_a_memory_is_changed_deleted_and_keeps_its_history(mem0: Node, user: str) -> None:
    (memory, *others) = mem0.add(
        said("My sister Nora plays the cello.", "I keep bees.", "I own a barge."), {"user_id": user}
    )["results"]
    mem0.update(memory["id"], {"text": "My sister Nora plays the viola.", "metadata": {"a": 1}})
    changed = mem0.get(memory["id"])
    assert (changed["memory"], changed["metadata"]) == ("My sister Nora plays the viola.", {"a": 1})
    assert "deleted" in mem0.delete(memory["id"])["message"]
    assert [event["event"] for event in mem0.history(memory["id"])] == ["ADD", "UPDATE", "DELETE"]
    mem0.batchUpdate([{"memoryId": others[0]["id"], "text": "I keep wasps."}])
    assert mem0.get(others[0]["id"])["memory"] == "I keep wasps."
    mem0.batchDelete([others[1]["id"]])
    assert [item["id"] for item in mem0.getAll({"user_id": user})] == [others[0]["id"]]


def test_users_are_listed_and_all_of_one_is_deleted(mem0: Node, user: str) -> None:
    for number in range(4):
        mem0.add(said("I keep bees."), {"user_id": f"{user}-{number}"})

    def there() -> list[str]:
        return [item["name"] for item in mem0.users()["results"] if item["name"].startswith(f"{user}-")]

    assert len(there()) == 4
    assert "deleted" in mem0.deleteAll({"user_id": f"{user}-0"})["message"]
    mem0.deleteUsers({"user_id": f"{user}-1"})
    mem0.deleteUser({"entity_id": f"{user}-2", "entity_type": "user"})
    assert there() == [f"{user}-3"]
    assert mem0.getAll({"user_id": f"{user}-0"}) == []


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("add", [said("hello"), {}], "at least one id"),
        ("add", [said("hello"), {"user_id": "u", "infer": False}], "infer=False"),
        ("add", [said("hello"), {"user_id": "u", "immutable": True}], "does not offer immutable"),
        ("search", ["hello", {}], "name nobody"),
        ("search", ["hello", {"user_id": "u", "only_metadata_based_search": True}], "does not offer"),
        ("search", ["hello", {"filters": {"user_id": "u", "usr": "x"}}], "no field to filter by"),
        ("getAll", [{}], "name nobody"),
        ("getAll", [{"user_id": "u", "filters": {"run_id": "x"}}], "filters"),
        ("get", ["no id"], "no id of a memory"),
        ("update", ["no id", {"text": "x"}], "no id of a memory"),
        ("delete", ["no id"], "no id of a memory"),
        ("history", ["no id"], "no id of a memory"),
        ("deleteAll", [{}], "whose"),
        ("batchDelete", [["no id"]], "no id of a memory"),
        ("feedback", [{"memory_id": "u_none", "feedback": "POSITIVE"}], "no feedback"),
        ("createMemoryExport", [{"schema": {"a": 1}, "filters": {"user_id": "u"}}], "no exports"),
        ("getMemoryExport", [{"filters": {"user_id": "u"}}], "no exports"),
        ("getProject", [{"fields": ["custom_instructions"]}], "no organisations and projects"),
        ("updateProject", [{"custom_instructions": "x"}], "no organisations and projects"),
        ("getWebhooks", [], "no webhooks"),
        ("createWebhook", [{"name": "n", "url": "http://x", "eventTypes": []}], "no webhooks"),
        ("updateWebhook", [{"webhookId": "w", "name": "n"}], "no webhooks"),
        ("deleteWebhook", [{"webhookId": "w"}], "no webhooks"),
    ],
)
def test_what_is_refused_is_the_clients_own_error_with_a_sentence(
    mem0: Node, name: str, args: list[Any], told: str
) -> None:
    with pytest.raises(ClientError, match=f"^(ValidationError|MemoryError): .*{told}"):
        getattr(mem0, name)(*args)


def test_what_is_not_there_is_the_clients_own_error(mem0: Node) -> None:
    for name, args in (("get", []), ("update", [{"text": "x"}]), ("delete", []), ("history", [])):
        with pytest.raises(ClientError, match="There is no memory"):
            getattr(mem0, name)("u_0123456789abcdef01234567", *args)
