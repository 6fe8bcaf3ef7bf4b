"""What is set for one namespace: how dates are read, how much is distilled, whether a model may read it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
import uuid
from collections.abc import Iterator

import httpx
import pytest

from api.app import create
from memsvc import handlers, loading
from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.models.endpoint import EndpointGenerator
from memsvc.reader.asked import Sampling
from memsvc.sdk import AsyncMemoryClient, Forbidden, MemoryClient, Namespace, NotFound
from memsvc.services import refine, summarise, verdicts
from memsvc.services.answer import Answers
from memsvc.services.consolidate import Consolidate
from memsvc.services.work import Runner
from memsvc.settings import DistillSettings, GeneratorSettings, JobSettings, ReaderSettings, Settings
from memsvc.store import jobs, keys, namespaces
from tests.serving import served
from tests.unit.models.test_generator import Endpoint, says

EVENING = dt.datetime(2026, 7, 3, 22, 30, tzinfo=dt.UTC)
FIELDS = ["secrets", "retention", "reply_share", "languages", "time_zone", "hemisphere", "language_model"]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def days(memory: Namespace) -> list[str]:
    """The days of which the memories speak, in the order said."""
    return [unit.t_start.isoformat()[:10] for unit in memory.units() if unit.t_start is not None]


def test_a_setting_holds_beside_those_before_it_until_it_is_taken_back(memory: Namespace) -> None:
    said = memory.configure(secrets="mask", time_zone="Europe/Oslo", languages=["nb", "en-GB"])
    assert said.own == ["secrets", "languages", "time_zone"]
    assert (said.reply_share, said.hemisphere, said.language_model, said.retention) == (0.13, "northern", "allowed", [])
    after = memory.configure(time_zone=None, hemisphere="southern")
    assert after == memory.settings()
    assert (after.own, after.time_zone) == (["secrets", "hemisphere", "languages"], "UTC")
    assert memory.set_secrets("keep").hemisphere == "southern"
    assert memory.configure(**dict.fromkeys(FIELDS)).own == []


@pytest.mark.parametrize(
    "given",
    [
        {}, {"time_zone": "Europe/Atlantis"}, {"languages": ["no such tag"]}, {"retention": [{"kind": "rumour"}]},
        {"retention": [{"kind": "fact"}, {"kind": "fact"}]}, {"reply_share": 0}, {"reply_share": "NaN"}, {"colour": "red"},
        {"retention": [{"forget_after_days": 9, "erase_after_days": 3}]}, {"retention": "all"}, {"hemisphere": "both"},
    ],
)  # fmt: skip
def test_what_no_namespace_can_have_is_refused_and_nothing_is_set(
    service: Service, base_url: str, memory: Namespace, given: dict[str, object]
) -> None:
    memory.configure(hemisphere="southern")
    headers = {"Authorization": f"Bearer {service.api_key}"}
    reply = httpx.put(f"{base_url}/v1/namespaces/{memory.name}", json=given, headers=headers)
    assert reply.status_code == 422, reply.text
    assert memory.settings().own == ["hemisphere"]


def test_settings_are_an_admins_and_a_namespace_that_is_not_there_is_made_by_them(
    service: Service, base_url: str, client: MemoryClient
) -> None:
    name = f"set-{uuid.uuid4().hex}"
    with pytest.raises(NotFound):
        client.namespace(name).settings()
    writes = keys.create(service.database, service.tenant_id, ["read", "write"], "writes", "operator")[0]
    with MemoryClient(base_url, writes) as other, pytest.raises(Forbidden):
        other.namespace(name).configure(time_zone="Asia/Tokyo")
    assert client.namespace(name).configure(time_zone="Asia/Tokyo").time_zone == "Asia/Tokyo"
    assert list(client.namespace(name).units()) == []


def test_the_same_calls_are_there_without_blocking(service: Service, base_url: str, memory: Namespace) -> None:
    async def ask() -> list[str]:
        async with AsyncMemoryClient(base_url, service.api_key) as client:
            space = client.namespace(memory.name)
            await space.configure(hemisphere="southern")
            return (await space.settings()).own

    assert asyncio.run(ask()) == ["hemisphere"]


def test_yesterday_is_that_of_the_speakers_clock_said_and_asked(memory: Namespace) -> None:
    memory.configure(time_zone="Europe/Oslo")
    memory.add("I saw the dentist yesterday.", session_id="s", speaker="Ana", occurred_at=EVENING)
    assert days(memory) == ["2026-07-03"]  # it is the 4th in Oslo
    (said,) = memory.messages()
    assert (said.occurred_at, said.occurred_at.utcoffset()) == (EVENING, dt.timedelta(hours=2))
    assert "4 July 2026" in memory.context("Who saw the dentist?").text
    asked = memory.recall("What did I do yesterday?", asked_at=EVENING, trace=True)
    assert asked.trace is not None
    assert asked.trace["analysis"]["times"][0]["start"] == "2026-07-03T00:00:00+02:00"


def test_what_was_said_before_is_read_by_the_new_settings_when_it_is_distilled_again(
    service: Service, memory: Namespace
) -> None:
    memory.add("I saw the dentist yesterday.", session_id="s", speaker="Ana", occurred_at=EVENING)
    memory.add("We meet on 03/04/2026 at the harbour.", session_id="s", speaker="Ana", occurred_at=EVENING)
    assert days(memory) == ["2026-07-02"]
    memory.configure(time_zone="Europe/Oslo", languages=["en-GB"])
    assert days(memory) == ["2026-07-02"]
    memory.maintain("distill")
    service.runner.run_due()
    assert days(memory) == ["2026-07-03", "2026-04-03"]


def test_a_moment_with_an_offset_is_by_its_own_clock_whatever_is_set(memory: Namespace) -> None:
    memory.configure(time_zone="Asia/Tokyo")
    there = EVENING.astimezone(dt.timezone(dt.timedelta(hours=-7)))
    memory.add("I saw the dentist yesterday.", session_id="s", speaker="Ana", occurred_at=there)
    assert days(memory) == ["2026-07-02"]


def test_the_same_write_sent_again_is_known_though_the_time_zone_has_changed(memory: Namespace) -> None:
    send = functools.partial(
        memory.add, "I saw the dentist.", session_id="s", speaker="Ana", occurred_at=EVENING, id="m"
    )
    first = send()
    memory.configure(time_zone="Asia/Tokyo")
    assert send().units == first.units
    assert len(list(memory.messages())) == 1


def test_of_a_long_reply_as_much_is_kept_as_the_namespace_says(client: MemoryClient) -> None:
    reply = " ".join(
        f"Step {n}: the {thing} of the pump is checked with a gauge, and it reads {n * 7} bar at rest."
        for n, thing in enumerate(
            ["valve", "seal", "shaft", "rotor", "inlet", "outlet", "motor", "filter"] * 5, start=1
        )
    )
    kept = {}
    for share in (0.05, 0.9):
        memory = client.namespace(f"depth-{uuid.uuid4().hex}")
        memory.configure(reply_share=share)
        memory.add(reply, session_id="s", role="assistant")
        kept[share] = len(list(memory.units()))
    assert 0 < kept[0.05] < kept[0.9]


def test_an_answer_quotes_where_no_model_is_to_read_the_namespace(
    service: Service, memory: Namespace, endpoint: Endpoint
) -> None:
    memory.add("The spare key is under the blue pot.", session_id="s", speaker="Ana")
    endpoint.behave = says("Under the blue pot [1].")
    model = EndpointGenerator(endpoint.url, "probe")
    answers = Answers(service.database, service.recall, None, model, ReaderSettings(answerable=0.0))
    ask = functools.partial(
        answers.answer, service.tenant_id, memory.name, Query("Where is the spare key?", EVENING), budget_tokens=500,
        max_tokens=50, sampling=Sampling(),
    )  # fmt: skip
    assert ask().path == "text"
    assert len(endpoint.requests) == 1
    memory.configure(language_model="never")
    quoted = ask()
    assert (quoted.path, "blue pot" in quoted.text, len(endpoint.requests)) == ("quote", True, 1)


def test_the_background_gives_no_model_what_is_said_there(
    service: Service, memory: Namespace, endpoint: Endpoint
) -> None:
    settings = Settings()
    settings.generator = GeneratorSettings(model="probe", url=endpoint.url)
    settings.distill = DistillSettings(with_model=True)
    made = handlers.handlers(
        settings, service.encoder, loading.generator(settings), None, Consolidate(service.encoder.width), service.erase
    )
    memory.add("I went to Lisbon with Mira and we rented a boat.", session_id="s", speaker="Ana")
    memory.configure(language_model="never")
    for kind in (refine.KIND, summarise.KIND, verdicts.KIND):
        with service.database.tenant(service.tenant_id) as connection:
            space = namespaces.find(connection, service.tenant_id, memory.name)
            assert space is not None
            payload = {"after": 0, "to": space.head, "pairs": []}
            job_id = jobs.enqueue(connection, space, kind, f"{kind}:{uuid.uuid4()}", payload)
        Runner(service.database, {kind: made[kind]}, JobSettings()).run_due()
        result = memory.client.job(str(job_id)).result
        assert result is not None
        assert "never" in str(result["left"]), kind
    assert endpoint.requests == []


def test_the_chat_endpoint_refuses_a_namespace_that_no_model_is_to_read(
    service: Service, memory: Namespace, base_url: str, endpoint: Endpoint
) -> None:
    memory.add("The spare key is under the blue pot.", session_id="s", speaker="Ana")
    memory.configure(language_model="never")
    body = {
        "model": "probe", "messages": [{"role": "user", "content": "Where is the key?"}],
        "memsvc": {"namespace": memory.name},
    }  # fmt: skip
    settings = Settings(service.settings.server)
    settings.jobs = service.settings.jobs
    settings.generator = GeneratorSettings(model="probe", url=endpoint.url)
    other = dataclasses.replace(service, settings=settings, generator=loading.generator(settings))
    with served(create(other)) as url:
        headers = {"Authorization": f"Bearer {service.api_key}"}
        reply = httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)
        assert (reply.status_code, "language_model" in reply.text) == (409, True), reply.text
        assert endpoint.requests == []
        memory.configure(language_model="allowed")
        assert httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60).status_code == 200
        assert "blue pot" in str(endpoint.requests[0])
