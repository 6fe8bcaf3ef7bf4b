"""Retrieval over whole sets: everything in, every question asked, the learned ranker always one that saw other
conversations only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from eval import baselines, runs, service, train
from eval.datasets.model import Dataset
from eval.runs import Outcome
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
    keep: Callable[[list[train.Example]], None] = lambda examples: None,
    quiet: bool = False,
) -> dict[str, Outcome]:
    """Outcomes by set's name, on a service of our own whose data stay in `folder`. Raises ServiceFailed.

    With `which` "cross" each conversation is asked with trees grown on the others (of all sets given); where those have
    too few questions, without trees. `keep` is given what there is to learn from.
    """
    outcomes = {dataset.name: Outcome(ranker=which) for dataset in datasets}
    data = folder / "data"
    with service.running(data, MEMSVC_RECALL_RANKER=SHIPPED if which == SHIPPED else NONE) as client:
        for dataset in datasets:
            runs.ingest(dataset, client, outcomes[dataset.name], quiet=quiet)
        if which != CROSS:
            _ask(datasets, None, client, outcomes, encode, {}, quiet=quiet)
            return outcomes
        given, plainly = _without_ranker(datasets, client, quiet=quiet)
    keep(given)
    for chosen, client, told in crossed(datasets, given, folder):
        asked = [d for d in datasets if any((d.name, c.id) in chosen for c in d.conversations)]
        for dataset in asked:
            if told != CROSS:
                outcomes[dataset.name].ranker = told
        _ask(asked, chosen, client, outcomes, encode, plainly, quiet=quiet)
    return outcomes


def crossed(
    datasets: Sequence[Dataset], given: Sequence[train.Example], folder: Path, only: Collection[str] | None = None
) -> Iterator[tuple[set[tuple[str, str]], MemoryClient, str]]:
    """Fold by fold: its conversations (set and name), a service on `folder`/data whose trees were grown on what the
    others give, and what the ranker is called. With `only` the folds that hold a conversation of these names.
    """
    dealt = train.folds(datasets)
    for fold in sorted({fold for (_, name), fold in dealt.items() if only is None or name in only}):
        seen = [example for example in given if dealt[example.dataset, example.conversation] != fold]
        setting, told = NONE, f"none: only {len(seen)} questions to learn from"
        if len(seen) >= train.MIN_QUESTIONS:
            setting, told = str(folder / f"fold-{fold}.npz"), CROSS
            ranker.save(Path(setting), train.grow(seen))
        with service.running(folder / "data", MEMSVC_RECALL_RANKER=setting) as client:
            yield {place for place, number in dealt.items() if number == fold}, client, told


def ablate(
    datasets: Sequence[Dataset], folder: Path, *, quiet: bool = False
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Stage that is off -> set -> measure -> a value per question, on the data that `run` left in `folder`; "nothing"
    is the whole pipeline before the ranker.
    """
    rows: dict[str, dict[str, dict[str, list[float]]]] = {}
    for stage, settings in {"nothing": {}, **STAGES}.items():
        with service.running(folder / "data", MEMSVC_RECALL_RANKER=NONE, **settings) as client:
            rows[stage] = {dataset.name: _ranked(dataset, client, quiet=quiet) for dataset in datasets}
    return rows


def learn(datasets: Sequence[Dataset], *, quiet: bool = False) -> list[train.Example]:
    """Examples of all questions, for the weights that are shipped."""
    with service.running(MEMSVC_RECALL_RANKER=NONE) as client:
        for dataset in datasets:
            runs.ingest(dataset, client, Outcome(), quiet=quiet)
        return _without_ranker(datasets, client, quiet=quiet)[0]


def _without_ranker(
    datasets: Sequence[Dataset], client: MemoryClient, *, quiet: bool
) -> tuple[list[train.Example], dict[str, dict[str, dict[str, float]]]]:
    """What the ranker learns from; and without it, by set and conversation, each question's figures."""
    given: list[train.Example] = []
    plainly = {}
    with runs.bars(quiet=quiet) as progress:
        for dataset in datasets:
            learning = progress.add_task(f"{dataset.name}: features", total=len(dataset.conversations))
            for conversation in dataset.conversations:
                given += train.examples(client, dataset, conversation)
                plainly[runs.namespace(dataset, conversation)] = runs.rank_only(dataset, conversation, client)
                progress.advance(learning)
    return given, plainly


def _ask(
    datasets: Sequence[Dataset],
    only: set[tuple[str, str]] | None,
    client: MemoryClient,
    outcomes: Mapping[str, Outcome],
    encode: baselines.Encode | None,
    plainly: Mapping[str, dict[str, dict[str, float]]],
    *,
    quiet: bool,
) -> None:
    """Ask the conversations of these sets and names, or all."""
    with runs.bars(quiet=quiet) as progress:
        for dataset in datasets:
            chosen = [c for c in dataset.conversations if only is None or (dataset.name, c.id) in only]
            asking = progress.add_task(f"{dataset.name}: ask", total=sum(len(c.questions) for c in chosen))
            for conversation in chosen:
                known = plainly.get(runs.namespace(dataset, conversation))
                for _ in runs.ask(dataset, conversation, client, outcomes[dataset.name], encode, known):
                    progress.advance(asking)


def _ranked(dataset: Dataset, client: MemoryClient, *, quiet: bool) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    with runs.bars(quiet=quiet) as progress:
        for conversation in progress.track(dataset.conversations, description=f"{dataset.name}: ask"):
            for figures in runs.rank_only(dataset, conversation, client).values():
                for measure, value in figures.items():
                    found.setdefault(measure, []).append(value)
    return found
