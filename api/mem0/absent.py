"""What mem0's clients call and this service has not: refused in a sentence, not as a path that nobody knows."""

from __future__ import annotations

from memsvc import errors

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_EXPORTS = "exports by a schema", "GET /v1/namespaces/{namespace}/export gives all of a memory space."
_PROFILES = "generated profiles", "GET /v1/namespaces/{namespace}/profile has what is known of a user."
# Path -> what it is for, and what to do instead.
PATHS = {
    "/v1/feedback/": ("feedback on memories", "Use update, or PATCH /v1/namespaces/{namespace}/units/{unit_id}."),
    "/v1/exports/": _EXPORTS,
    "/v1/exports/get/": _EXPORTS,
    "/v1/summary/": ("summaries", "POST /v1/namespaces/{namespace}/context gives what is known about a question."),
    "/v2/profiles/{rest:path}": _PROFILES,
    "/v2/entities/{entity}/{name:path}/profile/": _PROFILES,
    "/api/v1/orgs/{rest:path}": ("organisations and projects", "Each tenant has its own keys: memsvc keys."),
    "/api/v1/webhooks/{rest:path}": ("webhooks", "Follow GET /v1/namespaces/{namespace}/changes."),
}


def refusal(path: str) -> errors.Invalid:
    what, instead = PATHS[path]
    return errors.Invalid(f"memsvc has no {what}.", instead)
