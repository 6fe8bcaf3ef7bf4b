"""The tables, as SQLAlchemy Core. Migrations create them; a test proves that both agree.

Every table but `tenant` is keyed by tenant first, and row-level security is forced on all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from memsvc.domain.exchange import Namespace
from memsvc.store import accounts, columns
from memsvc.store.accounts import api_key as api_key
from memsvc.store.accounts import asked as asked
from memsvc.store.accounts import audit as audit
from memsvc.store.accounts import cell as cell
from memsvc.store.accounts import directory as directory
from memsvc.store.accounts import metadata as metadata
from memsvc.store.accounts import placement as placement
from memsvc.store.accounts import reason as reason
from memsvc.store.accounts import tenant as tenant
from memsvc.store.accounts import tombstone as tombstone

_PLACE = ("tenant_id", "namespace_id")

namespace = sa.Table(
    "namespace",
    metadata,
    sa.Column("tenant_id", UUID(as_uuid=True), sa.ForeignKey("tenant.id"), primary_key=True),
    # A name that is erased and written again is another namespace: indexes and caches are keyed by this id.
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("head", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("encoder", sa.Text, nullable=False),
    columns.recorded("created_at"),
    # How many it holds: counting them at every write that has a quota would cost more than the write.
    sa.Column("messages", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("consolidated", sa.BigInteger, nullable=False, server_default="0"),  # up to there in the change feed
    sa.Column("partitioned", sa.BigInteger),  # likewise its partition; null where it has none
    sa.Column("secrets", sa.Text),  # what is done about those said in it; null: the service's own default holds
    sa.Column("settings", JSONB),  # what else is set for it; null where nothing is
    sa.Column("is_moved", sa.Boolean, nullable=False, server_default="false"),  # to another cell: nobody's here
    sa.Index("namespace_by_name", "tenant_id", "name"),
)

session = sa.Table(
    "session",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    columns.recorded(),
    columns.belongs(),
)

exchange = sa.Table(
    "exchange",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("occurred_at", columns.instant),
    sa.Column("metadata", JSONB),
    sa.Column("content_hash", BYTEA, nullable=False),
    # Every message the client named in this exchange, in its order, those that were stored before included.
    sa.Column("message_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("skipped", JSONB, nullable=False),
    columns.recorded(),
    # By their bytes, so that a range of them is a prefix in every database.
    sa.Index("exchange_by_bytes", "tenant_id", "namespace_id", "id", postgresql_ops={"id": "text_pattern_ops"}),
    columns.belongs(),
)

message = sa.Table(
    "message",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("exchange_id", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("speaker", sa.Text),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("caption", sa.Text),
    sa.Column("metadata", JSONB, nullable=False),
    sa.Column("occurred_at", columns.instant, nullable=False),
    sa.Column("content_hash", BYTEA, nullable=False),
    columns.recorded(),
    sa.Column("tokens", sa.Integer),  # of the text word for word; null in rows from before it was counted
    sa.Column("expires_at", columns.instant),
    # Provenance, never changed: the key that wrote it, the way it came, and what it was taken from.
    sa.Column("actor", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("source", sa.Text),
    *columns.trusted(),
    # Set: kept and shown when asked for by id, and neither recalled nor distilled.
    sa.Column("quarantined_at", columns.instant),
    # Of the clock that `occurred_at` was read from: its days are the speaker's.
    columns.utc_offset(),
    # Two float32 rows of one pass: its own words in context, and context and words; null until made, empty without.
    sa.Column("embedding", BYTEA),
    sa.UniqueConstraint("tenant_id", "namespace_id", "seq"),
    sa.Index("message_by_session", "tenant_id", "namespace_id", "session_id", "occurred_at", "seq"),
    sa.Index(
        "message_by_speaker", "tenant_id", "namespace_id", "session_id", "speaker", postgresql_where=columns.NAMED
    ),
    columns.by_trust("message"),
    sa.Index("message_without_vectors", "tenant_id", "namespace_id", "seq", postgresql_where=columns.WITHOUT_VECTORS),
    sa.Index("message_by_source", "tenant_id", "namespace_id", "source", postgresql_where=columns.SOURCED),
    columns.belongs(),
)

# Where secrets stand in what was said: never the secrets themselves.
secret = sa.Table(
    "secret",
    metadata,
    *columns.owner(),
    sa.Column("message_id", sa.Text, primary_key=True),
    # The text of the message, by the names that lead to it: {content}, {caption}, {metadata,note}.
    sa.Column("place", ARRAY(sa.Text), primary_key=True),
    sa.Column("start_char", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("end_char", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    columns.names("message", "message_id"),
)

unit = sa.Table(
    "unit",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("exchange_id", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("core_end", sa.Integer, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("persons", ARRAY(sa.Text), nullable=False),
    sa.Column("entities", ARRAY(sa.Text), nullable=False),
    sa.Column("keywords", ARRAY(sa.Text), nullable=False),
    sa.Column("topics", JSONB, nullable=False),
    sa.Column("artefacts", JSONB, nullable=False),
    sa.Column("quantities", JSONB, nullable=False),
    sa.Column("location", sa.Text),
    sa.Column("t_mention", columns.instant, nullable=False),
    sa.Column("t_start", columns.instant),
    sa.Column("t_end", columns.instant),
    sa.Column("t_granularity", sa.Text),
    sa.Column("t_phrase", sa.Text),
    sa.Column("salience", sa.Float, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("superseded_by", sa.Text),
    sa.Column("distiller", sa.Text, nullable=False),
    # One float32 row, little-endian; empty until made. (A second one, of before there were statements, is not read.)
    sa.Column("embedding", BYTEA, nullable=False),
    columns.recorded("created_at"),
    # Why the current version came into being, and when.
    sa.Column("cause", sa.Text, nullable=False, server_default="distilled"),
    columns.recorded(),
    sa.Column("proof_count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("valid_to", columns.instant),
    # What it has taken on from its neighbours, apart from its own.
    sa.Column("gained_keywords", ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("gained_topics", JSONB, nullable=False, server_default="[]"),
    sa.Column("pinned", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("expires_at", columns.instant),
    # The least of its sources' trust.
    *columns.trusted(),
    # How it was said, whose words it gives, and until when it holds.
    sa.Column("assertion", sa.Text, nullable=False, server_default="asserted"),
    sa.Column("reported_by", sa.Text),
    sa.Column("holds_until", columns.instant),
    # Of the clock that `t_mention` was read from.
    columns.utc_offset(),
    sa.Index("unit_by_seq", "tenant_id", "namespace_id", "seq"),
    columns.by_trust("unit"),
    sa.Index("unit_by_session", "tenant_id", "namespace_id", "session_id"),
    sa.Index("unit_archived", "tenant_id", "namespace_id", "id", postgresql_where=columns.ARCHIVED),
    sa.Index("unit_by_successor", "tenant_id", "namespace_id", "superseded_by", postgresql_where=columns.REPLACED),
    columns.belongs(),
)

link = sa.Table(
    "link",
    metadata,
    *columns.owner(),
    sa.Column("src", sa.Text, primary_key=True),
    sa.Column("dst", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("weight", sa.Float, nullable=False),
    sa.Index("link_by_dst", "tenant_id", "namespace_id", "dst"),
    columns.names("unit", "src"),
    columns.names("unit", "dst"),
)

judgement = sa.Table(
    "judgement",
    metadata,
    *columns.owner(),
    sa.Column("earlier", sa.Text, primary_key=True),
    sa.Column("later", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # of the texts that were judged
    sa.Column("replaces", sa.Boolean),
    sa.Column("judged_by", sa.Text, nullable=False),
    columns.recorded("made_at"),
    sa.Index("judgement_by_later", "tenant_id", "namespace_id", "later"),
    columns.names("unit", "earlier"),
    columns.names("unit", "later"),
)

episode = sa.Table(
    "episode",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("medoid", sa.Text, nullable=False),
    sa.Column("start_at", columns.instant, nullable=False),
    sa.Column("end_at", columns.instant, nullable=False),
    sa.Column("abstract", sa.Text),  # the unit that sums it up
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    *(sa.Column(column, sa.Text) for column in ("given_name", "named_by")),  # by a language model: instead of `name`
    columns.belongs(),
)

segment = sa.Table(
    "segment",
    metadata,
    *columns.owner(),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("episode_id", sa.Text, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("unit_ids", ARRAY(sa.Text), nullable=False),
    sa.Column("medoid", sa.Text, nullable=False),
    sa.Column("start_at", columns.instant, nullable=False),
    sa.Column("end_at", columns.instant, nullable=False),
    columns.names("episode", "episode_id"),
)

# The versions before the current one, which stands in `unit`.
unit_version = sa.Table(
    "unit_version",
    metadata,
    *columns.owner(),
    sa.Column("unit_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("state", JSONB, nullable=False),
    sa.Column("recorded_at", columns.instant, nullable=False),
    columns.recorded("replaced_at"),
    columns.names("unit", "unit_id"),
)

# No key on `unit`: counts are written down later than made, and the unit may be gone.
unit_access = sa.Table(
    "unit_access",
    metadata,
    *columns.owner(),
    sa.Column("unit_id", sa.Text, primary_key=True),
    sa.Column("recalls", sa.BigInteger, nullable=False),
    sa.Column("last_at", columns.instant, nullable=False),
    columns.belongs(),
)

unit_source = sa.Table(
    "unit_source",
    metadata,
    *columns.owner(),
    sa.Column("unit_id", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False),
    # The message's own, repeated here: every recall shows it, and a message never changes its session.
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("start_char", sa.Integer, nullable=False),
    sa.Column("end_char", sa.Integer, nullable=False),
    columns.names("unit", "unit_id"),
    columns.names("message", "message_id"),
    sa.Index("unit_source_by_message", "tenant_id", "namespace_id", "message_id"),
)

change = sa.Table(
    "change",
    metadata,
    *columns.owner(),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("op", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ref", sa.Text, nullable=False),
    columns.belongs(),
)

job = sa.Table(
    "job",
    metadata,
    *columns.owner(),
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("idem_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="queued"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("lease_until", columns.instant),
    sa.Column("run_after", columns.instant, nullable=False, server_default=sa.func.now()),
    sa.Column("last_error", sa.Text),
    sa.Column("payload", JSONB, nullable=False),
    columns.recorded("created_at"),
    # The order of a namespace's jobs.
    sa.Column("ordinal", sa.BigInteger, sa.Identity(always=True), nullable=False),
    # Progress: steps done of `total`, null while nobody knows how many there are.
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total", sa.Integer),
    sa.Column("result", JSONB),
    sa.Column("started_at", columns.instant),
    sa.Column("finished_at", columns.instant),
    sa.UniqueConstraint("tenant_id", "namespace_id", "idem_key"),
    sa.Index(
        "job_one_running_per_namespace", "tenant_id", "namespace_id", unique=True, postgresql_where=columns.RUNNING
    ),
    sa.Index("job_leased", "lease_until", postgresql_where=columns.RUNNING),
    sa.Index("job_due", "run_after", postgresql_where=sa.text("state = 'queued'")),
    sa.Index("job_open", "tenant_id", "namespace_id", "kind", "ordinal", postgresql_where=columns.OPEN),
    sa.Index("job_ended", "finished_at", postgresql_where=columns.ENDED),
    # By a caller who has the id alone.
    sa.Index("job_by_id", "tenant_id", "id"),
    # The newest: of a tenant, in a state, of a namespace.
    sa.Index("job_by_ordinal", "tenant_id", "ordinal"),
    sa.Index("job_by_state", "tenant_id", "state", "ordinal"),
    sa.Index("job_by_namespace", "tenant_id", "namespace_id", "ordinal"),
    columns.belongs(),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    *columns.owner(),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", BYTEA, nullable=False),
    sa.Column("response", JSONB, nullable=False),
    columns.recorded("created_at"),
    columns.belongs(),
)

# Documents that programs keep beside a memory, under a path and a key.
record = sa.Table(
    "record",
    metadata,
    *columns.owner(),
    sa.Column("path", ARRAY(sa.Text), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", JSONB, nullable=False),
    # (n, d) float32, little-endian, of the windows of all `texts` that the record is found by; null where none.
    sa.Column("embedding", BYTEA),
    *columns.written_over(),
    sa.Column("texts", ARRAY(sa.Text)),
    *columns.ending(),
    sa.Column("trust", sa.Float, nullable=False, server_default="1"),  # of the key that wrote it
    sa.Index("record_by_update", "tenant_id", "namespace_id", "updated_at"),
    sa.Index("record_by_key", "tenant_id", "namespace_id", "key"),
    columns.belongs(),
)

alias = sa.Table(
    "alias",
    metadata,
    *columns.owner(),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),  # of whom it is another name
    columns.recorded("created_at"),
    columns.belongs(),
)

# Children first: the order in which a namespace is erased.
NAMESPACE_TABLES: tuple[sa.Table, ...] = (
    idempotency, alias, record, job, change, segment, episode, link, judgement, reason, unit_access, unit_version,
    unit_source, unit, secret, asked, message, exchange, session, accounts.model_usage, accounts.answer,
    accounts.apart, accounts.proposal,
)  # fmt: skip


def within(table: sa.FromClause, namespace: Namespace) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """The conditions that keep a statement on `table` inside one namespace."""
    return table.c.tenant_id == namespace.tenant_id, table.c.namespace_id == namespace.id


def rows(connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[Any]:
    """The rows of a statement that has many: taken by the thousand, not one by one, nor all at once."""
    return itertools.chain.from_iterable(connection.execute(statement).partitions(1_000))


def any_of(column: sa.ColumnElement[str], ids: Collection[str] | sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
    """`column` is one of `ids`, as one array parameter, however many they are."""
    given = ids if isinstance(ids, sa.BindParameter) else sa.literal(list(ids), sa.ARRAY(sa.Text))
    return column == sa.any_(given)
