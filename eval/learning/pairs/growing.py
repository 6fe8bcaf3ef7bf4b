"""Grows the judge of pairs, and proves it on kinds of attributes and on languages that it did not see.

A network over the vectors is trained with torch and read by numpy; what it says of the pairs that its trees learn from
comes from networks that did not see those sentences, else the trees would trust it too much.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray

from eval.learning.pairs.frames import Said
from eval.measures.distillation import units
from eval.runs import train
from eval.sets.model import Dataset
from memsvc.consolidate import judge, relate, trait
from memsvc.consolidate.judge import Judge, Network
from memsvc.consolidate.trait import Trait
from memsvc.distill import compose
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import Assertion, MemoryUnit
from memsvc.models import tokens
from memsvc.models.trees import Trees

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
Rows = NDArray[np.float32]
SEED = 20240508
FOLDS = 4
HIDDEN = 48
# The share of pairs that end one another of which the trees need not be asked.
_LOST = 0.02
_EPOCHS, _BATCH = 16, 512
# Of the pairs of statements of one person's talk, of which nearly none ends another.
_SUREST_A_PERSON = 600
_OTHERS_A_PERSON = 300
# Some of them are true changes that nobody marked.
_TALK_WEIGHT = 1.0
# How units name who speaks: a user without a name, a first name, a full one.
SPEAKERS = (None, "Ana", None, "Karl", "Mei Tan", "Jonas Weber")
_EARLIER = dt.datetime(2024, 1, 10, 10, tzinfo=dt.UTC)
_LATER = dt.datetime(2024, 3, 12, 10, tzinfo=dt.UTC)
PARAMETERS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "max_depth": 7, "min_data_in_leaf": 25,
    "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5, "seed": SEED,
    "deterministic": True, "force_row_wise": True, "num_threads": 2, "verbose": -1,
}  # fmt: skip
ROUNDS = 350


@dataclass(frozen=True, slots=True)
class Example:
    """A pair of statements with their vectors, (d,) float32 each; `said` None for a pair of other people's talk."""

    earlier: Trait
    later: Trait
    vectors: tuple[Rows, Rows]
    ends: bool
    said: Said | None = None

    @property
    def fold(self) -> int:
        """Whole kinds fall into one fold, whatever the language; so does a talk's conversation."""
        return zlib.crc32((self.said.kind if self.said else self.earlier.session_id).encode()) % FOLDS

    @property
    def sentence_fold(self) -> int:
        """Pairs of one earlier sentence fall into one fold."""
        return zlib.crc32((self.said.earlier if self.said else self.earlier.session_id).encode()) % FOLDS


def made(said: Iterable[Said], encode: Encode) -> list[Example]:
    """The pairs of statements that are distilled from what is said; a sentence without a statement gives none."""
    told: dict[tuple[str, str | None, dt.datetime], MemoryUnit | None] = {}
    pairs = []
    for pair in said:
        speaker = SPEAKERS[zlib.crc32(f"{pair.language} {pair.kind}".encode()) % len(SPEAKERS)]
        keys = (pair.earlier, speaker, _EARLIER), (pair.later, speaker, _LATER)
        for key in keys:
            if key not in told:
                told[key] = _statement(*key)
        earlier, later = (told[key] for key in keys)
        if earlier is not None and later is not None:
            pairs.append((earlier, later, pair))
    return _encoded(pairs, encode)


def talk(dataset: Dataset, encode: Encode, network: Network) -> list[Example]:
    """Pairs of what one person says in a conversation, as much alike as the judge is asked about: those of which the
    network is surest, and some others. They count as ending nothing, which is true of nearly all.
    """
    draw = np.random.default_rng(SEED)
    found = []
    for conversation in dataset.conversations:
        own = [unit for _, unit in units(conversation) if unit.subject and unit.assertion is not Assertion.QUESTION]
        assistants = {turn.speaker or turn.role.title() for turn in conversation.turns if turn.role == "assistant"}
        for person in sorted({unit.subject for unit in own if unit.subject} - assistants):
            said = sorted((u for u in own if u.subject == person), key=lambda unit: (unit.t_mention, unit.id))
            rows = encode([unit.text for unit in said])
            one, two = np.nonzero(np.triu(rows @ rows.T >= judge.LEAST_COSINE, 1))
            order = np.argsort(-network.verdicts(rows[one], rows[two]), kind="stable")
            other = draw.permutation(len(order))[:_OTHERS_A_PERSON]
            for place in dict.fromkeys([*order[:_SUREST_A_PERSON].tolist(), *other.tolist()]):
                earlier, later = said[one[place]], said[two[place]]
                pair = _trait(earlier, conversation.id), _trait(later, conversation.id)
                if earlier.t_mention < later.t_mention and relate.judgeable(pair[1], pair[0]):
                    found.append(Example(*pair, (rows[one[place]], rows[two[place]]), ends=False))
    return found


def _encoded(pairs: Sequence[tuple[MemoryUnit, MemoryUnit, Said]], encode: Encode) -> list[Example]:
    texts = list(dict.fromkeys(unit.text for one, other, _ in pairs for unit in (one, other)))
    rows = dict(zip(texts, encode(texts), strict=True))
    return [
        Example(_trait(one), _trait(other), (rows[one.text], rows[other.text]), said.ends, said)
        for one, other, said in pairs
    ]


def _statement(text: str, speaker: str | None, at: dt.datetime) -> MemoryUnit | None:
    message = Message("m", "s", "e", Role.USER, speaker, text, at)
    made = compose.distill(
        [message], preceding=(), participants=(), namespace_id="pairs", count_tokens=tokens.count
    ).units
    return max(made, key=lambda unit: len(unit.text)) if made else None


def _trait(unit: MemoryUnit, session: str = "") -> Trait:
    dates = (unit.time.start, unit.time.end) if unit.time else None
    return trait.read(
        id=unit.id, kind=unit.kind, text=unit.text, subject=unit.subject, persons=unit.persons, entities=unit.entities,
        session_id=session, message_ids=(), said_at=unit.t_mention, is_assistants=False, dates=dates,
        core_end=unit.core_end, assertion=unit.assertion,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grown:
    """What `judge.save` takes: `plain` are trees that see no vector."""

    told: Rows
    network: Network
    trees: Trees
    plain: Trees


def network(examples: Sequence[Example]) -> Network:
    """The network alone, trained on all examples."""
    return _network(_rows(examples), *_answers(examples), np.arange(len(examples)))


def grow(examples: Sequence[Example]) -> Grown:
    """The judge of all examples."""
    everything = np.arange(len(examples))
    rows = _rows(examples)
    numbers = _numbers(examples)
    ends, weight = _answers(examples)
    folds = np.array([example.sentence_fold for example in examples])
    words = [judge.wording(example.earlier, example.later) for example in examples]
    verdicts = np.zeros(len(examples), dtype=np.float32)
    sums = np.zeros(len(examples), dtype=np.float32)
    for fold in range(FOLDS):
        seen, unseen = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(unseen):
            verdicts[unseen] = _network(rows, ends, weight, seen).verdicts(rows[0][unseen], rows[1][unseen])
            told = _told(words, ends, weight, seen)
            sums[unseen] = [told[words[place]].sum() for place in unseen]
    plain = np.column_stack([numbers, sums])
    made = np.array([example.said is not None for example in examples])
    least = float(np.quantile(verdicts[made & (ends > 0)], _LOST))
    return Grown(
        told=_told(words, ends, weight, everything),
        network=replace(_network(rows, ends, weight, everything), least=least),
        trees=_trees(np.column_stack([plain, cosines(rows), verdicts]), ends, weight),
        plain=_trees(plain, ends, weight),
    )


def cross_validated(examples: Sequence[Example], held: Callable[[Example], int | str]) -> NDArray[np.float32]:
    """(n,) float32: what judges say that did not see the examples of the same `held` (a fold, a language)."""
    groups = np.array([str(held(example)) for example in examples])
    found = np.zeros(len(examples), dtype=np.float32)
    for group in sorted(set(groups)):
        seen = [example for example, name in zip(examples, groups, strict=True) if name != group]
        unseen = [example for example, name in zip(examples, groups, strict=True) if name == group]
        found[groups == group] = scores(grow(seen), unseen)
    return found


def scores(grown: Grown, examples: Sequence[Example]) -> NDArray[np.float32]:
    """(n,) float32 within 0..1."""
    return Judge(grown.told, grown.network, grown.trees).scores(
        [(e.earlier, e.later) for e in examples], _rows(examples)
    )


def cosines(rows: tuple[Rows, Rows]) -> Rows:
    found: Rows = (rows[0] * rows[1]).sum(axis=1)
    return found


def _rows(examples: Sequence[Example]) -> tuple[Rows, Rows]:
    return np.stack([e.vectors[0] for e in examples]), np.stack([e.vectors[1] for e in examples])


def _numbers(examples: Sequence[Example]) -> Rows:
    return np.array([judge.numbers(e.earlier, e.later) for e in examples], dtype=np.float32)


def _answers(examples: Sequence[Example]) -> tuple[Rows, Rows]:
    ends = np.array([e.ends for e in examples], dtype=np.float32)
    return ends, np.array([1.0 if e.said else _TALK_WEIGHT for e in examples], dtype=np.float32)


def _trees(rows: Rows, ends: Rows, weight: Rows) -> Trees:
    data = lightgbm.Dataset(rows, ends, weight=weight)
    return train.trees(lightgbm.train(PARAMETERS, data, num_boost_round=ROUNDS).dump_model()["tree_info"])


def _told(words: Sequence[Sequence[int]], ends: Rows, weight: Rows, seen: NDArray[np.intp]) -> Rows:
    """(BUCKETS,) float32: how much each bucket of words speaks for an end, by logistic regression."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    bag = torch.nn.EmbeddingBag(judge.BUCKETS, 1, mode="sum")
    torch.nn.init.zeros_(bag.weight)
    bias = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([*bag.parameters(), bias], lr=5e-3, weight_decay=0.1)
    for _ in range(_EPOCHS):
        order = seen[torch.randperm(len(seen)).numpy()]
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            flat = torch.tensor([bucket for place in places for bucket in words[place]])
            sizes = np.array([len(words[place]) for place in places])
            starts = torch.tensor(np.concatenate([[0], np.cumsum(sizes)[:-1]]))
            found = bag(flat, starts)[:, 0] + bias
            step = torch.nn.functional.binary_cross_entropy_with_logits(
                found, torch.tensor(ends[places]), torch.tensor(weight[places])
            )
            optimiser.zero_grad()
            step.backward()
            optimiser.step()
    told: Rows = bag.weight.detach().numpy()[:, 0].astype(np.float32)
    return told


def _network(rows: tuple[Rows, Rows], ends: Rows, weight: Rows, seen: NDArray[np.intp]) -> Network:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    width = rows[0].shape[1]
    data = [torch.tensor(part[seen]) for part in (*rows, ends, weight)]
    network = torch.nn.Sequential(
        torch.nn.Dropout(0.3), torch.nn.Linear(4 * width, HIDDEN), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(HIDDEN, 1),
    )  # fmt: skip

    def judged(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = network(torch.cat([a, b, 20 * a * b, 4 * (a - b).abs()], dim=1))[:, 0]
        return found

    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    for _ in range(_EPOCHS):
        order = torch.randperm(len(seen))
        for start in range(0, len(order), _BATCH):
            one, other, answer, counts = (part[order[start : start + _BATCH]] for part in data)
            step = torch.nn.functional.binary_cross_entropy_with_logits(judged(one, other), answer, counts)
            optimiser.zero_grad()
            step.backward()
            optimiser.step()

    def weights(layer: torch.nn.Module, name: str = "weight") -> Rows:
        found: Rows = getattr(layer, name).detach().numpy().T.astype(np.float32).copy()
        return found

    return Network(
        weights(network[1]), weights(network[1], "bias"), weights(network[4])[:, 0],
        float(weights(network[4], "bias")[0]),
    )  # fmt: skip
