"""What `memsvc doctor` looks at: each part, whether it is there, and what to do when it is not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from memsvc import errors, loading, rooms, safety
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.settings import Settings
from memsvc.store import embedded, schema
from memsvc.store.database import Database
from memsvc.store.replica import Replica, Replicated

# Mother, water, house, in the scripts that most people write.
_SAMPLES = {
    "Latin": "mother water house",
    "Cyrillic": "мама вода дом",
    "Greek": "μητέρα νερό σπίτι",
    "Arabic": "أم ماء بيت",
    "Hebrew": "אמא מים בית",
    "Devanagari": "माँ पानी घर",
    "Bengali": "মা জল বাড়ি",
    "Tamil": "அம்மா தண்ணீர் வீடு",
    "Thai": "แม่ น้ำ บ้าน",
    "Khmer": "ម្ដាយ ទឹក ផ្ទះ",
    "Burmese": "အမေ ရေ အိမ်",
    "Georgian": "დედა წყალი სახლი",
    "Ethiopic": "እናት ውሃ ቤት",
    "Chinese": "妈妈 水 房子",
    "Japanese": "お母さん みず 家",
    "Korean": "어머니 물 집",
}


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    ok: bool
    detail: str


def findings(settings: Settings) -> list[Finding]:
    """Looks without starting or changing anything but a read-only connection."""
    looks: dict[str, Callable[[Settings], str]] = {
        "rooms": lambda _: f"server code and migrations in {rooms.root()}",
        "database": _database,
        **({"replica": _replica} if settings.database.replica_url else {}),
        "encoder": _encoder,
        "token counter": lambda _: f"{tokens.NAME}, {tokens.count('ready')} token for 'ready'",
        "sentence-transformers": _sentence_transformers,
        "language model": _generator,
        "reader": _reader,
    }
    return [_look(part, look, settings) for part, look in looks.items()]


def _look(part: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(part, True, look(settings))
    except errors.MemsvcError as error:
        return Finding(part, False, str(error))


def _database(settings: Settings) -> str:
    if settings.database.url is None:
        folder = settings.server.folder
        state = "holds data" if (folder / "postgres").exists() else "will be made"
        return f"embedded PostgreSQL {embedded.version()} in {folder}, which {state}"
    schema.check(settings.database.url, rooms.root() / "migrations")
    database = Database(
        settings.database.app_url or settings.database.url, pool_size=1, pooled=settings.database.pooled
    )
    try:
        database.check()
    finally:
        database.close()
    return "the PostgreSQL of MEMSVC_DATABASE_URL answers"


def _replica(settings: Settings) -> str:
    safety.check(settings)
    chosen = settings.database
    assert chosen.url is not None and chosen.replica_url is not None
    replica = Replica(chosen.replica_url, pool_size=1, pooled=chosen.pooled)
    database = Replicated(chosen.app_url or chosen.url, replica, pool_size=1, pooled=chosen.pooled)
    try:
        replica.check()
        behind = database.lag()
    finally:
        database.close()
    return f"the replica of MEMSVC_DATABASE_REPLICA_URL is {behind.bytes} bytes and {behind.seconds:.1f} s behind"


def _encoder(settings: Settings) -> str:
    loaded = loading.encoder(settings)
    return f"{loaded.name}, {loaded.width} dimensions; {scripts(loaded)}"


def scripts(encoder: TextEncoder) -> str:
    """In a few words, of which scripts the encoder's tokenizer has no piece for sample words, and of which for some."""
    shares = {script: encoder.unknown_share(sample) for script, sample in _SAMPLES.items()}
    none = [script for script, share in shares.items() if share == 1]
    part = [script for script, share in shares.items() if 0 < share < 1]
    said = [f"knows no word in {', '.join(none)}"] * bool(none) + [f"some in {', '.join(part)}"] * bool(part)
    return "; ".join(said) or f"knows words in all of {len(_SAMPLES)} scripts tried"


def _sentence_transformers(_: Settings) -> str:
    if importlib.util.find_spec("sentence_transformers") is None:
        return 'not installed, and not needed by the default encoder; for others pip install "memsvc[encoders]"'
    return "installed; other encoders can be set with MEMSVC_ENCODER_MODEL"


def _generator(settings: Settings) -> str:
    """Looks for what a generator needs; loads and asks nothing."""
    chosen = loading.generator(settings)
    if chosen is None:
        return "none set; units are made by rule (MEMSVC_GENERATOR_MODEL)"
    where = f"at {urlsplit(settings.generator.url).hostname}" if settings.generator.url else "on this machine"
    if settings.generator.url is None:
        _require_local()
    use = (
        "rewrites units and judges doubtful pairs in the background"
        if settings.distill.with_model
        else "used when asked for"
    )
    return f"{chosen.name} {where}; {use}"


def _require_local() -> None:
    """Raises Invalid where no model can run on this machine."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise errors.Invalid(f"{package} is not installed.", 'Run pip install "memsvc[server,generator]".')


def _reader(settings: Settings) -> str:
    """Says which model would answer; loads nothing."""
    written = loading.generator(settings)
    chosen = loading.reader(settings, written)
    if chosen is not None:
        _require_local()
        return f"{chosen.name} on this machine answers; loaded beside the start"
    if settings.generator.url is not None and written is not None and settings.reader.model is None:
        return f"{written.name} at its address answers, without a cache"
    return "no model; the best memory is quoted (MEMSVC_READER_MODEL)"
