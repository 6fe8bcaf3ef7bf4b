"""The commands behind memsvc.cli. Heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import rich
import typer
from rich import markup

from memsvc import __version__, administration, errors
from memsvc.settings import ServerSettings, Settings

if TYPE_CHECKING:
    from memsvc.bootstrap import Service
    from memsvc.services.work import Runner

app = typer.Typer(
    help="memsvc: long-term memory for agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Ranker = Literal["cross", "shipped", "none"]
evaluation = typer.Typer(help="Measure recall on published conversations.", no_args_is_help=True)
app.add_typer(evaluation, name="eval")
app.add_typer(administration.keys, name="keys")
app.add_typer(administration.tenants, name="tenants")
app.command("scrub")(administration.scrub)
app.command("export")(administration.export)
app.command("import")(administration.load)


def run() -> None:
    """Run a command; an error of ours ends it with its words and status 2, never with a traceback."""
    # What a command has started is stopped with it, also while it is starting: no database is left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except errors.MemsvcError as error:
        rich.print(f"[red]memsvc: {markup.escape(str(error))}[/red]", file=sys.stderr)
        sys.exit(2)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [MEMSVC_HOST, 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port, 0 for a free one [MEMSVC_PORT, 8377].")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the embedded database lives [MEMSVC_DATA_DIR, the user's data folder].")
    ] = None,
    demo: Annotated[bool | None, typer.Option(help="Fill the namespace `demo` when it is empty.")] = None,
) -> None:
    """Start the service and print its address, its key and a command to try."""
    given: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir, "demo": demo}
    settings = Settings(ServerSettings(**{name: value for name, value in given.items() if value is not None}))
    import uvicorn

    from memsvc import bootstrap, logs, rooms
    from memsvc import demo as demonstration

    logs.configure(settings.logs)
    rooms.make_importable()
    from api.app import create

    # A job's thread that computes must not keep a request waiting for the interpreter's usual 5 ms at every turn.
    sys.setswitchinterval(0.0005)
    listener = _listen(settings.server.host, settings.server.port)
    kicker = None
    if settings.jobs.broker_url is not None:
        from workers import app as celery_app
        from workers.kick import Kicker

        kicker = Kicker(celery_app.create(settings.jobs))
    service = bootstrap.build(settings, kicker.kick) if kicker else bootstrap.build(settings)
    try:
        if settings.server.demo and service.postgres is not None:
            demonstration.fill(service)
        _greet(service, listener.getsockname()[1])
        server = uvicorn.Server(
            uvicorn.Config(create(service), log_level="warning", access_log=False, timeout_graceful_shutdown=10)
        )
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        ended = service.close()
        listener.close()
        if kicker:
            kicker.close()
        if not ended:
            sys.stdout.flush()
            os._exit(0)


@app.command()
def worker(
    processes: Annotated[int | None, typer.Option(min=1, help="Worker processes [MEMSVC_JOB_PROCESSES, 2].")] = None,
) -> None:
    """Run background jobs of a service that uses the same PostgreSQL (MEMSVC_DATABASE_URL).

    Redis (MEMSVC_JOB_BROKER_URL) only carries wake-ups: without it jobs start a few seconds later, and none is lost.
    """
    settings = Settings()
    if settings.jobs.broker_url is None:
        raise errors.Invalid("A worker needs a Redis to be woken by.", "Set MEMSVC_JOB_BROKER_URL=redis://host:6379/0.")
    if settings.database.url is None:
        raise errors.Invalid("A worker needs the service's PostgreSQL.", "Set MEMSVC_DATABASE_URL for both.")
    from memsvc import logs, rooms

    logs.configure(settings.logs)
    rooms.make_importable()
    from workers import app as celery_app

    def build() -> Runner:
        # After the fork: models, FAISS and the pool of connections belong to one process each.
        from memsvc import bootstrap

        return bootstrap.build_runner(settings)

    celery_app.serve(celery_app.create(settings.jobs), build, processes or settings.jobs.processes)


@app.command()
def mcp(
    url: Annotated[str, typer.Option(envvar="MEMSVC_URL", help="The service.")] = "http://127.0.0.1:8377",
    namespace: Annotated[str, typer.Option(help="The memory space of tools that are not told one.")] = "default",
) -> None:
    """Serve the memory of a running service as MCP tools on standard input and output (key: MEMSVC_API_KEY)."""
    try:
        from memsvc.sdk import mcp as tools
    except ModuleNotFoundError as error:
        raise errors.Invalid(
            f"The MCP package is not installed ({error.name}).", 'Run pip install "memsvc[mcp]".'
        ) from None
    tools.serve_stdio(url, None, namespace)


@app.command()
def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="The data folder to look at.")] = None,
) -> None:
    """Say what is installed, what would run, and what is missing."""
    from memsvc import checkup

    settings = Settings(ServerSettings(data_dir=data_dir) if data_dir else None)
    findings = checkup.findings(settings)
    for finding in findings:
        mark = "[green]ok[/green]     " if finding.ok else "[red]missing[/red]"
        rich.print(f"{mark} {finding.part}: {markup.escape(finding.detail)}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


@app.command()
def distill(
    file: Annotated[Path | None, typer.Option(help="A chat as JSON; needs no service.")] = None,
    show: Annotated[bool, typer.Option(help="With --file: words and units side by side instead of JSON.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Distil this namespace again, in a running service.")] = None,
    job: Annotated[str, typer.Option(help="distill: by this version's rules. refine: by the language model.")] = (
        "distill"
    ),
    url: Annotated[str, typer.Option(envvar="MEMSVC_URL", help="The service.")] = "http://127.0.0.1:8377",
) -> None:
    """Show what the distiller makes of a chat, or let a running service distil a namespace again.

    The second is a background job of the service: it goes on when this command is stopped, and asking again joins it.
    """
    if (file is None) == (namespace is None):
        raise errors.Invalid("Say what to distil.", "Give --file chat.json or --namespace NAME.")
    if file is not None:
        from memsvc import preview

        messages = preview.read(file)
        made = preview.distil(messages, Settings().distill)
        if show:
            rich.print(preview.table(messages, made))
        else:
            print(json.dumps(preview.as_json(made), indent=1, ensure_ascii=False))
        return
    from memsvc import following

    assert namespace is not None
    sys.exit(following.maintain(url, namespace, job))


@app.command()
def version() -> None:
    """Print the version."""
    rich.print(__version__)


@evaluation.command()
def retrieval(
    data: Annotated[list[Path], typer.Option(help="LoCoMo, LongMemEval: a file; BEAM: a folder. May be repeated.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page with tables and plots.")] = None,
    url: Annotated[str | None, typer.Option(help="Use a running service instead of starting one.")] = None,
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each set.")] = None,
    baselines: Annotated[bool, typer.Option(help="Measure the baselines in the same run.")] = True,
    ranker: Annotated[Ranker, typer.Option(help="cross: of each conversation one that did not see it.")] = "cross",
    ablate: Annotated[bool, typer.Option(help="Also with each stage switched off.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Write the ranker grown on all questions here.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an unfinished one there goes on.")] = None,
) -> None:
    """Retrieval on published sets: ingest every conversation, ask every question, compare with baselines."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(
        cli.retrieval(
            data, json_out, html, base_url=url, limit_conversations=conversations, with_baselines=baselines,
            which=ranker, ablate=ablate, weights=weights, folder=out,
        )
    )  # fmt: skip


# The sets by their names: the same command, and the format is read from the file.
for _name in ("locomo", "beam", "longmemeval", "own"):
    evaluation.command(_name, help=f"Retrieval on {_name}: as `eval retrieval`.")(retrieval)


@evaluation.command()
def answers(
    data: Annotated[Path, typer.Option(help="LoCoMo, LongMemEval: a file; BEAM: a folder.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished one there goes on.")],
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="So many of each conversation, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    budget: Annotated[int, typer.Option(min=64, help="Tokens of every contestant's context.")] = 512,
    full: Annotated[int, typer.Option(min=64, help="Tokens of the full context, as far as it fits.")] = 1500,
    ranker: Annotated[Ranker, typer.Option(help="cross: of each conversation one that did not see it.")] = "cross",
) -> None:
    """Answers of one reader (MEMSVC_GENERATOR_MODEL, …_URL) given nothing, recent turns, all, a hybrid, and memsvc."""
    from memsvc import bootstrap, rooms

    reader = bootstrap.load_generator(Settings())
    if reader is None:
        raise errors.Invalid("Answers need a reader.", "Set MEMSVC_GENERATOR_MODEL, for example to smollm2.")
    rooms.make_importable()
    from eval import cli

    sys.exit(
        cli.answers(
            data, out, reader, limit_conversations=conversations, per_conversation=questions, seed=seed,
            budgets_tokens=(budget, full), which=ranker,
        )
    )  # fmt: skip


@evaluation.command()
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run of `eval answers`.")],
    second: Annotated[Path, typer.Argument(help="Folder of another, over the same data.")],
) -> None:
    """What changed from one run of answers to another, paired by question."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(cli.compare(first, second))


@evaluation.command("report")
def write_report(
    results: Annotated[list[Path], typer.Argument(help="JSON of `eval retrieval`, summary.json of `eval answers`, …")],
    page: Annotated[Path | None, typer.Option(help="Markdown whose figures to renew, between its marks.")] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page with tables and plots.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for the plots as PNG.")] = None,
) -> None:
    """Tables and plots of runs that are done; without options the tables as Markdown."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(cli.write_report(results, page, html, plots))


@evaluation.command()
def train(
    data: Annotated[list[Path], typer.Option(help="Sets to learn from; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Where to write the weights (.npz), for MEMSVC_RECALL_RANKER.")],
    card: Annotated[Path | None, typer.Option(help="Where to write what they saw (JSON).")] = None,
) -> None:
    """Grow the learned ranker on questions with known evidence."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(cli.learn(data, out, card))


@evaluation.command()
def distillation(
    data: Annotated[list[Path], typer.Option(help="locomo10.json, or a folder of BEAM chats; may be repeated.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to draw coverage against compression (PNG).")] = None,
) -> None:
    """What the distiller keeps: compression, answer words, dates, speed. Starts no service."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(cli.distillation(data, json_out, plot))


@evaluation.command()
def compression(
    data: Annotated[list[Path], typer.Option(help="LoCoMo, LongMemEval: a file; BEAM: a folder. May be repeated.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write all figures.")] = None,
    conversations: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each set.")] = None,
) -> None:
    """What compressed vectors cost and lose: bytes, time, neighbours, evidence found. Starts no service."""
    from memsvc import rooms

    rooms.make_importable()
    from eval import cli

    sys.exit(cli.compression(data, json_out, conversations))


@app.command()
def bench(
    what: Annotated[
        Literal["service", "reader"], typer.Argument(help="recall and writes, or the model that answers.")
    ] = "service",
    json_out: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
    messages: Annotated[int, typer.Option(min=100, help="service: how many messages to measure with.")] = 10_000,
    model: Annotated[str | None, typer.Option(help="reader: a folder or a name; default: the small model.")] = None,
    data: Annotated[Path | None, typer.Option(help="reader: a set whose talk is kept; default: made up.")] = None,
    plots: Annotated[Path | None, typer.Option(help="reader: folder for plots (PNG).")] = None,
    quick: Annotated[bool, typer.Option(help="reader: fewer sizes, questions and histories.")] = False,
) -> None:
    """Speed of recall and of writes, as ratios to plain libraries on the same data in the same run; or of answers, cold
    and read ahead.
    """
    from memsvc import bootstrap, rooms
    from memsvc.settings import Settings

    rooms.make_importable()
    from eval import cli

    if what == "reader":
        models = bootstrap.data_dir(Settings()) / "models"
        sys.exit(cli.bench_reader(model, models, data, json_out, plots, quick=quick))
    sys.exit(cli.bench(messages, json_out))


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything is started, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or the event loop leaves Nagle's algorithm on and every reply waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Who connects from now on waits until the service is ready, instead of being refused a moment too early.
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise errors.Invalid(
            f"Cannot listen on {host}:{port}: {error.strerror}.",
            "Choose another with --port, or --port 0 for a free one.",
        ) from None
    return listener


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _greet(service: Service, port: int) -> None:
    host = service.settings.server.host
    shown = f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)
    address = f"http://{shown}:{port}"
    print(
        f"\nmemsvc {__version__} is ready\n"
        f"  address  {address}   (interactive docs: {address}/docs)\n"
        f"  API key  {service.api_key}\n"
        "\nAsk the demo memory, in another terminal:\n\n"
        f"curl -s {address}/v1/namespaces/demo/context -H 'Authorization: Bearer {service.api_key}' "
        "-H 'Content-Type: application/json' -d '{\"query\": \"What does Ana eat at the team dinner?\"}'\n",
        flush=True,
    )
