"""Write: exchanges in, messages and units and changes and jobs stored, all in one transaction.

Distilling and encoding happen before the transaction; then the namespace's row is locked, what was read before is
looked at once more, and everything is inserted. When the reply goes out the write is durable, and the next recall in
any process follows the change feed to it: by its words and by what it states. What it says in its context is encoded
by a job behind it. Of a long write only the words are stored so; jobs make the rest.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import math
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from memsvc import errors
from memsvc.distill import compose
from memsvc.distill.compose import Depth
from memsvc.domain.exchange import Namespace, NewExchange, Receipt, Writer, WriteReceipt
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message
from memsvc.domain.unit import MemoryUnit, Skip
from memsvc.models import tokens
from memsvc.models.encoder import TextEncoder
from memsvc.services import admission, follow_ups, secrecy, writing
from memsvc.services import shares as shared
from memsvc.services.admission import Admission
from memsvc.services.shares import Shares
from memsvc.store import (
    exchanges,
    feed,
    idempotency,
    jobs,
    namespaces,
    secrets,
    tenants,
    together,
    tombstones,
    trust,
    units,
)
from memsvc.store.database import Database
from memsvc.store.secrets import Place

# How often a write starts over because another one changed what it had read; each round one writer gets through.
_ROUNDS = 8
# The service itself, which fills the demo.
NOBODY = Writer()
# Writes come in bursts; a namespace is encoded in context and consolidated behind one, not within it.
_DELAY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Distilled:
    """The new messages of one exchange with their units; `vectors` are float32 bytes, one entry per unit; `secrets`:
    message id -> where they stand in it.
    """

    admission: Admission
    units: tuple[MemoryUnit, ...]
    skips: tuple[Skip, ...]
    vectors: tuple[bytes, ...]
    secrets: Mapping[str, tuple[Place, ...]]


class Ingest:
    """`depth` is how much the distiller keeps, `locale` what dates mean, both where a namespace sets nothing;
    `inline_bytes` the most words (UTF-8) of a write that are distilled within it; `kinds` are further jobs behind a
    write; `kick` tells their runner.
    """

    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        depth: Depth = compose.DEFAULT_DEPTH,
        kinds: Sequence[str] = (),
        kick: Callable[[], None] = lambda: None,
        *,
        locale: Locale = HERE,
        inline_bytes: float = math.inf,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares
        self._inline_bytes = inline_bytes
        self._database = database
        self._encoder = encoder
        self._depth = depth
        self._locale = locale
        self._kinds = tuple(kinds)
        self._kick = kick

    def write(
        self,
        tenant_id: uuid.UUID,
        namespace_name: str,
        batch: Sequence[NewExchange],
        idempotency_key: str | None = None,
        writer: Writer = NOBODY,
    ) -> WriteReceipt:
        """Store `batch`, all of it or nothing.

        Raises Conflict when an id or the idempotency key stands for something else already, or when the namespace
        belongs to another encoder.
        """
        request_hash = admission.digest(batch)
        for _ in range(_ROUNDS):
            with namespaces.opened(self._database, tenant_id, namespace_name) as (connection, found):
                space = found or Namespace(tenant_id, uuid.uuid4(), namespace_name, 0, self._encoder.name)
                require_encoder(space, self._encoder.name)
                replay = _replay(connection, space, idempotency_key, request_hash)
                if replay:
                    return replay
                admitted = admission.admit(connection, space, batch, writer, space.settings.locale(self._locale))
                is_long = _size(admitted) > self._inline_bytes
                context = {} if is_long else _context(connection, space, admitted)
            distilled = [_undistilled(item) for item in admitted] if is_long else self._distil(space, admitted, context)
            store = functools.partial(
                self._store, space, distilled, idempotency_key, request_hash, is_new=found is None, is_long=is_long
            )
            receipt = shared.kept(self._shares, tenant_id, store)
            if receipt:
                self._kick()
                return receipt
        raise errors.Unavailable("The namespace is being written by many at once.", "Send the same request again.")

    def refuse_secrets(self, tenant_id: uuid.UUID, namespace_name: str, words: str) -> None:
        """Before what a write waits for is begun. Raises Invalid where the namespace takes no secrets and these words,
        to be said in it, hold one.
        """
        with self._database.tenant(tenant_id) as connection:
            fresh = Namespace(tenant_id, uuid.uuid4(), namespace_name, 0, self._encoder.name)
            space = namespaces.find(connection, tenant_id, namespace_name) or namespaces.unset(connection, fresh)
        secrecy.refuse(space, {"content": words}, "The last message")

    def _distil(
        self, space: Namespace, admitted: Sequence[Admission], context: dict[str, tuple[list[Message], list[str]]]
    ) -> list[_Distilled]:
        drafts = []
        for item in admitted:
            before, names = context.get(item.session_id, ([], []))
            names.extend(m.speaker for m in item.messages if m.speaker and m.speaker not in names)
            draft = compose.distill(
                item.messages,
                preceding=before[-compose.PRECEDING_MESSAGES :],
                participants=names,
                namespace_id=str(space.id),
                count_tokens=tokens.count,
                depth=compose.depth_of(space.settings.reply_share, self._depth),
                locale=space.settings.locale(self._locale),
            )
            before.extend(item.messages)
            ends = {message.id: message.expires_at for message in item.messages}
            drafts.append(dataclasses.replace(draft, units=tuple(ending(unit, ends) for unit in draft.units)))
        vectors = writing.encode(self._encoder, [unit for draft in drafts for unit in draft.units])
        taken = iter(vectors)
        return [
            _Distilled(item, draft.units, draft.skips, tuple(next(taken) for _ in draft.units), _secrets(item))
            for item, draft in zip(admitted, drafts, strict=True)
        ]

    def _follow_up(
        self,
        connection: sa.Connection,
        space: Namespace,
        seq: int,
        ends: set[dt.datetime],
        waiting: Collection[str],
        *,
        is_long: bool,
    ) -> None:
        """Queue what comes after this write, in order, and at the ends of its messages."""
        if is_long:
            follow_ups.statements(connection, space, space.head, seq)
        follow_ups.of_write(connection, space, seq, _DELAY_S, waiting)
        for kind in self._kinds:
            jobs.enqueue(connection, space, kind, f"{kind}:{seq}", {"after": space.head, "to": seq})
        for end in ends:
            follow_ups.ending(connection, space, end)

    def _store(
        self,
        space: Namespace,
        distilled: Sequence[_Distilled],
        key: str | None,
        request_hash: bytes,
        *,
        is_new: bool,
        is_long: bool,
    ) -> WriteReceipt | None:
        """The transaction. None when what was read before no longer holds, the namespace among it: the caller starts
        over.
        """
        with self._locked(space, is_new=is_new) as (connection, locked):
            if (
                locked is None
                or locked.id != space.id
                or not admission.still_holds(connection, locked, [d.admission for d in distilled])
            ):
                connection.rollback()
                return None
            require_encoder(locked, self._encoder.name)
            replay = _replay(connection, locked, key, request_hash)
            if replay:
                return replay
            _refuse_secrets(locked, distilled)
            fresh = [message for item in distilled for message in item.admission.messages]
            chosen = frozenset[str]().union(*(item.admission.chosen for item in distilled))
            tombstones.refuse_erased(connection, locked, [message.id for message in fresh if message.id in chosen])
            seq, waiting, is_limited = _insert(connection, locked, distilled, len(fresh))
            if seq > locked.head:
                ends = {message.expires_at for message in fresh if message.expires_at}
                self._follow_up(connection, locked, seq, ends, waiting, is_long=is_long)
            job_id = None
            if is_long or any(item.admission.duplicate for item in distilled):
                said = [message_id for item in distilled for message_id in item.admission.message_ids]
                job_id = jobs.covering(connection, locked, follow_ups.STATEMENTS, said)
            receipt = WriteReceipt(seq, tuple(_receipt(item) for item in distilled), job_id=job_id)
            if key is not None:
                reply = idempotency.Reply(request_hash, _as_json(receipt))
                idempotency.store(connection, locked, key, reply)
            if is_limited:
                added = {"fresh_namespace": locked.head == 0, "fresh_messages": bool(fresh)}
                tenants.keep_quota(connection, locked.tenant_id, **added)
            return receipt

    @contextlib.contextmanager
    def _locked(self, space: Namespace, *, is_new: bool) -> Iterator[tuple[sa.Connection, Namespace | None]]:
        if is_new:
            with self._database.tenant(space.tenant_id) as connection:
                yield connection, namespaces.lock(connection, space)
        else:
            with namespaces.locked(self._database, space) as found:
                yield found


def _size(admitted: Sequence[Admission]) -> int:
    """Bytes of the new messages' words: of these an encoder and a distiller need about as long in every script."""
    return sum(len(message.text.encode()) for item in admitted for message in item.messages)


def _undistilled(admitted: Admission) -> _Distilled:
    return _Distilled(admitted, (), (), (), _secrets(admitted))


def _secrets(admitted: Admission) -> dict[str, tuple[Place, ...]]:
    return {m.id: found for m in admitted.messages if (found := secrecy.places(m.content, m.caption, m.metadata))}


def ending(unit: MemoryUnit, ends: Mapping[str, dt.datetime | None]) -> MemoryUnit:
    """A unit ends with the first of its messages."""
    moments = [end for source in unit.sources if (end := ends.get(source.message_id)) is not None]
    return dataclasses.replace(unit, expires_at=min(moments)) if moments else unit


def require_encoder(space: Namespace, encoder: str) -> None:
    """Vectors of two encoders cannot be compared: what would store one is refused. Who stores one asks again under the
    namespace's lock.
    """
    if space.encoder != encoder:
        raise errors.Conflict(
            f"The namespace {space.name} was encoded by {space.encoder}, and this service runs {encoder}.",
            f"Run memsvc reencode --namespace {space.name}, or start the service with "
            f"MEMSVC_ENCODER_MODEL={space.encoder}.",
        )


def _context(
    connection: sa.Connection, space: Namespace, admitted: Sequence[Admission]
) -> dict[str, tuple[list[Message], list[str]]]:
    """Session id -> its last messages and its named speakers."""
    sessions = {item.session_id for item in admitted if item.messages}
    return exchanges.context(connection, space, sessions, compose.PRECEDING_MESSAGES)


def _insert(
    connection: sa.Connection, space: Namespace, distilled: Sequence[_Distilled], count: int
) -> tuple[int, set[str], bool]:
    """Insert the exchanges, of `count` new messages, with their change rows: the sequence number reached, of which
    kinds of jobs one waits, and whether the tenant has a quota. A duplicate inserts nothing. One round trip.
    """
    seq = space.head
    changes: list[feed.Change] = []
    stored: list[exchanges.NewExchange] = []
    messages: list[Message] = []
    hashes: list[bytes] = []
    made: list[units.NewUnit] = []
    found: dict[str, tuple[Place, ...]] = {}
    for item in distilled:
        admitted = item.admission
        if admitted.duplicate:
            continue
        for message in admitted.messages:
            seq += 1
            messages.append(admitted.numbered(message, seq))
            changes.append(feed.Change(seq, "put", "message", message.id))
        for unit, vectors in zip(item.units, item.vectors, strict=True):
            seq += 1
            made.append(units.NewUnit(unit, seq, admitted.exchange_id, admitted.session_id, vectors))
            changes.append(feed.Change(seq, "put", "unit", unit.id))
        noted = exchanges.StoredExchange(
            admitted.exchange_id, admitted.content_hash, admitted.message_ids, (*admitted.repeated, *item.skips)
        )
        stored.append(exchanges.NewExchange(noted, admitted.session_id, admitted.occurred_at, admitted.metadata))
        hashes += admitted.hashes
        found |= item.secrets
    cited = {item.unit.id: item.unit.sources for item in made}
    trusted = trust.least(connection, space, cited, {message.id: message.origin.trust for message in messages})
    *_, waiting, moved = together.send(
        connection,
        [
            *exchanges.inserting(space, stored),
            *exchanges.inserting_messages(space, messages, hashes, [tokens.count(m.text) for m in messages]),
            *units.inserting(space, made, trusted),
            *feed.appending(space, changes),
            jobs.seeking_waiting(space, follow_ups.OF_WRITE),
            namespaces.advancing(space, seq, count),
        ],
        by_key=True,
    )
    secrets.insert(connection, space, found)
    return seq, {row.kind for row in waiting}, any(row.is_limited for row in moved)


def _refuse_secrets(space: Namespace, distilled: Sequence[_Distilled]) -> None:
    """Raises Invalid, naming the exchange and the message by their numbers."""
    if space.secrets != secrecy.REFUSE:
        return
    for number, item in enumerate(distilled, start=1):
        if not item.admission.duplicate:
            secrecy.refuse(space, item.admission.metadata, f"The metadata of exchange {number}")
        for place, message_id in enumerate(item.admission.message_ids, start=1):
            secrecy.refuse_found(space, item.secrets.get(message_id, ()), f"Message {place} of exchange {number}")
        for message in item.admission.messages:
            origin = {"speaker": message.speaker, "source": message.origin.source}
            secrecy.refuse(space, origin, f"A message of exchange {number}")


def _receipt(item: _Distilled) -> Receipt:
    admitted = item.admission
    if admitted.duplicate:
        return admitted.duplicate
    made = tuple(unit.id for unit in item.units)
    skipped = (*admitted.repeated, *item.skips)
    return Receipt(admitted.exchange_id, admitted.message_ids, made, skipped, duplicate=False, known=admitted.known)


def _replay(connection: sa.Connection, space: Namespace, key: str | None, request_hash: bytes) -> WriteReceipt | None:
    stored = idempotency.find(connection, space, key) if key is not None else None
    if stored is None:
        return None
    if stored.request_hash != request_hash:
        raise errors.Conflict(
            f"The Idempotency-Key {key!r} was used for another request.", "Use a new key for a new request."
        )
    results = tuple(
        Receipt(
            result["exchange_id"],
            tuple(result["messages"]),
            tuple(result["units"]),
            tuple(Skip(**skip) for skip in result["skipped"]),
            result["duplicate"],
            tuple(result.get("known", ())),
        )
        for result in stored.response["results"]
    )
    job_id = stored.response.get("job_id")
    return WriteReceipt(stored.response["seq"], results, True, uuid.UUID(job_id) if job_id else None)


def _as_json(receipt: WriteReceipt) -> dict[str, object]:
    return {
        "seq": receipt.seq,
        "job_id": str(receipt.job_id) if receipt.job_id else None,
        "results": [
            {
                "exchange_id": result.exchange_id,
                "messages": result.messages,
                "units": result.units,
                "skipped": [exchanges.skip_as_json(skip) for skip in result.skipped],
                "duplicate": result.duplicate,
                "known": result.known,
            }
            for result in receipt.results
        ],
    }
