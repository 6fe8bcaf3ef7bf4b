"""Writes and questions while a cell's service is killed, and while a namespace moves."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.bench.cells import spread
from eval.bench.cells.servers import Installation
from eval.sets.talk import Talk
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import ApiError, ConnectionFailed

WRITERS = 4
_PAUSE_S = 0.02
_LIMIT_S = 120.0


class Stuck(Exception):
    """A write was not acknowledged within the limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that was answered in the end: of which namespace, when it was first sent, the seconds until the answer,
    how often it was refused before. `text` names a write's.
    """

    space: str
    at: float
    took_s: float
    refused: int
    text: str | None


class Talker:
    """A thread that writes, and between its writes asks where that is wanted, over its namespaces in turn, each by its
    client; a request is sent again until it is answered.
    """

    def __init__(self, number: int, clients: Sequence[tuple[str, MemoryClient]], *, asks: bool) -> None:
        self._number, self._clients, self._asks = number, clients, asks
        self._enough = threading.Event()
        self.answers: list[Answer] = []
        self.thread = threading.Thread(target=self._talk, name=f"talker-{number}")

    def stop(self) -> None:
        self._enough.set()

    def _talk(self) -> None:
        talk = Talk(1_000 + self._number)
        for count in itertools.count():
            for space, client in self._clients:
                here = client.namespace(space)
                name = f"w{self._number}n{count}"
                text = f"Parcel {name}: {talk.line()}"
                self._send(space, lambda h=here, t=text, n=name: h.add(t, session_id="s", id=n), name)  # type: ignore[misc]
                if self._asks:
                    asked = talk.question()
                    self._send(space, lambda h=here, a=asked: h.recall(a), None)  # type: ignore[misc]
                if self._enough.is_set():
                    return

    def _send(self, space: str, call: Callable[[], object], text: str | None) -> None:
        at, refused = time.perf_counter(), 0
        while not self._enough.is_set():
            try:
                call()
            except (ApiError, ConnectionFailed) as error:
                if isinstance(error, ApiError) and error.status != 503:
                    raise
                refused += 1
                time.sleep(_PAUSE_S)
            else:
                self.answers.append(Answer(space, at, time.perf_counter() - at, refused, text))
                return


class Talkers:
    """Several of them; they talk for as long as the block lasts."""

    def __init__(self, talkers: Sequence[Talker]) -> None:
        self._talkers = talkers

    def __enter__(self) -> Talkers:
        for talker in self._talkers:
            talker.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for talker in self._talkers:
            talker.stop()
        for talker in self._talkers:
            talker.thread.join()

    def answers(self) -> list[Answer]:
        return [answer for talker in self._talkers for answer in list(talker.answers)]

    def go_on(self, count: int) -> None:
        """Returns when each has so many answers more. Raises Stuck."""
        before = [len(talker.answers) for talker in self._talkers]
        give_up = time.monotonic() + _LIMIT_S
        while any(len(talker.answers) < was + count for talker, was in zip(self._talkers, before, strict=True)):
            if time.monotonic() > give_up:
                raise Stuck(f"A request is not answered within {_LIMIT_S:g} s.")
            time.sleep(_PAUSE_S)


def killed(cells: Installation, rounds: int, seconds: float, show: Callable[[str], None]) -> dict[str, Any]:
    """One cell's service killed under load and started again, some rounds: how long the requests to the others'
    namespaces take before and meanwhile, and what of all that was acknowledged is not there in the end.
    """
    names = spread.even(list(cells.cells), "outage", 2)
    victim = list(cells.cells.values())[1]
    with _visiting(cells) as visitors:
        talkers = {
            name: Talker(number, [(space, visitors[name]) for space in names[name]], asks=True)
            for number, name in enumerate(cells.cells)
        }
        others = Talkers([talker for name, talker in talkers.items() if name != victim.name])
        windows: dict[str, list[tuple[float, float]]] = {"before": [], "meanwhile": []}
        with Talkers(list(talkers.values())) as everybody:
            everybody.go_on(4)
            for number in range(rounds):
                for name, found in windows.items():
                    if name == "meanwhile":
                        victim.kill()
                    begun = time.perf_counter()
                    time.sleep(seconds)
                    others.go_on(2)
                    found.append((begun, time.perf_counter()))
                show(f"outage {number + 1} of {rounds}: {victim.name} was away for {seconds:g} s")
                victim.serve()
                everybody.go_on(4)
        written = {(answer.space, answer.text) for answer in everybody.answers() if answer.text is not None}
        here = visitors[victim.name]
        stored = {
            (space, message.id)
            for spaces in names.values()
            for space in spaces
            for message in here.namespace(space).messages(page_size=1000)
        }
    asked = {
        name: [answer for answer in others.answers() if any(start <= answer.at <= end for start, end in found)]
        for name, found in windows.items()
    }
    figures = {f"{name}_{what}": value for name, found in asked.items() for what, value in _of(found).items()}
    return figures | {
        "p95_ratio": figures["meanwhile_p95_ms"] / figures["before_p95_ms"], "acknowledged": len(written),
        "lost": len(written - stored), "others_refused": sum(answer.refused for answer in asked["meanwhile"]),
    }  # fmt: skip


@contextlib.contextmanager
def _visiting(cells: Installation) -> Iterator[dict[str, MemoryClient]]:
    """A client of each cell that does not try again."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(cell.visitor()) for name, cell in cells.cells.items()}


def _of(answers: Sequence[Answer]) -> dict[str, float]:
    walls = [1e3 * answer.took_s for answer in answers]
    return {
        "requests": len(walls), "p50_ms": float(np.median(walls)), "p95_ms": float(np.percentile(walls, 95)),
    }  # fmt: skip


def moved(cells: Installation, moves: int, show: Callable[[str], None]) -> dict[str, Any]:
    """A namespace moved from cell to cell by the command, under four writers through all cells in turn."""
    space = "mover"
    windows: list[tuple[float, float]] = []
    with _visiting(cells) as visitors:
        through = list(visitors.values())
        talkers = [Talker(number, [(space, through[number % len(through)])], asks=False) for number in range(WRITERS)]
        with Talkers(talkers) as writers:
            writers.go_on(5)
            quiet_until = time.perf_counter()
            for number in range(moves):
                target = cells.after(cells.holder(space))
                begun = time.perf_counter()
                told = cells.command("move", space, "--to", target.name)
                windows.append((begun, time.perf_counter()))
                writers.go_on(5)
                show(f"move {number + 1} of {moves}: {told.strip()}")
        stored = list(through[0].namespace(space).messages(page_size=1000))
    answers = writers.answers()
    met = [
        answer.took_s
        for answer in answers
        if any(answer.at < end and answer.at + answer.took_s > start for start, end in windows)
    ]
    quiet = [answer.took_s for answer in answers if answer.at + answer.took_s <= quiet_until]
    written = {answer.text for answer in answers}
    return {
        "moves": moves, "writers": WRITERS, "move_s": max(end - begun for begun, end in windows),
        "acknowledged": len(answers), "lost": len(written - {message.id for message in stored}),
        "twice": len(stored) - len({message.content for message in stored}),
        "refused": sum(answer.refused for answer in answers),
        "longest_wait_s": max(met), "longest_before_s": max(quiet),
    }  # fmt: skip
