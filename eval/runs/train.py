"""Grows the learned ranker from questions with known evidence, with LightGBM's LambdaMART, and proves it on what it
did not see: every conversation is ranked with trees grown on other conversations.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from eval.runs import asking
from eval.sets.model import Conversation, Dataset
from memsvc.models.trees import Trees
from memsvc.retrieval import features
from memsvc.sdk import MemoryClient

FOLDS = 10
SEED = 20240508
# Fewer questions than this teach noise.
MIN_QUESTIONS = 200
PARAMETERS: dict[str, Any] = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 30,
    "learning_rate": 0.1,
    "num_leaves": 15,
    # Shallow trees are evaluated faster, and rank no worse.
    "max_depth": 5,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 2,
    "verbose": -1,
}
# Several small forests, each from its own seed, rank better than a large one: their errors differ.
FORESTS = 3
ROUNDS = 150


@dataclass(frozen=True, slots=True)
class Example:
    """One question: `rows` (n, f) float32 of its first candidates, `relevant` (n,) whether each is evidence."""

    dataset: str
    conversation: str
    rows: NDArray[np.float32]
    relevant: NDArray[np.int8]


def examples(client: MemoryClient, dataset: Dataset, conversation: Conversation) -> list[Example]:
    """What the stages before the ranker give for each question with evidence."""
    memory = client.namespace(asking.namespace(dataset, conversation))
    found = []
    for question in conversation.questions:
        if not question.evidence:
            continue
        trace = memory.recall(question.text, asked_at=question.asked_at, limit=1, trace=True).trace
        assert trace is not None
        rows = np.array([row["values"] for row in trace["features"]], dtype=np.float32)
        relevant = np.array([row["message_id"] in question.evidence for row in trace["features"]], dtype=np.int8)
        if relevant.any():
            found.append(Example(dataset.name, conversation.id, rows.reshape(-1, len(features.NAMES)), relevant))
    return found


def folds(datasets: Sequence[Dataset]) -> dict[tuple[str, str], int]:
    """(set, conversation) -> the fold that it is left out with: dealt out within each set, in an order by hash."""
    found: dict[tuple[str, str], int] = {}
    for dataset in datasets:
        names = sorted((c.id for c in dataset.conversations), key=lambda name: zlib.crc32(f"{SEED}:{name}".encode()))
        found |= {(dataset.name, name): place % FOLDS for place, name in enumerate(names)}
    return found


def grow(given: Sequence[Example]) -> Trees:
    """Trees of all these examples. A set's weight grows with the root of its size: the larger one must not drown the
    other.
    """
    sizes = {name: sum(example.dataset == name for example in given) for name in {e.dataset for e in given}}
    largest = max(sizes.values())
    weight = {name: (largest / size) ** 0.5 for name, size in sizes.items()}
    data = lightgbm.Dataset(
        np.concatenate([example.rows for example in given]),
        np.concatenate([example.relevant for example in given]),
        group=[len(example.rows) for example in given],
        weight=np.concatenate([np.full(len(example.rows), weight[example.dataset]) for example in given]),
    )
    grown = [
        lightgbm.train(PARAMETERS | {"seed": SEED + forest}, data, num_boost_round=ROUNDS).dump_model()["tree_info"]
        for forest in range(FORESTS)
    ]
    return trees([tree for forest in grown for tree in forest], FORESTS)


def digest(trees: Trees) -> str:
    """A short hash of the weights, to name them in reports."""
    parts = (trees.feature, trees.threshold, trees.left, trees.right, trees.value)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()[:16]


def trees(grown: Sequence[dict[str, Any]], forests: int = 1) -> Trees:
    """LightGBM's trees in one: a score is the mean over the `forests`."""
    flat = [_flat(tree["tree_structure"], forests) for tree in grown]
    size = max(len(nodes) for nodes, _ in flat)

    def column(place: int, dtype: type, missing: float) -> NDArray[Any]:
        rows = [[node[place] for node in nodes] + [missing] * (size - len(nodes)) for nodes, _ in flat]
        return np.array(rows, dtype=dtype)

    return Trees(
        column(0, np.int64, -1), column(1, np.float32, 0), column(2, np.int64, 0), column(3, np.int64, 0),
        column(4, np.float32, 0), max(depth for _, depth in flat),
    )  # fmt: skip


def _flat(root: dict[str, Any], forests: int) -> tuple[list[tuple[int, float, int, int, float]], int]:
    """Nodes (feature, threshold, left, right, value) with the root first, and the depth."""
    nodes: list[tuple[int, float, int, int, float]] = []

    def add(node: dict[str, Any]) -> tuple[int, int]:
        place = len(nodes)
        nodes.append((-1, 0.0, place, place, float(node.get("leaf_value", 0.0)) / forests))
        if "split_feature" not in node:
            return place, 0
        left, left_depth = add(node["left_child"])
        right, right_depth = add(node["right_child"])
        nodes[place] = (int(node["split_feature"]), float(node["threshold"]), left, right, 0.0)
        return place, 1 + max(left_depth, right_depth)

    _, depth = add(root)
    return nodes, depth
