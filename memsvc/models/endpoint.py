"""A text generator behind an OpenAI-compatible chat endpoint."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from memsvc import errors
from memsvc.models import retries
from memsvc.models.dialect import Dialect
from memsvc.models.events import Broken, Events, storable
from memsvc.models.generator import Generated, GeneratorFailed, GeneratorLate, GeneratorRefused

MAX_RESPONSE_BYTES = 1_000_000
# A streamed token comes in an event of about 250 bytes.
_EVENT_BYTES = 16
# An answer to a request that the server takes for wrong.
_NOT_TAKEN = (400, 404, 415, 422, 501)


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


@dataclass(frozen=True, slots=True)
class _Reply:
    """`retry_after_s`: the server asks to be left alone for so long."""

    status: int
    raw: bytes
    retry_after_s: float | None = None


class _Unreached(GeneratorFailed):
    """No reply began: the same call can be sent again."""


class EndpointGenerator:
    """A model behind an endpoint, waited for in the caller's thread.

    Once connected, a call ends at its deadline whatever the server does. It reads at most `max_response_bytes`, and
    follows no redirect: the address is the operator's choice, not the server's. No error names the key. Raises Invalid
    for a key that no header can carry.

    At most `at_once` calls are sent at a time; the others wait. What may pass (too many requests, an error of the
    server, a connection that ends before a reply begins) is tried `tries` times in all, with the waits that the server
    asks for, all within the time limit of the call.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        tries: int = 3,
        at_once: int = 4,
    ) -> None:
        self._tries = tries
        self._places = retries.Places(at_once)
        self._dialect = Dialect()
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
            reply = self._post(body | {"response_format": {"type": "json_schema", "json_schema": form}}, deadline)
            if reply.status not in _NOT_TAKEN:
                return self._read(reply)
            reply = self._post(body, deadline)
            # Only a server that answers without the schema has refused the schema.
            self._knows_schemas = reply.status != 200
            return self._read(reply)
        return self._read(self._post(body, deadline))

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
                reply = self._post(asked, deadline, events, waits)
            except GeneratorFailed:
                if events.text and time.monotonic() >= deadline:
                    return self._streamed(events, "time")
                raise
            if events.received:
                if not events.ended:
                    raise GeneratorFailed(f"{self._url} broke off its reply.", "Try again.")
                return self._streamed(events, "tokens" if events.finish_reason == "length" else "end")
            if reply.status not in _NOT_TAKEN:
                return self._at_once(reply, tell)
        reply = self._post(body, deadline, waits=waits)
        # Only a server that answers without a stream has refused the stream.
        self._streams = self._streams and reply.status != 200
        return self._at_once(reply, tell)

    def close(self) -> None:
        self._http.close()

    def _body(self, system: str, prompt: str, max_tokens: int) -> dict[str, Any]:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        return {"model": self._model, "messages": turns, "max_tokens": max_tokens}

    def _streamed(self, events: Events, stopped: Literal["end", "tokens", "time"]) -> Generated:
        return Generated(events.text, events.prompt_tokens, events.completion_tokens, stopped)

    def _at_once(self, reply: _Reply, tell: Callable[[str], None]) -> Generated:
        made = self._read(reply)
        if made.text:
            tell(made.text)
        return made

    def _post(
        self,
        body: dict[str, Any],
        deadline: float,
        events: Events | None = None,
        waits: Callable[[], bool] = lambda: True,
    ) -> _Reply:
        """The reply, whose body goes into `events` instead where they are given and come: of the first try that is not
        to be followed by another. Raises GeneratorLate at the deadline or when nobody waits, GeneratorRefused for a
        body that is not taken.
        """
        for number in itertools.count(1):
            wait_s = retries.own_wait_s(number)
            try:
                reply = self._once(self._dialect.spoken(body), deadline, events, waits)
                while self._dialect.learns(reply.status, reply.raw):
                    reply = self._once(self._dialect.spoken(body), deadline, events, waits)
                asked_s = reply.retry_after_s
                wait_s = wait_s if asked_s is None else asked_s
                if not retries.is_passing(reply.status) or self._is_last(number, wait_s, deadline):
                    return reply
            except _Unreached:
                if self._is_last(number, wait_s, deadline):
                    raise
            if not retries.rest(wait_s, waits):
                break
        raise self._late()

    def _is_last(self, number: int, wait_s: float, deadline: float) -> bool:
        """Whether no other try follows this one: there were enough, or the time for another is not there."""
        return number >= self._tries or time.monotonic() + wait_s >= deadline

    def _once(self, body: dict[str, Any], deadline: float, events: Events | None, waits: Callable[[], bool]) -> _Reply:
        """One try, when there is a place for it. Raises as `_post`, and _Unreached where no reply began."""
        with self._places.place(deadline, waits) as has_place:
            left_s = deadline - time.monotonic()
            if not has_place or left_s <= 0:
                raise self._late()
            return self._sent(body, left_s, events, waits)

    def _sent(self, body: dict[str, Any], left_s: float, events: Events | None, waits: Callable[[], bool]) -> _Reply:
        with _Hangup(left_s, waits) as hangup:
            begun: list[bool] = []
            try:
                reply = self._exchange(body, left_s, hangup, events, begun)
            except Broken as error:
                why = self._shown(str(error))
                raise GeneratorFailed(f"{self._url} ended its reply with an error: {why}", "Try again.") from None
            except httpx.TimeoutException:
                raise self._late() from None
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise GeneratorRefused(f"{self._url} is no address: {error}.", "Mend MEMSVC_GENERATOR_URL.") from None
            except httpx.TransportError as error:
                if hangup.done:
                    raise self._late() from None
                why = self._shown(f"{type(error).__name__}: {error}")
                kind = GeneratorFailed if begun else _Unreached
                raise kind(f"{self._url} cannot be reached: {why}.", "Start it, or mend the address.") from None
            # A body without a length looks complete when its connection is closed.
            if hangup.done:
                raise self._late()
            return reply

    def _late(self) -> GeneratorLate:
        return GeneratorLate(f"{self._url} did not answer in time.", "Raise MEMSVC_GENERATOR_TIMEOUT_S.")

    def _exchange(
        self, body: dict[str, Any], timeout_s: float, hangup: _Hangup, events: Events | None, begun: list[bool]
    ) -> _Reply:
        """The reply; `begun` gets an item as soon as it has begun."""
        received = bytearray()
        url, extensions = self._address.url, {"trace": hangup.trace}
        with self._http.stream("POST", url, json=body, timeout=timeout_s, extensions=extensions) as response:
            begun.append(True)
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if response.status_code == 200 and encoding != "identity":
                raise GeneratorRefused(
                    f"{self._url} sent the encoding {self._shown(encoding)!r}, which was not asked for.",
                    "Look at what answers there.",
                )
            kind = response.headers.get("Content-Type", "").strip().lower()
            if events is not None and response.status_code == 200 and kind.startswith("text/event-stream"):
                self._follow(response, events)
                return _Reply(200, b"")
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > self._max_response_bytes:
                    raise GeneratorRefused(
                        f"{self._url} sent more than {self._max_response_bytes} bytes.", "Look at what answers there."
                    )
            asked_s = retries.asked_wait_s(response.headers.get("Retry-After"), dt.datetime.now(dt.UTC))
            return _Reply(response.status_code, bytes(received), asked_s)

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

    def _read(self, reply: _Reply) -> Generated:
        status, raw, asked_s = reply.status, reply.raw, reply.retry_after_s
        shown = self._shown(raw.decode("utf-8", "replace"))
        if status in retries.PASSING or status >= 500:
            raise GeneratorFailed(
                f"{self._url} answered {status}: {shown}", "It is tried again later.",
                retry_after_s=None if asked_s is None else min(3600, max(1, round(asked_s))),
            )  # fmt: skip
        if status in (401, 403):
            raise GeneratorRefused(f"{self._url} answered {status}.", "Check MEMSVC_GENERATOR_API_KEY.")
        if status != 200:
            raise GeneratorRefused(f"{self._url} answered {status}: {shown}", "Check the address and the model's name.")
        try:
            told = json.loads(raw)
            choice = told["choices"][0]
            text = choice["message"]["content"]
            usage = told.get("usage") or {}
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
            if self._over.wait(min(left_s, retries.LOOK_S)):
                return
        self._close()

    def _close(self) -> None:
        self.done = True
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other side was quicker
                    connection.shutdown(socket.SHUT_RDWR)
