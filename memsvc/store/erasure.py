"""Deletes messages and everything that was made from them. The caller holds the namespace's lock."""

from __future__ import annotations

import collections
import re
import uuid
from collections.abc import Collection, Sequence, Set
from typing import Any

import sqlalchemy as sa

from memsvc.domain.alias import folded
from memsvc.domain.exchange import Namespace
from memsvc.domain.job import State
from memsvc.domain.unit import Status
from memsvc.store import answers, columns, feed, namespaces, proposals, tables

_CHUNK = 10_000


def delete_messages(connection: sa.Connection, namespace: Namespace, ids: Collection[str]) -> collections.Counter[str]:
    """Delete the messages, and what is left empty without them; rows per table. Their units must be gone before.

    An exchange keeps the ids of its other messages; replies kept for idempotency keys name nothing any more, so that a
    late repetition stores nothing again.
    """
    counts: collections.Counter[str] = collections.Counter()
    m, e, s, i = tables.message, tables.exchange, tables.session, tables.idempotency
    gone = list(ids)
    emptied = sa.func.jsonb_set(i.c.response, sa.literal(["results"], sa.ARRAY(sa.Text)), sa.literal([], _JSON))
    counts["idempotency"] = connection.execute(
        sa.update(i).where(*tables.within(i, namespace), _names(i.c.response, gone)).values(response=emptied)
    ).rowcount
    touched = sa.select(e.c.id).where(*tables.within(e, namespace), columns.overlaps(e.c.message_ids, gone))
    touched_ids = list(connection.execute(touched).scalars())
    found = tables.secret
    counts["secret"] = connection.execute(
        sa.delete(found).where(*tables.within(found, namespace), tables.any_of(found.c.message_id, gone))
    ).rowcount
    told = tables.asked
    counts["asked"] = connection.execute(
        sa.delete(told).where(*tables.within(told, namespace), tables.any_of(told.c.message_id, gone))
    ).rowcount
    counts["answer"] = answers.drop(connection, namespace)
    counts["proposal"] = proposals.delete_shown(connection, namespace, gone)
    counts["message"] = connection.execute(
        sa.delete(m).where(*tables.within(m, namespace), tables.any_of(m.c.id, gone))
    ).rowcount
    namespaces.count_messages(connection, namespace, -counts["message"])
    counts["exchange"] = _shorten_exchanges(connection, namespace, touched_ids, set(gone))
    said = sa.exists().where(*tables.within(m, namespace), m.c.session_id == s.c.id)
    counts["session"] = connection.execute(sa.delete(s).where(*tables.within(s, namespace), ~said)).rowcount
    return counts


def _shorten_exchanges(
    connection: sa.Connection, namespace: Namespace, exchange_ids: Collection[str], gone: set[str]
) -> int:
    """Take the ids of gone messages out of these exchanges, and delete those that are left empty; the number of
    those.
    """
    e = tables.exchange
    rows = connection.execute(
        sa.select(e.c.id, e.c.message_ids, e.c.skipped).where(
            *tables.within(e, namespace), tables.any_of(e.c.id, exchange_ids)
        )
    ).all()
    emptied = []
    for row in rows:
        kept = [message_id for message_id in row.message_ids if message_id not in gone]
        if not kept:
            emptied.append(row.id)
            continue
        skipped = [skip for skip in row.skipped if skip["message_id"] not in gone]
        connection.execute(
            sa.update(e).where(*tables.within(e, namespace), e.c.id == row.id).values(message_ids=kept, skipped=skipped)
        )
    whole = sa.delete(e).where(*tables.within(e, namespace), tables.any_of(e.c.id, emptied))
    return connection.execute(whole).rowcount


def delete_units(
    connection: sa.Connection, namespace: Namespace, ids: Collection[str]
) -> tuple[collections.Counter[str], list[str]]:
    """Delete the units with their versions, sources, links, reasons, judgements, the episodes they are in and all
    answers that a model gave; rows per table, and the units that stood behind one of them and stand for themselves
    again.

    What follows from links and episodes the next consolidation makes anew.
    """
    counts: collections.Counter[str] = collections.Counter()
    u, seg, ep, judged, told_why = tables.unit, tables.segment, tables.episode, tables.judgement, tables.reason
    gone = list(ids)
    if not gone:
        return counts, []
    episodes = sa.select(seg.c.episode_id).where(*tables.within(seg, namespace), columns.overlaps(seg.c.unit_ids, gone))
    told = list(connection.execute(episodes.distinct()).scalars())
    src = tables.unit_source
    cited = sa.select(src.c.message_id).where(*tables.within(src, namespace), tables.any_of(src.c.unit_id, gone))
    conditions: Sequence[tuple[sa.Table, sa.ColumnElement[bool]]] = (
        (seg, tables.any_of(seg.c.episode_id, told)),
        (ep, tables.any_of(ep.c.id, told)),
        (tables.link, sa.or_(tables.any_of(tables.link.c.src, gone), tables.any_of(tables.link.c.dst, gone))),
        (judged, sa.or_(tables.any_of(judged.c.earlier, gone), tables.any_of(judged.c.later, gone))),
        (told_why, sa.or_(tables.any_of(told_why.c.src, gone), tables.any_of(told_why.c.dst, gone))),
        (tables.unit_version, tables.any_of(tables.unit_version.c.unit_id, gone)),
        # A model is asked again about a message whose units are made anew.
        (tables.asked, tables.asked.c.message_id.in_(cited)),
        (tables.unit_source, tables.any_of(tables.unit_source.c.unit_id, gone)),
        (tables.unit_access, tables.any_of(tables.unit_access.c.unit_id, gone)),
        (u, tables.any_of(u.c.id, gone)),
    )
    for table, condition in conditions:
        counts[table.name] += connection.execute(
            sa.delete(table).where(*tables.within(table, namespace), condition)
        ).rowcount
    counts["answer"] = answers.drop(connection, namespace)
    freed = (
        sa.update(u)
        .where(*tables.within(u, namespace), tables.any_of(u.c.superseded_by, gone))
        .values(superseded_by=None, valid_to=None, status=Status.ACTIVE.value)
        .returning(u.c.id)
    )
    return counts, sorted(connection.execute(freed).scalars())


def decided(connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str]) -> list[dict[str, Any]]:
    """What was decided about these units beside their words, pins and ends, with the place that each was made from: for
    those that are made there anew. No words.
    """
    u, s, m = tables.unit, tables.unit_source, tables.message
    cited = (*tables.within(s, namespace), s.c.unit_id == u.c.id)
    end = (
        sa.select(sa.func.min(m.c.expires_at))
        .where(*tables.within(m, namespace), m.c.id.in_(sa.select(s.c.message_id).where(*cited).correlate(u)))
        .scalar_subquery()
    )
    statement = (
        sa.select(s.c.message_id, s.c.start_char, u.c.pinned, u.c.expires_at)
        .join(u, sa.and_(*tables.within(u, namespace), s.c.unit_id == u.c.id))
        .where(
            *tables.within(s, namespace), s.c.ordinal == 0, tables.any_of(u.c.id, unit_ids),
            sa.or_(u.c.pinned, u.c.expires_at.is_distinct_from(end)),
        )
    )  # fmt: skip
    return [
        {
            "message_id": row.message_id, "start": row.start_char, "pinned": row.pinned,
            "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        }
        for row in connection.execute(statement)
    ]  # fmt: skip


def drop_decided(connection: sa.Connection, namespace: Namespace, message_ids: Collection[str]) -> None:
    """Nothing is to be made anew any more of these messages: waiting jobs name them no longer (see `decided`)."""
    j = tables.job
    item = sa.func.jsonb_array_elements(j.c.payload["decided"]).table_valued(sa.column("value", _JSON))
    left = sa.select(sa.func.coalesce(sa.func.jsonb_agg(item.c.value), sa.literal([], _JSON))).where(
        ~tables.any_of(item.c.value["message_id"].astext, message_ids)
    )
    shorter = sa.func.jsonb_set(j.c.payload, sa.literal(["decided"], sa.ARRAY(sa.Text)), left.scalar_subquery())
    here = (*tables.within(j, namespace), j.c.payload.has_key("decided"))
    connection.execute(sa.update(j).where(*here).values(payload=shorter))


def delete_records(connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str]) -> int:
    """Delete the records that programs keep beside these units, under their ids; the number of them."""
    r = tables.record
    condition = tables.any_of(r.c.key, unit_ids)
    return connection.execute(sa.delete(r).where(*tables.within(r, namespace), condition)).rowcount


def words_of(
    connection: sa.Connection, namespace: Namespace, message_ids: Collection[str], unit_ids: Collection[str]
) -> set[str]:
    """The words of these messages and of these units in all their versions, folded, their keywords and topics whole."""
    m, u, v = tables.message, tables.unit, tables.unit_version
    found: set[str] = set()
    said = sa.select(m.c.content, m.c.caption).where(*tables.within(m, namespace), tables.any_of(m.c.id, message_ids))
    now = sa.select(u.c.text, u.c.keywords, u.c.topics).where(
        *tables.within(u, namespace), tables.any_of(u.c.id, unit_ids)
    )
    before = sa.select(v.c.state["text"].astext, v.c.state["keywords"], v.c.state["topics"]).where(
        *tables.within(v, namespace), tables.any_of(v.c.unit_id, unit_ids)
    )
    for content, caption in connection.execute(said):
        found |= _words(content, caption or "")
    for statement in (now, before):
        for text, keywords, topics in connection.execute(statement):
            whole = [*keywords, *(topic["key"] for topic in topics)]
            found |= {*_words(text, *whole), *map(folded, whole)}
    return found


def drop_gained(connection: sa.Connection, namespace: Namespace, words: Set[str]) -> int:
    """Take away what units took on from others in any version, where it may hold one of these `words` (see `words_of`);
    the number of versions. The next consolidation gives them what is left of it.
    """
    u, v = tables.unit, tables.unit_version
    gained = u.c.gained_keywords, u.c.gained_topics
    taken = sa.or_(sa.func.cardinality(u.c.gained_keywords) > 0, u.c.gained_topics != sa.literal([], _JSON))
    now = sa.select(u.c.id, u.c.version, *gained).where(*tables.within(u, namespace), taken)
    state = v.c.state["gained_keywords"], v.c.state["gained_topics"]
    empty = sa.literal([], _JSON)
    before = sa.select(v.c.unit_id, v.c.version, *state).where(
        *tables.within(v, namespace), sa.or_(state[0] != empty, state[1] != empty)
    )

    def holding(statement: sa.Select[Any]) -> list[tuple[str, int]]:
        return [
            (unit_id, version)
            for unit_id, version, keywords, topics in connection.execute(statement)
            if any(
                folded(item) in words or not words.isdisjoint(_words(item))
                for item in [*(keywords or ()), *(topic["key"] for topic in topics or ())]
            )
        ]

    units = [unit_id for unit_id, _ in holding(now)]
    here = sa.update(u).where(*tables.within(u, namespace), tables.any_of(u.c.id, units))
    connection.execute(here.values(gained_keywords=[], gained_topics=[]))
    versions = holding(before)
    if versions:
        nothing = sa.literal({"gained_keywords": [], "gained_topics": []}, _JSON)
        one = sa.update(v).where(
            *tables.within(v, namespace), v.c.unit_id == sa.bindparam("ref"), v.c.version == sa.bindparam("number")
        )
        connection.execute(
            one.values(state=v.c.state.op("||")(nothing)),
            [{"ref": unit_id, "number": version} for unit_id, version in versions],
        )
    return len(units) + len(versions)


def _words(*texts: str) -> set[str]:
    return {word for text in texts for word in re.findall(r"\w+", folded(text))}


def delete_versions(connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str]) -> int:
    """Delete the versions before the current one; the number of them."""
    v = tables.unit_version
    condition = tables.any_of(v.c.unit_id, unit_ids)
    return connection.execute(sa.delete(v).where(*tables.within(v, namespace), condition)).rowcount


def by_hand(
    connection: sa.Connection, namespace: Namespace, unit_ids: Collection[str], causes: Sequence[str]
) -> list[str]:
    """Which of these units stand as a person wrote them: the cause of their version begins with one of `causes`."""
    u = tables.unit
    written = sa.or_(*(u.c.cause.startswith(cause, autoescape=True) for cause in causes))
    statement = sa.select(u.c.id).where(*tables.within(u, namespace), tables.any_of(u.c.id, unit_ids), written)
    return sorted(connection.execute(statement).scalars())


def interrupt_jobs(connection: sa.Connection, namespace: Namespace, by: uuid.UUID | None = None) -> int:
    """Take running jobs from their workers, who may have read what is erased now: they begin anew, and whatever their
    workers still do is refused. What ended jobs noted is dropped. `by` is the job that erases.
    """
    j = tables.job
    others = sa.true() if by is None else j.c.id != by
    connection.execute(
        sa.update(j)
        .where(*tables.within(j, namespace), j.c.state.not_in([State.QUEUED.value, State.RUNNING.value]))
        .values(payload={}, result=None, last_error=None)
    )
    statement = (
        sa.update(j)
        .where(*tables.within(j, namespace), j.c.state.in_([State.QUEUED.value, State.RUNNING.value]), others)
        .values(
            state=State.QUEUED.value, epoch=j.c.epoch + 1, lease_until=None, last_error=None, done=0, total=None,
            payload=_without(_without(_without(j.c.payload, "last_session"), "counts"), "at"),
        )
    )  # fmt: skip
    return connection.execute(statement).rowcount


def publish(
    connection: sa.Connection,
    namespace: Namespace,
    *,
    removed_units: Collection[str] = (),
    removed_messages: Collection[str] = (),
    put_messages: Collection[str] = (),
    put_units: Collection[str] = (),
) -> int:
    """Write the change rows and move the head; the new head."""
    rows = [("remove", "unit", ref) for ref in removed_units]
    rows += [("remove", "message", ref) for ref in removed_messages]
    rows += [("put", "message", ref) for ref in put_messages]
    rows += [("put", "unit", ref) for ref in put_units]
    changes = [
        feed.Change(seq, op, kind, ref)  # type: ignore[arg-type]
        for seq, (op, kind, ref) in enumerate(rows, start=namespace.head + 1)
    ]
    for start in range(0, len(changes), _CHUNK):
        feed.append(connection, namespace, changes[start : start + _CHUNK])
    head = namespace.head + len(changes)
    if changes:
        namespaces.advance(connection, namespace, head)
    return head


def _names(response: sa.ColumnElement[Any], message_ids: Collection[str]) -> sa.ColumnElement[bool]:
    """A reply kept for an idempotency key names one of these messages."""
    path = sa.literal("$.results[*].messages[*]", sa.Text).cast(_PATH)
    named = sa.func.jsonb_path_query(response, path).column_valued()
    as_text = named.op("#>>")(sa.literal([], sa.ARRAY(sa.Text)))
    return sa.exists(sa.select(1).where(as_text == sa.any_(sa.literal(list(message_ids), sa.ARRAY(sa.Text)))))


def _without(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[Any]:
    """A JSON object without one of its fields."""
    return column.op("-", return_type=_JSON)(sa.literal(name, sa.Text))


_JSON = sa.dialects.postgresql.JSONB()
_PATH = sa.dialects.postgresql.JSONPATH()
