"""What a language model brings at each step: the evaluation behind `memsvc eval steps`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from eval.report import steps as reported
from eval.runs import provenance, service
from eval.runs import steps as measurement
from eval.runs.journal import JournalRefused
from eval.sets import read
from eval.sets.model import BadDataset
from memsvc.sdk.errors import MemsvcClientError


def steps(
    data: Path,
    model: measurement.Model,
    folder: Path | None,
    json_out: Path | None,
    *,
    conversations: int | None,
    per_conversation: int | None,
    seed: int,
) -> int:
    """Run every step and print the table; the exit status: 0, also where a step was stopped, which its row says; 2: a
    file or the service failed. A run in `folder` that ended early goes on from there.
    """
    try:
        dataset = measurement.sample(read(data), conversations, per_conversation, seed)
        told = {
            "dataset": dataset.name, "data_sha256": provenance.sha256(data), "model": model.name, "seed": seed,
            "conversations": conversations, "per_conversation": per_conversation, "settings": service.settings(),
            "packages": service.packages(), "commit": provenance.commit(),
        }  # fmt: skip
        if json_out is not None:
            json_out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as temporary:
            outcome = measurement.run(dataset, model, folder or Path(temporary), told)
    except (
        BadDataset,
        JournalRefused,
        service.ServiceFailed,
        measurement.Stopped,
        MemsvcClientError,
        OSError,
    ) as error:
        Console(stderr=True).print(f"[red]eval: {escape(str(error))}[/red]", soft_wrap=True)
        return 2
    counts = {
        "conversations": len(dataset.conversations),
        "questions": sum(len(conversation.questions) for conversation in dataset.conversations),
    }
    jobs = [
        {"step": line["step"], "conversation": line["conversation"]} | job
        for line in outcome.lines
        for job in line.get("jobs", ())
    ]
    result = told | counts | {"steps": measurement.rows(dataset, model, outcome), "jobs": jobs}
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=1) + "\n")
    reported.table(result, Console())
    if folder is not None and outcome.stopped:
        Console().print("The same command tries again what was stopped.")
    return 0
