"""The second stage: boosted trees over the first candidates, learnt from questions with known evidence (LambdaMART).

The weights are plain arrays in .npz files beside this module, with a card (ranker.md) that says what they saw.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from memsvc import errors
from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Scored
from memsvc.models.trees import Trees, stored
from memsvc.retrieval import features

SHIPPED = Path(__file__).parent / "ranker.npz"
# What the setting may name instead of a file. The second has learnt from LoCoMo too, which forbids commercial use.
WEIGHTS = {"shipped": SHIPPED, "shipped-locomo": Path(__file__).parent / "ranker-locomo.npz"}
# Candidates beyond these keep their place behind them.
FIRST = 100


def load(path: Path) -> Trees:
    """Raises Invalid for a file that is not one of ours, or was made for other features."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            names = tuple(str(name) for name in kept["names"])
            trees = stored(kept)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise errors.Invalid(f"{path} holds no ranker: {error}", "Make one with memsvc eval train.") from error
    if names != features.NAMES:
        raise errors.Invalid(f"{path} was made for other features.", "Make one with memsvc eval train.")
    return trees


def save(path: Path, trees: Trees) -> None:
    np.savez_compressed(path, names=np.array(features.NAMES), **trees.arrays())


def rerank(trees: Trees, analysis: Analysis, scored: list[Scored]) -> list[Scored]:
    """The first candidates in the ranker's order with its scores between 0 and 1, the others behind.

    The work is bounded by their number and by no clock: the same question gets the same answer on a busy machine.
    """
    first = scored[:FIRST]
    if not first:
        return scored
    values = trees.scores(features.matrix(analysis, first))
    # The sets that it learns from hardly supersede anything: that stays a rule.
    standing = np.array([item.parts["standing"] for item in first])
    learnt = standing / (1 + np.exp(-values.astype(np.float64)))
    ranked = [
        Scored(item.candidate, value, item.parts | {"fused": item.score, "learnt": value})
        for item, value in zip(first, learnt.tolist(), strict=True)
    ]
    ranked.sort(key=lambda item: (-item.score, item.candidate.seq))
    # Behind the last of the first, in their own order.
    low = ranked[-1].score
    rest = scored[FIRST:]
    scale = low / max(rest[0].score, 1e-9) if rest and rest[0].score > low else 1.0
    return [*ranked, *(Scored(item.candidate, item.score * min(1.0, scale) * 0.999, item.parts) for item in rest)]
