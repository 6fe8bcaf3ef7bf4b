"""A language model that refines, behind a real HTTP server: what it gives of what it is told."""

from __future__ import annotations

import http.server
import json
from collections.abc import Callable
from typing import Any

from memsvc.bootstrap import Service
from memsvc.models.endpoint import EndpointGenerator
from memsvc.sdk import Namespace
from memsvc.services import refine
from memsvc.services.costs import Asking
from memsvc.services.refine import Refine
from tests.integration.test_distilling import run
from tests.unit.models.test_generator import Behaviour, Endpoint, says

MOVED = "Ana moved to Oslo with her cat Miso on 7 May 2023."
OWNS = "Ana owns a boat in Porto."
Told = dict[str, Any]
Notes = Callable[[Told], list[dict[str, Any]]]


def refine_with(
    service: Service, endpoint: Endpoint, timeout_s: float = 5.0, *, model: str = "tiny", max_tokens: int = 2_000
) -> Any:
    generator = EndpointGenerator(endpoint.url, model, tries=1)
    return Refine(service.encoder, Asking(generator, timeout_s, max_tokens)).run


def refined(service: Service, talk: Namespace, endpoint: Endpoint, **options: Any) -> dict[str, Any]:
    """The result of a job that runs to its end."""
    job = run(service, talk, refine.KIND, refine_with(service, endpoint, **options))
    assert job.state == "done", job.last_error
    result: dict[str, Any] = job.result
    return result


def told(body: dict[str, Any]) -> list[Told]:
    """The messages that a request shows."""
    return [json.loads(line) for line in body["messages"][1]["content"].split("\nMessages:\n")[1].splitlines()]


def replies(notes: Notes, finish: str = "stop", wrap: str = "{}") -> Behaviour:
    """A model that gives these notes of each message with drafts."""

    def behave(handler: http.server.BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        made = [note for message in told(body) if "drafts" in message for note in notes(message)]
        says(wrap.format(json.dumps({"notes": made})), finish)(handler, body)

    return behave


def note(message: Told, text: str, quote: str, n: int | None = None, kind: str = "event") -> dict[str, Any]:
    return {
        "n": n, "of": message["message"], "text": text, "kind": kind, "assertion": "asserted", "entities": [],
        "keywords": ["oslo"], "topics": [], "quotes": [{"of": message["message"], "words": quote}],
    }  # fmt: skip


def rewrites(moved: str = MOVED) -> Notes:
    """Notes that rewrite the draft about Oslo, and repeat the others."""

    def notes(message: Told) -> list[dict[str, Any]]:
        words = {int(n): draft.removeprefix("Ana: ").split(" (")[0] for n, draft in message["drafts"].items()}
        return [note(message, moved if "Oslo" in said else said, said, n) for n, said in words.items()]

    return notes


def finds(text: str = OWNS, quote: str = "the boat in Porto") -> Notes:
    """Notes of what no draft says."""
    return lambda message: [note(message, text, quote, kind="state")] if quote in message["words"] else []
