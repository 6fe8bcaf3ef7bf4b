"""The OpenAPI document: what the routes say of themselves, the scope that each needs, and how each can fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from api import problems
from api.auth import BY_CONTENT, scope_of
from memsvc import errors
from memsvc.wire.status import Problem

INTRODUCTION = (
    "Every path under /v1 needs an API key in the header `Authorization: Bearer KEY`; what it may do is its scopes: "
    "read, write, erase, and admin, which is everything. A namespace is a memory space, and comes into being with its "
    "first write. Moments are ISO 8601 text; what has no offset is read as UTC. Errors are application/problem+json "
    "with a `next_step`; the header X-Request-Id of each reply names the request in the service's log. The service "
    "also speaks mem0's API, OpenAI's chat at /v1/chat/completions, and the Model Context Protocol at /mcp, which "
    "their makers describe."
)
TAGS = [
    {"name": "write", "description": "Storing what was said."},
    {"name": "read", "description": "Asking, and looking at what is stored; changing a memory by hand."},
    {"name": "namespaces", "description": "Erasing, putting aside and letting back in."},
    {"name": "openai", "description": "OpenAI's responses with memory, and embeddings."},
    {"name": "records", "description": "Documents that programs keep beside a memory, by path and key."},
    {"name": "aliases", "description": "Names that are one person's."},
    {"name": "jobs", "description": "Work in the background."},
    {"name": "transfer", "description": "A whole namespace as a file."},
    {"name": "keys", "description": "The tenant's API keys, and its audit trail."},
    {"name": "health", "description": "Whether the service can work, and its numbers."},
]
_BAD_FIELD = [{"field": "body.limit", "message": "Input should be less than or equal to 200"}]
# Status -> what it means, and for example which errors have it.
_FAILURES: Mapping[int, tuple[str, Sequence[errors.MemsvcError]]] = {
    400: ("The body cannot be read.", [problems.of_http(400, "There was an error parsing the body")]),
    401: (
        "No API key, or one that is not known.",
        [errors.Unauthorized("The request carries no API key.", "Send the header Authorization: Bearer KEY.")],
    ),
    403: (
        "The key may not do this, a quota is used up, or the request comes from a page of elsewhere.",
        [errors.Forbidden("This key may not write.", "Use a key with the scope write.")],
    ),
    404: (
        "There is nothing of that name in this tenant.",
        [errors.NotFound("There is no namespace 'ana'.", "A namespace comes into being with its first exchange.")],
    ),
    408: (
        "The body did not arrive in time.",
        [errors.TooSlow("The request's body did not arrive within 30 s.", "Send it again, in smaller pieces.")],
    ),
    409: (
        "It does not go together with what is stored.",
        [errors.Conflict("The job is done.", "Only dead and cancelled jobs can be run again.")],
    ),
    413: (
        "The body is over the limit, by default 8 MiB and for an import 2 GiB.",
        [errors.TooLarge("The request body is over 8388608 bytes.", "Split it into several requests.")],
    ),
    422: (
        "The request cannot be carried out as it stands; `errors` names the fields that are wrong.",
        [errors.Invalid("body.limit: Input should be less than or equal to 200", "Mend the fields listed.")],
    ),
    429: (
        "Too many requests, of this key or address; try again after Retry-After.",
        [errors.TooMany("This key sends more than 500 requests a second.", "Wait as long as Retry-After says.")],
    ),
    500: ("Unexpected; it is in the service's log.", [problems.UNEXPECTED]),
    503: (
        "Not now; try again after Retry-After. Of type outcome-unknown: perhaps it was stored; send it again with the "
        "same ids.",
        [
            errors.Unavailable("The database cannot be reached.", "Try again shortly; nothing was stored."),
            errors.OutcomeUnknown(
                "The connection to the database broke while it stored.", "Send it again with the same ids."
            ),
        ],
    ),
    507: (
        "The disk of the database is full; nothing was stored.",
        [errors.StorageFull("The database has no room left on its disk.", "Make room on it, then send it again.")],
    ),
}
_RETRY_AFTER = {
    "description": "After how many seconds to try again.",
    "schema": {"type": "integer", "minimum": 0},
}
_METHODS = ("get", "put", "post", "patch", "delete")
# What needs no namespace that is there: its first write makes it, and one that is not there holds no records.
_OPEN = re.compile(r"/(exchanges|import|records(/\w+)?)$")
# What can be at odds with what is stored.
_AT_ODDS = re.compile(r"(post|put|patch) .*/(exchanges|import|records(/delete|/batch)?|\{unit_id\}|aliases)$")
_ENDED = re.compile(r"post .*/(retry|cancel|rotate)$")
# Asked by POST, and nothing is stored.
_ASKED = re.compile(r"/(recall|context|answer|embeddings)$")
# What is named in the query or the body, and may not be there.
_NAMING = ("/v1/jobs", "/v1/embeddings", "/v1/responses", "/v1/recall", "/v1/context")


class Documented(FastAPI):
    """An application whose document says all that a client must know."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi())
        return self.openapi_schema


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document["components"]
    schemas = components["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    components["responses"] = {f"Problem{status}": _failure(status) for status in _FAILURES}
    for path, method, operation in operations(document):
        scopes = [scope for needed in operation.get("security", []) for given in needed.values() for scope in given]
        needed = next(iter(scopes), scope_of(method.upper())) if "security" in operation else None
        if needed is not None:
            named = [] if needed == BY_CONTENT else [needed]
            operation["security"] = [dict.fromkeys(given, named) for given in operation["security"]]
            operation["description"] += "".join(f"\n\nNeeds a key with the scope {scope}." for scope in named)
        body = operation.get("requestBody")
        if body is not None:
            body.setdefault("description", _said(schemas, body["content"]))
        _describe(operation, schemas)
        operation["responses"] |= {
            str(status): {"$ref": f"#/components/responses/Problem{status}"}
            for status in sorted(_statuses(path, method, operation, needed))
        }
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of each."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _describe(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Say of each good reply what it is, and drop the framework's own errors."""
    operation["responses"].pop("422", None)
    for reply in operation["responses"].values():
        if reply["description"] == "Successful Response":
            reply["description"] = _said(schemas, reply.get("content", {})) or "Done; the reply has no body."


def _said(schemas: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The description of the model that this content has."""
    names = [value["schema"].get("$ref", "").rpartition("/")[2] for value in content.values() if "schema" in value]
    return next((str(schemas[name].get("description", "")) for name in names if name in schemas), "")


def _failure(status: int) -> dict[str, Any]:
    meaning, found = _FAILURES[status]
    examples = {
        error.type: {
            "summary": error.title,
            "value": problems.problem(error, _BAD_FIELD if status == 422 else None),
        }
        for error in found
    }
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    headers = {"headers": {"Retry-After": _RETRY_AFTER}} if any(error.retryable for error in found) else {}
    return {"description": meaning, "content": content, **headers}


def _statuses(path: str, method: str, operation: Mapping[str, Any], needed: str | None) -> set[int]:
    """How it can fail: by what stands before all routes, by what it is given, and by what it does."""
    found = {403, 408, 413, 500}
    if needed is not None or path == "/readyz":
        found.add(503)
    if needed is None:
        return found
    found |= {401, 429}
    body = operation.get("requestBody", {}).get("content", {})
    if operation.get("parameters") or body or path == "/v1/scrub":
        found.add(422)
    if "application/json" in body:
        found.add(400)
    if ("{" in path and not _OPEN.search(path)) or path in _NAMING:
        found.add(404)
    if _AT_ODDS.match(f"{method} {path}") or _ENDED.match(f"{method} {path}"):
        found.add(409)
    if (method != "get" and not _ASKED.search(path)) or path.endswith("/export"):
        found.add(507)
    return found
