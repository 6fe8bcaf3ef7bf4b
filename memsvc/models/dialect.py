"""What of a request a server takes: OpenAI's newer models know a field by another name, and have temperatures of their
own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_CODES = ("unsupported_parameter", "unsupported_value")
# Field -> what it is called where it is not taken; None: it is left out.
_INSTEAD: Mapping[str, str | None] = {"max_tokens": "max_completion_tokens", "temperature": None, "top_p": None}


class Dialect:
    """Of one server and model; learnt from what it refuses."""

    def __init__(self) -> None:
        self._untaken: frozenset[str] = frozenset()

    def spoken(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request, as far as is known, as the server takes it."""
        said = {name: value for name, value in body.items() if name not in self._untaken}
        instead = {_INSTEAD[name]: body[name] for name in self._untaken & body.keys()}
        return said | {name: value for name, value in instead.items() if name is not None}

    def learns(self, status: int, raw: bytes) -> bool:
        """Whether an answer says of a field that it is not taken, so that the request can be sent without."""
        if status != 400:
            return False
        try:
            error = json.loads(raw)["error"]
            name, code = error["param"], error["code"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
        if code not in _CODES or not isinstance(name, str) or name not in _INSTEAD or name in self._untaken:
            return False
        self._untaken |= {name}
        return True
