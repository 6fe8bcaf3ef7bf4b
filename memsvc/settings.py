"""Settings, grouped; each is read from the environment under its group's prefix (MEMSVC_DATABASE_URL and so on)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from memsvc.domain.locale import Locale
from memsvc.retrieval import support


def _group(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, extra="ignore", frozen=True)


class ServerSettings(BaseSettings):
    """MEMSVC_…: where the service listens and keeps its data."""

    model_config = _group("MEMSVC_")

    host: str = "127.0.0.1"
    port: int = Field(8377, ge=0, le=65535, description="0 takes a free one")
    data_dir: Path | None = Field(None, description="default: the user's data directory")
    erasures_dir: Path | None = Field(
        None,
        description="the journal of erasures, best on another disk than the database's; default: in embedded mode "
        "erasures in the data folder, else none",
    )
    api_key: str | None = Field(None, min_length=8, description="embedded mode: made at the first start when not given")
    allowed_hosts: str = Field("", description="further names of this service in a Host header, by comma; * is any")
    allowed_origins: str = Field("", description="web pages that may call it, by comma: https://app.example.com")
    trusted_proxies: str = Field(
        "127.0.0.1,::1", description="reverse proxies whose X-Forwarded-For and -Proto are believed, by comma"
    )
    demo: bool = Field(True, description="embedded mode: fill the namespace `demo` when the data folder is new")
    threads: int = Field(8, ge=1, description="requests worked on at once")
    secrets: Literal["keep", "mask", "refuse"] = Field(
        "keep", description="what is done about keys, tokens and passwords where a namespace sets nothing"
    )

    @property
    def folder(self) -> Path:
        """The data folder: as set, or the user's own."""
        return (self.data_dir or Path(platformdirs.user_data_dir("memsvc"))).expanduser().resolve()


class DatabaseSettings(BaseSettings):
    """MEMSVC_DATABASE_…"""

    model_config = _group("MEMSVC_DATABASE_")

    url: str | None = Field(None, description="the owner's URL of a PostgreSQL; without it the embedded one is used")
    app_url: str | None = Field(None, description="URL of a role apart from the owner; default: url, as memsvc_app")
    replica_url: str | None = Field(
        None, description="of a streaming replica, for what reads much; the role is that of app_url"
    )
    pooled: bool = Field(False, description="a pooler in transaction mode stands before it, as pgbouncer")
    pool_size: int = Field(10, ge=1)
    connect_timeout_s: float = Field(10.0, gt=0)
    start_timeout_s: float = Field(600.0, gt=0, description="of the embedded one, which may have to recover")


class CellSettings(BaseSettings):
    """MEMSVC_CELL_…: of an installation that is spread over several."""

    model_config = _group("MEMSVC_CELL_")

    name: str | None = Field(None, description="of this one, as memsvc cells list has it; none: it is the only one")
    connect_timeout_s: float = Field(5.0, gt=0, description="to another cell's service")
    patience_s: float = Field(10.0, gt=0, description="for a namespace that is on its way to another cell")


class EncoderSettings(BaseSettings):
    """MEMSVC_ENCODER_…"""

    model_config = _group("MEMSVC_ENCODER_")

    model: str = Field("all-MiniLM-L6-v2", description="or any sentence-transformers name or folder")
    precision: Literal["int8", "fp32"] = Field("int8", description="of the default model")
    threads: int = Field(1, ge=1)
    batch_size: int = Field(32, ge=1, description="texts of similar length in a run, at most")
    device: str | None = Field(
        None, description="for sentence-transformers: cpu, cuda, mps; default: the best there is"
    )


class IndexSettings(BaseSettings):
    """MEMSVC_INDEX_…"""

    model_config = _group("MEMSVC_INDEX_")

    budget_bytes: int = Field(2 * 1024**3, ge=0, description="memory for namespaces' indexes")
    vectors: Literal["float32", "float16", "int8", "binary"] = Field(
        "float16", description="how vectors are kept in memory; binary finds by signs and compares by int8"
    )
    snapshot_bytes: int = Field(
        8 * 1024**3, ge=0, description="for indexes in the data folder, from which they load quickly"
    )
    promote_units: int = Field(
        0, ge=0, description="a namespace of so many has its vectors searched by the database (pgvector); 0 for never"
    )
    partitions: int = Field(100, ge=0, description="how many namespaces may have theirs there")


class RecallSettings(BaseSettings):
    """MEMSVC_RECALL_…: one default for every kind of conversation; what each does stands in memsvc.retrieval."""

    model_config = _group("MEMSVC_RECALL_")

    candidates_per_arm: int = Field(100, ge=1)
    query_term_limit: int = Field(16, ge=1)
    lexical_weight: float = Field(0.4, ge=0, le=1)
    neighbour_weight: float = Field(0.2, ge=0, description="of the score of the message beside one, added to its own")
    time_boost: float = Field(0.2, ge=0)
    ranker: str = Field("shipped", description='"shipped-locomo", "none", or a file of memsvc eval train')
    cross_encoder: str | None = Field(None, description="a hub name or a folder, to read the first memories once more")
    cross_encoder_first: int = Field(30, ge=1, description="how many it reads")
    cross_encoder_timeout_s: float = Field(1.0, gt=0, description="after which the order before it stands")
    assistant_factor: float = Field(0.7, ge=0, description="of what an assistant wrote, unless it is asked for")


class DistillSettings(BaseSettings):
    """MEMSVC_DISTILL_…: how much is kept of what was said, and how it is read."""

    model_config = _group("MEMSVC_DISTILL_")

    reply_share: float = Field(0.13, gt=0, le=1, description="of a long reply's tokens")
    with_model: bool = Field(False, description="in the background let the generator rewrite units and judge pairs")
    hemisphere: Literal["northern", "southern"] = Field("northern", description="whose summer is meant, here and asked")

    @property
    def locale(self) -> Locale:
        """What dates mean, where a namespace sets nothing."""
        return Locale(self.hemisphere == "southern")


class GeneratorSettings(BaseSettings):
    """MEMSVC_GENERATOR_…: the language model, where one is to be used."""

    model_config = _group("MEMSVC_GENERATOR_")

    model: str | None = Field(None, description='"smollm2", a folder, a hub name, or the name an endpoint knows')
    url: str | None = Field(None, description="of an OpenAI-compatible endpoint, up to and with /v1; default: local")
    api_key: SecretStr | None = Field(None, description="of that endpoint")
    device: str | None = Field(None, description="cpu, cuda, mps; default: the best there is")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto: float32 on a CPU")
    threads: int = Field(1, ge=1)
    timeout_s: float = Field(60.0, gt=0, description="for one reply")
    max_tokens: int = Field(512, ge=16, description="of one reply")
    tries: int = Field(3, ge=1, description="of a call of the endpoint that may work in a moment, in timeout_s")
    concurrency: int = Field(4, ge=1, description="calls of the endpoint at once, in one process")
    daily_tokens: int = Field(
        0, ge=0, description="of a namespace's background work in a day (UTC); 0: as many as it takes"
    )
    plan_tokens: int = Field(4_000, ge=500, description="read and written to plan the searches of one question")
    plan_s: float = Field(20.0, gt=0, description="for that in all")


class ReaderSettings(BaseSettings):
    """MEMSVC_READER_…: the model that answers in words."""

    model_config = _group("MEMSVC_READER_")

    model: str | None = Field(
        None,
        description='"smollm2", a folder, a hub name, or "none"; default: the generator, unless it is smollm2',
    )
    device: str | None = Field(None, description="cpu, cuda, mps; default: the best there is")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto: float32 on a CPU")
    threads: int = Field(1, ge=1)
    grounded: bool = Field(True, description="serve a model's words only where they stand in what they cite")
    answerable: float = Field(
        support.ANSWERABLE, ge=0, le=1, description="below this support an answer that is grounded abstains"
    )
    reuse: bool = Field(False, description="answers are given again to like questions where a request says nothing")
    reused_answers: int = Field(1_000, ge=1, description="of a namespace, kept to be given again; the latest")
    examples: int = Field(0, ge=0, le=8, description="of answers before, shown to the model with a question")
    queue: int = Field(8, ge=0, description="questions that may wait for the model; more are told to come again")
    timeout_s: float = Field(120.0, gt=0, description="for writing one answer")
    mcp_timeout_s: float = Field(45.0, gt=0, description="MCP's answer gives memories then; clients give up after 60")
    max_tokens: int = Field(512, ge=1, description="of one answer")
    episode_tokens: int = Field(1_500, ge=64, description="of an episode that is read ahead")
    kept_tokens: int | None = Field(None, ge=64, description="of what is read ahead, in each layer; default: all")
    kept_by: Literal["patched", "snapkv", "keydiff", "surprise", "merged", "recency", "random"] = Field(
        "patched", description="how they are chosen"
    )
    layer_exponent: float = Field(
        0.0, ge=0, le=8, description="how unevenly layers share kept_tokens, by their sensitivity; 0: all the same"
    )
    memory_bytes: int = Field(1 * 1024**3, ge=0, description="for what was read ahead, in memory")
    disk_bytes: int = Field(8 * 1024**3, ge=0, description="and in the data folder")
    disk_codec: Literal["none", "int8", "int4"] = Field("none", description="the form of it there; all but none round")


class JobSettings(BaseSettings):
    """MEMSVC_JOB_…: background work."""

    model_config = _group("MEMSVC_JOB_")

    broker_url: str | None = Field(None, description="Redis, for wake-ups of workers: redis://host:6379/0")
    processes: int = Field(2, ge=1, description="of memsvc worker")
    keep_days: float = Field(7.0, ge=0, description="done and cancelled jobs are forgotten after so long")
    in_server: bool = Field(True, description="run jobs in the server process; off where workers run them")
    attempts: int = Field(5, ge=1, description="before a job is dead")
    lease_s: float = Field(60.0, gt=0, description="a worker that is silent for so long has lost its job")
    timeout_s: float = Field(1800.0, gt=0, description="a job that runs longer hangs, and is freed")
    poll_s: float = Field(2.0, gt=0, description="between two looks for work that nobody told of")
    backoff_s: float = Field(2.0, gt=0, description="before the second attempt; doubles with each further one")
    kept_bytes: int = Field(
        512 * 1024**2, ge=0, description="what the consolidation keeps of namespaces between runs, 7 KB a statement"
    )
    forget_faded: bool = Field(False, description="every day put away what has faded; kept, and restorable")
    stop_s: float = Field(8.0, ge=0, description="wait for the running job when the process stops")


class LimitSettings(BaseSettings):
    """MEMSVC_LIMIT_…"""

    model_config = _group("MEMSVC_LIMIT_")

    body_bytes: int = Field(8 * 1024**2, ge=1024)
    import_bytes: int = Field(2 * 1024**3, ge=1024, description="of one import, which is read from disk")
    distil_inline_bytes: int = Field(
        64 * 1024, ge=0, description="of a write's new words (UTF-8); the statements of a longer one follow in a job"
    )
    requests_per_s: float = Field(500.0, gt=0, description="of one key, in one process, or in all that share a Redis")
    redis_url: str | None = Field(None, description="where the processes count together: redis://host:6379/0")
    burst: int = Field(1000, ge=1, description="requests that a key may send at once after a rest")
    buffered_bytes: int = Field(
        64 * 1024**2, ge=1024, description="of all bodies that arrive or are worked on, in one process; a key has half"
    )
    body_timeout_s: float = Field(
        30.0, gt=0, description="for a request's body to arrive, or for each body_bytes of an import"
    )
    head_timeout_s: float = Field(10.0, gt=0, description="for what comes before: silent connections are closed")
    connections: int = Field(512, ge=2, description="at once; a key's requests are at most half as many")
    failed_keys: int = Field(20, ge=1, description="that an address may try at once, and as many a minute")


class LogSettings(BaseSettings):
    """MEMSVC_LOG_…: on standard error; ids, counts and times, never content."""

    model_config = _group("MEMSVC_LOG_")

    format: Literal["json", "words"] = Field("json", description="an object a line, or words for a terminal")
    level: Literal["debug", "info", "warning", "error"] = Field("warning", description="info: a line for each request")


class TelemetrySettings(BaseSettings):
    """MEMSVC_TELEMETRY_…"""

    model_config = _group("MEMSVC_TELEMETRY_")

    otlp_url: str | None = Field(None, description="where traces go, over HTTP: http://collector:4318/v1/traces")


class Settings:
    """All groups, read once at start."""

    def __init__(self, server: ServerSettings | None = None) -> None:
        self.server = server or ServerSettings()
        self.database = DatabaseSettings()
        self.cells = CellSettings()
        self.encoder = EncoderSettings()
        self.index = IndexSettings()
        self.recall = RecallSettings()
        self.distill = DistillSettings()
        self.generator = GeneratorSettings()
        self.reader = ReaderSettings()
        self.jobs = JobSettings()
        self.limits = LimitSettings()
        self.logs = LogSettings()
        self.telemetry = TelemetrySettings()


def refusal(error: ValidationError) -> str | None:
    """What is wrong with which environment variable; None where it was none of the settings that was not valid."""
    group = next((kind for kind in BaseSettings.__subclasses__() if kind.__name__ == error.title), None)
    if group is None:
        return None
    prefix = group.model_config.get("env_prefix", "")
    return " ".join(
        f"{prefix}{'.'.join(map(str, item['loc']))}".upper() + f": {item['msg']}." for item in error.errors()
    )
