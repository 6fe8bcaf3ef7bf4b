"""A PostgreSQL that can be followed, and a streaming replica of it: real servers on real ports."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from memsvc.store import postmaster
from memsvc.store.database import psycopg_url
from memsvc.store.embedded import EmbeddedPostgres
from memsvc.store.postmaster import Postmaster
from tests.waiting import until

_FOLLOWED = {"wal_level": "replica", "max_wal_senders": "10"}
# Every statement is in its log. What it replays goes before what is read, at once.
_FOLLOWING = _FOLLOWED | {"log_statement": "all", "max_standby_streaming_delay": "0"}


@contextlib.contextmanager
def primary(folder: Path) -> Iterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(folder, 600, _FOLLOWED)
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


class Follower:
    """A streaming replica of `of`, made in `folder`."""

    def __init__(self, folder: Path, of: EmbeddedPostgres) -> None:
        self.log = folder.with_suffix(".log")
        self._of = of
        done = postmaster.run(
            "pg_basebackup", "-d", of.superuser_url, "-D", str(folder), "-R", "-X", "stream", "-c", "fast",
            touches=(folder,),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.postmaster = Postmaster(folder, self.log, 600, _FOLLOWING)
        self.postmaster.start()

    def url(self, role_url: str) -> str:
        """Of a role that has `role_url` on the primary."""
        port = self.postmaster.port()
        return sa.make_url(psycopg_url(role_url)).set(port=port).render_as_string(hide_password=False)

    @property
    def app_url(self) -> str:
        return self.url(self._of.app_url)

    def ask(self, statement: str) -> Any:
        """The first value, for the operator."""
        url = self.url(self._of.superuser_url).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True, application_name="operator") as connection:
            row = connection.execute(statement).fetchone()
            return row[0] if row else None

    def kill(self) -> None:
        """And return when it is back: it is started again."""
        before = self.ask("SELECT pg_postmaster_start_time()")
        self.postmaster._process.kill()  # type: ignore[union-attr]

        def is_back() -> bool:
            with contextlib.suppress(Exception):
                return bool(self.ask("SELECT pg_postmaster_start_time()") != before)
            return False

        until(is_back)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It replays nothing meanwhile."""
        self.ask("SELECT pg_wal_replay_pause()")
        until(lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")
        try:
            yield
        finally:
            self.ask("SELECT pg_wal_replay_resume()")

    def asked(self) -> int:
        """How many statements the service has sent to it."""
        text = self.log.read_text(errors="replace")
        return text.count("statement: ") + text.count("execute ")


@contextlib.contextmanager
def following(folder: Path, of: EmbeddedPostgres) -> Iterator[Follower]:
    follower = Follower(folder, of)
    try:
        yield follower
    finally:
        follower.postmaster.stop()
