"""How the service is, and what it says when it cannot do what was asked."""

from __future__ import annotations

from pydantic import Field

from memsvc.wire.base import Response, example


class Health(Response):
    """That the service can work, and what it works with."""

    status: str = Field(description='"ok": the process answers; "ready": it can work.')
    database: str | None = Field(None, description='"reachable"; not told by /healthz.')
    encoder: str | None = Field(None, description="The name of the model that texts are compared by.")
    jobs: str | None = Field(None, description="Where background jobs run: here, or by workers.")
    reader: str | None = Field(None, description="The model that answers, and whether it is loaded.")


class FieldError(Response):
    """What is wrong with one field."""

    field: str = Field(description="Where it is: body, query, path or header, and the names on the way, with dots.")
    message: str = Field(description="What is wrong with it.")


class Problem(Response):
    """What went wrong, as RFC 9457 has it, and what to do about it. Of which request it was the header X-Request-Id
    tells.
    """

    model_config = example(
        {
            "type": "urn:memsvc:problem:invalid-request",
            "title": "The request is not valid",
            "status": 422,
            "detail": "body.limit: Input should be less than or equal to 200",
            "next_step": "Mend the fields listed under errors; /docs shows every field.",
            "retryable": False,
            "errors": [{"field": "body.limit", "message": "Input should be less than or equal to 200"}],
        }
    )

    type: str = Field(description="urn:memsvc:problem: and a stable name of the kind of problem, for programs.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong this time.")
    next_step: str = Field(description="What to do about it.")
    retryable: bool = Field(False, description="The same request may succeed later: after Retry-After, in seconds.")
    errors: list[FieldError] | None = Field(
        None, description="Of a request that is not valid, the first 20 fields that are wrong."
    )
