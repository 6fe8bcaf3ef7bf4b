"""`memsvc eval pairs`: grows the judge, and says what judges find of kinds and of languages that they did not see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from eval import report
from eval.datasets.model import Dataset
from eval.pairs import frames, growing
from eval.pairs.growing import Example
from memsvc.consolidate import judge, relate
from memsvc.models.encoder import TextEncoder

# English has more kinds, each with more sentences, than any other language.
_PER_FRAME = {"en": frames.PER_FRAME}
_PER_FRAME_ELSEWHERE = frames.PER_FRAME // 2


def examples(datasets: Sequence[Dataset], encoder: TextEncoder) -> list[Example]:
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
    made = growing.made(said, encoder.encode)
    first = growing.grow(made).network
    return made + [pair for dataset in datasets for pair in growing.talk(dataset, encoder.encode, first)]


def run(datasets: Sequence[Dataset], encoder: TextEncoder, out: Path, *, cross: bool) -> dict[str, Any]:
    """Grow the judge on everything and write it; the figures, with `cross` those of what was not seen."""
    console = Console(stderr=True)
    console.print("distilling and encoding pairs")
    given = examples(datasets, encoder)
    figures: dict[str, Any] = {
        "pairs": sum(example.said is not None for example in given),
        "of talk": sum(example.said is None for example in given),
        "commit": report.commit(),
    }
    if cross:
        console.print("judging kinds that the judge did not see")
        figures["kinds held out"] = _figures(given, growing.cross_validated(given, lambda example: example.fold))
        console.print("judging languages that the judge did not see")
        languages = growing.cross_validated(given, lambda example: example.said.language if example.said else "talk")
        figures["languages held out"] = _figures(given, languages)
    console.print("growing the judge of all")
    grown = growing.grow(given)
    judge.save(out, grown.network, grown.trees, grown.plain, encoder.name)
    return figures


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
