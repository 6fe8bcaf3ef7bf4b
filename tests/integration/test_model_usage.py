"""What calls of a language model cost: counted by namespace, step and day, shown wherever numbers are, and bounded."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.app import create
from memsvc import bootstrap
from memsvc.bootstrap import Service
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.job import Job
from memsvc.domain.usage import ANSWER, BACKGROUND, CHAT, REFINE, Usage
from memsvc.models.endpoint import EndpointGenerator
from memsvc.prompts import CONNECT, IDENTIFY, JUDGE, SUMMARISE
from memsvc.prompts import REFINE as REFINE_PROMPT
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services import costs, refine
from memsvc.services.costs import Asking
from memsvc.services.refine import Refine
from memsvc.services.work import Runner
from memsvc.settings import GeneratorSettings, JobSettings, ReaderSettings, ServerSettings, Settings
from memsvc.store import jobs, usage
from tests.integration.test_verdicts import space_of
from tests.serving import served
from tests.unit.models.test_generator import DONE, USAGE, Endpoint, answers, piece, says, streams
from tests.waiting import LIMIT_S

TODAY = dt.datetime.now(dt.UTC).date()
UNREADABLE = says("I would rather not.")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    made.behave = UNREADABLE
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def talk(memory: Namespace) -> Namespace:
    for number, words in enumerate(("I moved to Oslo in May.", "I adopted a cat called Miso.", "I play the viola.")):
        memory.add(words, speaker="Ana", session_id=f"s{number}")
    return memory


def refining(service: Service, memory: Namespace, endpoint: Endpoint, daily_tokens: int = 0, tries: int = 1) -> Job:
    """Run a job `refine`, as it stands behind that."""
    model = Asking(EndpointGenerator(endpoint.url, "tiny", tries=tries), 20.0, 256, daily_tokens)
    kind = "refine-probe"
    runner = Runner(service.database, {kind: Refine(service.encoder, model).run}, JobSettings(backoff_s=600.0))
    space = space_of(service, memory)
    with service.database.tenant(service.tenant_id) as connection:
        job_id = jobs.enqueue(connection, space, kind, str(uuid.uuid4()), {})
    runner.run_due()
    return found(service, job_id)


def found(service: Service, job_id: uuid.UUID) -> Job:
    with service.database.tenant(service.tenant_id) as connection:
        job = jobs.find(connection, service.tenant_id, job_id)
    assert job is not None
    return job


def add(service: Service, space: Space, step: str, day: dt.date, more: Usage) -> None:
    with service.database.tenant(service.tenant_id) as connection:
        usage.add(connection, space, step, day, more)


def test_the_names_of_steps_are_those_of_their_prompts() -> None:
    background = (REFINE_PROMPT.name, SUMMARISE.name, JUDGE.name, CONNECT.name, IDENTIFY.name)
    assert background == BACKGROUND


def test_every_call_of_a_job_is_counted_in_the_stats(service: Service, talk: Namespace, endpoint: Endpoint) -> None:
    assert talk.stats().language_model == {}
    job = refining(service, talk, endpoint)
    assert job.state == "done"
    assert job.result is not None and job.result["unreadable reply"] == len(endpoint.requests) == 3
    (step, cost), = talk.stats().language_model.items()  # fmt: skip
    assert (step, cost.calls, cost.failures) == ("refine", 3, 0)
    assert (cost.prompt_tokens, cost.completion_tokens, cost.tokens_today) == (21, 6, 27)
    assert cost.seconds > 0


def test_a_call_that_fails_is_counted_once_however_often_it_was_tried(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = answers(503, b"busy")
    job = refining(service, talk, endpoint, tries=2)
    assert (job.state, len(endpoint.requests)) == ("queued", 2)
    cost = talk.stats().language_model["refine"]
    assert (cost.calls, cost.failures, cost.prompt_tokens, cost.tokens_today) == (1, 1, 0, 0)


def test_a_job_whose_model_asks_for_patience_waits_as_long(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = answers(429, b"slowly", **{"Retry-After": "3000"})
    job = refining(service, talk, endpoint, tries=2)
    assert job.state == "queued"
    assert job.run_after - dt.datetime.now(dt.UTC) > dt.timedelta(seconds=2900)
    assert len(endpoint.requests) == 1


def test_what_a_server_counts_wrong_breaks_nothing(service: Service, talk: Namespace, endpoint: Endpoint) -> None:
    reply = {"choices": [{"message": {"content": "No."}}], "usage": {"prompt_tokens": 10**40, "completion_tokens": -9}}
    endpoint.behave = answers(200, json.dumps(reply).encode())
    assert refining(service, talk, endpoint).state == "done"
    cost = talk.stats().language_model["refine"]
    assert (cost.calls, cost.prompt_tokens, cost.completion_tokens) == (3, 3 * 10**9, 0)


def test_beyond_the_budget_of_a_day_a_job_waits_for_the_next_and_goes_on_where_it_was(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    space = space_of(service, talk)
    # What was yesterday, and what people asked for, does not count.
    add(service, space, REFINE, TODAY - dt.timedelta(days=1), Usage(9, 0, 500, 500, 1.0))
    add(service, space, ANSWER, TODAY, Usage(9, 0, 500, 500, 1.0))
    job = refining(service, talk, endpoint, daily_tokens=15)
    assert len(endpoint.requests) == 2
    assert (job.state, job.attempts) == ("queued", 0)
    now = dt.datetime.now(dt.UTC)
    assert now < job.run_after <= now + dt.timedelta(days=1, minutes=1)
    assert job.last_error is not None
    assert "spent 18 tokens today, of 15" in job.last_error
    assert "MEMSVC_GENERATOR_DAILY_TOKENS" in job.last_error
    assert talk.stats().language_model["refine"].tokens_today == 18
    # A day later, by its own entry in the queue: nothing is asked twice, and nothing is left out.
    again = Asking(EndpointGenerator(endpoint.url, "tiny"), 20.0, 256, 1_000)
    with service.database.tenant(service.tenant_id) as connection:
        jobs.cancel(connection, job)
        jobs.requeue(connection, job)
    Runner(service.database, {job.kind: Refine(service.encoder, again).run}, JobSettings()).run_due()
    job = found(service, job.id)
    assert job.state == "done"
    assert job.result is not None and job.result["unreadable reply"] == 3
    assert len({body["messages"][1]["content"] for body in endpoint.requests}) == len(endpoint.requests) == 3


def test_a_namespace_that_has_spent_its_budget_takes_nothing_from_another(
    service: Service, talk: Namespace, client: MemoryClient, endpoint: Endpoint
) -> None:
    other = client.namespace(f"{talk.name}-other")
    other.add("I row on the lake.", speaker="Ben", session_id="s")
    add(service, space_of(service, other), REFINE, TODAY, Usage(1, 0, 10**6, 0, 1.0))
    assert refining(service, other, endpoint, daily_tokens=1_000).state == "queued"
    assert endpoint.requests == []
    assert refining(service, talk, endpoint, daily_tokens=1_000).state == "done"


def test_costs_leave_with_their_namespace_and_stay_behind_when_it_is_exported(
    service: Service, talk: Namespace, client: MemoryClient, endpoint: Endpoint
) -> None:
    refining(service, talk, endpoint)
    lines = [json.loads(line) for line in talk.export().splitlines()]
    assert {line.get("table") for line in lines} & {"model_usage", "job"} == set()
    space = space_of(service, talk)
    receipt = talk.erase()
    assert receipt.erased["model_usage"] == 1
    assert receipt.remaining == 0
    with service.database.tenant(service.tenant_id) as connection:
        assert usage.of(connection, space) == {}
    # Nor is what comes after the erasure counted for anybody.
    costs.record(service.database, service.tenant_id, talk.name, CHAT, costs.Spent())
    with service.database.tenant(service.tenant_id) as connection:
        assert usage.of(connection, space) == {}


def test_the_metrics_sum_up_all_namespaces_and_name_none(
    service: Service, talk: Namespace, client: MemoryClient, base_url: str, endpoint: Endpoint
) -> None:
    def shown() -> str:
        return httpx.get(
            f"{base_url}/metrics", headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
        ).text

    def tokens(text: str) -> float:
        line = next((one for one in text.splitlines() if one.startswith(wanted)), "x 0")
        return float(line.split()[-1])

    wanted = 'memsvc_model_tokens_total{kind="prompt",step="refine"}'
    before = tokens(shown())
    refining(service, talk, endpoint)
    after = shown()
    assert tokens(after) == before + 21
    assert 'memsvc_model_calls_total{step="refine"}' in after
    assert 'memsvc_model_failures_total{step="refine"}' in after
    assert talk.name not in after


def test_the_command_and_the_page_show_what_a_namespace_costs(
    service: Service, talk: Namespace, base_url: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memsvc.cli.app import app

    refining(service, talk, endpoint)
    monkeypatch.setenv("MEMSVC_API_KEY", service.api_key)
    shown = CliRunner().invoke(app, ["status", "--namespace", talk.name, "--url", base_url])
    assert "language model, refine: 3 calls, 27 tokens, 27 of them today" in shown.output
    with httpx.Client(base_url=base_url, follow_redirects=True, timeout=LIMIT_S) as browser:
        browser.post("/admin/sign-in", data={"key": service.api_key})
        page = browser.get(f"/admin/namespaces/{talk.name}").text
    assert "<h2>Language model</h2>" in page
    assert "<td>refine</td>" in page


@pytest.fixture
def answering(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    settings = Settings(ServerSettings(data_dir=tmp_path_factory.mktemp("data")))
    settings.jobs = JobSettings(in_server=False)
    settings.generator = GeneratorSettings(model="big-model", url=endpoint.url, tries=1)
    settings.reader = ReaderSettings(timeout_s=20, grounded=False)
    built = bootstrap.build(settings)
    with served(create(built)) as url:
        yield built, url
    built.close()


def test_answers_and_chats_are_counted_too_those_that_fail_as_well(
    answering: tuple[Service, str], endpoint: Endpoint
) -> None:
    service, url = answering
    with MemoryClient(url, service.api_key, max_retries=0) as client:
        memory = client.namespace("bees")
        memory.add("I feed my bees sugar in winter.", speaker="Ana", session_id="hive")
        endpoint.behave = streams(piece("Sugar [1]."), piece(None, "stop"), USAGE, DONE)
        memory.answer("What does Ana feed her bees?")
        cost = memory.stats().language_model[ANSWER]
        assert (cost.calls, cost.failures, cost.prompt_tokens, cost.completion_tokens) == (1, 0, 21, 3)
        endpoint.behave = answers(500, b"no")
        with pytest.raises(Exception, match="500"):
            memory.answer("What does Ana feed her bees?")
        cost = memory.stats().language_model[ANSWER]
        assert (cost.calls, cost.failures, cost.tokens_today) == (2, 1, 24)

        def chat(namespace: str, **more: Any) -> int:
            body = {"model": "memsvc", "messages": [{"role": "user", "content": "Hello bees."}]} | more
            headers = {"Authorization": f"Bearer {service.api_key}", "X-Memsvc-Namespace": namespace}
            return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=LIMIT_S).status_code

        endpoint.behave = says("Hello.")
        # The first words in a namespace make it.
        assert chat("new") == 200
        assert chat("new", user="ana") == 200
        endpoint.behave = streams(piece("Hel"), piece("lo."), piece(None, "stop"), USAGE, DONE)
        assert chat("new", stream=True, stream_options={"include_usage": True}) == 200
        endpoint.behave = answers(500, b"no")
        assert chat("new") == 503
        endpoint.behave = answers(400, b"no")
        assert chat("new", stream=True) == 400
        cost = client.namespace("new").stats().language_model[CHAT]
        assert (cost.calls, cost.failures) == (5, 2)
        assert (cost.prompt_tokens, cost.completion_tokens) == (7 + 7 + 21, 2 + 2 + 3)
        # A reply from the memory alone is an answer.
        endpoint.behave = streams(piece("Bees."), piece(None, "stop"), USAGE, DONE)
        assert chat("new", memsvc={"grounded": True}) == 200
        spent = client.namespace("new").stats().language_model
        assert (spent[CHAT].calls, spent[ANSWER].calls) == (5, 1)


def test_the_settings_bound_the_background_of_the_service_itself(
    endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = Settings(ServerSettings(data_dir=tmp_path_factory.mktemp("data")))
    settings.jobs = JobSettings(in_server=False)
    settings.distill = settings.distill.model_copy(update={"with_model": True})
    settings.generator = GeneratorSettings(model="big-model", url=endpoint.url, daily_tokens=1)
    built = bootstrap.build(settings)
    try:
        with served(create(built)) as url, MemoryClient(url, built.api_key, max_retries=0) as client:
            memory = client.namespace("bees")
            memory.add("I feed my bees sugar in winter.", speaker="Ana", session_id="hive")
            memory.add("I harvest honey in July.", speaker="Ana", session_id="hive")
            built.runner.run_due()
            waiting = [job for job in client.jobs() if job.kind == refine.KIND]
            assert waiting and all(job.state in ("queued", "done") for job in waiting)
            assert any("MEMSVC_GENERATOR_DAILY_TOKENS" in (job.last_error or "") for job in waiting)
            assert len(endpoint.requests) == 1
            assert memory.recall("What do the bees eat?", limit=1).results
    finally:
        built.close()
