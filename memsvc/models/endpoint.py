"""A text generator behind an OpenAI-compatible chat endpoint."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

import httpx

from memsvc import errors
from memsvc.models.events import Broken, Events, storable
from memsvc.models.generator import Generated, GeneratorFailed, GeneratorLate, GeneratorRefused

MAX_RESPONSE_BYTES = 1_000_000
# A streamed token comes in an event of about 250 bytes.
_EVENT_BYTES = 16
# An answer to a request that the server takes for wrong.
_NOT_TAKEN = (400, 404, 415, 422, 501)
# How often a call looks whether anybody still waits for it.
_LOOK_S = 0.25


class Address:
    """Where an OpenAI-compatible chat endpoint is asked, `{base_url}/chat/completions`, and with which key.

    `shown` is the address for messages, without a user and password. Raises Invalid for a key that no header can carry.
    """

    def __init__(self, base_url: str, api_key: str | None) -> None:
        # A key that is read from a file often ends in a line break.
        self.key = (api_key or "").strip()
        if not (self.key.isascii() and self.key.isprintable()):
            raise errors.Invalid(
                "MEMSVC_GENERATOR_API_KEY has characters that an HTTP header cannot carry.", "Set it anew."
            )
        self.url = f"{base_url.rstrip('/')}/chat/completions"
        self.shown = re.sub(r"//[^/]*@", "//", self.url)
        # Bytes are counted as they come, so a compressed reply, which could swell, is not asked for.
        self.headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})


class EndpointGenerator:
    """A model behind an endpoint, waited for in the caller's thread.

    Once connected, a call ends at its deadline whatever the server does. It reads at most `max_response_bytes`, and
    follows no redirect: the address is the operator's choice, not the server's. No error names the key. Raises Invalid
    for a key that no header can carry.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self._address = Address(base_url, api_key)
        self._url = self._address.shown
        self._model = model
        self._max_response_bytes = max_response_bytes
        self._knows_schemas = True
        self._streams = True
        self._http = httpx.Client(
            headers=self._address.headers,
            # One connection per call: a deadline that closes it can hit no other call.
            limits=httpx.Limits(max_keepalive_connections=0),
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
        body = self._body(system, prompt, max_tokens) | {"temperature": 0}
        if schema is not None and self._knows_schemas:
            form = {"name": "reply", "schema": dict(schema), "strict": True}
            status, raw = self._post(body | {"response_format": {"type": "json_schema", "json_schema": form}}, deadline)
            if status not in _NOT_TAKEN:
                return self._read(status, raw)
            fallback = self._post(body, deadline)
            # Only a server that answers without the schema has refused the schema.
            self._knows_schemas = fallback[0] != 200
            return self._read(*fallback)
        return self._read(*self._post(body, deadline))

    def stream(
        self,
        system: str,
        prompt: str,
        *,
        max_tokens: int,
        timeout_s: float,
        options: Mapping[str, Any],
        tell: Callable[[str], None],
        waits: Callable[[], bool] = lambda: True,
    ) -> Generated:
        """A reply that `tell` is given piece by piece as it comes; at once from a server that does not stream.
        `options` are of the request: temperature, top_p, seed. What came until the time limit is the reply.

        Raises GeneratorFailed, also when `waits` is no longer true, and GeneratorRefused.
        """
        deadline = time.monotonic() + timeout_s
        body = self._body(system, prompt, max_tokens) | dict(options)
        if self._streams:
            events = Events(tell)
            asked = body | {"stream": True, "stream_options": {"include_usage": True}}
            try:
                status, raw = self._post(asked, deadline, events, waits)
            except GeneratorFailed:
                if events.text and time.monotonic() >= deadline:
                    return self._streamed(events, "time")
                raise
            if events.received:
                if not events.ended:
                    raise GeneratorFailed(f"{self._url} broke off its reply.", "Try again.")
                return self._streamed(events, "tokens" if events.finish_reason == "length" else "end")
            if status not in _NOT_TAKEN:
                return self._at_once(status, raw, tell)
        status, raw = self._post(body, deadline, waits=waits)
        # Only a server that answers without a stream has refused the stream.
        self._streams = self._streams and status != 200
        return self._at_once(status, raw, tell)

    def close(self) -> None:
        self._http.close()

    def _body(self, system: str, prompt: str, max_tokens: int) -> dict[str, Any]:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        return {"model": self._model, "messages": turns, "max_tokens": max_tokens}

    def _streamed(self, events: Events, stopped: Literal["end", "tokens", "time"]) -> Generated:
        return Generated(events.text, events.prompt_tokens, events.completion_tokens, stopped)

    def _at_once(self, status: int, raw: bytes, tell: Callable[[str], None]) -> Generated:
        made = self._read(status, raw)
        if made.text:
            tell(made.text)
        return made

    def _post(
        self,
        body: dict[str, Any],
        deadline: float,
        events: Events | None = None,
        waits: Callable[[], bool] = lambda: True,
    ) -> tuple[int, bytes]:
        """Status and body, which goes into `events` instead where they are given and come. Raises GeneratorLate at the
        deadline or when nobody waits, GeneratorRefused for a body that is not taken.
        """
        late = GeneratorLate(f"{self._url} did not answer in time.", "Raise MEMSVC_GENERATOR_TIMEOUT_S.")
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise late
        with _Hangup(left_s, waits) as hangup:
            try:
                reply = self._exchange(body, left_s, hangup, events)
            except Broken as error:
                why = self._shown(str(error))
                raise GeneratorFailed(f"{self._url} ended its reply with an error: {why}", "Try again.") from None
            except httpx.TimeoutException:
                raise late from None
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise GeneratorRefused(f"{self._url} is no address: {error}.", "Mend MEMSVC_GENERATOR_URL.") from None
            except httpx.TransportError as error:
                if hangup.done:
                    raise late from None
                why = self._shown(f"{type(error).__name__}: {error}")
                raise GeneratorFailed(
                    f"{self._url} cannot be reached: {why}.", "Start it, or mend the address."
                ) from None
            # A body without a length looks complete when its connection is closed.
            if hangup.done:
                raise late
            return reply

    def _exchange(
        self, body: dict[str, Any], timeout_s: float, hangup: _Hangup, events: Events | None
    ) -> tuple[int, bytes]:
        received = bytearray()
        url, extensions = self._address.url, {"trace": hangup.trace}
        with self._http.stream("POST", url, json=body, timeout=timeout_s, extensions=extensions) as response:
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if response.status_code == 200 and encoding != "identity":
                raise GeneratorRefused(
                    f"{self._url} sent the encoding {self._shown(encoding)!r}, which was not asked for.",
                    "Look at what answers there.",
                )
            kind = response.headers.get("Content-Type", "").strip().lower()
            if events is not None and response.status_code == 200 and kind.startswith("text/event-stream"):
                self._follow(response, events)
                return 200, b""
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > self._max_response_bytes:
                    raise GeneratorRefused(
                        f"{self._url} sent more than {self._max_response_bytes} bytes.", "Look at what answers there."
                    )
            return response.status_code, bytes(received)

    def _follow(self, response: httpx.Response, events: Events) -> None:
        limit = _EVENT_BYTES * self._max_response_bytes
        for chunk in response.iter_raw():
            if response.num_bytes_downloaded > limit:
                raise GeneratorRefused(f"{self._url} sent more than {limit} bytes.", "Look at what answers there.")
            try:
                events.feed(chunk)
            except ValueError as error:
                raise GeneratorRefused(
                    f"{self._url} does not stream as a chat endpoint does ({self._shown(str(error))}).",
                    "Its address usually ends in /v1.",
                ) from None

    def _read(self, status: int, raw: bytes) -> Generated:
        shown = self._shown(raw.decode("utf-8", "replace"))
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
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise GeneratorRefused(
                f"{self._url} did not answer as a chat endpoint does ({self._shown(repr(error))}): {shown}",
                "Its address usually ends in /v1.",
            ) from None
        return Generated(storable(text), *counts, "tokens" if choice.get("finish_reason") == "length" else "end")

    def _shown(self, text: str) -> str:
        """At most 300 characters for a message. Servers echo headers, so the key is taken out before the cut."""
        key = self._address.key
        clean = text.replace(key, "[key]") if key else text
        return "".join(char if char.isprintable() else " " for char in clean[:300])


class _Hangup:
    """Closes a call's connection after `after_s` seconds, or when `waits` is no longer true; `done` says that it did.

    A timeout of the HTTP client bounds each wait for bytes, so a server that sends one now and then, be it in its
    headers, could hold a call for hours.
    """

    def __init__(self, after_s: float, waits: Callable[[], bool]) -> None:
        self.done = False
        self._ends = time.monotonic() + after_s
        self._waits = waits
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Hangup:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx tells what it does. The handle is a duplicate, because TLS takes the original out of its object."""
        if event != "connection.connect_tcp.complete":
            return
        with self._lock:
            self._connections.append(info["return_value"].get_extra_info("socket").dup())
        if self.done:
            self._close()

    def _watch(self) -> None:
        while (left_s := self._ends - time.monotonic()) > 0 and self._waits():
            if self._over.wait(min(left_s, _LOOK_S)):
                return
        self._close()

    def _close(self) -> None:
        self.done = True
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other side was quicker
                    connection.shutdown(socket.SHUT_RDWR)
