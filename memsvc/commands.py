"""The commands behind memsvc.cli. Heavy rooms are imported by the command that needs them."""

from __future__ import annotations

import contextlib
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

from memsvc import __version__, administration, cells, erasures, errors, evaluation, loading
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
app.add_typer(evaluation.app, name="eval")
app.add_typer(administration.keys, name="keys")
app.add_typer(administration.tenants, name="tenants")
app.add_typer(cells.app, name="cells")
app.add_typer(erasures.app, name="erasures")
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
    from api import connections
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
            connections.config(
                create(service),
                settings.limits,
                forwarded_allow_ips=settings.server.trusted_proxies,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=10,
            )
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
    from memsvc.store import schema

    logs.configure(settings.logs)
    rooms.make_importable()
    with contextlib.suppress(errors.Unavailable):  # it may come up after its workers
        schema.check(settings.database.url, rooms.root() / "migrations")
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
    answer_s: Annotated[
        float, typer.Option(envvar="MEMSVC_READER_MCP_TIMEOUT_S", help="Seconds that an answer is waited for.")
    ] = 45.0,
) -> None:
    """Serve the memory of a running service as MCP tools on standard input and output (key: MEMSVC_API_KEY)."""
    try:
        from memsvc.sdk import mcp as tools
    except ModuleNotFoundError as error:
        raise errors.Invalid(
            f"The MCP package is not installed ({error.name}).", 'Run pip install "memsvc[mcp]".'
        ) from None
    tools.serve_stdio(url, None, namespace, answer_s)


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
def reencode(
    namespace: Annotated[str, typer.Option(help="Encode this namespace again, in a running service.")],
    url: Annotated[str, typer.Option(envvar="MEMSVC_URL", help="The service.")] = "http://127.0.0.1:8377",
) -> None:
    """Let a running service encode a namespace again with its encoder, after that was changed (key: MEMSVC_API_KEY).

    A background job of the service: it goes on when this command is stopped, and asking again joins it.
    """
    from memsvc import following

    sys.exit(following.maintain(url, namespace, "reencode"))


@app.command()
def version() -> None:
    """Print the version."""
    rich.print(__version__)


@app.command()
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
    from memsvc.settings import Settings

    rooms.make_importable()
    from eval import benches

    if what == "capacity":
        sys.exit(benches.of_capacity(messages, namespaces, repeats, folder, against, json_out, plots))
    if what == "promote":
        sys.exit(benches.of_promotion(messages, folder, json_out))
    if what == "cells":
        sys.exit(benches.of_cells(json_out))
    models = loading.data_dir(Settings()) / "models"
    if what == "reader":
        sys.exit(benches.of_reader(model, models, data, json_out, plots, quick=quick))
    sys.exit(benches.of_experiment(what, model, models, data, json_out))


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
        f"  address  {address}   (reference: {address}/docs)\n"
        f"  API key  {service.api_key}\n"
        "\nAsk the demo memory, in another terminal:\n\n"
        f"curl -s {address}/v1/namespaces/demo/context -H 'Authorization: Bearer {service.api_key}' "
        "-H 'Content-Type: application/json' -d '{\"query\": \"What does Ana eat at the team dinner?\"}'\n",
        flush=True,
    )
