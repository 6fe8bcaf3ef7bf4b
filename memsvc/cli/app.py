"""All commands under one name, in groups, and what becomes of an error. Heavy rooms are imported by the command that
needs them.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import pydantic
import typer

from memsvc import __version__, errors, settings
from memsvc.cli import accounts, asking, cells, connection, distilling, erasures, evaluating, holding, moving, serving
from memsvc.sdk import ConnectionFailed, MemsvcClientError
from memsvc.sdk.errors import ApiError

app = typer.Typer(
    help="memsvc: long-term memory for agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_GROUPS = {
    "Memory": (asking.add, asking.recall, asking.context, asking.answer, asking.profile, asking.changes),
    "Watch": (asking.status, asking.tail),
    "Run": (serving.serve, serving.worker, serving.mcp, serving.doctor),
    "Keep": (holding.settings, holding.retain),
    "Move and renew": (moving.export, moving.load, distilling.distill, distilling.reencode, accounts.scrub),
}
_NAMES = {"load": "import"}
_PARTS = {
    "keys": (accounts.keys, "Administer"),
    "tenants": (accounts.tenants, "Administer"),
    "cells": (cells.app, "Administer"),
    "erasures": (erasures.app, "Administer"),
    "eval": (evaluating.app, "Measure"),
}
for _group, _commands in _GROUPS.items():
    for _command in _commands:
        _name = _NAMES.get(_command.__name__, _command.__name__)
        app.command(_name, rich_help_panel=_group)(_command)
for _name, (_part, _group) in _PARTS.items():
    app.add_typer(_part, name=_name, rich_help_panel=_group)
app.command("bench", rich_help_panel="Measure")(evaluating.bench)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """memsvc: long-term memory for agents."""


def run() -> None:
    """Run a command; whatever goes wrong ends it with words and a status above 0, never with a traceback: 2 for what
    was asked wrongly or refused, 1 for what should not happen (MEMSVC_TRACEBACK=1 shows where), 130 for Ctrl-C.
    """
    # What a command has started is stopped with it, also while it is starting: no database is left behind.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Who read has read enough, as head does; Python would complain once more while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (errors.MemsvcError, MemsvcClientError, pydantic.ValidationError) as error:
        connection.fail(_words(error))
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "memsvc").startswith("memsvc"):
            connection.fail(f'This installation has no {error.name}. Run pip install "memsvc[server]".')
        if os.environ.get("MEMSVC_TRACEBACK"):
            raise
        print(
            f"memsvc: this should not have happened: {type(error).__name__}: {error}\n"
            "Run it again with MEMSVC_TRACEBACK=1 to see where, and report it.",
            file=sys.stderr,
        )
        sys.exit(1)


def _words(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        return settings.refusal(error) or " ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}." for item in error.errors()
        )
    if isinstance(error, ConnectionFailed):
        return f"{error}. {connection.START}"
    if isinstance(error, ApiError):
        return " ".join(filter(None, [error.detail, error.next_step])) or str(error)
    return str(error)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
