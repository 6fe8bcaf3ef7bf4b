"""The one place that chooses implementations and builds the services."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from memsvc import errors, handlers, loading, rooms, safety
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import SnapshotFolder
from memsvc.models.encoder import TextEncoder
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import TextGenerator
from memsvc.prompts import ANSWER
from memsvc.reader.disk import CacheFolder
from memsvc.reader.lazy import LazyReader
from memsvc.services import (
    refine,
)
from memsvc.services.accesses import Accesses
from memsvc.services.aliases import Aliases
from memsvc.services.answer import Answers
from memsvc.services.aside import Aside
from memsvc.services.browse import Browse
from memsvc.services.cells import Cells
from memsvc.services.consolidate import Consolidate
from memsvc.services.directory import Directory
from memsvc.services.erase import Erase
from memsvc.services.erased_elsewhere import ErasedElsewhere
from memsvc.services.indexes import Indexes
from memsvc.services.ingest import Ingest
from memsvc.services.inspect import Inspect
from memsvc.services.maintain import Maintain
from memsvc.services.namespaces import Namespaces
from memsvc.services.others import Others
from memsvc.services.past_answers import PastAnswers
from memsvc.services.planned import Planner
from memsvc.services.quarantine import Quarantine
from memsvc.services.recall import Recall
from memsvc.services.records import Records
from memsvc.services.restored import Restored
from memsvc.services.revise import Revise
from memsvc.services.several import Several
from memsvc.services.shares import Shares
from memsvc.services.transfer import Transfer
from memsvc.services.work import Runner
from memsvc.settings import Settings
from memsvc.store import keys, schema, tenants
from memsvc.store.database import Database
from memsvc.store.embedded import EmbeddedPostgres, kept
from memsvc.store.journal import Journal
from memsvc.store.replica import Replica, Replicated

_SERVER_KEY = "server"


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a running process needs; `postgres` is None on a server of the user's own."""

    settings: Settings
    database: Database
    encoder: TextEncoder
    generator: TextGenerator | None
    pool: IndexPool
    indexes: Indexes
    ingest: Ingest
    recall: Recall
    several: Several
    answers: Answers
    accesses: Accesses
    erased_elsewhere: ErasedElsewhere
    inspect: Inspect
    browse: Browse
    maintain: Maintain
    namespaces: Namespaces
    revise: Revise
    erase: Erase
    records: Records
    aliases: Aliases
    directory: Directory
    others: Others | None
    shares: Shares | None
    quarantine: Quarantine
    transfer: Transfer
    runner: Runner
    aside: Aside
    tenant_id: uuid.UUID
    api_key: str
    postgres: EmbeddedPostgres | None

    @property
    def cells(self) -> Cells | None:
        """None where this is the only one."""
        return self.others.cells if self.others is not None else None

    def close(self) -> bool:
        """Stop everything. False when a thread is still in a model's call: the process must then be left without the
        interpreter's own end, which would pull the floor from under it.
        """
        ended = self.runner.stop() and self.answers.stop()
        self.accesses.close()
        self.erased_elsewhere.close()
        self.indexes.close()
        self.aside.close()
        if self.others is not None:
            self.others.close()
        self.database.close()
        if self.postgres is not None:
            self.postgres.stop()
        return ended


def build(settings: Settings, notify: Callable[[], None] = lambda: None) -> Service:
    """Start or reach the database, bring its schema up to date, load the encoder, wire the services; erase again what
    a restored database has of the erased.

    `notify` tells workers in other processes that there is work.

    Raises DataFolderBusy, Unavailable or Invalid, each with what to do about it; nothing is left running then.
    """
    safety.check(settings)
    postgres = (
        None if settings.database.url else EmbeddedPostgres(settings.server.folder, settings.database.start_timeout_s)
    )
    database = None
    try:
        if postgres is not None:
            postgres.start()
        owner_url, app_url = _urls(settings, postgres)
        schema.upgrade(owner_url, rooms.root() / "migrations")
        if settings.index.promote_units:
            schema.require_vectors(owner_url)
        port, size = postgres.port if postgres else None, settings.database.pool_size
        database = reach(settings, app_url, port, size, replica_url=settings.database.replica_url)
        database.check()
        journal = loading.journal(settings)
        restored(settings, database, journal).compare()
        api_key = _server_key(settings, database, embedded=postgres is not None)
        return _wire(settings, database, postgres, api_key, notify, journal)
    except BaseException:
        if database is not None:
            database.close()
        if postgres is not None:
            postgres.stop()
        raise


def build_runner(settings: Settings) -> Runner:
    """What a worker process needs: the database as it stands, the models, the handlers of all jobs.

    Raises Invalid without MEMSVC_DATABASE_URL: the embedded database belongs to the server that started it, and that
    server runs its jobs itself.
    """
    safety.check(settings)
    if settings.database.url is None:
        raise errors.Invalid(
            "A worker needs a PostgreSQL that the service uses too.", "Set MEMSVC_DATABASE_URL for both."
        )
    url = settings.database.app_url or settings.database.url
    database = reach(settings, url, pool_size=max(4, settings.database.pool_size // 2))
    text_generator = loading.generator(settings)
    reader = loading.reader(settings, text_generator)
    text_encoder = loading.encoder(settings)
    consolidation = handlers.consolidation(settings, text_encoder, text_generator)
    journal = loading.journal(settings)
    erase = _erase_of_files(settings, database, journal)
    made = handlers.handlers(settings, text_encoder, text_generator, reader, consolidation, erase)
    # A worker keeps what it has read, and no request that erases reaches it.
    erased_elsewhere = ErasedElsewhere(
        database, loading.caches(settings), reader, [functools.partial(consolidation.sweep, database)]
    )
    erased_elsewhere.start()
    first = restored(settings, database, journal).compare
    return Runner(database, made, settings.jobs, beside=erased_elsewhere.close, apart=handlers.APART, first=first)


def restored(settings: Settings, database: Database, journal: Journal) -> Restored:
    """For a process that serves nothing yet, and has nothing but files in its data folder to forget."""
    return Restored(database, _erase_of_files(settings, database, journal), journal)


def _erase_of_files(settings: Settings, database: Database, journal: Journal) -> Erase:
    """For a process that holds nothing of namespaces but in files."""
    snapshots = SnapshotFolder(settings.server.folder / "indexes", settings.index.snapshot_bytes)
    return Erase(database, snapshots.discard, discard=loading.caches(settings).discard, journal=journal)


def reach(
    settings: Settings,
    url: str,
    port: Callable[[], int] | None = None,
    pool_size: int = 4,
    *,
    replica_url: str | None = None,
) -> Database:
    """The database, with what the settings say of it; nothing is sent to it."""
    given: dict[str, Any] = {
        "pool_size": pool_size,
        "connect_timeout_s": settings.database.connect_timeout_s,
        "secrets": settings.server.secrets,
        "pooled": settings.database.pooled,
        "cell": settings.cells.name,
    }
    if replica_url is None:
        return Database(url, port=port, **given)
    return Replicated(url, Replica(replica_url, **given), port=port, **given)


def _ingest(
    settings: Settings,
    database: Database,
    text_encoder: TextEncoder,
    kick: Callable[[], None],
    shares: Shares | None,
) -> Ingest:
    return Ingest(
        database,
        text_encoder,
        handlers.depth(settings),
        [refine.KIND] if settings.distill.with_model else [],
        kick,
        locale=settings.distill.locale,
        inline_bytes=settings.limits.distil_inline_bytes,
        shares=shares,
    )


def _others(settings: Settings, database: Database, api_key: str) -> Others | None:
    """None where this is the only cell."""
    name = settings.cells.name
    return Others(Cells(database, name), api_key, settings.cells) if name else None


def _wire(
    settings: Settings,
    database: Database,
    postgres: EmbeddedPostgres | None,
    api_key: str,
    notify: Callable[[], None],
    journal: Journal | None = None,
) -> Service:
    text_encoder = loading.encoder(settings)
    others = _others(settings, database, api_key)
    shares = Shares(database, others, settings.cells.patience_s) if others else None
    pool = IndexPool(text_encoder.width, settings.index.budget_bytes, settings.index.vectors)
    snapshots = SnapshotFolder(settings.server.folder / "indexes", settings.index.snapshot_bytes)
    indexes = Indexes(database, pool, text_encoder, snapshots)
    aside = Aside(idle_s=600.0)
    accesses = Accesses(database)
    text_generator = loading.generator(settings)
    reader = loading.reader(settings, text_generator)
    consolidation = handlers.consolidation(settings, text_encoder, text_generator, aside)
    read = loading.caches(settings)
    discard = _discard(reader if reader is not None else read, consolidation)
    by_age = Erase(database, indexes.drop, discard=discard, journal=journal)
    made = handlers.handlers(settings, text_encoder, text_generator, reader, consolidation, by_age)
    runner = Runner(database, made, settings.jobs, notify, apart=handlers.APART)
    planner = _planner(settings, database, text_generator)
    recall = _recall(settings, text_encoder, indexes, accesses, planner)
    return Service(
        settings=settings,
        database=database,
        encoder=text_encoder,
        generator=text_generator,
        pool=pool,
        indexes=indexes,
        ingest=_ingest(settings, database, text_encoder, runner.kick, shares),
        recall=recall,
        several=Several(recall.stages, accesses.note),
        answers=answers(settings, database, recall, reader, text_generator, runner.kick),
        accesses=accesses,
        erased_elsewhere=ErasedElsewhere(
            database, read, reader, [indexes.sweep, functools.partial(consolidation.sweep, database)]
        ),
        inspect=Inspect(database),
        browse=Browse(database),
        maintain=handlers.maintain(database, text_encoder, made, runner.kick),
        namespaces=Namespaces(database, text_encoder, discard, shares),
        revise=Revise(database, text_encoder, discard),
        records=Records(database, text_encoder, journal, shares),
        aliases=Aliases(database, runner.kick),
        directory=Directory(database, one_of_many=settings.cells.name is not None),
        others=others,
        shares=shares,
        erase=Erase(database, indexes.drop, runner.kick, postgres.scrub if postgres else None, discard, journal),
        quarantine=Quarantine(database, runner.kick, discard),
        transfer=Transfer(database, text_encoder, runner.kick, shares),
        runner=runner,
        aside=aside,
        tenant_id=tenants.DEFAULT,
        api_key=api_key,
        postgres=postgres,
    )


def _recall(
    settings: Settings, text_encoder: TextEncoder, indexes: Indexes, accesses: Accesses, planner: Planner | None
) -> Recall:
    return Recall(
        text_encoder, indexes, settings.recall, loading.ranker(settings), loading.cross_encoder(settings),
        accesses.note, locale=settings.distill.locale, planner=planner,
    )  # fmt: skip


def _planner(settings: Settings, database: Database, text_generator: TextGenerator | None) -> Planner | None:
    bounds = settings.generator
    return Planner(database, text_generator, bounds.plan_tokens, bounds.plan_s) if text_generator is not None else None


def answers(
    settings: Settings,
    database: Database,
    recall: Recall,
    reader: LazyReader | None,
    text_generator: TextGenerator | None,
    kick: Callable[[], None],
) -> Answers:
    """What answers in words: the reader, else a generator behind an address, else memories alone."""
    endpoint = _endpoint(settings, text_generator)
    model = reader or endpoint
    past = None
    if model is not None:
        checked = "grounded" if settings.reader.grounded else "free"
        maker = f"{ANSWER.said_by(model.name)}, {checked}"
        past = PastAnswers(
            database, recall.stages.encoder, maker, settings.reader.reused_answers, endpoint,
            settings.generator.timeout_s,
        )  # fmt: skip
    return Answers(database, recall, reader, endpoint, settings.reader, kick, past)


def _endpoint(settings: Settings, text_generator: TextGenerator | None) -> EndpointGenerator | None:
    """What answers where no reader is set: the generator, if it is behind an address."""
    unset = settings.reader.model is None
    return text_generator if unset and isinstance(text_generator, EndpointGenerator) else None


def _discard(
    read: LazyReader | CacheFolder, consolidation: Consolidate
) -> Callable[[uuid.UUID, Collection[str] | None], None]:
    """What lets go of all that was made of these units, None: of the whole namespace."""

    def discard(namespace_id: uuid.UUID, unit_ids: Collection[str] | None) -> None:
        read.discard(namespace_id, unit_ids)
        if unit_ids is None:
            consolidation.drop(namespace_id)

    return discard


def _urls(settings: Settings, postgres: EmbeddedPostgres | None) -> tuple[str, str]:
    if postgres is not None:
        return postgres.owner_url, postgres.app_url
    url = settings.database.url
    assert url is not None
    return url, settings.database.app_url or url


def _is_home(database: Database, name: str) -> bool:
    return Cells(database, name).own().is_home


def _server_key(settings: Settings, database: Database, *, embedded: bool) -> str:
    """The key this server is used with: as set, else (embedded only) made once and kept in the data folder."""
    key = settings.server.api_key
    if key is None:
        if not embedded:
            raise errors.Invalid(
                "No API key is set.", "Set MEMSVC_API_KEY; every server of one database needs the same."
            )
        key = kept(settings.server.folder / "api-key", keys.new_key)
    if settings.cells.name is not None and not _is_home(database, settings.cells.name):
        return key  # home's keys come by themselves
    tenants.ensure(database, "default")
    keys.ensure_key(database, tenants.DEFAULT, key, keys.SCOPES, _SERVER_KEY)
    keys.revoke_others(database, tenants.DEFAULT, key, _SERVER_KEY)
    return key
