"""Fits the number to abstain by, `support.answerable`, on questions with and without an answer, and says what it is
worth on conversations that the fit did not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.runs import asking, service, train
from eval.sets.model import Dataset
from memsvc.sdk import MemoryClient

# As of most services, and without any: one fit must do for both.
RANKERS = ("shipped", "none")
_RIDGE = 1.0 / 300
_NEWTON_STEPS = 50
_BINS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: `values` by name are what `answerable` was made of (empty: nothing was found)."""

    dataset: str
    conversation: str
    ranker: str
    answered: bool
    values: Mapping[str, float]
    support: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Fit:
    """P = 1 / (1 + exp(-(intercept + weights . values))) in the order of `names`."""

    names: tuple[str, ...]
    intercept: float
    weights: NDArray[np.float64]

    def probability(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) of rows (n, len(names))."""
        found: NDArray[np.float64] = 1 / (1 + np.exp(-self.intercept - rows @ self.weights))
        return found


def ask(datasets: Sequence[Dataset], folder: Path, *, quiet: bool = False) -> list[Asked]:
    """Every question of the sets, with each of `RANKERS`, on a service of our own in `folder`; what is in already stays
    in. Raises ServiceFailed.
    """
    found: list[Asked] = []
    for ranker in RANKERS:
        with service.running(folder / "data", MEMSVC_RECALL_RANKER=ranker) as client:
            for dataset in datasets:
                if ranker == RANKERS[0]:
                    asking.ingest(dataset, client, quiet=quiet)
                found += _ask(dataset, client, ranker)
    return found


def _ask(dataset: Dataset, client: MemoryClient, ranker: str) -> Iterator[Asked]:
    for conversation in dataset.conversations:
        memory = client.namespace(asking.namespace(dataset, conversation))
        for question in conversation.questions:
            reply = memory.recall(question.text, asked_at=question.asked_at, limit=1, trace=True)
            assert reply.trace is not None
            shown = reply.support
            yield Asked(
                dataset.name, conversation.id, ranker, question.category != dataset.adversarial, reply.trace["support"],
                {"answerable": shown.answerable, "coverage": shown.coverage, "cosine": shown.cosine},
            )  # fmt: skip


def fit(given: Sequence[Asked]) -> Fit:
    """Ridge logistic regression by Newton's method (Hastie, Tibshirani, Friedman: The Elements of Statistical Learning,
    4.4.1), on standardised values. Questions with and without an answer weigh the same, so that the probability is
    that of an even chance before anything was found.
    """
    given = [asked for asked in given if asked.values]
    names = tuple(given[0].values)
    rows, answered = _rows(given, names), np.array([float(asked.answered) for asked in given])
    weight = _even(answered > 0)
    middle = weight @ rows
    spread = np.sqrt(weight @ (rows - middle) ** 2) + 1e-9
    design = np.column_stack([np.ones(len(rows)), (rows - middle) / spread])
    ridge = _RIDGE * np.diag([0.0, *np.ones(len(names))])
    found = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (weight * (chance - answered)) + ridge @ found
        found -= np.linalg.solve((design.T * (weight * chance * (1 - chance))) @ design + ridge, slope)
    weights = found[1:] / spread
    return Fit(names, float(found[0] - middle @ weights), weights)


def measure(given: Sequence[Asked], learn: Sequence[Dataset], datasets: Sequence[Dataset]) -> dict[str, Any]:
    """The fit on all questions of the sets `learn`, and what it is worth on every set: of their conversations by fits
    that did not see them, of the others by that on all.
    """
    folds = train.folds(learn)
    own = [asked for asked in given if (asked.dataset, asked.conversation) in folds]
    made = fit(own)
    unseen = _chances(given, made)
    for fold in sorted(set(folds.values())):
        here = np.array([folds.get((asked.dataset, asked.conversation)) == fold for asked in given])
        apart = fit([asked for asked in own if folds[asked.dataset, asked.conversation] != fold])
        unseen[here] = _chances(given, apart)[here]
    figures: dict[str, Any] = {
        "intercept": round(made.intercept, 2),
        "weights": {name: round(float(weight), 2) for name, weight in zip(made.names, made.weights, strict=True)},
        "sets": {},
    }
    for dataset in datasets:
        for ranker in RANKERS:
            chosen = [n for n, asked in enumerate(given) if (asked.dataset, asked.ranker) == (dataset.name, ranker)]
            figures["sets"][f"{dataset.name}, {ranker}"] = _figures([given[n] for n in chosen], unseen[chosen])
    return figures


def auc(answered: Sequence[float], unanswered: Sequence[float]) -> float:
    """The chance that a question with an answer has the higher number; ties count half (Mann and Whitney)."""
    difference = np.subtract.outer(np.array(answered), np.array(unanswered))
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _chances(given: Sequence[Asked], by: Fit) -> NDArray[np.float64]:
    """(n,) of every question; 0 where nothing was found."""
    found = np.array([bool(asked.values) for asked in given])
    return np.where(found, by.probability(_rows(given, by.names)), 0.0)


def _figures(given: Sequence[Asked], unseen: NDArray[np.float64]) -> dict[str, Any]:
    answered = np.array([asked.answered for asked in given])
    numbers = {"answerable": unseen} | {
        name: np.array([asked.support[name] for asked in given]) for name in ("coverage", "cosine")
    }
    weight = _even(answered)
    place = np.minimum((unseen * _BINS).astype(int), _BINS - 1)
    return {
        "questions": [int(answered.sum()), int((~answered).sum())],
        "auc": {name: round(auc(values[answered], values[~answered]), 3) for name, values in numbers.items()},
        "calibration": [
            {
                "from": n / _BINS, "to": (n + 1) / _BINS, "questions": int(here.sum()),
                "said": round(float(np.average(unseen[here], weights=weight[here])), 3),
                "answered": round(float(np.average(answered[here], weights=weight[here])), 3),
            }
            for n in range(_BINS)
            if (here := place == n).any()
        ],
        "below": {
            str(least): {
                "answered": round(float((unseen[answered] < least).mean()), 3),
                "unanswered": round(float((unseen[~answered] < least).mean()), 3),
            }
            for least in (0.2, 0.3, 0.4, 0.5, 0.6)
        },
    }  # fmt: skip


def _even(answered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,) weights by which there are as many questions without an answer as with one; their sum is 1."""
    weights: NDArray[np.float64] = np.where(
        answered, 0.5 / max(int(answered.sum()), 1), 0.5 / max(int((~answered).sum()), 1)
    )
    return weights


def _rows(given: Sequence[Asked], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[asked.values.get(name, 0.0) for name in names] for asked in given])
