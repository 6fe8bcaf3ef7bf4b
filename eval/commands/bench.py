"""The measurements behind `memsvc bench`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import httpx
from rich.console import Console

from eval.runs import provenance, service
from eval.runs.journal import JournalRefused
from eval.sets import read, talk
from eval.sets.model import BadDataset
from memsvc.errors import MemsvcError
from memsvc.sdk.errors import MemsvcClientError

Experiment = Literal["batches", "chunks"]


class BadSizes(Exception):
    """Not sizes by comma; the message says how they are written."""


def of_capacity(
    messages: str, namespaces: str, repeats: int, folder: Path | None, against: str | None, json_out: Path | None,
    plots: Path | None,
) -> int:  # fmt: skip
    """How far one machine goes: curves over both sizes, beside another checkout where one is named; the exit status."""
    from eval.bench.capacity import run
    from eval.bench.capacity.place import Unsettled

    try:
        of_one, of_many = _sizes(messages, "--messages"), _sizes(namespaces, "--namespaces")
        with tempfile.TemporaryDirectory(prefix="memsvc-bench-") as temporary:
            figures = run.run(of_one, of_many, repeats, folder or Path(temporary), against)
        _told(figures, json_out)
        if plots is not None:
            from eval.report import plots as pictures  # with matplotlib

            pictures.capacity(figures, plots)
        return 0
    except (
        run.NoCheckout, BadSizes, Unsettled, JournalRefused, service.ServiceFailed, MemsvcClientError, httpx.HTTPError,
        OSError,
    ) as error:  # fmt: skip
        return _failed(error)


def of_promotion(messages: str, folder: Path | None, json_out: Path | None) -> int:
    """A namespace of the largest of the sizes, its vectors in memory and in a partition; the exit status."""
    from eval.bench.capacity import promotion
    from eval.bench.capacity.place import Unsettled

    try:
        with tempfile.TemporaryDirectory(prefix="memsvc-bench-") as temporary:
            size = max(_sizes(messages, "--messages"), default=1_000)
            return _told(promotion.run(size, folder or Path(temporary)), json_out)
    except (
        BadSizes, Unsettled, service.ServiceFailed, MemsvcClientError, httpx.HTTPError, OSError,
    ) as error:  # fmt: skip
        return _failed(error)


def of_cells(json_out: Path | None) -> int:
    """Three cells beside one: what requests cost, a cell that is killed, a namespace that moves; the exit status."""
    from eval.bench.capacity.place import Unsettled
    from eval.bench.cells import run
    from eval.bench.cells.outages import Stuck
    from eval.bench.cells.servers import CommandFailed

    try:
        with tempfile.TemporaryDirectory(prefix="memsvc-bench-") as temporary:
            return _told(run.run(Path(temporary)), json_out)
    except (
        Stuck, CommandFailed, Unsettled, service.ServiceFailed, MemsvcError, MemsvcClientError, httpx.HTTPError,
        OSError,
    ) as error:  # fmt: skip
        return _failed(error)


def _sizes(given: str, option: str) -> list[int]:
    """The numbers in an option, ascending; none in an empty one. Raises BadSizes."""
    parts = [part.strip() for part in given.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise BadSizes(f"{option} {given!r}: write numbers from 1 on, by comma, as in 1000,10000.")
    return sorted({int(part) for part in parts})


def of_reader(
    model: str | None, models: Path, data: Path | None, json_out: Path | None, folder: Path | None, *, quick: bool
) -> int:
    """Measure a model that answers on this machine: cold and cached, and what bounded caches keep; the exit status."""
    from eval.bench import reading  # with torch
    from eval.report import plots  # with torch

    try:
        texts = list(talk.texts(1_000))
        conversations = read(data).conversations[: 1 if quick else 3] if data else (reading.made_up(texts),)
        sizes = {"sizes": (500, 1_000, 2_000), "questions": 6} if quick else {}
        figures = reading.run(conversations, texts, model, models, **sizes)  # type: ignore[arg-type]
        figures["history"] = data.name if data else "made up"
        _told(figures, json_out)
        if folder is not None:
            plots.reading(figures, folder)
        return 0
    except (BadDataset, MemsvcError, OSError) as error:
        return _failed(error)


def of_experiment(what: Experiment, model: str | None, models: Path, data: Path | None, json_out: Path | None) -> int:
    """Time prefixes read together and apart, or measure contexts put together from lines that were read one by one; the
    exit status.
    """
    from eval.bench import reading
    from eval.experiments import batches, chunk_reuse

    try:
        texts = list(talk.texts(1_000))
        if what == "batches":
            return _told(batches.run(texts, model, models), json_out)
        conversations = read(data).conversations[:3] if data else (reading.made_up(texts),)
        figures = chunk_reuse.run(conversations, model, models)
        return _told(figures | {"history": data.name if data else "made up"}, json_out)
    except (BadDataset, MemsvcError, OSError) as error:
        return _failed(error)


def of_answers(
    data: Path,
    model: str,
    folder: Path | None,
    json_out: Path | None,
    *,
    conversations: int | None,
    per_conversation: int | None,
    seed: int,
) -> int:
    """Ask every question of a set with the model and without; the exit status."""
    from eval.runs import grounding

    try:
        with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as temporary:
            figures = grounding.measure(
                read(data), model, folder or Path(temporary),
                conversations=conversations, per_conversation=per_conversation, seed=seed,
            )  # fmt: skip
        return _told(figures, json_out)
    except (BadDataset, service.ServiceFailed, MemsvcClientError, OSError) as error:
        return _failed(error)


def _told(figures: dict[str, Any], json_out: Path | None) -> int:
    text = json.dumps(figures | {"commit": provenance.commit()}, indent=1, ensure_ascii=False)
    Console().print(text)
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(text + "\n")
    return 0


def _failed(error: Exception) -> int:
    Console(stderr=True).print(f"[red]bench: {error}[/red]", soft_wrap=True)
    return 2
