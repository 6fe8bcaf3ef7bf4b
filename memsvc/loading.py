"""Models and folders as the settings name them."""

from __future__ import annotations

from pathlib import Path

from memsvc import errors
from memsvc.models import encoder as encoders
from memsvc.models import local
from memsvc.models.cross_encoder import CrossEncoder
from memsvc.models.encoder import TextEncoder
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import TextGenerator
from memsvc.models.local import LocalGenerator
from memsvc.models.trees import Trees
from memsvc.reader.disk import CacheFolder
from memsvc.reader.lazy import LazyReader
from memsvc.retrieval import ranker as rankers
from memsvc.retrieval.rescoring import Score
from memsvc.settings import Settings
from memsvc.store.journal import Journal


def journal(settings: Settings) -> Journal:
    """The journal of erasures: in the folder as set, which must be there; in embedded mode in the data folder, else
    none. Raises Invalid, Unavailable, StorageFull.
    """
    folder = settings.server.erasures_dir
    if folder is not None:
        return Journal(folder.expanduser().resolve())
    return Journal.made(settings.server.folder / "erasures") if settings.database.url is None else Journal(None)


def encoder(settings: Settings) -> TextEncoder:
    chosen = settings.encoder
    return encoders.load(
        chosen.model,
        precision=chosen.precision,
        threads=chosen.threads,
        batch_size=chosen.batch_size,
        device=chosen.device,
    )


def generator(settings: Settings) -> TextGenerator | None:
    """The configured language model, not loaded yet; None when none is configured. Raises Invalid for a half
    configuration or a key that no header can carry.
    """
    chosen = settings.generator
    if chosen.url is not None:
        if chosen.model is None:
            raise errors.Invalid("MEMSVC_GENERATOR_URL is set without a model.", "Set MEMSVC_GENERATOR_MODEL too.")
        api_key = chosen.api_key.get_secret_value() if chosen.api_key else None
        return EndpointGenerator(chosen.url, chosen.model, api_key, tries=chosen.tries, at_once=chosen.concurrency)
    if chosen.model is None:
        return None
    return LocalGenerator(
        chosen.model, device=chosen.device, dtype=chosen.dtype, threads=chosen.threads,
        folder=settings.server.folder / "models",
    )  # fmt: skip


def reader(settings: Settings, text_generator: TextGenerator | None) -> LazyReader | None:
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
            folder=settings.server.folder / "models",
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
    return CacheFolder(settings.server.folder / "caches", settings.reader.disk_bytes, settings.reader.disk_codec)


def ranker(settings: Settings) -> Trees | None:
    """The learned ranker as set. Raises Invalid when it cannot be read."""
    chosen = settings.recall.ranker
    if chosen == "none":
        return None
    return rankers.load(rankers.WEIGHTS.get(chosen) or Path(chosen))


def cross_encoder(settings: Settings) -> Score | None:
    """The cross-encoder as set. Raises Unavailable when it cannot be had."""
    if settings.recall.cross_encoder is None:
        return None
    chosen = settings.encoder
    return CrossEncoder(settings.recall.cross_encoder, threads=chosen.threads, device=chosen.device).scores
