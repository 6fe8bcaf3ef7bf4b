"""A real pgbouncer in transaction mode: each transaction may find another connection of the database behind it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from memsvc.store.database import psycopg_url
from tests.serving import free_port, listens
from tests.waiting import until

PGBOUNCER = (
    os.environ.get("MEMSVC_PGBOUNCER") or shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
)
NEEDED = pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer here: install it, or name it in MEMSVC_PGBOUNCER")
_CONNECTIONS = 8


@contextlib.contextmanager
def pooled(url: str) -> Iterator[str]:
    """The same database behind a pgbouncer of its own: the URL that leads there."""
    assert PGBOUNCER is not None
    behind = sa.make_url(psycopg_url(url))
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    folder.chmod(0o755)  # as root it takes another user's rights, and reads its files with those
    (folder / "users.txt").write_text(f'"{behind.username}" "{behind.password}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{behind.database} = host={behind.host} port={behind.port} dbname={behind.database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = scram-sha-256\nauth_file = {folder / 'users.txt'}\n"
        f"pool_mode = transaction\ndefault_pool_size = {_CONNECTIONS}\nserver_reset_query =\n"
    )
    as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PGBOUNCER, "-q", *as_user, folder / "pgbouncer.ini"], stdout=log, stderr=log)
    try:
        until(lambda: listens(port))
        assert process.poll() is None, (folder / "log").read_text()
        yield behind.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
