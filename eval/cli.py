"""The evaluation behind `memsvc eval`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from eval import baselines, report, runs, service
from eval import bench as benchmark
from eval.datasets import beam as beam_format
from eval.datasets import locomo as locomo_format
from eval.datasets.model import BadDataset
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import MemsvcClientError


def locomo(
    data: Path, json_out: Path | None, *, base_url: str | None, limit_conversations: int | None, with_baselines: bool
) -> int:
    """Run LoCoMo retrieval; the exit status (2: the file or the service failed, with the reason on stderr).

    Without `base_url` a service is started on a temporary folder; with it, MEMSVC_API_KEY names the key.
    """
    errors = Console(stderr=True)
    try:
        dataset = locomo_format.read(data)
        if json_out is not None:
            json_out.parent.mkdir(parents=True, exist_ok=True)
        if limit_conversations is not None:
            dataset = replace(dataset, conversations=dataset.conversations[:limit_conversations])
        encode = baselines.minilm_encoder() if with_baselines else None
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(MemoryClient(base_url) if base_url else service.running())
            outcome = runs.run(dataset, client, encode)
    except (BadDataset, service.ServiceFailed, MemsvcClientError, OSError) as error:
        errors.print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    result = report.build(dataset, outcome, data)
    report.table(result, Console())
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def distillation(data: Sequence[Path], json_out: Path | None, plot: Path | None) -> int:
    """Distil whole sets and say what was kept; the exit status (2: a file is not what was expected)."""
    from eval import distillation as measurement
    from eval import plots

    console = Console()
    results = []
    curves = {}
    try:
        datasets = [beam_format.read(path) if path.is_dir() else locomo_format.read(path) for path in data]
    except BadDataset as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    for dataset in datasets:
        result = measurement.run(dataset) | {"commit": report.commit()}
        results.append(result)
        console.print_json(data=result)
        if plot is not None:
            curves[dataset.name] = measurement.curve(dataset)
            result["curve"] = curves[dataset.name]
    if plot is not None:
        plots.coverage_curve(curves, {r["dataset"]: r["compression"]["all"] for r in results}, plot)
        console.print(f"plot: {plot}")
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def bench(messages: int, json_out: Path | None) -> int:
    """Time a fresh service; the exit status."""
    try:
        with service.running() as client:
            figures = benchmark.run(client, messages) | {"commit": report.commit()}
    except (service.ServiceFailed, MemsvcClientError) as error:
        Console(stderr=True).print(f"[red]bench: {error}[/red]", soft_wrap=True)
        return 2
    text = json.dumps(figures, indent=1)
    Console().print(text)
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(text + "\n")
    return 0
