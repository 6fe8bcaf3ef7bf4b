"""Answers in words, over a real service with a tiny model of random weights, and over one without a model."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from api.app import create
from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.models.local import LocalGenerator
from memsvc.reader.disk import CacheFolder
from memsvc.reader.lazy import LazyReader
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services.answer import Answers
from memsvc.settings import JobSettings, ReaderSettings, ServerSettings, Settings
from tests.serving import served
from tests.unit.reader import models
from tests.waiting import LIMIT_S, until

_names = itertools.count()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("model")
    tokenizer = models.tokenizer()
    models.model("llama", len(tokenizer)).save_pretrained(made)
    tokenizer.save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def reading(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of its own, with a reader, whose words need not be grounded: it has none that are."""
    settings = Settings(ServerSettings(data_dir=tmp_path_factory.mktemp("data")))
    settings.jobs = JobSettings(in_server=False)
    settings.reader = ReaderSettings(model=str(model_folder), queue=3, grounded=False)
    built = bootstrap.build(settings)
    yield built
    built.close()


@pytest.fixture(scope="module")
def url(reading: Service) -> Iterator[str]:
    with served(create(reading)) as url:
        yield url


@pytest.fixture
def http(reading: Service, url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {reading.api_key}"}, timeout=LIMIT_S) as made:
        yield made


@pytest.fixture
def bees(reading: Service, url: str) -> Iterator[Namespace]:
    """One matter, talked about in one session; consolidated, so that it is an episode."""
    with MemoryClient(url, reading.api_key, max_retries=0) as client:
        memory = client.namespace(f"bees-{next(_names)}")
        said = [
            {"id": f"m{n}", "role": "user", "speaker": "Ana", "content": content}
            for n, content in enumerate(
                (
                    "I keep bees on the roof of my house.",
                    "My bees made twelve jars of honey.",
                    "I feed my bees sugar in winter.",
                )
            )
        ]
        memory.write([{"session_id": "hive", "messages": said}])
        run(reading)
        yield memory


def run(service: Service) -> None:
    """Every job that is queued, without the wait that they have."""
    for _ in range(3):
        with service.database.tenant(service.tenant_id) as connection:
            connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        service.runner.run_due()


def ask(http: httpx.Client, memory: Namespace, **more: Any) -> dict[str, Any]:
    body = {"query": "What does Ana feed her bees?", "max_tokens": 6} | more
    reply = http.post(f"/v1/namespaces/{memory.name}/answer", json=body)
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


def test_a_model_that_cannot_be_loaded_is_said_to_be_so_until_it_is_mended(
    reading: Service, bees: Namespace, model_folder: Path, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(model_folder, tmp_path / "mine"))
    os.truncate(mine / "model.safetensors", 1000)
    model = LocalGenerator(str(mine), device="cpu", dtype="auto", threads=1, folder=tmp_path)
    reader = LazyReader(model, CacheFolder(tmp_path / "caches", 10**9), 10**9)
    answers = Answers(reading.database, reading.recall, reader, None, reading.settings.reader, lambda: None)
    with (
        served(create(dataclasses.replace(reading, answers=answers))) as url,
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {reading.api_key}"}, timeout=LIMIT_S) as http,
    ):
        until(lambda: "failed: The model" in http.get("/readyz").json()["reader"])
        body = {"query": "What does Ana feed her bees?", "max_tokens": 6}
        for _ in range(2):
            reply = http.post(f"/v1/namespaces/{bees.name}/answer", json=body)
            assert (reply.status_code, "cannot be loaded" in reply.json()["detail"]) == (503, True)
        shutil.copy(model_folder / "model.safetensors", mine)
        assert http.post(f"/v1/namespaces/{bees.name}/answer", json=body).status_code == 200
        assert http.get("/readyz").json()["reader"].endswith(", ready")


def test_the_model_is_loaded_beside_the_start_and_readiness_tells_when(http: httpx.Client, reading: Service) -> None:
    until(lambda: http.get("/readyz").json()["reader"].endswith(", ready"))


def test_the_second_question_goes_on_from_what_was_read_ahead(
    http: httpx.Client, bees: Namespace, reading: Service
) -> None:
    first = ask(http, bees)
    assert (first["path"], first["tokens"]["cached"]) == ("text", 0)
    run(reading)
    second = ask(http, bees)
    assert second["path"] == "episode_cache"
    assert 0 < second["tokens"]["cached"] < second["tokens"]["prompt"]
    assert second["tokens"]["completion"] <= 6
    assert {"reader_first_token", "reader_total", "encoding"} <= set(second["timings_ms"])
    assert ask(http, bees)["answer"] == second["answer"]
    # A question about another moment is answered from what was so then, never from what was read ahead.
    assert ask(http, bees, known_at="2030-01-01T00:00:00Z")["path"] == "text"


@pytest.mark.parametrize("how", ["message", "session", "edit", "invalidate", "quarantine", "namespace"])
def test_whatever_takes_a_memory_away_takes_every_cache_that_saw_it(
    http: httpx.Client, bees: Namespace, reading: Service, how: str
) -> None:
    ask(http, bees)
    run(reading)
    assert ask(http, bees)["path"] == "episode_cache"
    folder = reading.settings.server.folder / "caches"
    before = set(folder.rglob("*.safetensors"))
    assert before
    unit = next(unit.id for unit in bees.units() if "sugar" in unit.text)
    if how == "edit":
        bees.edit(unit, "Ana feeds her bees syrup.")
    elif how == "invalidate":
        bees.invalidate(unit)
    elif how == "namespace":
        http.delete(f"/v1/namespaces/{bees.name}").raise_for_status()
    elif how == "quarantine":
        bees.quarantine("message", "m2")
    else:
        value = {"message": "m2", "session": "hive"}[how]
        http.post(f"/v1/namespaces/{bees.name}/erasures", json={"by": how, "value": value}).raise_for_status()
    gone = before - set(folder.rglob("*.safetensors"))
    assert len(gone) == 1
    if how not in ("namespace", "session"):
        assert ask(http, bees)["path"] == "text"


def test_an_erasure_while_the_words_are_read_leaves_no_cache_behind(
    http: httpx.Client, bees: Namespace, reading: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(http, bees)
    from memsvc.reader.reader import Reader

    prepare = Reader.prepare
    folder = reading.settings.server.folder / "caches"
    before = set(folder.rglob("*.safetensors"))

    def slow(self: Reader, *given: Any, **more: Any) -> Any:
        made = prepare(self, *given, **more)
        http.post(f"/v1/namespaces/{bees.name}/erasures", json={"by": "message", "value": "m2"}).raise_for_status()
        return made

    monkeypatch.setattr(Reader, "prepare", slow)
    run(reading)
    assert set(folder.rglob("*.safetensors")) <= before


def test_a_stream_tells_the_answer_piece_by_piece_and_ends_with_the_whole(http: httpx.Client, bees: Namespace) -> None:
    plain = ask(http, bees)
    body = {"query": "What does Ana feed her bees?", "max_tokens": 6, "stream": True}
    with http.stream("POST", f"/v1/namespaces/{bees.name}/answer", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = [part.split("\n") for part in reply.read().decode().strip().split("\n\n")]
    named = [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in events]
    assert [name for name, _ in named[:-1]] == ["delta"] * (len(named) - 1)
    assert named[-1][0] == "answer"
    assert named[-1][1]["answer"] == plain["answer"]
    assert "".join(data["text"] for _, data in named[:-1]).strip() == plain["answer"]


def test_a_client_that_leaves_stops_its_work(
    http: httpx.Client, bees: Namespace, reading: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsvc.reader import decode

    read, steps = decode.read, []

    def slow(*given: Any) -> Any:
        steps.append(time.monotonic())
        time.sleep(0.05)
        return read(*given)

    monkeypatch.setattr(decode, "read", slow)
    body = {"query": "What does Ana feed her bees?", "max_tokens": 400}
    for stream in (False, True):
        with pytest.raises(httpx.ReadTimeout):
            leaving = httpx.Client(base_url=url, headers=http.headers, timeout=0.8)
            with (
                leaving,
                leaving.stream("POST", f"/v1/namespaces/{bees.name}/answer", json=body | {"stream": stream}) as r,
            ):
                for _ in r.iter_raw():
                    if len(steps) > 8:
                        raise httpx.ReadTimeout("left")
        until(lambda: steps and time.monotonic() - steps[-1] > 2)  # a step every 50 ms while it is at work
        assert len(steps) < 400
        steps.clear()


def test_of_many_at_once_some_are_told_to_come_again_and_the_others_get_what_they_get_alone(
    http: httpx.Client, bees: Namespace
) -> None:
    alone = ask(http, bees)["answer"]
    body = {"query": "What does Ana feed her bees?", "max_tokens": 6}

    def one(_: int) -> httpx.Response:
        return http.post(f"/v1/namespaces/{bees.name}/answer", json=body)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(one, range(20)))
    assert {reply.status_code for reply in replies} <= {200, 429, 503}
    answered = [reply.json()["answer"] for reply in replies if reply.status_code == 200]
    assert answered and set(answered) == {alone}
    assert all(int(reply.headers["Retry-After"]) >= 1 for reply in replies if reply.status_code != 200)


def test_where_nothing_is_remembered_the_model_is_not_asked(http: httpx.Client, bees: Namespace) -> None:
    found = ask(http, bees, only={"speakers": ["Nobody"]})
    assert found["abstained"] and found["tokens"]["prompt"] == 0 and found["citations"] == []


def test_where_only_a_models_words_will_do_the_answer_says_how_to_get_one_and_context_works(
    memory: Namespace, service: Service, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add("I keep bees.", speaker="Ana", session_id="s")
    monkeypatch.setattr(service.answers, "_reader", None)
    monkeypatch.setattr(service.answers, "_endpoint", None)
    monkeypatch.setattr(service.answers, "_settings", ReaderSettings(grounded=False))
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as plain:
        reply = plain.post(f"/v1/namespaces/{memory.name}/answer", json={"query": "Who keeps bees?"})
    assert reply.status_code == 422
    assert "MEMSVC_READER_MODEL" in reply.json()["next_step"]
    assert memory.context("Who keeps bees?").passages


def test_the_clients_answer_too(reading: Service, url: str, bees: Namespace) -> None:
    found = bees.answer("What does Ana feed her bees?", max_tokens=4)
    assert found.answer or found.abstained
    assert found.path in ("text", "episode_cache")
    assert all(citation.message_id.startswith("m") for citation in found.citations)
