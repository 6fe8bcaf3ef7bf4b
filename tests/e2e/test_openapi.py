"""Every operation of the OpenAPI document, with thousands of generated requests: no server error, no reply against it."""

from __future__ import annotations

import collections
import concurrent.futures
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from memsvc import loading
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.services.queue import Queue
from memsvc.settings import ReaderSettings, ServerSettings, Settings
from memsvc.store import keys, tenants
from tests.unit.reader import models
from tests.waiting import LIMIT_S

_EXAMPLES = 40
# Some rules no JSON schema can say (a moment between two years, text without lone surrogates): what obeys the document
# may still be refused. And a parameter that nobody knows is ignored, as everywhere on the web.
_BEYOND_A_SCHEMA: list[Any] = [positive_data_acceptance, negative_data_rejection]


@schemathesis.serializer("application/x-ndjson")
def lines(_: object, value: object) -> bytes:
    """The body of an import, as text."""
    return str(value).encode("utf-8", "replace")


@pytest.fixture
def key(service: Service) -> str:
    """A key with all rights over an account of its own, which the generated requests may wreck."""
    tenant_id = tenants.ensure(service.database, f"generated-{uuid.uuid4()}")
    return keys.create(service.database, tenant_id, keys.SCOPES, "generated", "operator")[0]


def test_no_request_names_an_address_for_the_service_to_call(base_url: str) -> None:
    """Where language models and traces are is the operator's to say, in the environment."""
    document = httpx.get(f"{base_url}/openapi.json").json()
    fields = {name for schema in document["components"]["schemas"].values() for name in schema.get("properties", {})}
    fields |= {
        given["name"]
        for path in document["paths"].values()
        for one in path.values()
        for given in one.get("parameters", [])
    }
    assert len(fields) > 100
    assert [name for name in fields if re.search("url|uri|endpoint|webhook|callback|host|proxy", name, re.I)] == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["none", "none, and no memory may be quoted", "one that answers, and none may wait"])
def test_a_question_to_be_answered_gets_an_answer_or_a_clear_refusal_whatever_it_is(
    service: Service, base_url: str, key: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MemoryClient(base_url, key) as client:
        client.namespace("bees").add("I keep bees on the roof.", speaker="Ana", session_id="s")
    monkeypatch.setattr(service.answers, "_reader", None)
    monkeypatch.setattr(service.answers, "_endpoint", None)
    if model != "none":
        monkeypatch.setattr(service.answers, "_settings", ReaderSettings(grounded=False))
    if model.startswith("one"):
        tokenizer = models.tokenizer()
        models.model("llama", len(tokenizer)).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        chosen = Settings(ServerSettings(data_dir=tmp_path))
        chosen.reader = ReaderSettings(model=str(tmp_path), max_tokens=8)
        monkeypatch.setattr(service.answers, "_reader", loading.reader(chosen, None))
        monkeypatch.setattr(service.answers, "_queue", Queue(0))
    document = schemathesis.openapi.from_url(f"{base_url}/openapi.json")
    operation = document["/v1/namespaces/{namespace}/answer"]["POST"]
    cases: list[Case[Any]] = []
    for mode in GenerationMode:

        @settings(
            max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def collect(case: Case[Any]) -> None:
            case.path_parameters = {"namespace": "bees"}
            cases.append(case)

        collect()

    def send(case: Case[Any]) -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return case.call_and_validate(headers=headers, timeout=LIMIT_S, excluded_checks=_BEYOND_A_SCHEMA).status_code

    statuses = collections.Counter(map(send, cases))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses.update(pool.map(send, cases))
    if model == "none":
        assert set(statuses) <= {200, 422, 400, 405, 401, 413} and statuses[200] > 10, statuses
    elif model.startswith("none"):
        assert set(statuses) <= {422, 400, 405, 401, 413}, statuses
    else:
        assert statuses[200] > 10 and statuses[429] > 0, statuses


@pytest.mark.slow
def test_no_request_is_answered_with_a_server_error_or_against_the_document(base_url: str, key: str) -> None:
    document = schemathesis.openapi.from_url(f"{base_url}/openapi.json")
    sent: dict[str, int] = {}
    broken: list[str] = []
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        for mode in GenerationMode:

            @settings(
                max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Case[Any]) -> None:
                sent[case.operation.label] = sent.get(case.operation.label, 0) + 1
                case.call_and_validate(
                    headers={"Authorization": f"Bearer {key}"}, timeout=LIMIT_S, excluded_checks=_BEYOND_A_SCHEMA
                )

            try:
                send()
            except Unsatisfiable:  # an operation that takes nothing cannot be given anything wrong
                assert mode is GenerationMode.NEGATIVE
            except (Failure, FailureGroup) as failure:
                broken.append(f"{operation.label}, {mode.value}: {failure}")
    assert broken == [], "\n\n".join(broken)
    assert len(sent) > 30
    assert sum(sent.values()) > 1500
