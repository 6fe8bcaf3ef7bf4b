"""Text generators: an OpenAI-compatible endpoint, or a causal language model on this machine (memsvc.models.local)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx

from memsvc import errors

MAX_RESPONSE_BYTES = 1_000_000


class GeneratorFailed(errors.Unavailable):
    """The model gave no text for a reason that may pass: not reachable, too slow, too busy."""

    type = "generator-failed"
    title = "The language model did not answer"


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


class EndpointGenerator:
    """An OpenAI-compatible chat endpoint: `{base_url}/chat/completions`.

    A call ends at its deadline whatever the server does, reads at most MAX_RESPONSE_BYTES, and follows no redirect:
    the address is the operator's choice, not the server's.
    """

    def __init__(
        self, base_url: str, model: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._model = model
        self._knows_schemas = True
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            follow_redirects=False,
            transport=transport,
            trust_env=False,
        )

    @property
    def name(self) -> str:
        return self._model

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
        deadline = time.monotonic() + timeout_s
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        if schema is not None and self._knows_schemas:
            form = {"name": "reply", "schema": dict(schema), "strict": True}
            status, raw = self._post(body | {"response_format": {"type": "json_schema", "json_schema": form}}, deadline)
            if status not in (400, 404, 415, 422, 501):
                return self._read(status, raw)
            fallback = self._post(body, deadline)
            # Only a server that answers without the schema has refused the schema.
            self._knows_schemas = fallback[0] != 200
            return self._read(*fallback)
        return self._read(*self._post(body, deadline))

    def close(self) -> None:
        self._http.close()

    def _post(self, body: dict[str, Any], deadline: float) -> tuple[int, bytes]:
        """Status and body; the deadline is looked at between chunks, and bounds each wait for one."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise GeneratorFailed(f"{self._url} did not answer in time.", "Raise MEMSVC_GENERATOR_TIMEOUT_S.")
        received = bytearray()
        try:
            with self._http.stream("POST", self._url, json=body, timeout=left_s) as response:
                for chunk in response.iter_bytes():
                    received += chunk
                    if len(received) > MAX_RESPONSE_BYTES:
                        raise GeneratorRefused(
                            f"{self._url} sent more than {MAX_RESPONSE_BYTES} bytes.", "Look at what answers there."
                        )
                    if time.monotonic() > deadline:
                        raise GeneratorFailed(
                            f"{self._url} did not finish its answer in time.", "Raise MEMSVC_GENERATOR_TIMEOUT_S."
                        )
                return response.status_code, bytes(received)
        except httpx.TimeoutException:
            raise GeneratorFailed(f"{self._url} did not answer in time.", "Raise MEMSVC_GENERATOR_TIMEOUT_S.") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise GeneratorRefused(f"{self._url} is no address: {error}.", "Mend MEMSVC_GENERATOR_URL.") from None
        except httpx.DecodingError as error:
            raise GeneratorRefused(
                f"{self._url} sent a broken encoding: {error}.", "Look at what answers there."
            ) from None
        except httpx.TransportError as error:
            raise GeneratorFailed(
                f"{self._url} cannot be reached: {type(error).__name__}: {error}.", "Start it, or mend the address."
            ) from None

    def _read(self, status: int, raw: bytes) -> Generated:
        shown = raw[:300].decode("utf-8", "replace")
        if status in (408, 409, 425, 429) or status >= 500:
            raise GeneratorFailed(f"{self._url} answered {status}: {shown}", "It is tried again later.")
        if status in (401, 403):
            raise GeneratorRefused(f"{self._url} answered {status}.", "Check MEMSVC_GENERATOR_API_KEY.")
        if status != 200:
            raise GeneratorRefused(f"{self._url} answered {status}: {shown}", "Check the address and the model's name.")
        try:
            reply = json.loads(raw)
            choice = reply["choices"][0]
            text = choice["message"]["content"]
            usage = reply.get("usage") or {}
            if not isinstance(text, str):
                raise TypeError("content is no text")
            counts = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise GeneratorRefused(
                f"{self._url} did not answer as a chat endpoint does ({error!r}): {shown}",
                "Its address usually ends in /v1.",
            ) from None
        return Generated(text, *counts, "tokens" if choice.get("finish_reason") == "length" else "end")


def load(
    *,
    model: str | None,
    url: str | None,
    api_key: str | None,
    device: str | None,
    dtype: str,
    threads: int,
    folder: Path,
) -> TextGenerator | None:
    """The configured generator, None when none is. Loads no weights yet. Raises Invalid for a half configuration."""
    if url is not None:
        if model is None:
            raise errors.Invalid("MEMSVC_GENERATOR_URL is set without a model.", "Set MEMSVC_GENERATOR_MODEL too.")
        return EndpointGenerator(url, model, api_key)
    if model is None:
        return None
    from memsvc.models.local import LocalGenerator

    return LocalGenerator(model, device=device, dtype=dtype, threads=threads, folder=folder)
