"""The commands of `memsvc eval`. What they need is imported by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
import typer

from memsvc import errors
from memsvc.settings import Settings

app = typer.Typer(help="Measure recall on published conversations.", no_args_is_help=True)
Ranker = Literal["cross", "shipped", "none"]
_SET = "LoCoMo, LongMemEval, one of your own: a file; BEAM: a folder; MemoryBank: its folder or a file of it."
_SETS = f"{_SET} May be repeated."


@app.command()
def retrieval(
    data: Annotated[list[Path], typer.Option(help=_SETS)],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page with tables and plots.")] = None,
    url: Annotated[str | None, typer.Option(help="Use a running service instead of starting one.")] = None,
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each set.")] = None,
    baselines: Annotated[bool, typer.Option(help="Measure the baselines in the same run.")] = True,
    ranker: Annotated[Ranker, typer.Option(help="cross: of each conversation one that did not see it.")] = "cross",
    ablate: Annotated[bool, typer.Option(help="Also with each stage switched off.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Write the ranker grown on all questions here.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one there goes on.")] = None,
    learn: Annotated[
        list[Path] | None, typer.Option(help="What the ranker learns from [those of --data]. May be repeated.")
    ] = None,
    products: Annotated[
        list[str] | None, typer.Option("--with", help="mem0, or MODULE:CLASS of an adapter. May be repeated.")
    ] = None,
    environments: Annotated[
        Path | None, typer.Option(help="Where products are installed, each on its own [the user's cache].")
    ] = None,
    answer: Annotated[bool, typer.Option("--answers", help="Answers instead: `eval answers` with --out.")] = False,
    questions: Annotated[int | None, typer.Option(min=1, help="--answers: so many of each conversation.")] = None,
) -> None:
    """Retrieval on published sets: ingest every conversation, ask every question, compare with baselines."""
    from memsvc import rooms

    if questions is not None and not answer:
        raise errors.Invalid("Retrieval asks all questions.", "Leave --questions out, or give --answers too.")
    if answer:
        if len(data) != 1 or out is None or json_out or html or url or ablate or weights or learn or products:
            raise errors.Invalid(
                "Answers are of one set, in a folder.",
                "Give one --data and --out FOLDER; beside them only --conversations, --questions and --ranker.",
            )
        return answers(data[0], out, conversations, questions, ranker=ranker)
    if learn and (url or ranker != "cross"):
        raise errors.Invalid("Trees are grown for --ranker cross alone.", "Leave --learn out, or --url and --ranker.")
    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(
        evaluation.retrieval(
            data, json_out, html, base_url=url, limit_conversations=conversations, with_baselines=baselines,
            which=ranker, ablate=ablate, weights=weights, folder=out, learn_from=learn or (),
            products=products or (), environments=environments or platformdirs.user_cache_path("memsvc") / "products",
        )
    )  # fmt: skip


# The sets by their names: the same command, and the format is read from the file.
for _name in ("locomo", "beam", "longmemeval", "memorybank", "own"):
    app.command(_name, help=f"Retrieval on {_name}: as `eval retrieval`.")(retrieval)


@app.command()
def support(
    learn: Annotated[list[Path], typer.Option(help="What it is fitted on. May be repeated.")],
    data: Annotated[list[Path] | None, typer.Option(help=f"Measured too. {_SETS}")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; what is in there already stays in.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
) -> None:
    """Fit the number to abstain by on questions with and without answers: coefficients, ROC AUC, calibration."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.support(learn, data or (), out, json_out))


@app.command()
def grounding(
    data: Annotated[Path, typer.Option(help=_SET)],
    model: Annotated[str, typer.Option(help="As MEMSVC_READER_MODEL.")] = "smollm2",
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="So many of each conversation, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; what is in there already stays in.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all answers.")] = None,
) -> None:
    """The service's answers by a model as they come, where they are grounded, and quoted without it: how many are
    right, wrong with a citation, or silent; of LoCoMo its official F1 too.
    """
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import bench

    sys.exit(
        bench.of_answers(data, model, out, json_out, conversations=conversations, per_conversation=questions, seed=seed)
    )


@app.command()
def answers(
    data: Annotated[Path, typer.Option(help=_SET)],
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished one there goes on.")],
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="So many of each conversation, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    budget: Annotated[int, typer.Option(min=64, help="Tokens of every contestant's context.")] = 256,
    full: Annotated[int, typer.Option(min=64, help="Tokens of the full context, as far as it fits.")] = 1500,
    ranker: Annotated[Ranker, typer.Option(help="cross: of each conversation one that did not see it.")] = "cross",
) -> None:
    """Answers of one reader (MEMSVC_GENERATOR_MODEL, …_URL; else the small local model) given nothing, recent turns,
    all, a hybrid, and memsvc.
    """
    from memsvc import loading, rooms
    from memsvc.models import local

    settings = Settings()
    if not settings.generator.model and not settings.generator.url and local.is_installed():
        settings.generator = settings.generator.model_copy(update={"model": local.SMALL_MODEL})
    reader = loading.generator(settings)
    if reader is None:
        raise errors.Invalid("Answers need a reader.", "Set MEMSVC_GENERATOR_MODEL, for example to smollm2.")
    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(
        evaluation.answers(
            data, out, reader, limit_conversations=conversations, per_conversation=questions, seed=seed,
            budgets_tokens=(budget, full), which=ranker,
        )
    )  # fmt: skip


@app.command()
def steps(
    data: Annotated[Path, typer.Option(help=_SET)],
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="So many of each conversation, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    url: Annotated[
        str | None, typer.Option("--generator-url", help="OpenAI-compatible endpoint [MEMSVC_GENERATOR_URL].")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--generator", help="The model [MEMSVC_GENERATOR_MODEL; else the small local one].")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one there goes on.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
) -> None:
    """What a language model brings at each step, on copies of the same memory, and what it costs (key:
    MEMSVC_GENERATOR_API_KEY).
    """
    from memsvc import rooms
    from memsvc.models import local

    settings = Settings()
    name, address = model or settings.generator.model, url or settings.generator.url
    if name is None and address is None and local.is_installed():
        name = local.SMALL_MODEL
    if name is None:
        raise errors.Invalid(
            "The steps need a language model.", "Give --generator, and --generator-url of an endpoint."
        )
    if address is not None and settings.reader.model is not None:
        raise errors.Invalid("MEMSVC_READER_MODEL would answer in the place of the endpoint.", "Unset it for this run.")
    rooms.make_importable()
    from eval.commands import steps as evaluation
    from eval.runs.steps import Model

    sys.exit(
        evaluation.steps(
            data, Model(name, address, judges=address is not None or name != local.SMALL_MODEL), out, json_out,
            conversations=conversations, per_conversation=questions, seed=seed,
        )
    )  # fmt: skip


@app.command()
def reuse(
    part: Annotated[str, typer.Option(help="reporting, or choosing, by which the thresholds were set.")] = "reporting",
    url: Annotated[
        str | None, typer.Option("--generator-url", help="OpenAI-compatible endpoint [MEMSVC_GENERATOR_URL].")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--generator", help="A model that tells questions apart too [MEMSVC_GENERATOR_MODEL].")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
) -> None:
    """How often an answer is given again to a question in other words, and how often wrongly. Needs no model: one is
    played that knows the answers; with one it is measured how well that tells questions apart (key:
    MEMSVC_GENERATOR_API_KEY).
    """
    from memsvc import loading, rooms

    settings = Settings()
    given = {name: value for name, value in (("url", url), ("model", model)) if value is not None}
    settings.generator = settings.generator.model_copy(update=given)
    judge = loading.generator(settings)
    if settings.reader.model is not None:
        raise errors.Invalid(
            "MEMSVC_READER_MODEL would answer in the place of the played one.", "Unset it for this run."
        )
    rooms.make_importable()
    from eval.commands import reuse as evaluation

    sys.exit(evaluation.reuse(part, json_out, judge))


@app.command()
def judge(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run of `eval answers`.")],
    url: Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint [MEMSVC_GENERATOR_URL].")] = None,
    model: Annotated[str | None, typer.Option(help="The judge [MEMSVC_GENERATOR_MODEL].")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the verdicts [RUN/judged-MODEL].")] = None,
) -> None:
    """What a language model thinks of answers, under three prompts side by side (key: MEMSVC_GENERATOR_API_KEY)."""
    from memsvc import loading, rooms
    from memsvc.models.generator import GeneratorFailed

    settings = Settings()
    given = {name: value for name, value in (("url", url), ("model", model)) if value is not None}
    chosen = settings.generator = settings.generator.model_copy(update=given)
    loaded = loading.generator(settings)
    if loaded is None:
        raise errors.Invalid("Judging needs a model.", "Give --url and --model.")
    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(
        evaluation.judge(run, out, loaded, GeneratorFailed, max_tokens=chosen.max_tokens, timeout_s=chosen.timeout_s)
    )


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run of `eval answers`.")],
    second: Annotated[Path, typer.Argument(help="Folder of another, over the same data.")],
) -> None:
    """What changed from one run of answers to another, paired by question."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.compare(first, second))


@app.command("report")
def write_report(
    results: Annotated[list[Path], typer.Argument(help="JSON of `eval retrieval`, summary.json of `eval answers`, …")],
    page: Annotated[Path | None, typer.Option(help="Markdown whose figures to renew, between its marks.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page with tables and plots.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots as PNG.")] = None,
) -> None:
    """Tables and plots of runs that are done; without options the tables as Markdown."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.write_report(results, page, html, plots))


@app.command()
def train(
    data: Annotated[list[Path], typer.Option(help=_SETS)],
    out: Annotated[Path, typer.Option(help="Where to write the weights (.npz), for MEMSVC_RECALL_RANKER.")],
    card: Annotated[Path | None, typer.Option(help="Where to write what they saw (JSON).")] = None,
) -> None:
    """Grow the learned ranker on questions with known evidence."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.learn(data, out, card))


@app.command()
def distillation(
    data: Annotated[list[Path], typer.Option(help=_SETS)],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to draw coverage against compression (PNG).")] = None,
) -> None:
    """What the distiller keeps: compression, answer words, dates, speed. Starts no service."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.distillation(data, json_out, plot))


@app.command()
def compression(
    data: Annotated[list[Path], typer.Option(help=_SETS)],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each set.")] = None,
) -> None:
    """What compressed vectors cost and lose: bytes, time, neighbours, evidence found. Starts no service."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import evaluation

    sys.exit(evaluation.compression(data, json_out, conversations))


@app.command()
def pairs(
    data: Annotated[list[Path], typer.Option(help=f"Talk in which hardly anything changes. {_SETS}")],
    out: Annotated[Path, typer.Option(help="Where to write the weights (.npz).")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    cross: Annotated[bool, typer.Option(help="Measure on kinds and languages that were left out; four times.")] = True,
) -> None:
    """Grow the judge of what ends what, on pairs made for it. Starts no service."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.learning.pairs import measuring

    sys.exit(measuring.pairs(data, out, json_out, cross=cross))


def bench(
    what: Annotated[
        Literal["capacity", "promote", "cells", "reader", "batches", "chunks"],
        typer.Argument(
            help="how far one machine goes; a namespace with its vectors in the database; three cells beside one; the "
            "model that answers; two experiments with what it reads."
        ),
    ] = "capacity",
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
    messages: Annotated[
        str, typer.Option(help="capacity: sizes of one namespace, by comma; promote: one.")
    ] = "1000,10000",
    namespaces: Annotated[str, typer.Option(help="capacity: numbers of namespaces, by comma.")] = "10,1000",
    repeats: Annotated[int, typer.Option(min=1, help="capacity: of each measurement; medians are told.")] = 3,
    folder: Annotated[
        Path | None, typer.Option(help="capacity: what is found so far; the same command goes on there.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="capacity: a checkout's folder or a commit, measured in turn; ratios are told.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="of the model: a folder or a name; default: the small one.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="reader, chunks: a set whose talk is read; default: made up.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="capacity, reader: folder for plots (PNG).")] = None,
    quick: Annotated[bool, typer.Option(help="reader: fewer sizes, questions and histories.")] = False,
) -> None:
    """Speed and size of the service beside plain libraries; of answers; of prefixes read together, or of lines."""
    from memsvc import rooms

    rooms.make_importable()
    from eval.commands import bench

    if what == "capacity":
        sys.exit(bench.of_capacity(messages, namespaces, repeats, folder, against, json_out, plots))
    if what == "promote":
        sys.exit(bench.of_promotion(messages, folder, json_out))
    if what == "cells":
        sys.exit(bench.of_cells(json_out))
    models = Settings().server.folder / "models"
    if what == "reader":
        sys.exit(bench.of_reader(model, models, data, json_out, plots, quick=quick))
    sys.exit(bench.of_experiment(what, model, models, data, json_out))
