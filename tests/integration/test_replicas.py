"""Exports and lists from a real streaming replica: never older than the primary, and never only from there."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from api.app import create
from memsvc import bootstrap, errors, rooms
from memsvc.bootstrap import Service
from memsvc.cli import checkup
from memsvc.sdk import MemoryClient, Namespace
from memsvc.settings import DatabaseSettings, JobSettings, ServerSettings, Settings
from memsvc.store import replica, schema
from memsvc.store.database import Database
from memsvc.store.embedded import EmbeddedPostgres
from memsvc.store.replica import Replica, Replicated
from tests import pooler, replicas
from tests.replicas import Follower
from tests.serving import free_port, served
from tests.waiting import LIMIT_S, until

KEY = "the-key-of-the-service"
_names = itertools.count()


@dataclasses.dataclass
class Place:
    postgres: EmbeddedPostgres
    follower: Follower
    service: Service
    client: MemoryClient
    url: str

    @property
    def database(self) -> Replicated:
        assert isinstance(self.service.database, Replicated)
        return self.service.database

    def reads(self) -> tuple[int, int]:
        """On the replica, and on the primary."""
        return self.database.reads["replica"], self.database.reads["primary"]

    def fresh(self) -> Namespace:
        return self.client.namespace(f"space-{next(_names)}")

    def export(self, memory: Namespace) -> str:
        return b"".join(self.lines(memory)).decode()

    def lines(self, memory: Namespace) -> Iterator[bytes]:
        return self.service.transfer.export(self.service.tenant_id, None, memory.name)

    def on_primary(self, statement: str) -> None:
        with psycopg.connect(self.postgres.superuser_url, autocommit=True) as connection:
            connection.execute(statement)


def _settings(folder: Path, postgres: EmbeddedPostgres, replica_url: str) -> Settings:
    settings = Settings(ServerSettings(data_dir=folder, api_key=KEY))
    settings.database = DatabaseSettings(url=postgres.owner_url, app_url=postgres.app_url, replica_url=replica_url)
    settings.jobs = JobSettings(in_server=False)
    return settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("replicas")
    with (
        replicas.primary(folder / "primary") as postgres,
        replicas.following(folder / "follower", postgres) as follower,
    ):
        service = bootstrap.build(_settings(folder, postgres, follower.app_url))
        with served(create(service)) as url, MemoryClient(url, KEY, max_retries=0, timeout_s=LIMIT_S) as client:
            yield Place(postgres, follower, service, client, url)
        service.close()


@pytest.fixture(autouse=True)
def restless(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """Each read looks at the replica anew, and waits for as long as a busy machine may need."""
    monkeypatch.setattr(replica, "_REST_S", 0.0)
    monkeypatch.setattr(replica, "_PATIENCE_S", 60.0)
    place.database._rests_until = 0.0
    place.database._reason = None


def test_an_export_after_a_write_has_the_write_and_comes_from_the_replica(place: Place) -> None:
    memory = place.fresh()
    for number in range(10):
        memory.add(f"Parcel p{number} is here.", session_id="s")
        before = place.reads()
        assert f"Parcel p{number} is here." in place.export(memory)
        assert place.reads() == (before[0] + 1, before[1])


def test_the_replica_tells_the_same_as_the_primary(place: Place) -> None:
    memory = place.fresh()
    memory.add("I live in Oslo. My sister Ann lives in Rome.", session_id="s")
    there = place.service
    inspect, directory = there.inspect, there.directory
    tenant_id, name = there.tenant_id, memory.name
    looks: list[Callable[[], object]] = [
        lambda: inspect.stats(tenant_id, name),
        lambda: inspect.messages(tenant_id, name, 0, 10),
        lambda: inspect.units(tenant_id, name, 0, 10),
        lambda: inspect.profiles(tenant_id, name, None),
        lambda: inspect.episodes(tenant_id, name),
        lambda: directory.spaces(tenant_id, "", 10),
        lambda: directory.overview(tenant_id, 10),
        lambda: there.maintain.listed(tenant_id, [], name, 10),
        lambda: list(place.lines(memory))[1:-1],  # the trail has one line more
    ]
    for look in looks:
        before = place.reads()
        far = look()
        assert place.reads() == (before[0] + 1, before[1])
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(place.database, "_rests_until", float("inf"))
            assert look() == far
    with pytest.raises(errors.NotFound):
        inspect.stats(tenant_id, "no-such-space")


def test_the_replica_hides_the_rows_of_other_tenants_and_takes_no_writes(place: Place) -> None:
    memory = place.fresh()
    memory.add("I live in Oslo.", session_id="s")
    place.export(memory)
    counted = sa.text("SELECT count(*) FROM message")
    with place.database.replica.tenant(place.service.tenant_id, snapshot=True) as connection:
        assert connection.execute(counted).scalar_one() > 0
    with place.database.replica.tenant(uuid.uuid4(), snapshot=True) as connection:
        assert connection.execute(counted).scalar_one() == 0
    writing = place.database.replica.tenant(place.service.tenant_id)
    with pytest.raises(errors.Unavailable, match="read-only"), writing as connection:
        connection.execute(sa.text("DELETE FROM message"))


def test_while_nothing_is_replayed_the_primary_is_read_and_that_is_said_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_PATIENCE_S", 0.2)
    memory = place.fresh()
    memory.add("Parcel one is here.", session_id="s")
    with place.follower.paused(), capture_logs() as logged:
        memory.add("Parcel two is here.", session_id="s")
        before = place.reads()
        assert all("Parcel two is here." in place.export(memory) for _ in range(2))
        assert place.reads() == (before[0], before[1] + 2)
    assert [line["reason"] for line in logged if line["log_level"] == "warning"] == ["The replica is too far behind."]
    monkeypatch.setattr(replica, "_PATIENCE_S", 60.0)
    with capture_logs() as logged:
        assert "Parcel two is here." in place.export(memory)
    assert place.reads()[0] == before[0] + 1
    assert [line["event"] for line in logged] == ["The replica is read again"]


def test_an_erased_word_is_not_exported_while_the_replica_still_has_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = place.fresh()
    memory.add("The word is xylophone.", session_id="s", id="m")
    memory.add("I live in Oslo.", session_id="t")
    assert "xylophone" in place.export(memory)
    monkeypatch.setattr(replica, "_PATIENCE_S", 0.2)
    with place.follower.paused():
        memory.erase_part("message", "m")
        assert place.follower.ask("SELECT count(*) FROM message WHERE content LIKE '%xylophone%'") == 1
        told = place.export(memory)
        assert "xylophone" not in told
        assert "Oslo" in told


def test_after_a_failure_the_next_reads_do_not_wait_for_the_replica(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = place.fresh()
    memory.add("I live in Oslo.", session_id="s")
    monkeypatch.setattr(replica, "_REST_S", 3600.0)
    monkeypatch.setattr(replica, "_PATIENCE_S", 0.2)
    with place.follower.paused():
        place.on_primary("SELECT pg_switch_wal()")
        memory.add("I live in Rome.", session_id="s")
        place.export(memory)
        asked = place.follower.asked()
        before = place.reads()
        assert "Rome" in place.export(memory)
    assert place.reads() == (before[0], before[1] + 1)
    assert place.follower.asked() <= asked + 1  # the operator's own


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_read_that_gives_way_to_what_is_replayed_goes_on_at_the_primary(place: Place) -> None:
    memory = place.fresh()
    for number in range(3):
        memory.add(f"Parcel {number} is here.", session_id="s")
    whole = place.export(memory)
    lines = place.lines(memory)
    out = [next(lines), next(lines)]
    before = place.reads()
    place.on_primary("CREATE TABLE heap AS SELECT generate_series(1, 1000) AS n")
    place.on_primary("DELETE FROM heap")
    place.on_primary("VACUUM heap")
    until(lambda: place.follower.ask("SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = 'memsvc'"))
    place.on_primary("DROP TABLE heap")
    out += lines
    assert place.reads() == (before[0], before[1] + 1)
    assert b"".join(out).decode() == whole
    gc.collect()


# SQLAlchemy leaves a cursor open whose connection has broken.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_replica_that_is_killed_midway_leaves_the_export_whole_or_broken_off(place: Place) -> None:
    memory = place.fresh()
    for number in range(3):
        memory.add(f"Parcel {number} is here.", session_id="s")
    kept, changed = place.lines(memory), place.lines(memory)
    out = [next(kept), next(changed)][:1]
    place.follower.kill()
    out += kept
    end = json.loads(out[-1])
    assert end["rows"] == len(out) - 2
    memory.add("Parcel 4 is here.", session_id="s")
    with pytest.raises(errors.Unavailable, match="changed while"):
        list(changed)
    gc.collect()
    before = place.reads()
    assert "Parcel 4 is here." in place.export(memory)
    assert place.reads() == (before[0] + 1, before[1])


def test_what_is_asked_written_erased_or_looked_up_never_reaches_the_replica(place: Place) -> None:
    asked = place.follower.asked()
    memory = place.fresh()
    written = memory.add("I live in Oslo.", session_id="s", id="m")
    place.service.runner.run_due()
    assert memory.recall("Where do I live?", limit=3).results
    assert memory.context("Where do I live?")
    assert memory.answer("Where do I live?")
    assert memory.unit(written.units[0])
    memory.erase_part("message", "m")
    assert place.follower.asked() == asked
    memory.stats()
    assert place.follower.asked() > asked


def test_the_doctor_and_the_metrics_tell_how_far_the_replica_is_behind(place: Place, tmp_path: Path) -> None:
    def told() -> checkup.Finding:
        settings = _settings(tmp_path, place.postgres, place.follower.app_url)
        return checkup._look("replica", checkup._replica, settings)

    def shown() -> dict[str, float]:
        text = httpx.get(f"{place.url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).raise_for_status().text
        return {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if not line.startswith("#")
        }

    memory = place.fresh()
    memory.add("I live in Oslo.", session_id="s")
    place.export(memory)
    until(lambda: told().detail.endswith("is 0 bytes and 0.0 s behind"))
    assert told().ok
    with place.follower.paused():
        memory.add("I live in Rome.", session_id="s")
        numbers = shown()
        assert numbers["memsvc_replica_up"] == 1
        assert numbers["memsvc_replica_lag_bytes"] > 0
        assert numbers["memsvc_replica_lag_seconds"] > 0
        assert numbers['memsvc_heavy_reads_total{from="replica"}'] == place.reads()[0]
        assert " 0 bytes" not in told().detail


@pytest.mark.slow
def test_a_promoted_replica_is_not_read(place: Place, tmp_path: Path) -> None:
    memory = place.fresh()
    memory.add("I live in Oslo.", session_id="s")
    with replicas.following(tmp_path / "other", place.postgres) as other:
        database = Replicated(place.postgres.app_url, Replica(other.app_url))
        database.check()
        database.heavy(_nothing)
        assert database.reads == {"replica": 1, "primary": 0}
        other.ask("SELECT pg_promote()")
        with capture_logs() as logged:
            database.heavy(_nothing)
            database.check()
        assert database.reads == {"replica": 1, "primary": 1}
        assert "promoted" in logged[0]["reason"]
        database.close()


@pytest.mark.slow
def test_a_replica_of_another_database_is_refused_at_the_start(place: Place, tmp_path: Path) -> None:
    with replicas.primary(tmp_path / "stranger") as stranger:
        schema.upgrade(stranger.owner_url, rooms.root() / "migrations")
        with pytest.raises(errors.Invalid, match="another database") as refused:
            bootstrap.build(_settings(tmp_path, place.postgres, stranger.app_url))
    assert "streaming replica" in refused.value.next_step


def test_a_replica_that_is_away_at_the_start_is_no_obstacle(place: Place) -> None:
    url = f"postgresql://memsvc_app:x@127.0.0.1:{free_port()}/memsvc"
    database = Replicated(place.postgres.app_url, Replica(url))
    with capture_logs() as logged:
        database.check()
        database.heavy(_nothing)
    assert database.reads == {"replica": 0, "primary": 1}
    assert len(logged) == 1
    database.close()


def test_a_replica_of_the_embedded_database_is_refused_with_what_to_set(tmp_path: Path) -> None:
    settings = Settings(ServerSettings(data_dir=tmp_path))
    settings.database = DatabaseSettings(replica_url="postgresql://memsvc@127.0.0.1/memsvc")
    with pytest.raises(errors.Invalid, match="embedded"):
        bootstrap.build(settings)


@pooler.NEEDED
def test_a_pooler_may_stand_before_the_replica(place: Place) -> None:
    with pooler.pooled(place.follower.app_url) as url:
        unsaid = Replicated(place.postgres.app_url, Replica(url))
        with pytest.raises(errors.Invalid, match="pooler"):
            unsaid.check()
        unsaid.close()
        database = Replicated(place.postgres.app_url, Replica(url, pooled=True), pooled=True)
        database.check()
        for _ in range(20):
            database.heavy(_nothing)
        assert database.reads == {"replica": 20, "primary": 0}
        database.close()


def _nothing(place: Database) -> None:
    with place.key_lookup("none"):
        pass
