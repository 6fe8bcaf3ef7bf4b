"""What is measured at one place: of one namespace with many messages, and of many namespaces with one."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from eval.bench.capacity import filling
from eval.bench.capacity.place import Figures, Place, Seeded, Unsettled, percentiles
from eval.sets import talk
from eval.sets.talk import Talk
from memsvc.sdk import Namespace

SPACE = "talk"
QUESTIONS = 20
BURST = 30
WRITERS = 4
_BESIDE = 10  # recalls between two looks at whether the background is done


@dataclass(frozen=True, slots=True)
class Round:
    """One repetition of a step: its number, what the size is filled from, the size."""

    number: int
    made: Seeded
    size: int

    @property
    def seed(self) -> filling.Seed:
        return self.made.seed

    @property
    def copies(self) -> int:
        return max(1, round(self.size / len(self.seed.texts())))

    def questions(self, series: int) -> Iterator[str]:
        """Other ones in each round and series, so that none is remembered; the same on both sides."""
        asked = Talk(100 * (self.number + 1) + series)
        return (asked.question() for _ in range(QUESTIONS))


Step = Callable[[Place, Round], Figures]


def fill(place: Place, of: Round) -> Figures:
    """The namespace, by import, beside the seed."""
    place.begin(of.made.data)
    before, start = place.processor_s(), time.perf_counter()
    place.load(SPACE, filling.lines(of.seed, of.copies))
    took = {"import_s": time.perf_counter() - start, "import_cpu_s": place.processor_s() - before}
    place.settle()
    stats = place.client.namespace(SPACE).stats()
    return took | {"messages": stats.messages, "units": stats.units.get("active", 0)} | _loaded(place, of, "first_load")


def load(place: Place, of: Round) -> Figures:
    """A fresh process finds what an earlier one has left behind. How much it grows, and what it says of its index."""
    place.restart()
    before = place.held()
    took = _loaded(place, of, "load")
    after = place.held()
    return took | {f"grown_{name}": after[name] - before[name] for name in after}


def _loaded(place: Place, of: Round, name: str) -> Figures:
    spent, start = place.processor_s(), time.perf_counter()
    place.client.namespace(SPACE).recall(next(of.questions(0)))
    wall = time.perf_counter() - start
    return {f"{name}_ms": 1e3 * wall, f"{name}_cpu_ms": 1e3 * (place.processor_s() - spent)}


def recall(place: Place, of: Round) -> Figures:
    space = place.client.namespace(SPACE)
    return place.timed("recall", (_call(space.recall, question) for question in of.questions(1)))


def context(place: Place, of: Round) -> Figures:
    space = place.client.namespace(SPACE)
    return place.timed("context", (_call(space.context, question) for question in of.questions(2)))


def filters(place: Place, of: Round) -> Figures:
    """A recall with each kind of filter; the moments lie in the middle of all that was said."""
    space = place.client.namespace(SPACE)
    days = of.seed.days * of.copies
    middle = talk.BEGUN + dt.timedelta(days=of.seed.days - days / 2)
    said_within = {"since": middle - dt.timedelta(days=days / 20), "until": middle + dt.timedelta(days=days / 20)}
    narrowed: dict[str, dict[str, Any]] = {
        "speaker": {"only": {"speakers": [talk.SPEAKERS[0]]}},
        "role": {"only": {"roles": ["assistant"]}},
        "session": {"only": {"sessions": ["s0"]}},
        "time": {"only": said_within},
        "kind": {"only": {"kinds": ["preference"]}},
        "person": {"only": {"persons": [talk.SPEAKERS[0]]}},
        "metadata": {"only": {"metadata": {"matter": talk.MATTERS[0]}}},
        "trust": {"min_trust": 0.5},
        "as_of": {"as_of": middle},
    }
    figures: Figures = {}
    for number, (name, given) in enumerate(narrowed.items()):
        asked = of.questions(3 + number)
        figures |= place.timed(f"filter_{name}", (_call(space.recall, question, **given) for question in asked))
    return figures


def writes(place: Place, of: Round) -> Figures:
    """One-line messages by one writer and by four: before the reply, and with all that comes of it until nothing is
    left to do; what comes behind the last reply is the consolidation of the burst.
    """
    figures: Figures = {}
    for name, writers in (("write", 1), ("write_by_4", WRITERS)):
        space, lines = place.client.namespace(SPACE), _lines(of, name)
        walls: list[float] = []

        def add(line: str, space: Namespace = space, walls: list[float] = walls, name: str = name) -> None:
            start = time.perf_counter()
            space.add(line, session_id=f"{name}-{of.number}")
            walls.append(1e3 * (time.perf_counter() - start))

        before, start = place.processor_s(), time.perf_counter()
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(add, lines))
        wall, replied = time.perf_counter() - start, place.processor_s()
        figures |= percentiles(name, walls) | {
            f"{name}_per_s": BURST / wall,
            f"{name}_cpu_ms": 1e3 * (replied - before) / BURST,
        }
        try:
            behind = place.settle()
        except Unsettled:
            continue
        settled = place.processor_s()
        figures |= {
            f"{name}_all_cpu_ms": 1e3 * (settled - before) / BURST,
            f"{name}_behind_s": behind,
            f"{name}_behind_cpu_s": settled - replied,
        }
    return figures


def beside(place: Place, of: Round) -> Figures:
    """Recalls while a burst of writes is consolidated, against recalls with nothing else to do."""
    space = place.client.namespace(SPACE)
    asked = Talk(100 * (of.number + 1) + 90)

    def recalls(until: Callable[[], bool]) -> list[float]:
        walls: list[float] = []
        while not walls or not until():
            for _ in range(_BESIDE):
                start = time.perf_counter()
                space.recall(asked.question())
                walls.append(1e3 * (time.perf_counter() - start))
        return walls

    recalls(lambda: True)  # the index follows what was written before
    told = iter((False, True))
    quiet = percentiles("quiet", recalls(lambda: next(told)))
    for line in _lines(of, "beside"):
        space.add(line, session_id=f"beside-{of.number}")
    give_up = time.perf_counter() + place.patience_s
    busy = percentiles("beside", recalls(lambda: not place.busy() or time.perf_counter() > give_up))
    return quiet | busy | {"beside_p95_ratio": busy["beside_p95_ms"] / quiet["quiet_p95_ms"]}


def fill_many(place: Place, of: Round) -> Figures:
    """So many namespaces of one message, by import, beside the seed."""
    place.begin(of.made.data)
    start = time.perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda number: place.load(f"n{number}", [of.made.one]), range(of.size)))
    place.settle()
    return {"namespaces": of.size, "import_s": time.perf_counter() - start}


def touch_many(place: Place, of: Round) -> Figures:
    """The first recall in each, in a fresh process; how much that process grows."""
    place.restart()
    before = place.held()
    spaces = [place.client.namespace(f"n{number}") for number in range(of.size)]
    question = next(of.questions(0))
    took = place.timed("cold", (_call(space.recall, question) for space in spaces))
    after = place.held()
    return took | {f"grown_{name}": after[name] - before[name] for name in after}


def among_many(place: Place, of: Round) -> Figures:
    """A recall in some that were recalled before, one-line writes to some, and the page that lists all."""
    spaces = [place.client.namespace(f"n{number * of.size // QUESTIONS}") for number in range(QUESTIONS)]
    for space in spaces:
        space.recall("Is anybody there?")
    figures = place.timed(
        "warm", (_call(space.recall, asked) for space, asked in zip(spaces, of.questions(1), strict=True))
    )
    with place.pages() as pages:
        figures |= place.timed("list", (lambda: pages.get("/admin/namespaces").raise_for_status() for _ in range(5)))
    session, lines = f"write-{of.number}", list(_lines(of, "many"))[:QUESTIONS]
    before = place.processor_s()
    figures |= place.timed(
        "write", (_call(space.add, line, session_id=session) for space, line in zip(spaces, lines, strict=True))
    )
    try:
        place.settle()
    except Unsettled:
        return figures
    return figures | {"write_all_cpu_ms": 1e3 * (place.processor_s() - before) / len(lines)}


def _lines(of: Round, name: str) -> Iterator[str]:
    """Other ones in each round and step; the same on both sides."""
    written = Talk(sum(name.encode()) * 1_000 + of.number)
    return (written.line() for _ in range(BURST))


def _call(method: Callable[..., object], *args: Any, **given: Any) -> Callable[[], object]:
    return lambda: method(*args, **given)


# In this order, in each round; the first only in the first one.
OF_MESSAGES: dict[str, Step] = {
    "fill": fill, "load": load, "recall": recall, "context": context, "filters": filters, "writes": writes,
    "beside": beside,
}  # fmt: skip
OF_NAMESPACES: dict[str, Step] = {"fill": fill_many, "touch": touch_many, "among": among_many}
