"""The tables of accounts, their keys and their trail; `tables` has those of what they hold."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, UUID

from memsvc.store import columns

metadata = sa.MetaData()

tenant = sa.Table(
    "tenant",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    columns.recorded("created_at"),
    # Quotas; null is no limit.
    sa.Column("max_namespaces", sa.Integer),
    sa.Column("max_messages", sa.BigInteger),
    # How often they were set: what cells hold of an earlier one is no share of this one.
    sa.Column("quota_number", sa.Integer, nullable=False, server_default="1"),
)

api_key = sa.Table(
    "api_key",
    metadata,
    sa.Column("tenant_id", UUID(as_uuid=True), sa.ForeignKey("tenant.id"), primary_key=True),
    # Random and looked up before the tenant is known, so unique over all tenants.
    sa.Column("id", sa.Text, primary_key=True, unique=True),
    sa.Column("hash", BYTEA, nullable=False),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False),
    sa.Column("label", sa.Text, nullable=False, server_default=""),
    columns.recorded("created_at"),
    sa.Column("revoked_at", columns.instant),
    # Set when the key was rotated: until then it lives beside its successor.
    sa.Column("expires_at", columns.instant),
    # No message written with this key is trusted more.
    sa.Column("max_trust", sa.Float, nullable=False, server_default="1"),
    # What the key may do in some namespaces: then it has no scopes. NULL: its scopes hold in all.
    sa.Column("grants", JSONB(none_as_null=True)),
)

# Which namespace a name stands for: the one place where names are unique. Small, and read before any namespace is.
directory = sa.Table(
    "directory",
    metadata,
    sa.Column("tenant_id", UUID(as_uuid=True), sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("namespace_id", UUID(as_uuid=True), nullable=False),
    # The cell that it has left this one for; whoever has its name is sent there.
    sa.Column("moved_to", sa.Text),
    sa.Index("directory_by_namespace", "tenant_id", "namespace_id"),
)

# The parts that an installation is spread over, each with a database of its own. Written by the operator alone.
cell = sa.Table(
    "cell",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("is_home", sa.Boolean, nullable=False, server_default="false"),
    # Whether new namespaces may come to it.
    sa.Column("is_open", sa.Boolean, nullable=False, server_default="true"),
    columns.recorded("added_at"),
)

# In which cell a namespace is, by a digest of its name: the place of an erased one stays, and tells nothing. The home
# cell's rows count; every other cell has a copy.
placement = sa.Table(
    "placement",
    metadata,
    sa.Column("tenant_id", UUID(as_uuid=True), sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("cell", sa.Text, nullable=False),
)

# How much of its tenant's quota a cell may use. A cell has its own row; home's rows say what it granted to each.
share = sa.Table(
    "share",
    metadata,
    sa.Column("tenant_id", UUID(as_uuid=True), sa.ForeignKey("tenant.id"), primary_key=True),
    sa.Column("cell", sa.Text, primary_key=True),
    sa.Column("namespaces", sa.BigInteger, nullable=False),
    sa.Column("messages", sa.BigInteger, nullable=False),
    # Of the change in the cell that made it so.
    sa.Column("number", sa.BigInteger, nullable=False),
    # The quota that it is a share of; 0 says that home does not know what the cell holds.
    sa.Column("quota_number", sa.Integer, nullable=False),
)

# What calls of language models cost a namespace, by day.
model_usage = sa.Table(
    "model_usage",
    metadata,
    *columns.owner(),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    columns.belongs(),
)

# Of which words of a message a language model was asked last.
asked = sa.Table(
    "asked",
    metadata,
    *columns.owner(),
    sa.Column("message_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    columns.recorded("made_at"),
    columns.names("message", "message_id"),
)

# Answers that a language model gave, to be given again while what they were made from stands as it did. Whatever is
# erased of the namespace takes them all along.
answer = sa.Table(
    "answer",
    metadata,
    *columns.owner(),
    sa.Column("digest", BYTEA, primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    # Of the question, by the encoder that `maker` names.
    sa.Column("embedding", BYTEA, nullable=False),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("maker", sa.Text, nullable=False),
    sa.Column("asked_at", columns.instant, nullable=False),
    columns.utc_offset(),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("cited", ARRAY(sa.Text), nullable=False),
    sa.Column("seen", JSONB, nullable=False),
    columns.recorded("made_at"),
    columns.belongs(),
    sa.Index("answer_by_form", "tenant_id", "namespace_id", "form"),
    sa.Index("answer_by_made_at", "tenant_id", "namespace_id", "made_at"),
)

# Of which pairs of names a person said that they are two persons', as digests: they hold no names.
apart = sa.Table(
    "apart",
    metadata,
    *columns.owner(),
    sa.Column("pair", sa.Text, primary_key=True),
    columns.recorded("made_at"),
    columns.belongs(),
)

# What a language model said of a pair of names when it was shown these messages; names and quotes stand only where it
# was believed that they are one person's.
proposal = sa.Table(
    "proposal",
    metadata,
    *columns.owner(),
    sa.Column("pair", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("shown", ARRAY(sa.Text), nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("alias", sa.Text),
    sa.Column("quotes", JSONB(none_as_null=True)),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("prompt_version", sa.Integer, nullable=False),
    columns.recorded("made_at"),
    columns.belongs(),
)

# Why `src` bears on `dst`, as a language model told it; without text it was asked and gave no reason to be believed.
reason = sa.Table(
    "reason",
    metadata,
    *columns.owner(),
    sa.Column("src", sa.Text, primary_key=True),
    sa.Column("dst", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # of the texts that it was told of
    sa.Column("text", sa.Text),
    sa.Column("told_by", sa.Text, nullable=False),
    sa.Column("prompt_version", sa.Integer, nullable=False),
    columns.recorded("made_at"),
    sa.Index("reason_by_dst", "tenant_id", "namespace_id", "dst"),
    columns.names("unit", "src"),
    columns.names("unit", "dst"),
)

# What was erased, as digests; nothing brings it back.
tombstone = sa.Table(
    "tombstone",
    metadata,
    columns.tenant(),
    sa.Column("digest", BYTEA, primary_key=True),
    columns.recorded("erased_at"),
)

# Who did what to what, without content; each row carries the hash of the one before it. Insert and read only.
audit = sa.Table(
    "audit",
    metadata,
    columns.tenant(),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", columns.instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("counts", JSONB, nullable=False),
    sa.Column("previous", BYTEA, nullable=False),
    sa.Column("hash", BYTEA, nullable=False),
)
