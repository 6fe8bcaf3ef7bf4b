"""The measurements behind `memsvc bench`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from eval import bench as service_bench
from eval import report, service
from eval.datasets import read
from eval.datasets.model import BadDataset
from memsvc.errors import MemsvcError
from memsvc.sdk.errors import MemsvcClientError

Experiment = Literal["batches", "chunks"]


def of_service(messages: int, json_out: Path | None) -> int:
    """Time a fresh service; the exit status."""
    try:
        with service.running() as client:
            figures = service_bench.run(client, messages)
        return _told(figures, json_out)
    except (service.ServiceFailed, MemsvcClientError, OSError) as error:
        return _failed(error)


def of_reader(
    model: str | None, models: Path, data: Path | None, json_out: Path | None, folder: Path | None, *, quick: bool
) -> int:
    """Measure a model that answers on this machine: cold and cached, and what bounded caches keep; the exit status."""
    from eval import plots, reading  # with torch

    try:
        texts = list(service_bench.texts(1_000))
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
    from eval import batches, chunk_reuse, reading

    try:
        texts = list(service_bench.texts(1_000))
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
    from eval import grounding

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
    text = json.dumps(figures | {"commit": report.commit()}, indent=1, ensure_ascii=False)
    Console().print(text)
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(text + "\n")
    return 0


def _failed(error: Exception) -> int:
    Console(stderr=True).print(f"[red]bench: {error}[/red]", soft_wrap=True)
    return 2
