"""Boosted trees evaluated with numpy, level by level, all at once; the library that grew them is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
            # Where each row stands among all places of a level, tree behind tree.
            place = np.arange(len(self._leaves[part]))[None, :]
            for feature, threshold in self._levels:
                own = flat.take(at + feature[part].ravel().take(place))
                place = 2 * place + (own > threshold[part].ravel().take(place))
            total += self._leaves[part].ravel().take(place).sum(axis=1)
        return total

    def arrays(self, prefix: str = "") -> dict[str, Any]:
        """What a file keeps of them; `prefix` where it keeps several."""
        found: dict[str, Any] = {prefix + name: getattr(self, name) for name in _ARRAYS}
        return found | {f"{prefix}depth": np.array(self.depth)}


def stored(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> Trees:
    """The trees of what `arrays` gave. Raises KeyError where some of it is missing."""
    feature, threshold, left, right, value = (np.asarray(arrays[prefix + name]) for name in _ARRAYS)
    return Trees(feature, threshold, left, right, value, int(arrays[f"{prefix}depth"]))
