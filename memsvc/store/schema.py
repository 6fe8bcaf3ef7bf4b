"""Brings a database to the schema of this version, with Alembic."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from memsvc import errors
from memsvc.store import database


def upgrade(url: str, migrations: Path, revision: str = "head") -> None:
    """Apply the migrations in `migrations` as the owner role of `url`, up to `revision`.

    Several servers may start at once: an advisory lock lets one migrate while the others wait.
    """
    try:
        command.upgrade(_config(url, migrations), revision)
    except sa.exc.OperationalError as error:
        raise errors.Unavailable(
            f"The database at {_without_password(url)} cannot be reached: {error.orig}",
            "Check MEMSVC_DATABASE_URL and that the server runs.",
        ) from error
    except sa.exc.ProgrammingError as error:
        raise errors.Invalid(
            f"The schema could not be brought up to date: {error.orig}",
            "The role of MEMSVC_DATABASE_URL must own the database and may need CREATEROLE once, or create the role "
            f"first: CREATE ROLE {database.APP_ROLE} NOLOGIN; GRANT {database.APP_ROLE} TO CURRENT_USER;",
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


def _without_password(url: str) -> str:
    return sa.make_url(database.psycopg_url(url)).render_as_string(hide_password=True)
