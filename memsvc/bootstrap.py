"""The one place that chooses implementations and builds the services."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from memsvc import errors, rooms, safety
from memsvc.distill.compose import Depth
from memsvc.index.pool import IndexPool
from memsvc.index.snapshots import SnapshotFolder
from memsvc.models import encoder, generator, local
from memsvc.models.cross_encoder import CrossEncoder
from memsvc.models.encoder import TextEncoder
from memsvc.models.generator import EndpointGenerator, TextGenerator
from memsvc.models.local import LocalGenerator
from memsvc.models.trees import Trees
from memsvc.reader.disk import CacheFolder
from memsvc.reader.lazy import LazyReader
from memsvc.retrieval import ranker
from memsvc.retrieval.reading import Read
from memsvc.services import (
    answer,
    consolidate,
    contexts,
    forget,
    records,
    redistil,
    reencode,
    refine,
    summarise,
    verdicts,
)
from memsvc.services.accesses import Accesses
from memsvc.services.aliases import Aliases
from memsvc.services.answer import Answers
from memsvc.services.aside import Aside
from memsvc.services.consolidate import Consolidate
from memsvc.services.contexts import Contexts
from memsvc.services.directory import Directory
from memsvc.services.erase import Erase
from memsvc.services.forget import Forget
from memsvc.services.forgotten import Forgotten
from memsvc.services.indexes import Indexes
from memsvc.services.ingest import Ingest
from memsvc.services.inspect import Inspect
from memsvc.services.maintain import Maintain
from memsvc.services.namespaces import Namespaces
from memsvc.services.quarantine import Quarantine
from memsvc.services.read_ahead import ReadAhead
from memsvc.services.recall import Recall
from memsvc.services.records import Records
from memsvc.services.redistil import Redistil
from memsvc.services.reencode import Reencode
from memsvc.services.refine import Refine
from memsvc.services.revise import Revise
from memsvc.services.summarise import Summarise
from memsvc.services.transfer import Transfer
from memsvc.services.verdicts import Verdicts
from memsvc.services.work import Handler, Runner
from memsvc.settings import Settings
from memsvc.store import keys, schema, tenants
from memsvc.store.database import Database
from memsvc.store.embedded import EmbeddedPostgres, kept

_SERVER_KEY = "server"
# Behind every write, and soon done.
_APART = (contexts.KIND,)
_DRY_KINDS = (consolidate.KIND, consolidate.REBUILD_KIND, forget.KIND)


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
    answers: Answers
    accesses: Accesses
    forgotten: Forgotten
    inspect: Inspect
    maintain: Maintain
    namespaces: Namespaces
    revise: Revise
    erase: Erase
    records: Records
    aliases: Aliases
    directory: Directory
    quarantine: Quarantine
    transfer: Transfer
    runner: Runner
    aside: Aside
    tenant_id: uuid.UUID
    api_key: str
    postgres: EmbeddedPostgres | None

    def close(self) -> bool:
        """Stop everything. False when a thread is still in a model's call: the process must then be left without the
        interpreter's own end, which would pull the floor from under it.
        """
        ended = self.runner.stop() and self.answers.stop()
        self.accesses.close()
        self.forgotten.close()
        self.indexes.close()
        self.aside.close()
        self.database.close()
        if self.postgres is not None:
            self.postgres.stop()
        return ended


def build(settings: Settings, notify: Callable[[], None] = lambda: None) -> Service:
    """Start or reach the database, bring its schema up to date, load the encoder, wire the services.

    `notify` tells workers in other processes that there is work.

    Raises DataFolderBusy, Unavailable or Invalid, each with what to do about it; nothing is left running then.
    """
    safety.check(settings)
    postgres = (
        None if settings.database.url else EmbeddedPostgres(data_dir(settings), settings.database.start_timeout_s)
    )
    database = None
    try:
        if postgres is not None:
            postgres.start()
        owner_url, app_url = _urls(settings, postgres)
        schema.upgrade(owner_url, rooms.root() / "migrations")
        database = Database(
            app_url,
            pool_size=settings.database.pool_size,
            connect_timeout_s=settings.database.connect_timeout_s,
            port=postgres.port if postgres else None,
            secrets=settings.server.secrets,
        )
        database.check()
        api_key = _server_key(settings, database, embedded=postgres is not None)
        return _wire(settings, database, postgres, api_key, notify)
    except BaseException:
        if database is not None:
            database.close()
        if postgres is not None:
            postgres.stop()
        raise


def data_dir(settings: Settings) -> Path:
    """The data folder: as set, or the user's own."""
    return (settings.server.data_dir or Path(platformdirs.user_data_dir("memsvc"))).expanduser().resolve()


def load_encoder(settings: Settings) -> TextEncoder:
    chosen = settings.encoder
    return encoder.load(
        chosen.model,
        precision=chosen.precision,
        threads=chosen.threads,
        batch_size=chosen.batch_size,
        device=chosen.device,
    )


def load_generator(settings: Settings) -> TextGenerator | None:
    """The configured language model, not loaded yet; None when none is configured."""
    chosen = settings.generator
    return generator.load(
        model=chosen.model,
        url=chosen.url,
        api_key=chosen.api_key.get_secret_value() if chosen.api_key else None,
        device=chosen.device,
        dtype=chosen.dtype,
        threads=chosen.threads,
        folder=data_dir(settings) / "models",
    )


def load_reader(settings: Settings, text_generator: TextGenerator | None) -> LazyReader | None:
    """The model on this machine that answers, not loaded yet: as set, else the generator; None when there is none, or
    it is behind an address. The small model answers only where it is set to: what it says that stands in the memories
    is more often wrong than the best memory is (docs/reader.md).
    """
    chosen = settings.reader
    if chosen.model == "none":
        return None
    if chosen.model is not None:
        model = LocalGenerator(
            chosen.model, device=chosen.device, dtype=chosen.dtype, threads=chosen.threads,
            folder=data_dir(settings) / "models",
        )  # fmt: skip
    elif isinstance(text_generator, LocalGenerator) and text_generator.name != local.SMALL_MODEL:
        model = text_generator
    else:
        return None
    return LazyReader(
        model, caches(settings), chosen.memory_bytes, chosen.kept_tokens, chosen.kept_by, chosen.layer_exponent
    )


def caches(settings: Settings) -> CacheFolder:
    """What readers have read, in the data folder."""
    return CacheFolder(data_dir(settings) / "caches", settings.reader.disk_bytes, settings.reader.disk_codec)


def load_ranker(settings: Settings) -> Trees | None:
    """The learned ranker as set. Raises Invalid when it cannot be read."""
    chosen = settings.recall.ranker
    if chosen == "none":
        return None
    return ranker.load(ranker.WEIGHTS.get(chosen) or Path(chosen))


def load_cross_encoder(settings: Settings) -> Read | None:
    """The cross-encoder as set. Raises Unavailable when it cannot be had."""
    if settings.recall.cross_encoder is None:
        return None
    encoder = settings.encoder
    return CrossEncoder(settings.recall.cross_encoder, threads=encoder.threads, device=encoder.device).scores


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
    database = Database(
        settings.database.app_url or settings.database.url,
        pool_size=max(4, settings.database.pool_size // 2),
        connect_timeout_s=settings.database.connect_timeout_s,
        secrets=settings.server.secrets,
    )
    text_generator = load_generator(settings)
    reader = load_reader(settings, text_generator)
    handlers = _handlers(settings, load_encoder(settings), text_generator, reader)
    # A worker keeps what it has read, and no request that erases reaches it.
    forgotten = Forgotten(database, caches(settings), reader)
    forgotten.start()
    return Runner(database, handlers, settings.jobs, beside=forgotten.close, apart=_APART)


def _handlers(
    settings: Settings,
    text_encoder: TextEncoder,
    text_generator: TextGenerator | None,
    reader: LazyReader | None,
    aside: Aside | None = None,
) -> dict[str, Handler]:
    """Job kind -> what does it; with `aside` long computation does not stand in the way of requests."""
    if settings.distill.with_model and text_generator is None:
        raise errors.Invalid(
            "MEMSVC_DISTILL_WITH_MODEL is on and no language model is configured.", "Set MEMSVC_GENERATOR_MODEL."
        )
    # The small model gives no verdict that can be read, and takes its time for that (docs/consolidation.md).
    judges = settings.distill.with_model and text_generator is not None and text_generator.name != local.SMALL_MODEL
    forgets = settings.jobs.forget_faded
    consolidation = Consolidate(
        text_encoder.width,
        aside,
        daily=[forget.KIND] if forgets else [],
        after_abstracts=[summarise.KIND] if settings.distill.with_model else [],
        after_doubts=[verdicts.KIND] if judges else [],
        encoder=text_encoder.name,
    )
    distilling = Redistil(text_encoder, _depth(settings), southern=settings.distill.southern)
    handlers: dict[str, Handler] = {
        consolidate.KIND: consolidation.run,
        consolidate.REBUILD_KIND: consolidation.rebuild,
        redistil.KIND: distilling.run,
        redistil.STATEMENTS: distilling.run,
        reencode.KIND: Reencode(text_encoder).run,
        contexts.KIND: Contexts(text_encoder).run,
        forget.KIND: Forget(daily=forgets).run,
        records.KIND: records.sweep,
    }
    if reader is not None:
        handlers[answer.KIND] = ReadAhead(reader, settings.reader.episode_tokens).run
    if text_generator is not None:
        limits = settings.generator
        handlers[refine.KIND] = Refine(text_encoder, text_generator, limits.timeout_s, limits.max_tokens).run
        handlers[summarise.KIND] = Summarise(text_generator, limits.timeout_s, limits.max_tokens).run
        handlers[verdicts.KIND] = Verdicts(text_generator, limits.timeout_s, limits.max_tokens).run
    return handlers


def _ingest(settings: Settings, database: Database, text_encoder: TextEncoder, kick: Callable[[], None]) -> Ingest:
    return Ingest(
        database,
        text_encoder,
        _depth(settings),
        [refine.KIND] if settings.distill.with_model else [],
        kick,
        southern=settings.distill.southern,
        inline_bytes=settings.limits.distil_inline_bytes,
    )


def _depth(settings: Settings) -> Depth:
    return Depth(settings.distill.reply_share)


def _wire(
    settings: Settings,
    database: Database,
    postgres: EmbeddedPostgres | None,
    api_key: str,
    notify: Callable[[], None],
) -> Service:
    text_encoder = load_encoder(settings)
    pool = IndexPool(text_encoder.width, settings.index.budget_bytes, settings.index.vectors)
    snapshots = SnapshotFolder(data_dir(settings) / "indexes", settings.index.snapshot_bytes)
    indexes = Indexes(database, pool, text_encoder, snapshots)
    aside = Aside(idle_s=600.0)
    accesses = Accesses(database)
    text_generator = load_generator(settings)
    reader = load_reader(settings, text_generator)
    handlers = _handlers(settings, text_encoder, text_generator, reader, aside)
    unset = settings.reader.model is None
    endpoint = text_generator if unset and isinstance(text_generator, EndpointGenerator) else None
    read = caches(settings)
    discard = reader.discard if reader is not None else read.discard
    runner = Runner(database, handlers, settings.jobs, notify, apart=_APART)
    # Of a consolidation's pairs, of a write: they are queued behind them.
    by_hand = handlers.keys() - {verdicts.KIND, redistil.STATEMENTS, contexts.KIND}
    recall = Recall(
        text_encoder, indexes, settings.recall, load_ranker(settings), load_cross_encoder(settings), accesses.note,
        southern=settings.distill.southern,
    )  # fmt: skip
    return Service(
        settings=settings,
        database=database,
        encoder=text_encoder,
        generator=text_generator,
        pool=pool,
        indexes=indexes,
        ingest=_ingest(settings, database, text_encoder, runner.kick),
        recall=recall,
        answers=Answers(database, recall, reader, endpoint, settings.reader, runner.kick),
        accesses=accesses,
        forgotten=Forgotten(database, read, reader, indexes),
        inspect=Inspect(database),
        maintain=Maintain(database, by_hand, _DRY_KINDS, runner.kick, {reencode.KIND: Reencode(text_encoder).wanted()}),
        namespaces=Namespaces(database, text_encoder, discard),
        revise=Revise(database, text_encoder, discard),
        records=Records(database, text_encoder),
        aliases=Aliases(database, runner.kick),
        directory=Directory(database),
        erase=Erase(database, indexes, runner.kick, postgres.scrub if postgres else None, discard),
        quarantine=Quarantine(database, runner.kick, discard),
        transfer=Transfer(database, text_encoder, runner.kick),
        runner=runner,
        aside=aside,
        tenant_id=tenants.DEFAULT,
        api_key=api_key,
        postgres=postgres,
    )


def _urls(settings: Settings, postgres: EmbeddedPostgres | None) -> tuple[str, str]:
    if postgres is not None:
        return postgres.owner_url, postgres.app_url
    url = settings.database.url
    assert url is not None
    return url, settings.database.app_url or url


def _server_key(settings: Settings, database: Database, *, embedded: bool) -> str:
    """The key this server is used with: as set, else (embedded only) made once and kept in the data folder."""
    key = settings.server.api_key
    if key is None:
        if not embedded:
            raise errors.Invalid(
                "No API key is set.", "Set MEMSVC_API_KEY; every server of one database needs the same."
            )
        key = kept(data_dir(settings) / "api-key", keys.new_key)
    tenants.ensure(database, "default")
    keys.ensure_key(database, tenants.DEFAULT, key, keys.SCOPES, _SERVER_KEY)
    keys.revoke_others(database, tenants.DEFAULT, key, _SERVER_KEY)
    return key
