"""`memsvc eval pairs`: grows the judge, and says what judges find of kinds and of languages that they did not see."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from eval.learning.pairs import frames, growing, talk
from eval.learning.pairs.growing import Example
from eval.runs import provenance
from eval.sets import read
from eval.sets.model import BadDataset, Dataset
from memsvc.consolidate import judge, relate
from memsvc.errors import MemsvcError
from memsvc.models import encoder
from memsvc.models.encoder import TextEncoder

# English has more kinds, each with more sentences, than any other language.
_PER_FRAME = {"en": frames.PER_FRAME}
_PER_FRAME_ELSEWHERE = 20


def pairs(data: Sequence[Path], out: Path, json_out: Path | None, *, cross: bool) -> int:
    """Grow the judge of pairs on the made ones and on the talk of these sets; the exit status."""
    try:
        datasets = [read(path) for path in data]
        for path in (out, json_out):
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
        loaded = encoder.load(encoder.DEFAULT_MODEL, precision="int8", threads=2, batch_size=32)
    except (BadDataset, MemsvcError, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    figures = run(datasets, loaded, out, cross=cross)
    Console().print_json(data=figures)
    if json_out is not None:
        json_out.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def examples(datasets: Sequence[Dataset], by: TextEncoder) -> list[Example]:
    """Pairs made of the frames, and pairs of the sets' talk."""
    given = frames.read()
    said = [
        pair
        for language in sorted({frame.language for frame in given})
        for pair in frames.pairs(
            [frame for frame in given if frame.language == language], growing.SEED,
            _PER_FRAME.get(language, _PER_FRAME_ELSEWHERE),
        )
    ]  # fmt: skip
    made = growing.made(said, by.encode)
    first = growing.network(made)
    return made + [pair for each in (talk.read(), *datasets) for pair in growing.talk(each, by.encode, first)]


def run(datasets: Sequence[Dataset], by: TextEncoder, out: Path, *, cross: bool) -> dict[str, Any]:
    """Grow the judge on everything and write it; the figures, with `cross` those of what was not seen."""
    console = Console(stderr=True)
    console.print("distilling and encoding pairs")
    given = examples(datasets, by)
    figures: dict[str, Any] = {
        "pairs": sum(example.said is not None for example in given),
        "of talk": sum(example.said is None for example in given),
        "commit": provenance.commit(),
    }
    if cross:
        console.print("judging kinds that the judge did not see")
        figures["kinds held out"] = _figures(given, growing.cross_validated(given, lambda example: example.fold))
        console.print("judging languages that the judge did not see")
        languages = growing.cross_validated(given, _language_group)
        figures["languages held out"] = _figures(given, languages)
    console.print("growing the judge of all")
    grown = growing.grow(given)
    judge.save(out, grown.told, grown.network, grown.trees, grown.plain, by.name)
    return figures


def _language_group(example: Example) -> int:
    """Whole languages in one group, talk as its conversations."""
    return zlib.crc32(example.said.language.encode()) % growing.FOLDS if example.said else example.fold


def _figures(given: Sequence[Example], scores: NDArray[np.float32]) -> dict[str, Any]:
    """Of the made pairs: AUC, precision and recall at the verdict that counts; of talk how many would end another."""
    made = np.array([example.said is not None for example in given])
    ends = np.array([example.ends for example in given])
    sure = scores >= relate.SURE
    by = {}
    for name in ("why", "language"):
        groups = np.array([getattr(example.said, name, "") for example in given])
        by[name] = {
            group: {"pairs": int((groups == group).sum()), "judged to end": _share(sure[groups == group])}
            for group in sorted(set(groups) - {""})
        }
    return {
        "auc": round(_auc(scores[made & ends], scores[made & ~ends]), 4),
        "precision": _share(ends[made & sure]),
        "recall": _share(sure[made & ends]),
        "talk judged to end": _share(sure[~made]),
        **by,
    }


def _share(found: NDArray[np.bool_]) -> float:
    return round(float(found.mean()), 4) if len(found) else 0.0


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    """The chance that one of `positive` is higher than one of `negative`."""
    order = np.searchsorted(np.sort(negative), positive, side="left") + np.searchsorted(
        np.sort(negative), positive, side="right"
    )
    return float(order.mean() / 2 / len(negative))
