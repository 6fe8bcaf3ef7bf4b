"""A namespace distilled or encoded again by a running service, and what the distiller makes of a chat in a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import rich
import typer

from memsvc import errors
from memsvc.cli.connection import URL, Url


def distill(
    file: Annotated[Path | None, typer.Option(help="A chat as JSON; needs no service.")] = None,
    show: Annotated[bool, typer.Option(help="With --file: words and units side by side instead of JSON.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Distil this namespace again, in a running service.")] = None,
    job: Annotated[
        str, typer.Option(help="distill: by this version's rules. refine, connect: by the language model.")
    ] = ("distill"),
    url: Url = URL,
) -> None:
    """Show what the distiller makes of a chat, or let a running service distil a namespace again.

    The second is a background job of the service: it goes on when this command is stopped, and asking again joins it.
    """
    if (file is None) == (namespace is None):
        raise errors.Invalid("Say what to distil.", "Give --file chat.json or --namespace NAME.")
    if file is not None:
        from memsvc.cli import preview
        from memsvc.settings import Settings

        messages = preview.read(file)
        made = preview.distil(messages, Settings().distill)
        if show:
            rich.print(preview.table(messages, made))
        else:
            print(json.dumps(preview.as_json(made), indent=1, ensure_ascii=False))
        return
    from memsvc.cli import following

    assert namespace is not None
    sys.exit(following.maintain(url, namespace, job))


def reencode(
    namespace: Annotated[str, typer.Option(help="Encode this namespace again, in a running service.")],
    url: Url = URL,
) -> None:
    """Let a running service encode a namespace again with its encoder, after that was changed (key: MEMSVC_API_KEY).

    A background job of the service: it goes on when this command is stopped, and asking again joins it.
    """
    from memsvc.cli import following

    sys.exit(following.maintain(url, namespace, "reencode"))
