"""The evaluation behind `memsvc eval`."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from eval.adapters import product
from eval.adapters.product import ProductFailed
from eval.report import capacity, cells, html, markdown, reuse
from eval.report import retrieval as reported
from eval.report import steps as by_step
from eval.runs import answering, asking, baselines, comparison, judging, provenance, service, train
from eval.runs import retrieval as measurement
from eval.runs.journal import Journal, JournalRefused
from eval.sets import read
from eval.sets.model import BadDataset, Dataset
from memsvc.errors import MemsvcError
from memsvc.retrieval import ranker
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import MemsvcClientError


def retrieval(
    data: Sequence[Path],
    json_out: Path | None,
    html_out: Path | None = None,
    *,
    base_url: str | None = None,
    limit_conversations: int | None = None,
    with_baselines: bool = True,
    which: str = measurement.CROSS,
    ablate: bool = False,
    weights: Path | None = None,
    folder: Path | None = None,
    learn_from: Sequence[Path] = (),
    products: Sequence[str] = (),
    environments: Path,
) -> int:
    """Retrieval over sets of any of the formats; the exit status (2: a file or the service failed, with the reason).

    Without `base_url` a service is started on a temporary folder; with it, MEMSVC_API_KEY names the key, and the
    ranker is the service's own, whatever it saw. The ranker learns from the sets of `learn_from`, else from those
    measured; with `weights` those grown on all their questions are written too. A run in `folder` that ended early goes
    on from there. `products` are other products asked the same questions, each installed in `environments`.
    """

    def keep(examples: list[train.Example]) -> None:
        assert weights is not None
        _grow(examples, learnt or datasets, weights)

    try:
        datasets = {path: _limited(read(path), limit_conversations) for path in data}
        learnt = {path: _limited(read(path), limit_conversations) for path in learn_from}
        _told_apart(datasets, learnt)
        _folders(json_out, html_out, weights)
        encode = baselines.minilm_encoder() if with_baselines else None
        stages: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]] = {}
        if base_url:
            with MemoryClient(base_url) as client:
                outcomes = _on_a_service(list(datasets.values()), client, encode, products, environments)
        else:
            told = _manifest(datasets, learnt, which, limit_conversations, products, with_baselines=with_baselines)
            with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as temporary:
                given = list(datasets.values()), folder or Path(temporary)
                kept = keep if weights is not None else None
                outcomes = measurement.run(
                    *given, encode, which, learn=list(learnt.values()) or None, manifest=told, keep=kept,
                    products=products, environments=environments,
                )  # fmt: skip
                stages = measurement.ablate(*given) if ablate else {}
    except (BadDataset, JournalRefused, ProductFailed, service.ServiceFailed, MemsvcClientError, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {escape(str(error))}[/red]", soft_wrap=True)
        return 2
    results = [_result(path, dataset, outcomes[dataset.name], stages) for path, dataset in datasets.items()]
    if json_out is not None:
        json_out.write_text(json.dumps(results[0] if len(results) == 1 else results, indent=1) + "\n")
    if html_out is not None:
        html_out.write_text(html.page(results), encoding="utf-8")
    return 0


def _result(
    path: Path,
    dataset: Dataset,
    outcome: asking.Outcome,
    stages: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
) -> dict[str, Any]:
    result = reported.build(dataset, outcome, path)
    if stages:
        result["ablation"] = reported.ablation({stage: rows[dataset.name] for stage, rows in stages.items()})
    reported.table(result, Console())
    return result


def answers(
    data: Path,
    folder: Path,
    reader: answering.Reader,
    *,
    limit_conversations: int | None,
    per_conversation: int | None,
    seed: int,
    budgets_tokens: tuple[int, int],
    which: str = measurement.CROSS,
) -> int:
    """Answer the questions of a set with one reader for every contestant; the exit status.

    A run that ended early goes on from `folder`, if nothing that bears on the figures has changed.
    """
    try:
        dataset = read(data)
        manifest = {
            "dataset": dataset.name, "data_sha256": provenance.sha256(data), "reader": reader.name, "seed": seed,
            "conversations": limit_conversations, "per_conversation": per_conversation, "ranker": which,
            "budget_tokens": budgets_tokens[0], "full_tokens": budgets_tokens[1],
            "max_answer_tokens": answering.MAX_ANSWER_TOKENS, "commit": provenance.commit(),
        }  # fmt: skip
        questions = answering.sample(_limited(dataset, limit_conversations), per_conversation, seed)
        wanted = len(answering.CONTESTANTS) * sum(map(len, questions.values()))
        with Journal(folder / "contexts", manifest) as contexts, Journal(folder, manifest) as journal:
            if len(contexts.records) < wanted:
                answering.gather(dataset, questions, contexts, baselines.minilm_encoder(), budgets_tokens, which)
            answering.run(dataset, questions, contexts, reader, journal)
            result = manifest | {
                "rankers": sorted({record["ranker"] for record in contexts.records if "ranker" in record}),
                "contestants": answering.summary(journal.records, dataset.adversarial),
            }
    except (BadDataset, JournalRefused, service.ServiceFailed, MemsvcClientError, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    (folder / "summary.json").write_text(json.dumps(result, indent=1) + "\n")
    Console().print_json(data=result)
    return 0


def judge(
    run: Path, folder: Path | None, by: judging.Judge, away: type[MemsvcError], *, max_tokens: int, timeout_s: float
) -> int:
    """Judge the answers of a finished run; the exit status. `away` is what a judge raises that cannot be reached; what
    was judged until then is kept in `folder`, and the next call goes on.
    """
    try:
        answered, records = judging.finished(run)
        folder = folder or run / f"judged-{re.sub(r'[^A-Za-z0-9._-]+', '-', by.name).strip('-.')}"
        told = judging.manifest(answered, records, by)
        with Journal(folder, told) as journal:
            judging.run(records, by, journal, away, max_tokens=max_tokens, timeout_s=timeout_s)
            result = told | {"commit": provenance.commit(), "verdicts": judging.summary(journal.records)}
    except (judging.NotJudged, JournalRefused, MemsvcError, OSError) as error:
        # A model's own next step is for a service that asks again by itself.
        kept = "What was judged is kept: the same command goes on."
        words = f"{error.detail} {kept}" if isinstance(error, away) else str(error)
        Console(stderr=True).print(f"[red]eval: {escape(words)}[/red]", soft_wrap=True)
        return 2
    (folder / "summary.json").write_text(json.dumps(result, indent=1) + "\n")
    Console().print_json(data=result)
    return 0


def write_report(files: Sequence[Path], page: Path | None, html_out: Path | None, plots: Path | None) -> int:
    """Show runs that are done, of retrieval, of answers or of a bench; the exit status."""
    from eval.report import plots as pictures

    try:
        results = []
        for path in files:
            found = json.loads(path.read_text(encoding="utf-8"))
            results += found if isinstance(found, list) else [found]
        of_readers = [result for result in results if "peaks" in result]
        of_machines = [result for result in results if "namespaces" in result]
        of_cells = [result for result in results if "touched" in result]
        summaries = [result for result in results if "contestants" in result]
        judged = [result for result in results if "verdicts" in result]
        stepped = [result for result in results if "steps" in result]
        reused = [result for result in results if "judges" in result]
        results = [result for result in results if "overall" in result]
        text = "\n".join(
            [
                *([markdown.figures(results)] if results else []), *map(markdown.answers, summaries),
                *map(markdown.verdicts, judged), *map(markdown.reading, of_readers), *map(capacity.tables, of_machines),
                *map(cells.tables, of_cells), *map(by_step.markdown, stepped), *map(reuse.markdown, reused),
            ]
        )  # fmt: skip
        if not text:
            raise ValueError(
                "none of these files holds figures of `eval retrieval`, `answers`, `judge`, `steps`, `reuse`, "
                "or of a `bench`"
            )
        _folders(html_out)
        if page is not None:
            markdown.place(page, text)
        if html_out is not None:
            html_out.write_text(html.page(results, summaries, judged), encoding="utf-8")
        if plots is not None:
            plots.mkdir(parents=True, exist_ok=True)
            for figures in of_readers:
                pictures.reading(figures, plots)
            for figures in of_machines:
                pictures.capacity(figures, plots)
            for result in results:
                for name, png in html.plots(result).items():
                    (plots / f"{result['settings']['dataset']}-{name}.png").write_bytes(png)
    except (OSError, ValueError, KeyError, TypeError, markdown.NoPlace) as error:
        told = (
            f"the figures are of another version ({error!r})" if isinstance(error, KeyError | TypeError) else str(error)
        )
        Console(stderr=True).print(f"[red]eval: {told}[/red]", soft_wrap=True)
        return 2
    if page is None and html_out is None and plots is None:
        Console().print(text, end="", markup=False, soft_wrap=True, highlight=False)
    return 0


def compare(first: Path, second: Path) -> int:
    """Two runs of answers, paired; the exit status."""
    try:
        Console().print_json(data=comparison.compare(first, second))
    except comparison.NotComparable as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    return 0


def learn(data: Sequence[Path], out: Path, card: Path | None) -> int:
    """Grow the ranker on all questions of these sets; the exit status."""
    try:
        datasets = {path: read(path) for path in data}
        _folders(out, card)
        examples = measurement.learn(list(datasets.values()))
    except (BadDataset, service.ServiceFailed, MemsvcClientError, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    figures = _grow(examples, datasets, out)
    Console().print_json(data=figures)
    if card is not None:
        card.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def support(learn_from: Sequence[Path], data: Sequence[Path], folder: Path | None, json_out: Path | None) -> int:
    """Fit the number to abstain by on the sets `learn_from` and print what it is worth on them, by fits that did not
    see the conversation, and on those of `data`; the exit status.
    """
    from eval.learning import support as abstaining

    try:
        learnt, datasets = ({path: read(path) for path in paths} for paths in (learn_from, data))
        _told_apart(learnt, datasets)
        _folders(json_out)
        every = [*learnt.values(), *datasets.values()]
        with tempfile.TemporaryDirectory(prefix="memsvc-eval-") as temporary:
            asked = abstaining.ask(every, folder or Path(temporary))
    except (BadDataset, service.ServiceFailed, MemsvcClientError, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {escape(str(error))}[/red]", soft_wrap=True)
        return 2
    figures = abstaining.measure(asked, list(learnt.values()), every) | {"commit": provenance.commit()}
    Console().print_json(data=figures)
    if json_out is not None:
        json_out.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _grow(examples: list[train.Example], datasets: Mapping[Path, Dataset], out: Path) -> dict[str, Any]:
    """Write the weights grown on all these examples; what they are."""
    trees = train.grow(examples)
    ranker.save(out, trees)
    return {
        "weights": train.digest(trees),
        "trees": len(trees.feature),
        "parameters": train.PARAMETERS | {"rounds": train.ROUNDS, "forests": train.FORESTS, "seed": train.SEED},
        "data": [
            {
                "set": dataset.name, "sha256": provenance.sha256(path), "conversations": len(dataset.conversations),
                "questions": sum(example.dataset == dataset.name for example in examples),
            }
            for path, dataset in datasets.items()
        ],
        "commit": provenance.commit(),
    }  # fmt: skip


def _limited(dataset: Dataset, conversations: int | None) -> Dataset:
    return dataset if conversations is None else replace(dataset, conversations=dataset.conversations[:conversations])


def _told_apart(*given: Mapping[Path, Dataset]) -> None:
    """Conversations and figures are kept by their set's name. Raises BadDataset where two files have one."""
    found: dict[str, Path] = {}
    for path, dataset in (pair for datasets in given for pair in datasets.items()):
        other = found.setdefault(dataset.name, path)
        if other.resolve() != path.resolve():
            raise BadDataset(f"{other} and {path} are both of the form {dataset.name!r}: give one of each form")


def _folders(*files: Path | None) -> None:
    for path in files:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)


def _on_a_service(
    datasets: Sequence[Dataset],
    client: MemoryClient,
    encode: baselines.Encode | None,
    products: Sequence[str],
    environments: Path,
) -> dict[str, asking.Outcome]:
    written: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    costs: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(product.running(name, environments)) for name in products]
        beside = asking.Beside(encode, started, costs.append)
        for dataset in datasets:
            asking.ingest(dataset, client, written.append)
            for conversation in dataset.conversations:
                asked += asking.ask(dataset, conversation, client, "as the service has it", beside)
    return {dataset.name: asking.collect(dataset, written, asked, costs) for dataset in datasets}


def _manifest(
    datasets: Mapping[Path, Dataset],
    learnt: Mapping[Path, Dataset],
    which: str,
    limit_conversations: int | None,
    products: Sequence[str],
    *,
    with_baselines: bool,
) -> dict[str, Any]:
    """What bears on the figures of a run."""
    return {
        "data": {dataset.name: provenance.sha256(path) for path, dataset in datasets.items()},
        "learnt": {dataset.name: provenance.sha256(path) for path, dataset in learnt.items()},
        "ranker": train.digest(ranker.load(ranker.SHIPPED)) if which == measurement.SHIPPED else which,
        "conversations": limit_conversations, "baselines": with_baselines, "products": products, "seed": train.SEED,
        "settings": service.settings(), "packages": service.packages(), "commit": provenance.commit(),
    }  # fmt: skip


def distillation(data: Sequence[Path], json_out: Path | None, plot: Path | None) -> int:
    """Distil whole sets and say what was kept; the exit status (2: a file is not what was expected)."""
    from eval.measures import distillation as distilled
    from eval.report import plots

    console = Console()
    results = []
    curves = {}
    try:
        datasets = [read(path) for path in data]
    except BadDataset as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    for dataset in datasets:
        result = distilled.run(dataset) | {"commit": provenance.commit()}
        results.append(result)
        console.print_json(data=result)
        if plot is not None:
            curves[dataset.name] = distilled.curve(dataset)
            result["curve"] = curves[dataset.name]
    if plot is not None:
        plots.coverage_curve(curves, {r["dataset"]: r["compression"]["all"] for r in results}, plot)
        console.print(f"plot: {plot}")
    if json_out is not None:
        json_out.parent.mkdir(parents=True, exist_ok=True)
        json_out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def compression(data: Sequence[Path], json_out: Path | None, limit_conversations: int | None) -> int:
    """Weigh ways to compress vectors on these sets; the exit status."""
    from eval.experiments import compression as weighed
    from memsvc.models import encoder

    try:
        datasets = [_limited(read(path), limit_conversations) for path in data]
        _folders(json_out)
        loaded = encoder.load(encoder.DEFAULT_MODEL, precision="int8", threads=1, batch_size=8)
        rows = weighed.run(datasets, loaded)
    except (BadDataset, OSError) as error:
        Console(stderr=True).print(f"[red]eval: {error}[/red]", soft_wrap=True)
        return 2
    Console().print_json(data=rows)
    if json_out is not None:
        json_out.write_text(json.dumps({"rows": rows, "commit": provenance.commit()}, indent=1) + "\n")
    return 0
