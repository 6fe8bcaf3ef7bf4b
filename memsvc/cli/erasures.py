"""memsvc erasures: what was erased, for who restores a database by hand. The service applies its own journal itself,
whenever it starts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memsvc import errors
from memsvc.settings import Settings

if TYPE_CHECKING:
    from memsvc.store.database import Database

app = typer.Typer(
    help="The journal of erasures, and a database that was restored (MEMSVC_DATABASE_URL, or the data folder).",
    no_args_is_help=True,
)


@app.command("apply")
def apply(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True, dir_okay=False, help="Of a journal, or of an export; default: MEMSVC_ERASURES_DIR."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what stands, and erase nothing.")] = False,
) -> None:
    """Erase again what stands in the database though it was erased. Do it before anything is served from it.

    The database gets the tables of this version first, as at the start of the service. Jobs of the service make anew
    what was made from the erased.
    """
    from memsvc import bootstrap, loading

    settings = Settings()
    if not files and settings.database.url is not None and settings.server.erasures_dir is None:
        raise errors.Invalid("No journal is set.", "Name its files, or set MEMSVC_ERASURES_DIR.")
    with _reached(settings) as (_, database):
        restored = bootstrap.restored(settings, database, loading.journal(settings))
        done = restored.compare(files or None, dry_run=dry_run)
    print(f"noted: {done.noted}, of other installations: {done.foreign}, not in this database: {done.lacked}")
    stood = ", ".join(f"{kind}: {count}" for kind, count in done.stood.items() if count) or "nothing"
    print(f"{'stands' if dry_run else 'erased again'}: {stood}")


@app.command("export")
def export(out: Annotated[Path, typer.Option(help="The file to write; it must not be there yet.")]) -> None:
    """Write the tombstones that the database has as a file of a journal, for where none was kept."""
    from memsvc.store import journal, tombstones

    with _reached(Settings()) as (operator_url, _):
        stood = list(tombstones.of_all_tenants(operator_url))
    try:
        with open(out, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(journal.of_database(stood))
    except OSError as error:
        raise errors.Invalid(f"{out} cannot be written: {error.strerror}.", "Name another file.") from None
    print(f"{len(stood)} tombstones")


@contextlib.contextmanager
def _reached(settings: Settings) -> Iterator[tuple[str, Database]]:
    """The operator's URL of the database, and the database as the service has it, with this version's tables."""
    from memsvc import bootstrap, rooms
    from memsvc.store import schema

    with contextlib.ExitStack() as stack:
        if settings.database.url is None:
            from memsvc.store.embedded import EmbeddedPostgres

            postgres = EmbeddedPostgres(settings.server.folder, settings.database.start_timeout_s)
            stack.callback(postgres.stop)
            postgres.start()
            owner_url, operator_url, app_url = postgres.owner_url, postgres.superuser_url, postgres.app_url
        else:
            owner_url = operator_url = settings.database.url
            app_url = settings.database.app_url or settings.database.url
        schema.upgrade(owner_url, rooms.root() / "migrations")
        database = bootstrap.reach(settings, app_url)
        stack.callback(database.close)
        yield operator_url, database
