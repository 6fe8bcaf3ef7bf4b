"""memsvc cells: an installation of several, set up and rebalanced by who runs it.

MEMSVC_CELLS names a file of JSON: the name of each cell -> the URL of its database, as the owner of the tables.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from memsvc import errors

if TYPE_CHECKING:
    from memsvc.store import moving

app = typer.Typer(
    help="Cells: an installation over several databases (MEMSVC_CELLS names a file with their URLs).",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(help="The name of the cell, as in the file.")]
Url = Annotated[str, typer.Option(help="Where its service answers the other cells.")]


@app.command("init")
def begin(name: Name, url: Url) -> None:
    """Make an installation the home cell of several. What it has stays where it is; then set MEMSVC_CELL_NAME there."""
    from memsvc import rooms
    from memsvc.store import moving, schema

    database = _database(name)
    schema.upgrade(database, rooms.root() / "migrations")
    with moving.connected(database) as home:
        moving.begin(home, name, url)
    print(f"{name} is the home cell. Start its services again with MEMSVC_CELL_NAME={name}.")


@app.command("add")
def add(name: Name, url: Url) -> None:
    """Add a cell, whose database is empty: it gets the tables and a copy of the accounts, and follows them."""
    from memsvc import rooms
    from memsvc.store import moving, schema

    database = _database(name)
    schema.upgrade(database, rooms.root() / "migrations")
    with _home() as (home, home_url), moving.connected(database) as other:
        moving.add(home, home_url, other, name, url)
    print(f"{name} takes new namespaces. Start its services with MEMSVC_CELL_NAME={name}.")


@app.command("list")
def listed() -> None:
    """All cells: a line each, its fields parted by tabs."""
    from memsvc.store import moving

    with _home() as (home, _):
        for cell in moving.listed(home):
            with moving.connected(_database(cell.name)) as connection:
                count = len(moving.names(connection))
            marks = ", ".join([*(["home"] if cell.is_home else []), "open" if cell.is_open else "closed"])
            print(f"{cell.name}\t{cell.url}\t{marks}\t{count} namespaces")


@app.command("move")
def move(
    namespace: Annotated[str, typer.Argument(help="What to move.")],
    to: Annotated[str, typer.Option(help="The cell that it goes to.")],
    tenant: Annotated[str, typer.Option(help="The name of its tenant.")] = "default",
) -> None:
    """Move a namespace to another cell. Writes wait for a moment, and none is lost. Run again where it broke off."""
    from memsvc.store import tenants

    tenant_id = tenants.id_of(tenant)
    source = _holder(tenant_id, namespace)
    if source is None:
        raise errors.NotFound(f"No cell has a namespace {namespace!r} of the tenant {tenant!r}.", "Check its name.")
    print(f"{namespace}: {_move(tenant_id, namespace, source, to)} rows from {source} to {to}")


@app.command("drain")
def drain(name: Name) -> None:
    """Move every namespace of a cell to the others, and let no new ones come to it. Run again where it broke off."""
    from memsvc.domain.cell import chosen
    from memsvc.store import moving

    with _home() as (home, _):
        moving.set_open(home, name, is_open=False)
        others = [cell for cell in moving.listed(home) if cell.name != name]
    with moving.connected(_database(name)) as connection:
        spaces = moving.names(connection)
    if not any(cell.is_open for cell in others):
        raise errors.Conflict("No other cell is open.", "memsvc cells open or add one.")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("namespaces", total=len(spaces))
        for tenant_id, space in spaces:
            target = chosen(others, tenant_id, space)
            assert target is not None
            _move(tenant_id, space, name, target.name)
            progress.advance(task)
    print(f"{name}: {len(spaces)} namespaces moved; it is closed to new ones.")


@app.command("open")
def reopen(name: Name) -> None:
    """Let new namespaces come to a cell again."""
    from memsvc.store import moving

    with _home() as (home, _):
        moving.set_open(home, name, is_open=True)


@app.command("remove")
def remove(
    name: Name,
    lost: Annotated[bool, typer.Option("--lost", help="Its database is gone, with what it had.")] = False,
) -> None:
    """Take a cell out that has no namespaces any more."""
    from memsvc.store import moving

    with _home() as (home, _), contextlib.ExitStack() as stack:
        other = None if lost else stack.enter_context(moving.connected(_database(name)))
        moving.remove(home, other, name)
    print(f"{name} is none of the cells any more. Take it out of the file of MEMSVC_CELLS.")


def _move(tenant_id: uuid.UUID, namespace: str, source: str, target: str) -> int:
    from memsvc.store import moving

    with _home() as (home, _), contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(moving.connected(_database(name))) for name in (source, target))
        return moving.Move(home, here, there, _database(source), source, target, tenant_id, namespace).run()


def _holder(tenant_id: uuid.UUID, namespace: str) -> str | None:
    """The cell that has it; where a move broke off behind the source's last word, the source."""
    from memsvc.store import moving

    left = None
    for name, url in _databases().items():
        with moving.connected(url) as connection:
            found = moving.place_of(connection, tenant_id, namespace)
        if found == moving.HERE:
            return name
        left = name if found == moving.LEFT else left
    return left


@contextlib.contextmanager
def _home() -> Iterator[tuple[moving.Connection, str]]:
    """The home cell's database, and its URL. Raises Conflict where there is none yet."""
    from memsvc.store import moving

    for name, url in _databases().items():
        with moving.connected(url) as connection:
            if moving.is_home(connection, name):
                yield connection, url
                return
    raise errors.Conflict("None of these databases is the home cell's.", "Run memsvc cells init first.")


def _database(name: str) -> str:
    url = _databases().get(name)
    if url is None:
        raise errors.Invalid(f"The file of MEMSVC_CELLS has no cell {name!r}.", 'Add {"NAME": "postgresql://…"} to it.')
    return url


def _databases() -> dict[str, str]:
    path = os.environ.get("MEMSVC_CELLS")
    if not path:
        raise errors.Invalid(
            "MEMSVC_CELLS is not set.", 'Let it name a file like {"north": "postgresql://owner:password@host/memsvc"}.'
        )
    try:
        told = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise errors.Invalid(f"The file {path} of MEMSVC_CELLS cannot be read: {error}", "Mend it.") from None
    if not isinstance(told, dict) or not all(isinstance(url, str) for url in told.values()):
        raise errors.Invalid(f"The file {path} of MEMSVC_CELLS is no object of names and URLs.", "Mend it.")
    return told
