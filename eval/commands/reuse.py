"""Answers that are given again, measured on paraphrases: the evaluation behind `memsvc eval reuse`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from eval.report import reuse as reported
from eval.runs import judging, provenance, service
from eval.runs import reuse as measurement
from eval.sets import paraphrases
from eval.sets.model import BadDataset
from memsvc.sdk.errors import MemsvcClientError


def reuse(part: str, json_out: Path | None, model: judging.Judge | None) -> int:
    """Run it with each of the judges that are played, and with this model as the judge, and print the table; the exit
    status: 2 where a file, the service or the model failed.
    """
    try:
        memories = paraphrases.read(part)
        result: dict[str, Any] = {
            "set": "paraphrases", "part": part, "memories": len(memories),
            "data_sha256": provenance.sha256(paraphrases.FILE), "settings": service.settings(),
            "packages": service.packages(), "commit": provenance.commit(),
        }  # fmt: skip
        if json_out is not None:
            json_out.parent.mkdir(parents=True, exist_ok=True)
        # First what may fail. In the table it comes last.
        of_model = {} if model is None else {model.name: _figures(memories, model)}
        result["judges"] = {judge: _figures(memories, judge) for judge in measurement.PLAYED} | of_model
    except (
        BadDataset,
        ValueError,
        service.ServiceFailed,
        measurement.NotCompared,
        MemsvcClientError,
        OSError,
    ) as error:
        Console(stderr=True).print(f"[red]eval: {escape(str(error))}[/red]", soft_wrap=True)
        return 2
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=1) + "\n")
    reported.table(result, Console())
    return 0


def _figures(memories: Sequence[paraphrases.Memory], judge: measurement.Judge) -> dict[str, Any]:
    found, asked = measurement.run(memories, judge)
    return {"asked": asked, "rows": measurement.rows(found), "questions": measurement.lines(found)}
