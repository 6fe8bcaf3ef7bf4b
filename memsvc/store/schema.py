"""Brings a database to the schema of this version, with Alembic."""

from __future__ import annotations

import logging
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from memsvc import __version__, errors
from memsvc.store import database


def upgrade(url: str, migrations: Path, revision: str = "head") -> None:
    """Apply the migrations in `migrations` as the owner role of `url`, up to `revision`.

    Several servers may start at once: an advisory lock lets one migrate while the others wait. Raises Unavailable,
    StorageFull when the database's disk is full, and Invalid as `check` does or when the role may not migrate.
    """
    check(url, migrations)
    try:
        command.upgrade(_config(url, migrations), revision)
    except sa.exc.OperationalError as error:
        raise _unavailable(url, error) from error
    except sa.exc.ProgrammingError as error:
        raise errors.Invalid(
            f"The schema could not be brought up to date: {error.orig}",
            "The role of MEMSVC_DATABASE_URL must own the database and may need CREATEROLE once, or create the role "
            f"first: CREATE ROLE {database.APP_ROLE} NOLOGIN; GRANT {database.APP_ROLE} TO CURRENT_USER;",
        ) from error


def check(url: str, migrations: Path) -> None:
    """Raises Invalid when a newer version than this one made the database, and Unavailable when it cannot be reached.

    Only the owner of the tables may look; nothing is said to another role.
    """
    engine = sa.create_engine(database.psycopg_url(url), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            has = MigrationContext.configure(connection).get_current_heads()
    except sa.exc.ProgrammingError:
        return
    except sa.exc.OperationalError as error:
        raise _unavailable(url, error) from error
    script = ScriptDirectory.from_config(_config(url, migrations))
    known = {revision.revision for revision in script.walk_revisions()}
    if not known.issuperset(has):
        raise errors.Invalid(
            f"The database was made by a newer version of memsvc: it has revision {', '.join(has)} of the schema, and "
            f"memsvc {__version__} knows those up to {script.get_current_head()}.",
            "Install that version, or a later one; nothing was changed.",
        )


def require_vectors(url: str) -> None:
    """Let the database have pgvector. Raises Invalid where it cannot, with what to do."""
    engine = sa.create_engine(database.psycopg_url(url), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
    except (sa.exc.ProgrammingError, sa.exc.NotSupportedError, sa.exc.OperationalError) as error:
        lacking = isinstance(error.orig, psycopg.errors.UndefinedFile | psycopg.errors.FeatureNotSupported)
        raise errors.Invalid(
            "MEMSVC_INDEX_PROMOTE_UNITS is set, and the database "
            + ("has no pgvector." if lacking else f"does not let pgvector in: {error.orig}"),
            "Install pgvector 0.7 or later there, run CREATE EXTENSION vector in the database, or unset it.",
        ) from error


def downgrade(url: str, migrations: Path, revision: str) -> None:
    """Undo migrations down to `revision` ("base" removes every table and its data)."""
    command.downgrade(_config(url, migrations), revision)


def _config(url: str, migrations: Path) -> Config:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["url"] = database.psycopg_url(url)
    return config


def _unavailable(url: str, error: sa.exc.OperationalError) -> errors.Unavailable:
    if isinstance(error.orig, psycopg.errors.DiskFull):
        return errors.StorageFull(
            "The database has no room left on its disk.", "Make room on it and start again; nothing was changed."
        )
    return errors.Unavailable(
        f"The database at {_without_password(url)} cannot be reached: {error.orig}",
        "Check MEMSVC_DATABASE_URL and that the server runs.",
    )


def _without_password(url: str) -> str:
    return sa.make_url(database.psycopg_url(url)).render_as_string(hide_password=True)
