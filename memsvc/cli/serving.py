"""What runs on the machine of the service: the service itself, workers, MCP on standard input, a check-up."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich
import typer
from rich import markup

from memsvc import __version__, errors
from memsvc.cli import connection
from memsvc.cli.connection import URL, Url
from memsvc.settings import ServerSettings, Settings

if TYPE_CHECKING:
    from memsvc.bootstrap import Service
    from memsvc.services.work import Runner


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
    is_key_new = not (settings.server.folder / "api-key").exists()
    service = bootstrap.build(settings, kicker.kick) if kicker else bootstrap.build(settings)
    try:
        if settings.server.demo and service.postgres is not None:
            demonstration.fill(service)
        application = create(service)
        invitation = application.state.invitation.link()
        _greet(service, listener.getsockname()[1], invitation, is_key_new=is_key_new)
        server = uvicorn.Server(
            connections.config(
                application,
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


def mcp(
    url: Url = URL,
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
    tools.serve_stdio(url, connection.key(url), namespace, answer_s)


def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="The data folder to look at.")] = None,
) -> None:
    """Say what is installed, what would run, and what is missing."""
    from memsvc.cli import checkup

    settings = Settings(ServerSettings(data_dir=data_dir) if data_dir else None)
    findings = checkup.findings(settings)
    for finding in findings:
        mark = "[green]ok[/green]     " if finding.ok else "[red]missing[/red]"
        rich.get_console().print(f"{mark} {finding.part}: {markup.escape(finding.detail)}", soft_wrap=True)
    if not all(finding.ok for finding in findings):
        sys.exit(1)


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


def _greet(service: Service, port: int, invitation: str, *, is_key_new: bool) -> None:
    """Where it is, how to get in, and a first thing to ask. The key is shown when it was made, not at every start."""
    server = service.settings.server
    shown = f"[{server.host}]" if ":" in server.host else {"0.0.0.0": "127.0.0.1"}.get(server.host, server.host)
    address = f"http://{shown}:{port}"
    kept = server.folder / "api-key"
    if server.api_key is not None:
        key = "the one in MEMSVC_API_KEY"
    else:
        key = f"{service.api_key}   (shown this once; kept in {kept})" if is_key_new else f"in {kept}"
    asked = '"Since when has Ana been vegetarian?" --namespace demo' if server.demo and service.postgres else None
    command = ["answer", asked] if asked else ["add", '"I moved to Porto." --speaker Ana']
    print(
        f"\nmemsvc {__version__} is ready\n\n"
        f"  address  {address}   (reference: {address}/docs)\n"
        f"  pages    {address}{invitation}\n"
        "           (signs one browser in, once, within an hour)\n"
        f"  API key  {key}\n\n"
        f"{'Ask the demo memory' if asked else 'Tell it something'}, in another terminal:\n\n"
        f"  {' '.join([_prefix(server, address), *command])}\n",
        flush=True,
    )


def _prefix(server: ServerSettings, address: str) -> str:
    """How the commands are called that ask this service, where it is not found by itself."""
    called = Path(sys.argv[0])
    found = shutil.which("memsvc")
    if called.name == "memsvc" and not (found and Path(found).resolve() == called.resolve()):
        command = os.path.relpath(called) if called.resolve().is_relative_to(Path.cwd()) else str(called)
    else:
        command = "memsvc"
    given = [f"MEMSVC_URL={address}"] if address != URL else []
    if server.folder != ServerSettings(data_dir=None).folder or os.environ.get("MEMSVC_DATA_DIR"):
        given.append(f"MEMSVC_DATA_DIR={shlex.quote(str(server.folder))}")
    return " ".join([*given, command])
