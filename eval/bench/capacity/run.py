"""`memsvc bench capacity`: each size on each side, step by step, repeated, with a journal to go on from."""

from __future__ import annotations

import io
import itertools
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from eval.bench.capacity import filling, place, plain, steps, watch
from eval.bench.capacity.place import Figures, Place, Side
from eval.runs import provenance, service
from eval.runs.journal import Journal
from eval.sets.talk import Talk

MOST_SEEDED = 1_000
THIS, AGAINST, PLAIN = "this", "against", "plain"
_DECIMALS = 3


class NoCheckout(Exception):
    """What to compare with is neither a folder of a checkout nor a commit; the message says what to give."""


def run(
    messages: Sequence[int], namespaces: Sequence[int], repeats: int, folder: Path, against: str | None,
    *, patience_s: float = 1800.0, seeded: int = MOST_SEEDED,
) -> dict[str, Any]:  # fmt: skip
    """Measure, or go on where a run in the folder was stopped. Raises NoCheckout, JournalRefused, ServiceFailed."""
    sides = [Side(THIS, None, folder / THIS)]
    if against is not None:
        sides.append(Side(AGAINST, checkout(against, folder), folder / AGAINST))
    manifest = {
        "commit": provenance.commit(), "against": None if against is None else _described(sides[-1]), "seeded": seeded,
        "packages": service.packages(), "settings": service.settings(), "machine": watch.machine(),
    }  # fmt: skip
    with Journal(folder, manifest) as journal:
        bench = _Bench(sides, journal, repeats, patience_s, seeded)
        for kind, sizes, known in (
            ("messages", messages, steps.OF_MESSAGES), ("namespaces", namespaces, steps.OF_NAMESPACES),
        ):  # fmt: skip
            for size in sizes:
                bench.measure(kind, size, known)
        return manifest | {
            "repeats": repeats,
            "messages": [summary(journal.records, "messages", size) for size in messages],
            "namespaces": [summary(journal.records, "namespaces", size) for size in namespaces],
        }


def checkout(named: str, folder: Path) -> Path:
    """The folder itself, or that commit's files, unpacked beside the journal. Raises NoCheckout."""
    if (Path(named) / "memsvc").is_dir():
        return Path(named)
    root = Path(__file__).parents[3]
    archived = subprocess.run(["git", "-C", str(root), "archive", named], capture_output=True, check=False)
    if archived.returncode != 0:
        raise NoCheckout(f"{named!r} is neither a folder with memsvc in it nor a commit of this checkout.")
    made = folder / "checkout"
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as files:
        files.extractall(made, filter="data")
    return made


def summary(records: Sequence[dict[str, Any]], kind: str, size: int) -> dict[str, Any]:
    """The medians of a size's rounds by side, and new / old of each figure."""
    mine = [record for record in records if (record["kind"], record["size"]) == (kind, size)]
    medians: dict[str, Figures] = {}
    for record in mine:
        medians.setdefault(record["side"], {})
    for side, figures in medians.items():
        found: dict[str, list[float]] = {}
        for record in mine:
            if record["side"] == side:
                for name, value in record["figures"].items():
                    found.setdefault(name, []).append(value)
        figures.update({name: round(float(np.median(values)), _DECIMALS) for name, values in found.items()})
    this, other = medians.get(THIS, {}), medians.get(AGAINST, {})
    ratios = {name: round(this[name] / other[name], _DECIMALS) for name in this if other.get(name)}
    return {"size": size} | medians | ({"ratios": ratios} if ratios else {})


class _Bench:
    def __init__(self, sides: Sequence[Side], journal: Journal, repeats: int, patience_s: float, seeded: int) -> None:
        self._sides, self._journal, self._repeats = sides, journal, repeats
        self._patience_s, self._seeded = patience_s, seeded
        self._console = Console(stderr=True)

    def measure(self, kind: str, size: int, known: dict[str, steps.Step]) -> None:
        """All that is missing of a size; both sides in turn at each step, who is first alternates by round."""
        missing = list(self._missing(kind, size, known))
        if not missing:
            return
        seeded = min(self._seeded, size) if kind == "messages" else 1
        made = {side.name: place.seeded(side, seeded, self._patience_s) for side in self._sides}
        places = {side.name: Place(side, side.folder / f"{kind}-{size}", self._patience_s) for side in self._sides}
        try:
            for step, number, side in missing:
                served = THIS if side == PLAIN else side
                of, here = steps.Round(number, made[served], size), places[served]
                figures = _plain(here, of) if side == PLAIN else known[step](here, of)
                record = {"kind": kind, "size": size, "step": step, "round": number, "side": side}
                self._journal.append(record | {"figures": figures})
                self._show(record, figures)
        except BaseException:
            for here in places.values():
                here.close()
            raise
        for here in places.values():
            here.remove()

    def _missing(self, kind: str, size: int, known: dict[str, steps.Step]) -> Iterator[tuple[str, int, str]]:
        """(step, round, side) of what is to be done, in order."""
        there = {
            (record["step"], record["round"], record["side"])
            for record in self._journal.records
            if (record["kind"], record["size"]) == (kind, size)
        }
        names = [side.name for side in self._sides]
        wanted = [
            (step, number, side)
            for number in range(self._repeats)
            for step in known
            for side in (names if number % 2 == 0 else names[::-1])
            if step != "fill" or number == 0
        ]
        if kind == "messages":
            wanted += [("plain", number, PLAIN) for number in range(self._repeats)]
        return (each for each in wanted if each not in there)

    def _show(self, record: dict[str, Any], figures: Figures) -> None:
        named = f"{record['size']:,} {record['kind']}, round {record['round'] + 1}, {record['step']}, {record['side']}"
        told = ", ".join(f"{name} {value:,.4g}" for name, value in itertools.islice(figures.items(), 3))
        self._console.print(f"{named}: {told}", soft_wrap=True, highlight=False)


def _plain(here: Place, of: steps.Round) -> Figures:
    """The baselines at this size: the same words and vectors, and the rows of a line that the service wrote."""
    texts = [filled for number in range(of.copies) for filled in map(filling.reworded(number), of.seed.texts())]
    held = np.tile(of.seed.vectors(), (of.copies, 1))
    line = here.client.namespace(steps.SPACE).add(Talk(of.number + 1).line(), session_id="plain")
    here.settle()
    rows = plain.inserts(here.data, here.running.pid, steps.SPACE, line.messages[0], steps.BURST)
    return plain.searches(texts, held, list(of.questions(1))) | rows


def _described(side: Side) -> str:
    """The checkout's commit where it is told, else its path."""
    assert side.checkout is not None
    asked = ["git", "-C", str(side.checkout), "rev-parse", "--show-toplevel", "HEAD"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return told[1] if told and Path(told[0]) == side.checkout.resolve() else side.checkout.name
