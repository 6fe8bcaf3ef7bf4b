"""What a client hands in, and the receipt it gets."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memsvc.domain.message import Role
from memsvc.domain.space_settings import UNSET, SpaceSettings
from memsvc.domain.unit import Skip


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: the id of its key, and how far what it writes is trusted at most (0..1)."""

    actor: str | None = None
    max_trust: float = 1.0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message before it is stored; `id` and `occurred_at` are given by the client or not at all."""

    id: str | None
    role: Role
    speaker: str | None
    content: str
    occurred_at: dt.datetime | None = None
    caption: str | None = None
    metadata: Mapping[str, Any] | None = None
    channel: str | None = None
    source: str | None = None
    trust: float | None = None


@dataclass(frozen=True, slots=True)
class NewExchange:
    """Messages of one session in order; from one message up to a whole session. From `expires_at` on it is not
    recalled. Of one that `continues` its session the beginning may be what the session ends with already, by role,
    speaker and words: only the rest is stored.
    """

    id: str | None
    session_id: str
    occurred_at: dt.datetime | None
    messages: tuple[NewMessage, ...]
    metadata: Mapping[str, Any] | None = None
    expires_at: dt.datetime | None = None
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one exchange. `duplicate`: it was stored before, with the same content, and nothing changed;
    `known`: the units of what it only repeated, where it continues a session.
    """

    exchange_id: str
    messages: tuple[str, ...]
    units: tuple[str, ...]
    skipped: tuple[Skip, ...]
    duplicate: bool
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """`seq` is the namespace's head after the write: a read at or after it sees all of it. `job_id`: the job that makes
    its statements, where they are still to come.
    """

    seq: int
    results: tuple[Receipt, ...]
    replayed: bool = False
    job_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Namespace:
    """A memory space of a tenant. `id` is new for every life of a name; `head` is the number of changes so far;
    `secrets` says what is done about them: "keep", "mask" or "refuse"; `settings` is what else is set for it.
    `partitioned`: up to which change a partition in the database has its vectors, None where it has no partition.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    name: str
    head: int
    encoder: str
    secrets: str = "keep"
    partitioned: int | None = None
    settings: SpaceSettings = UNSET
