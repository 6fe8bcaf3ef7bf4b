"""The service behind a pgbouncer in transaction mode: each transaction may find another connection of the database."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from memsvc import bootstrap, errors
from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient
from memsvc.sdk.errors import MemsvcClientError
from memsvc.settings import DatabaseSettings, ServerSettings, Settings
from tests import pooler
from tests.e2e.test_process import KEY, Process
from tests.waiting import until

pytestmark = pooler.NEEDED
# What a pooler could break: who sees what, what an erasure leaves, the order of changes, jobs, settings that leak.
_HELD = (
    "isolation", "tenants_apart", "erasure", "erased_meanwhile", "feed", "jobs", "writing", "lost_commits", "records",
    "transfer",
)  # fmt: skip


def test_a_pooler_that_nobody_has_told_of_is_refused_with_what_to_set(empty_url: str, tmp_path: Path) -> None:
    with pooler.pooled(empty_url) as url:
        settings = Settings(ServerSettings(data_dir=tmp_path, api_key=KEY))
        settings.database = DatabaseSettings(url=empty_url, app_url=url)
        with pytest.raises(errors.Invalid, match="pooler") as refused:
            bootstrap.build(settings)
        assert "MEMSVC_DATABASE_POOLED" in refused.value.next_step
        settings.database = DatabaseSettings(url=empty_url, app_url=url, pooled=True)
        bootstrap.build(settings).close()


def test_a_server_that_is_killed_behind_a_pooler_has_lost_nothing_that_it_acknowledged(
    service: Service, tmp_path: Path, empty_url: str
) -> None:
    acknowledged: list[str] = []
    with pooler.pooled(empty_url) as url:
        given = {"MEMSVC_DATABASE_URL": empty_url, "MEMSVC_DATABASE_APP_URL": url, "MEMSVC_DATABASE_POOLED": "true"}
        for life in range(3):
            process = Process(tmp_path / "data", "--no-demo", **given)
            with MemoryClient(process.url(), KEY, max_retries=0) as client:

                def write(number: int, client: MemoryClient = client, life: int = life) -> None:
                    for count in range(10_000):
                        name = f"item{life}w{number}n{count}"
                        try:
                            client.namespace(f"ledger{number}").add(f"I keep {name}.", session_id="s", id=name)
                        except MemsvcClientError:
                            return
                        acknowledged.append(name)

                before = len(acknowledged)
                writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
                for writer in writers:
                    writer.start()
                until(lambda before=before: len(acknowledged) >= before + 40)  # type: ignore[misc]
                process.end(signal.SIGKILL)
                for writer in writers:
                    writer.join()
        process = Process(tmp_path / "data", "--no-demo", **given)
        with MemoryClient(process.url(), KEY) as client:
            stored = {m.id for n in range(4) for m in client.namespace(f"ledger{n}").messages(page_size=1000)}
            assert set(acknowledged) <= stored
            for name in acknowledged[::10]:
                space = client.namespace(f"ledger{name.partition('w')[2][0]}")
                assert name in {s.message_id for r in space.recall(name, limit=3).results for s in r.sources}
        process.end(signal.SIGTERM)


@pytest.mark.slow
def test_what_holds_without_a_pooler_holds_behind_one() -> None:
    files = [f"tests/integration/test_{name}.py" for name in _HELD]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--pooled", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:]
