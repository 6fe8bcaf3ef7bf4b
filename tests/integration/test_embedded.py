from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from memsvc import errors
from memsvc.store import postmaster
from memsvc.store.embedded import EmbeddedPostgres
from tests.waiting import until


def test_what_was_stored_is_there_after_a_restart_and_a_second_owner_is_refused(tmp_path: Path) -> None:
    import psycopg

    first = EmbeddedPostgres(tmp_path / "data")
    first.start()
    with psycopg.connect(first.owner_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    second = EmbeddedPostgres(tmp_path / "data")
    with pytest.raises(errors.DataFolderBusy, match=str(os.getpid())):
        second.start()
    second.stop()  # it owns nothing, so nothing happens
    with psycopg.connect(first.owner_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    first.stop()
    second.start()
    with psycopg.connect(second.owner_url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    second.stop()


def test_a_postgres_that_a_killed_server_left_behind_is_taken_over(tmp_path: Path) -> None:
    first = EmbeddedPostgres(tmp_path / "data")
    first.start()
    url = first.app_url
    assert first._lock is not None
    first._lock.close()  # what the kernel does when the process is killed
    first._postmaster._stopping.set()  # and nobody watches any more
    second = EmbeddedPostgres(tmp_path / "data")
    second.start()
    assert second.app_url == url
    second.stop()
    until(lambda: not first._postmaster._lives())


def test_a_stale_pid_file_and_a_half_made_cluster_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres.new").mkdir(parents=True)
    (tmp_path / "data" / "postgres.new" / "junk").write_text("x")
    server = EmbeddedPostgres(tmp_path / "data")
    server.start()
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    kept = pid_file.read_text()
    os.kill(int(kept.splitlines()[0]), signal.SIGQUIT)  # immediate shutdown, as after a power cut
    server.stop()
    pid_file.write_text(kept)
    server.start()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_root_can_run_it_without_user_namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the kernel forbids them the server runs as nobody, who must be able to reach folder and program.
    program = postmaster.binary("postgres")
    if any(not parent.stat().st_mode & 0o001 for parent in program.parents):
        pytest.skip("the environment lies in a folder that only root can enter")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    folder = Path("/tmp") / f"memsvc-test-{os.getpid()}"  # pytest's own folders are closed to others
    server = EmbeddedPostgres(folder)
    try:
        server.start()
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    server.start()
    server.stop()
    assert (tmp_path / "data" / "postgres-secrets.json").stat().st_mode & 0o077 == 0


def files_with(folder: Path, word: bytes) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_a_scrub_takes_the_statistics_of_an_emptied_table_out_of_every_file(tmp_path: Path) -> None:
    import psycopg

    server = EmbeddedPostgres(tmp_path / "data")
    server.start()
    fill = "INSERT INTO said SELECT 'zyxocanary' || x % 7, ARRAY['zyxocanary'] FROM generate_series(1, 72) x"
    with psycopg.connect(server.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE said (content text, persons text[])")
        connection.execute("CREATE STATISTICS both_columns (mcv) ON content, persons FROM said")
        connection.execute(fill)
        connection.execute("ANALYZE said")
        server.scrub()
        quoted = connection.execute("SELECT count(*) FROM pg_stats WHERE tablename = 'said' AND attname = 'content'")
        assert quoted.fetchone() == (1,)  # what lives is planned with statistics as before
        assert files_with(tmp_path, b"zyxocanary")
        connection.execute("DELETE FROM said")
        server.scrub()
        assert files_with(tmp_path, b"zyxocanary") == []
    server.stop()
    assert files_with(tmp_path, b"zyxocanary") == []
