"""One side's service on the data of one size, for as long as it is measured."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
import numpy as np

from eval.bench.capacity import filling, plain, watch
from eval.runs import service
from eval.sets.talk import Talk
from memsvc.sdk import MemoryClient

_REPLY_S = 3600.0  # of an import, or of a first recall that loads everything
_POLL_S = 0.1
SEED_SPACE, ONE_SPACE = "seed", "one"
Figures = dict[str, float]


class Unsettled(Exception):
    """The background did not catch up within the patience of the run."""


@dataclass(frozen=True, slots=True)
class Side:
    """The code that is measured, with its folder of data; `checkout` None is the code that runs now."""

    name: str
    checkout: Path | None
    folder: Path


class Place:
    """Starts its service when it is needed first, with these variables of its environment; `data` is kept until
    `remove`.
    """

    def __init__(
        self, side: Side, data: Path, patience_s: float, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.side, self.data = side, data
        self.patience_s = patience_s
        self._settings = settings
        self._open: contextlib.ExitStack | None = None
        self._running: service.Running | None = None

    @property
    def running(self) -> service.Running:
        """Started by the thread that asks first, and ended with that thread."""
        if self._running is None:
            self._open = contextlib.ExitStack()
            limits = {"MEMSVC_LIMIT_IMPORT_BYTES": str(64 * 1024**3), "MEMSVC_LIMIT_REQUESTS_PER_S": "1000000"}
            starting = service.of(self.data, limits | dict(self._settings), self.side.checkout, _REPLY_S)
            self._running = self._open.enter_context(starting)
        return self._running

    @property
    def client(self) -> MemoryClient:
        return self.running.client

    def close(self) -> None:
        self._running = None
        if self._open is not None:
            self._open.close()
            self._open = None

    def begin(self, seed: Path) -> None:
        """With a copy of a seed's data folder: its PostgreSQL knows what tables of this kind are like, as one that has
        run for a while does.
        """
        self.remove()
        shutil.copytree(seed, self.data)
        self.restart()

    def remove(self) -> None:
        self.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def restart(self) -> None:
        """A fresh process that has answered one question, on another namespace: nothing but the index is cold."""
        self.close()
        self.client.namespace(ONE_SPACE).recall("Is anybody there?")

    def processor_s(self) -> float:
        return watch.processor_s(self.running.pid, self.data)

    def held(self) -> Figures:
        """Bytes that the service holds."""
        whole, anonymous = watch.resident(self.running.pid, self.data)
        text = self._asked("GET", "/metrics").text
        told = next(float(line.split()[1]) for line in text.splitlines() if line.startswith("memsvc_index_bytes "))
        return {"resident_bytes": whole, "anonymous_bytes": anonymous, "index_bytes": told}

    def timed(self, name: str, calls: Iterable[Callable[[], object]]) -> Figures:
        """Of calls one after the other: ms each, and processor ms of all of the service for one."""
        walls, before = [], self.processor_s()
        for call in calls:
            start = time.perf_counter()
            call()
            walls.append(1e3 * (time.perf_counter() - start))
        spent = self.processor_s() - before
        return percentiles(name, walls) | {f"{name}_cpu_ms": 1e3 * spent / len(walls)}

    def settle(self) -> float:
        """Seconds until the background has caught up. Raises Unsettled."""
        start = time.perf_counter()
        while self.busy():
            if time.perf_counter() - start > self.patience_s:
                raise Unsettled(f"The background is not done after {self.patience_s:g} s.")
            time.sleep(_POLL_S)
        return time.perf_counter() - start

    def busy(self) -> bool:
        return any(self.client.jobs(state=state, limit=1) for state in ("queued", "running"))

    def load(self, namespace: str, lines: Iterable[bytes]) -> None:
        """Make the namespace from an export. Raises httpx.HTTPStatusError."""
        self._asked("POST", f"/v1/namespaces/{namespace}/import", content=lines)

    @contextlib.contextmanager
    def pages(self) -> Iterator[httpx.Client]:
        """Signed in to the pages."""
        with httpx.Client(base_url=self.running.url, timeout=_REPLY_S) as http:
            if http.post("/admin/sign-in", data={"key": self.running.key}).is_error:
                raise service.ServiceFailed("Nobody is let in to the pages.")
            yield http

    def _asked(self, method: str, path: str, content: Iterable[bytes] | None = None) -> httpx.Response:
        reply = httpx.request(
            method, f"{self.running.url}{path}", content=content, timeout=_REPLY_S,
            headers={"Authorization": f"Bearer {self.running.key}", "Content-Type": "application/x-ndjson"},
        )  # fmt: skip
        reply.raise_for_status()
        return reply


def percentiles(name: str, walls: list[float]) -> Figures:
    return {f"{name}_p50_ms": float(np.median(walls)), f"{name}_p95_ms": float(np.percentile(walls, 95))}


@dataclass(frozen=True, slots=True)
class Seeded:
    """What a side's own service made of the seed: its export, that of a namespace of one message, and the data folder
    of both, to begin others from.
    """

    seed: filling.Seed
    one: bytes
    data: Path


def seeded(side: Side, messages: int, patience_s: float) -> Seeded:
    """A seed of so many messages; made once, and kept in the side's folder. Raises Unsettled."""
    folder = side.folder / f"seed-{messages}"
    many, one, data = folder / "seed.ndjson", folder / "one.ndjson", folder / "data"
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)  # of a run that was interrupted
        fresh.mkdir(parents=True)
        place = Place(side, fresh / data.name, patience_s)
        try:
            talk = Talk(0)
            place.client.namespace(ONE_SPACE).add(talk.line(), session_id="s", id="m")
            space = place.client.namespace(SEED_SPACE)
            for exchange in talk.sessions(messages):
                space.write([exchange])
            place.settle()
            plain.analyse(place.data)
            for path, name in ((one, ONE_SPACE), (many, SEED_SPACE)):
                (fresh / path.name).write_bytes(place.client.namespace(name).export())
        finally:
            place.close()
        fresh.rename(folder)
    return Seeded(filling.read(many.read_bytes()), one.read_bytes(), data)
