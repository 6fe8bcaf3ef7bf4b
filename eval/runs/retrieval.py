"""Retrieval over whole sets: everything in, every question asked, the learned ranker always one that saw other
conversations only.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.adapters import product
from eval.runs import asking, baselines, service, train
from eval.runs.asking import Beside, Outcome
from eval.runs.journal import Journal
from eval.sets.model import Dataset
from memsvc.retrieval import ranker
from memsvc.sdk import MemoryClient

CROSS, SHIPPED, NONE = "cross", "shipped", "none"
# What is switched off, one at a time, by which setting.
STAGES: Mapping[str, Mapping[str, str]] = {
    "words (BM25)": {"MEMSVC_RECALL_LEXICAL_WEIGHT": "0"},
    "meaning (vectors)": {"MEMSVC_RECALL_LEXICAL_WEIGHT": "1"},
    "named time": {"MEMSVC_RECALL_TIME_BOOST": "0"},
    "role prior": {"MEMSVC_RECALL_ASSISTANT_FACTOR": "1"},
}


def run(
    datasets: Sequence[Dataset],
    folder: Path,
    encode: baselines.Encode | None,
    which: str = CROSS,
    *,
    learn: Sequence[Dataset] | None = None,
    manifest: Mapping[str, Any] | None = None,
    keep: Callable[[list[train.Example]], None] | None = None,
    products: Sequence[str] = (),
    environments: Path | None = None,
    quiet: bool = False,
) -> dict[str, Outcome]:
    """Outcomes by set's name, on a service of our own whose data stay in `folder`, beside a line for each conversation
    and question: a run that was stopped at any point goes on there. Raises ServiceFailed, and JournalRefused when the
    folder is that of another `manifest`.

    With `which` "cross" each conversation is asked with trees grown on the others, of the sets `learn` or, with None,
    of all sets given; where those have too few questions, without trees. `keep` is given what there is to learn from.
    `products` are asked the same questions, each installed in `environments`, or in `folder`. Raises ProductFailed.
    """
    told = json.loads(json.dumps(manifest or {}))
    with contextlib.ExitStack() as stack:
        written, asked, costs = (
            stack.enter_context(Journal(place, told)) for place in (folder / "written", folder, folder / "costs")
        )

        def peak(size: int) -> None:
            costs.append({"system": asking.OURS, "set": None, "peak_bytes": size})

        left = {(d.name, c.id) for d in datasets for c in d.conversations} - _whole(datasets, asked)
        if left or keep is not None:
            beside = Beside(
                encode,
                [stack.enter_context(product.running(name, environments or folder)) for name in products if left],
                costs.append,
            )
            ranker_at_first = SHIPPED if which == SHIPPED else NONE
            with service.running(folder / "data", peak, MEMSVC_RECALL_RANKER=ranker_at_first) as client:
                for dataset in _union(datasets, learn or ()):
                    done = {line["conversation"] for line in written.records if line["set"] == dataset.name}
                    asking.ingest(dataset, client, written.append, done, quiet=quiet)
                if which != CROSS:
                    _ask(datasets, left, client, which, asked, beside, {}, quiet=quiet)
                else:
                    given = _examples(datasets if learn is None else learn, client, quiet=quiet)
                    plainly = _without_ranker(datasets, client, quiet=quiet)
            if which == CROSS:
                if keep is not None:
                    keep(given)
                grown_on = "" if learn is None else f", grown on {' and '.join(dataset.name for dataset in learn)}"
                for chosen, client, ranked_by in crossed(_union(datasets, learn or ()), given, folder, left, peak):
                    told_by = ranked_by + grown_on * (ranked_by == CROSS)
                    _ask(datasets, chosen & left, client, told_by, asked, beside, plainly, quiet=quiet)
        return {
            dataset.name: asking.collect(dataset, written.records, asked.records, costs.records) for dataset in datasets
        }


def _whole(datasets: Sequence[Dataset], asked: Journal) -> set[tuple[str, str]]:
    """The conversations of which every question has its line."""
    there = {(line["set"], line["conversation"], line["question"]) for line in asked.records}
    return {
        (dataset.name, conversation.id)
        for dataset in datasets
        for conversation in dataset.conversations
        if all((dataset.name, conversation.id, question.id) in there for question in conversation.questions)
    }


def crossed(
    datasets: Sequence[Dataset],
    given: Sequence[train.Example],
    folder: Path,
    only: Collection[tuple[str, str]],
    peak: service.Peak | None = None,
) -> Iterator[tuple[set[tuple[str, str]], MemoryClient, str]]:
    """Fold by fold: its conversations (set and name), a service on `folder`/data whose trees were grown on what the
    others give, and what the ranker is called; of the folds that hold one of `only`.
    """
    dealt = train.folds(datasets)
    for fold in sorted({fold for place, fold in dealt.items() if place in only}):
        seen = [example for example in given if dealt[example.dataset, example.conversation] != fold]
        setting, told = NONE, f"none: only {len(seen)} questions to learn from"
        if len(seen) >= train.MIN_QUESTIONS:
            setting, told = str(folder / f"fold-{fold}.npz"), CROSS
            ranker.save(Path(setting), train.grow(seen))
        with service.running(folder / "data", peak, MEMSVC_RECALL_RANKER=setting) as client:
            yield {place for place, number in dealt.items() if number == fold}, client, told


def ablate(
    datasets: Sequence[Dataset], folder: Path, *, quiet: bool = False
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Stage that is off -> set -> measure -> a value per question, on the data that `run` left in `folder`; "nothing"
    is the whole pipeline before the ranker.
    """
    rows: dict[str, dict[str, dict[str, list[float]]]] = {}
    for stage, settings in {"nothing": {}, **STAGES}.items():
        with service.running(folder / "data", None, MEMSVC_RECALL_RANKER=NONE, **settings) as client:
            rows[stage] = {dataset.name: _ranked(dataset, client, quiet=quiet) for dataset in datasets}
    return rows


def learn(datasets: Sequence[Dataset], *, quiet: bool = False) -> list[train.Example]:
    """Examples of all questions, for the weights that are shipped."""
    with service.running(MEMSVC_RECALL_RANKER=NONE) as client:
        for dataset in datasets:
            asking.ingest(dataset, client, quiet=quiet)
        return _examples(datasets, client, quiet=quiet)


def _union(datasets: Sequence[Dataset], others: Sequence[Dataset]) -> list[Dataset]:
    """Each set once, by its name."""
    return list({dataset.name: dataset for dataset in (*others, *datasets)}.values())


def _examples(datasets: Sequence[Dataset], client: MemoryClient, *, quiet: bool) -> list[train.Example]:
    """What the ranker learns from."""
    given: list[train.Example] = []
    with asking.bars(quiet=quiet) as progress:
        for dataset in datasets:
            for conversation in progress.track(dataset.conversations, description=f"{dataset.name}: features"):
                given += train.examples(client, dataset, conversation)
    return given


def _without_ranker(
    datasets: Sequence[Dataset], client: MemoryClient, *, quiet: bool
) -> dict[str, dict[str, dict[str, float]]]:
    """Without the ranker, by set and conversation, each question's figures."""
    plainly = {}
    with asking.bars(quiet=quiet) as progress:
        for dataset in datasets:
            for conversation in progress.track(dataset.conversations, description=f"{dataset.name}: without ranker"):
                plainly[asking.namespace(dataset, conversation)] = asking.rank_only(dataset, conversation, client)
    return plainly


def _ask(
    datasets: Sequence[Dataset],
    only: Collection[tuple[str, str]],
    client: MemoryClient,
    ranked_by: str,
    asked: Journal,
    beside: Beside,
    plainly: Mapping[str, dict[str, dict[str, float]]],
    *,
    quiet: bool,
) -> None:
    """Ask what has no line yet of the conversations of these sets and names."""
    with asking.bars(quiet=quiet) as progress:
        for dataset in datasets:
            chosen = [c for c in dataset.conversations if (dataset.name, c.id) in only]
            if not chosen:
                continue
            bar = progress.add_task(f"{dataset.name}: ask", total=sum(len(c.questions) for c in chosen))
            for conversation in chosen:
                known = plainly.get(asking.namespace(dataset, conversation))
                place = dataset.name, conversation.id
                done = {r["question"] for r in asked.records if (r["set"], r["conversation"]) == place}
                progress.advance(bar, len(done))
                for line in asking.ask(dataset, conversation, client, ranked_by, beside, known, done):
                    asked.append(line)
                    progress.advance(bar)


def _ranked(dataset: Dataset, client: MemoryClient, *, quiet: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with asking.bars(quiet=quiet) as progress:
        for conversation in progress.track(dataset.conversations, description=f"{dataset.name}: ask"):
            for figures in asking.rank_only(dataset, conversation, client).values():
                for measure, value in figures.items():
                    found.setdefault(measure, []).append(value)
    return found
