"""What a text generator is: what it is asked, what it gives, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from memsvc import errors


class GeneratorFailed(errors.Unavailable):
    """The model gave no text for a reason that may pass: not reachable, too slow, too busy."""

    type = "generator-failed"
    title = "The language model did not answer"


class GeneratorLate(GeneratorFailed):
    """The model gave no text within the time limit of the call."""


class GeneratorRefused(errors.Invalid):
    """The model gave no text for a reason that stays: a wrong key, name or address, or a reply of another form."""

    type = "generator-refused"
    title = "The language model cannot be used as it is configured"


@dataclass(frozen=True, slots=True)
class Generated:
    """A reply; `stopped` says why it ends: by itself, at the token limit, or at the time limit."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    stopped: Literal["end", "tokens", "time"]


class TextGenerator(Protocol):
    @property
    def name(self) -> str:
        """What is recorded with everything the model wrote."""
        ...

    def generate(
        self,
        system: str,
        prompt: str,
        *,
        max_tokens: int,
        timeout_s: float,
        schema: Mapping[str, Any] | None = None,
        opening: str = "",
    ) -> Generated:
        """The model's reply, the likeliest rather than a random one. `schema` is a JSON schema that the reply should
        follow, as far as the model can be made to. `opening` is how such a reply begins: a local model is made to go
        on from there, and the opening is part of the text; an endpoint goes by the schema.

        Raises GeneratorFailed and GeneratorRefused.
        """
        ...
