"""What does the background's jobs, as the settings have it: for the server and for workers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from memsvc import errors
from memsvc.distill.compose import Depth
from memsvc.models import local
from memsvc.models.encoder import TextEncoder
from memsvc.models.generator import TextGenerator
from memsvc.reader.lazy import LazyReader
from memsvc.services import (
    answer,
    connect,
    consolidate,
    contexts,
    forget,
    identify,
    promote,
    records,
    redistil,
    reencode,
    refine,
    retain,
    summarise,
    verdicts,
)
from memsvc.services.aside import Aside
from memsvc.services.connect import Connect
from memsvc.services.consolidate import Consolidate
from memsvc.services.contexts import Contexts
from memsvc.services.costs import Asking
from memsvc.services.erase import Erase
from memsvc.services.forget import Forget
from memsvc.services.identify import Identify
from memsvc.services.maintain import Maintain
from memsvc.services.promote import Promote
from memsvc.services.read_ahead import ReadAhead
from memsvc.services.redistil import Redistil
from memsvc.services.reencode import Reencode
from memsvc.services.refine import Refine
from memsvc.services.retain import Retain
from memsvc.services.summarise import Summarise
from memsvc.services.verdicts import Verdicts
from memsvc.services.work import Handler, Lease
from memsvc.settings import Settings
from memsvc.store.database import Database

# Behind every write, and soon done.
APART = (contexts.KIND,)
# Those that can say what they would do.
DRY = (consolidate.KIND, consolidate.REBUILD_KIND, forget.KIND, retain.KIND)
# Of a consolidation's pairs, of a write: they are queued behind them, and nobody asks for one.
QUEUED = (verdicts.KIND, redistil.STATEMENTS, contexts.KIND)
# Without this setting there is no such job.
NEEDS = {
    **dict.fromkeys((refine.KIND, summarise.KIND, identify.KIND, connect.KIND), "MEMSVC_GENERATOR_MODEL"),
    answer.KIND: "MEMSVC_READER_MODEL",
    promote.KIND: "MEMSVC_INDEX_PROMOTE_UNITS",
}


def consolidation(
    settings: Settings, text_encoder: TextEncoder, text_generator: TextGenerator | None, aside: Aside | None = None
) -> Consolidate:
    """With `aside` long computation does not stand in the way of requests."""
    # The small model gives no reply that can be read, and takes its time for that (docs/consolidation.md).
    judges = settings.distill.with_model and text_generator is not None and text_generator.name != local.SMALL_MODEL
    return Consolidate(
        text_encoder.width,
        aside,
        daily=[forget.KIND] if settings.jobs.forget_faded else [],
        after_abstracts=[summarise.KIND] if settings.distill.with_model else [],
        after_doubts=[verdicts.KIND] if judges else [],
        after_pairs=[connect.KIND] if judges else [],
        after_all=[identify.KIND] if judges else [],
        encoder=text_encoder.name,
        most_bytes=settings.jobs.kept_bytes,
    )


def handlers(
    settings: Settings,
    text_encoder: TextEncoder,
    text_generator: TextGenerator | None,
    reader: LazyReader | None,
    consolidating: Consolidate,
    erase: Erase,
) -> dict[str, Handler]:
    """Job kind -> what does it; `erase` is this process's."""
    if settings.distill.with_model and text_generator is None:
        raise errors.Invalid(
            "MEMSVC_DISTILL_WITH_MODEL is on and no language model is configured.", "Set MEMSVC_GENERATOR_MODEL."
        )
    distilling = Redistil(text_encoder, depth(settings), locale=settings.distill.locale)
    made: dict[str, Handler] = {
        consolidate.KIND: consolidating.run,
        consolidate.REBUILD_KIND: consolidating.rebuild,
        redistil.KIND: distilling.run,
        redistil.STATEMENTS: distilling.run,
        reencode.KIND: Reencode(text_encoder).run,
        forget.KIND: Forget(daily=settings.jobs.forget_faded).run,
        records.KIND: records.sweep,
        retain.KIND: Retain(erase).run,
    }
    if settings.index.promote_units:
        limits = settings.index.promote_units, settings.index.partitions
        promotion = Promote(text_encoder.width, text_encoder.name, *limits)
        made[promote.KIND] = promotion.run
        made[contexts.KIND] = Contexts(text_encoder, behind=promotion.consider).run
    else:
        made[contexts.KIND] = Contexts(text_encoder).run
    if reader is not None:
        made[answer.KIND] = functools.partial(_where_allowed, ReadAhead(reader, settings.reader.episode_tokens).run)
    if text_generator is not None:
        bounds = settings.generator
        model = Asking(text_generator, bounds.timeout_s, bounds.max_tokens, bounds.daily_tokens)
        made[refine.KIND] = functools.partial(
            _where_allowed, Refine(text_encoder, model, locale=settings.distill.locale).run
        )
        made[summarise.KIND] = functools.partial(_where_allowed, Summarise(model).run)
        made[identify.KIND] = functools.partial(_where_allowed, Identify(model).run)
        made[verdicts.KIND] = functools.partial(_where_allowed, Verdicts(model).run)
        made[connect.KIND] = functools.partial(_where_allowed, Connect(model).run)
    return made


def _where_allowed(handler: Handler, lease: Lease) -> None:
    """What gives a language model what was said, but for namespaces that let none read it."""
    with lease.reading() as (_, space):
        is_allowed = space.settings.reads_with_model
    if is_allowed:
        handler(lease)
        return
    with lease.transaction() as (connection, _):
        lease.finish(connection, {"left": "No language model reads this namespace (language_model: never)."})


def maintain(
    database: Database, text_encoder: TextEncoder, made: Mapping[str, Handler], kick: Callable[[], None]
) -> Maintain:
    """What may be asked of these by hand."""
    asked = {reencode.KIND: Reencode(text_encoder).wanted()}
    return Maintain(database, made.keys() - set(QUEUED), DRY, kick, asked, NEEDS)


def depth(settings: Settings) -> Depth:
    """Of what is distilled."""
    return Depth(settings.distill.reply_share)
