"""What holds in a namespace: shown, set, and what it keeps for how long looked after."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from memsvc import errors
from memsvc.cli import connection
from memsvc.cli.asking import Json, Name
from memsvc.cli.connection import URL, Url
from memsvc.wire.settings import NamespaceSettings, NewSettings

_FIELDS = ", ".join(NewSettings.model_fields)


def settings(
    namespace: Name = "default",
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE, a word or JSON: time_zone=Europe/Oslo, languages='[\"en-GB\"]'."),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="FIELD: as it is for all of the service again.")
    ] = None,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """What holds in a namespace; with --set or --unset it is changed first (a key with the scope admin)."""
    changes: dict[str, Any] = dict(_read(one) for one in given or ())
    changes |= {_known(name): None for name in unset or ()}
    with connection.client(url) as client:
        memory = client.namespace(namespace)
        found = memory.configure(**changes) if changes else memory.settings()
    print(found.model_dump_json(indent=1) if as_json else "\n".join(_lines(found)))


def retain(
    namespace: Name = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    url: Url = URL,
) -> None:
    """Put away and erase now what is older than the namespace keeps it; the service does so once a day.

    A background job of the service: it goes on when this command is stopped, and asking again joins it.
    """
    from memsvc.cli import following

    sys.exit(following.maintain(url, namespace, "retain", dry_run=dry_run))


def _read(one: str) -> tuple[str, Any]:
    """A field and its value. Raises Invalid."""
    name, is_given, value = one.partition("=")
    if not is_given:
        raise errors.Invalid(f"{one!r} sets nothing.", "Write FIELD=VALUE.")
    try:
        return _known(name), json.loads(value)
    except ValueError:
        return _known(name), value


def _known(name: str) -> str:
    if name not in NewSettings.model_fields:
        raise errors.Invalid(f"There is no setting {name!r}.", f"There are: {_FIELDS}.")
    return name


def _lines(found: NamespaceSettings) -> list[str]:
    shown = found.model_dump(mode="json", exclude={"own", "retention"})
    lines = [
        f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        + ("" if name in found.own else " (not set here)")
        for name, value in shown.items()
        if value != []
    ]
    for term in found.retention:
        parts = [("forgotten", term.forget_after_days), ("erased", term.erase_after_days)]
        told = ", ".join(f"{what} after {days:g} days" for what, days in parts if days is not None)
        lines.append(f"retention of {term.kind or 'everything else'}: {told or 'for ever'}")
    return lines if found.retention else [*lines, "retention: everything for ever"]
