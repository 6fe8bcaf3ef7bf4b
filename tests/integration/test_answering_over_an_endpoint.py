"""Answers from a model behind an OpenAI-compatible endpoint, which a real HTTP server plays, through the real service."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.app import create
from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import GeneratorSettings, JobSettings, ReaderSettings, ServerSettings, Settings
from tests.serving import served
from tests.unit.models.test_generator import DONE, USAGE, Endpoint, answers, piece, says, streams
from tests.waiting import LIMIT_S

BODY = {"query": "What does Ana feed her bees?", "max_tokens": 20}
PIECES = ("Su", "gar ", "[1]", ".")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def unused(endpoint: Endpoint) -> None:
    endpoint.requests.clear()
    endpoint.behave = streams(*map(piece, PIECES), piece(None, "stop"), USAGE, DONE, pause_s=0.15)


@pytest.fixture(scope="module")
def answering(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(ServerSettings(data_dir=tmp_path_factory.mktemp("data")))
    settings.jobs = JobSettings(in_server=False)
    settings.generator = GeneratorSettings(model="big-model", url=endpoint.url)
    settings.reader = ReaderSettings(timeout_s=20, grounded=False)
    built = bootstrap.build(settings)
    yield built
    built.close()


@pytest.fixture(scope="module")
def url(answering: Service) -> Iterator[str]:
    with served(create(answering)) as url:
        yield url


@pytest.fixture(scope="module")
def http(answering: Service, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {answering.api_key}"}, timeout=LIMIT_S) as made:
        yield made


@pytest.fixture(scope="module")
def bees(answering: Service, url: str) -> Iterator[Namespace]:
    with MemoryClient(url, answering.api_key, max_retries=0) as client:
        memory = client.namespace("bees")
        memory.add("I feed my bees sugar in winter.", speaker="Ana", session_id="hive")
        yield memory


def events(http: httpx.Client, memory: Namespace, **more: Any) -> list[tuple[float, str, dict[str, Any]]]:
    """When each came, its name and what it holds."""
    found, name = [], ""
    with http.stream("POST", f"/v1/namespaces/{memory.name}/answer", json=BODY | {"stream": True} | more) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        for line in reply.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((time.monotonic(), name, json.loads(line.removeprefix("data: "))))
    return found


def test_the_endpoints_pieces_go_through_to_the_client_while_it_still_writes(
    http: httpx.Client, bees: Namespace, endpoint: Endpoint
) -> None:
    found = events(http, bees)
    assert [data["text"] for _, name, data in found if name == "delta"] == list(PIECES)
    assert found[3][0] - found[0][0] > 0.3
    (_, name, whole) = found[-1]
    assert name == "answer"
    assert whole["answer"] == "Sugar [1]."
    assert whole["tokens"] == {"prompt": 21, "cached": 0, "completion": 3}
    assert len(whole["citations"]) == 1 and whole["path"] == "text" and not whole["abstained"]
    assert whole["timings_ms"]["reader_first_token"] < whole["timings_ms"]["reader_total"] - 300
    (asked,) = endpoint.requests
    assert asked["model"] == "big-model" and asked["temperature"] == 0 and "seed" not in asked
    assert "sugar in winter" in asked["messages"][0]["content"]


def test_without_a_stream_the_answer_is_the_same(http: httpx.Client, bees: Namespace) -> None:
    assert bees.answer(str(BODY["query"])).answer == events(http, bees)[-1][2]["answer"]


def test_chance_is_the_endpoints(http: httpx.Client, bees: Namespace, endpoint: Endpoint) -> None:
    events(http, bees, temperature=0.7, top_p=0.8, seed=5)
    assert [endpoint.requests[0][name] for name in ("temperature", "top_p", "seed")] == [0.7, 0.8, 5]


def test_an_endpoint_that_does_not_stream_answers_in_one_piece(
    http: httpx.Client, bees: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = says("Sugar.")
    assert [(name, data.get("text")) for _, name, data in events(http, bees)] == [("delta", "Sugar."), ("answer", None)]


def test_what_goes_wrong_before_the_first_word_has_a_status_and_later_is_an_event(
    http: httpx.Client, bees: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = answers(500, b"oh no")
    reply = http.post(f"/v1/namespaces/{bees.name}/answer", json=BODY | {"stream": True})
    assert reply.status_code == 503 and "500" in reply.json()["detail"]
    endpoint.behave = streams(piece("Su"), {"error": {"message": "out of memory"}}, pause_s=0.5)
    found = events(http, bees)
    assert [name for _, name, _ in found] == ["delta", "error"]
    assert "out of memory" in found[-1][2]["detail"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_endpoints_work(
    http: httpx.Client, bees: Namespace, endpoint: Endpoint, stream: bool
) -> None:
    written: list[str] = []
    ended = threading.Event()

    def endless(handler: Any, _: dict[str, Any]) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        try:
            while len(written) < 2000:
                handler.wfile.write(f"data: {json.dumps(piece('word '))}\n\n".encode())
                handler.wfile.flush()
                written.append("word")
                time.sleep(0.05)
        finally:
            ended.set()

    endpoint.behave = endless
    with pytest.raises(httpx.ReadTimeout):  # noqa: SIM117 - the client that leaves is the point
        with httpx.Client(base_url=str(http.base_url), headers=http.headers, timeout=1.0) as leaving:
            path = f"/v1/namespaces/{bees.name}/answer"
            with leaving.stream("POST", path, json=BODY | {"stream": stream}) as reply:
                for number, _ in enumerate(reply.iter_lines()):
                    if number > 9:
                        raise httpx.ReadTimeout("left")
    assert ended.wait(LIMIT_S)
    assert 0 < len(written) < 2000
