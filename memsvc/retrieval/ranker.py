"""The second stage: boosted trees over the first candidates, learnt from questions with known evidence (LambdaMART).

Trees are evaluated with numpy, level by level, all at once; the library that grew them is not needed. The weights are
plain arrays in .npz files beside this module, with a card (ranker.md) that says what they saw.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memsvc import errors
from memsvc.domain.query import Analysis
from memsvc.domain.ranking import Scored
from memsvc.retrieval import features

SHIPPED = Path(__file__).parent / "ranker.npz"
# What the setting may name instead of a file. The second has learnt from LoCoMo too, which forbids commercial use.
WEIGHTS = {"shipped": SHIPPED, "shipped-locomo": Path(__file__).parent / "ranker-locomo.npz"}
# Candidates beyond these keep their place behind them.
FIRST = 100
_ARRAYS = ("feature", "threshold", "left", "right", "value")
# Trees that are evaluated at once: their nodes stay in the processor's cache.
_CHUNK = 50


@dataclass(frozen=True, slots=True)
class Trees:
    """`feature` (t, n) int64 with -1 at leaves, `threshold` (t, n) float32, `left` and `right` (t, n) int64, `value`
    (t, n) float32: node 0 is the root; x goes left when x[feature] <= threshold; a leaf leads to itself. `depth` is
    that of the deepest leaf.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float32]
    depth: int
    # The same trees with every leaf at the full depth: level by level `feature` and `threshold` (t, 2^level), and the
    # leaves' `value` (t, 2^depth). The children of a level's place n are the places 2n and 2n + 1 of the next.
    _levels: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = field(init=False, repr=False, compare=False)
    _leaves: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        trees = np.arange(len(self.feature))[:, None]
        nodes = np.zeros((len(self.feature), 1), dtype=np.int64)
        levels = []
        for _ in range(self.depth):
            # A leaf leads to itself on both sides, so whatever is compared there leads to its value.
            levels.append((np.maximum(self.feature[trees, nodes], 0), self.threshold[trees, nodes]))
            nodes = np.stack((self.left[trees, nodes], self.right[trees, nodes]), axis=2).reshape(len(nodes), -1)
        object.__setattr__(self, "_levels", levels)
        object.__setattr__(self, "_leaves", self.value[trees, nodes])

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32 of rows (n, f) float32: the sum over all trees."""
        total = np.zeros(len(rows), dtype=np.float32)
        flat = rows.ravel()
        at = (np.arange(len(rows)) * rows.shape[1])[:, None]
        for start in range(0, len(self.feature), _CHUNK):
            part = slice(start, start + _CHUNK)
            count = len(self._leaves[part])
            tree = np.arange(count)[None, :]
            node = np.zeros((len(rows), count), dtype=np.int64)
            for level, (feature, threshold) in enumerate(self._levels):
                place = (tree << level) + node
                goes_right = flat[at + feature[part].ravel()[place]] > threshold[part].ravel()[place]
                node = 2 * node + goes_right
            total += self._leaves[part].ravel()[(tree << self.depth) + node].sum(axis=1)
        return total


def load(path: Path) -> Trees:
    """Raises Invalid for a file that is not one of ours, or was made for other features."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            names = tuple(str(name) for name in stored["names"])
            feature, threshold, left, right, value = (np.asarray(stored[name]) for name in _ARRAYS)
            depth = int(stored["depth"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise errors.Invalid(f"{path} holds no ranker: {error}", "Make one with memsvc eval train.") from error
    if names != features.NAMES:
        raise errors.Invalid(f"{path} was made for other features.", "Make one with memsvc eval train.")
    return Trees(feature, threshold, left, right, value, depth)


def save(path: Path, trees: Trees) -> None:
    arrays = {name: getattr(trees, name) for name in _ARRAYS}
    np.savez_compressed(path, names=np.array(features.NAMES), depth=np.array(trees.depth), **arrays)


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
        replace(item, score=value, parts=item.parts | {"fused": item.score, "learnt": value})
        for item, value in zip(first, learnt.tolist(), strict=True)
    ]
    ranked.sort(key=lambda item: (-item.score, item.candidate.seq))
    # Behind the last of the first, in their own order.
    low = ranked[-1].score
    rest = scored[FIRST:]
    scale = low / max(rest[0].score, 1e-9) if rest and rest[0].score > low else 1.0
    return [*ranked, *(replace(item, score=item.score * min(1.0, scale) * 0.999) for item in rest)]
