"""Every operation of the OpenAPI document, with thousands of generated requests: no server error, no reply against it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from memsvc.bootstrap import Service
from memsvc.store import keys, tenants

_EXAMPLES = 60
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
                    headers={"Authorization": f"Bearer {key}"}, timeout=60, excluded_checks=_BEYOND_A_SCHEMA
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
