"""Refining again: nothing is asked twice, a job goes on where it was, and what a model said goes with its message."""

from __future__ import annotations

import datetime as dt
import http.server
from collections.abc import Iterator
from typing import Any

import pytest

from memsvc.bootstrap import Service
from memsvc.distill import build
from memsvc.sdk import Namespace
from memsvc.services import redistil, refine
from memsvc.services.refine import Refine
from memsvc.store import asked
from tests.integration.test_distilling import DAY, SAID, redistil_with, run
from tests.integration.test_verdicts import space_of
from tests.refining import OWNS, finds, refine_with, refined, replies, rewrites, told
from tests.unit.models.test_generator import Endpoint, answers


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def talk(memory: Namespace) -> Namespace:
    for number, session in enumerate(("a", "b")):
        messages = [
            {"id": f"{session}{n}", "role": "user", "speaker": "Ana", "content": said} for n, said in enumerate(SAID)
        ]
        said_at = DAY + dt.timedelta(minutes=number)
        memory.write([{"session_id": session, "occurred_at": said_at, "messages": messages}])
    return memory


def test_what_was_asked_is_not_asked_again_and_what_was_found_is_found_once(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = replies(lambda message: [*finds()(message), *finds()(message)])
    first = refined(service, talk, endpoint)
    assert (first["found"], first["left out: it was said already"], first["calls"]) == (2, 2, 2)
    assert first["tokens_per_message"] == 18 / 4
    before = list(talk.units())
    again = refined(service, talk, endpoint)
    assert (again.get("calls", 0), again["asked before"], again["tokens_per_message"]) == (0, 4, 0)
    assert (len(endpoint.requests), list(talk.units())) == (2, before)
    # Another model is asked, and says nothing twice.
    other = refined(service, talk, endpoint, model="large")
    assert (other["calls"], other.get("found", 0), list(talk.units())) == (2, 0, before)


def test_a_message_more_in_a_session_is_asked_about_alone(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = replies(rewrites())
    refined(service, talk, endpoint)
    talk.add("I sold it to Ben.", session_id="a", speaker="Ana", occurred_at=DAY)
    refined(service, talk, endpoint)
    (shown,) = (told(body) for body in endpoint.requests[2:])
    assert [message["words"] for message in shown] == [*SAID, "I sold it to Ben."]
    assert ["drafts" in message for message in shown] == [False, False, False, True]


def test_a_job_whose_model_failed_goes_on_from_the_window_that_it_came_to(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        (answers(503, b"busy") if len(endpoint.requests) == 2 else replies(rewrites()))(handler, body)

    endpoint.behave = behave
    job = run(service, talk, refine.KIND, refine_with(service, endpoint))
    assert (job.state, job.done, job.total) == ("done", 6, 6)
    prompts = [body["messages"][1]["content"] for body in endpoint.requests]
    assert (len(prompts), prompts[1] == prompts[2], prompts[0] == prompts[1]) == (3, True, False)
    assert (job.result["messages"], job.result["calls"], job.result["rewritten"]) == (4, 2, len(list(talk.units())))


def test_a_job_that_is_killed_within_a_session_goes_on_there(
    service: Service, talk: Namespace, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behave = replies(rewrites())
    original = Refine._ask

    def breaking(self: Refine, *given: Any) -> Any:
        if len(endpoint.requests) == 1:
            endpoint.requests.append({})
            raise OSError("the process is gone")
        return original(self, *given)

    monkeypatch.setattr(Refine, "_ask", breaking)
    job = run(service, talk, refine.KIND, refine_with(service, endpoint, max_tokens=100))
    assert (job.state, job.result["rewritten"]) == ("done", len(list(talk.units())))
    prompts = [body["messages"][1]["content"] for body in endpoint.requests if body]
    assert len(prompts) == len(set(prompts)) == job.result["calls"]


def test_the_rules_upgrade_their_units_below_what_a_model_found(
    service: Service, talk: Namespace, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.behave = replies(finds())
    refined(service, talk, endpoint)
    monkeypatch.setattr(build, "DISTILLER", "rule-next")
    run(service, talk, redistil.KIND, redistil_with(service))
    active = [unit for unit in talk.units() if unit.status == "active"]
    assert {unit.distiller for unit in active} == {"rule-next", "model-2:tiny"}
    assert [unit.text for unit in active if unit.distiller != "rule-next"] == [OWNS, OWNS]
    # The same words by another version of the rules are asked about no second time.
    calls = len(endpoint.requests)
    refined(service, talk, endpoint)
    assert len(endpoint.requests) == calls


def test_what_a_model_found_and_was_asked_is_erased_with_its_message(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = replies(finds())
    refined(service, talk, endpoint)
    receipt = talk.erase_part("message", "a2")
    assert (receipt.erased["asked"] > 0, receipt.remaining) == (True, 0)
    assert {source.message_id for unit in talk.units() if unit.text == OWNS for source in talk.sources(unit.id)} == {
        "b2"
    }
    with service.database.tenant(service.tenant_id) as connection:
        held = asked.of(connection, space_of(service, talk), [f"{session}{n}" for session in "ab" for n in range(3)])
    assert "a2" not in held and {"b0", "b2"} <= set(held)
    whole = talk.erase()
    assert (whole.erased["asked"], whole.remaining) == (len(held), 0)


def test_neighbours_that_an_erasure_has_made_anew_are_asked_about_again(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = replies(rewrites())
    refined(service, talk, endpoint)
    talk.erase_part("message", "a0")
    run(service, talk, redistil.KIND, redistil_with(service))
    assert {unit.distiller for unit in talk.units() if "a2" in {s.message_id for s in talk.sources(unit.id)}} == {
        build.DISTILLER
    }
    assert refined(service, talk, endpoint)["rewritten"] == 1


def test_versions_are_erased_with_their_namespace(service: Service, talk: Namespace, endpoint: Endpoint) -> None:
    endpoint.behave = replies(rewrites())
    refined(service, talk, endpoint)
    receipt = talk.erase()
    assert receipt.erased["unit_version"] > 0
    assert receipt.remaining == 0


def test_a_copy_of_a_namespace_has_what_was_found_and_is_not_asked_about_again(
    service: Service, talk: Namespace, endpoint: Endpoint
) -> None:
    endpoint.behave = replies(finds())
    refined(service, talk, endpoint)
    copy = talk.client.namespace(f"{talk.name}-copy")
    copy.load(talk.export())
    assert [unit.text for unit in copy.units()] == [unit.text for unit in talk.units()]
    calls = len(endpoint.requests)
    assert refined(service, copy, endpoint)["asked before"] == 4
    assert len(endpoint.requests) == calls
