"""Looking: messages, units, and what stands around them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Caller
from api.deps import Cursor, Limit, MessageId, NamespaceName, Services, UnitId
from memsvc.consolidate.profile import Attribute
from memsvc.domain.unit import Kind
from memsvc.store.exchanges import StoredMessage
from memsvc.store.units import StoredUnit
from memsvc.wire import counts, profiles
from memsvc.wire import reads as wire
from memsvc.wire.base import Moment

router = APIRouter(prefix="/v1/namespaces/{namespace}", tags=["read"])
# What whoever may change a unit, and not read, is told of it.
_OPEN = frozenset({
    "id", "kind", "core_end", "status", "t_mention", "salience", "confidence", "tokens", "version", "superseded_by",
    "proof_count", "valid_to", "pinned", "expires_at", "trust", "assertion", "distiller", "created_at", "recorded_at",
})  # fmt: skip


@router.get("/messages", response_model=wire.MessagePage)
def messages(
    namespace: NamespaceName,
    caller: Caller,
    service: Services,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> wire.MessagePage:
    """What was said, word for word, in the order it was stored."""
    page = service.inspect.messages(caller.tenant_id, namespace, int(cursor or 0), limit)
    next_cursor = str(page.next_after) if page.next_after is not None else None
    return wire.MessagePage(messages=[_message(item) for item in page.messages], next_cursor=next_cursor)


@router.get("/messages/{message_id}", response_model=wire.MessageResult)
def message(namespace: NamespaceName, message_id: MessageId, caller: Caller, service: Services) -> wire.MessageResult:
    """One message, word for word."""
    return _message(service.inspect.message(caller.tenant_id, namespace, message_id))


@router.get("/units", response_model=wire.UnitPage)
def units(
    namespace: NamespaceName,
    caller: Caller,
    service: Services,
    cursor: Cursor = None,
    limit: Limit = 100,
    kind: Annotated[Kind | None, Query(description="Only units of this kind; none: all but abstracts.")] = None,
) -> wire.UnitPage:
    """All memories, whatever their status, in the order they were made. Abstracts repeat them, and are listed when
    their kind is asked for.
    """
    page = service.inspect.units(caller.tenant_id, namespace, int(cursor or 0), limit, kind)
    next_cursor = str(page.next_after) if page.next_after is not None else None
    return wire.UnitPage(units=[_unit(item) for item in page.units], next_cursor=next_cursor)


@router.get("/units/{unit_id}", response_model=wire.UnitResult)
def unit(namespace: NamespaceName, unit_id: UnitId, caller: Caller, service: Services) -> wire.UnitResult:
    """One memory unit with all its fields and the characters of the messages it was made from."""
    return _unit(service.inspect.unit(caller.tenant_id, namespace, unit_id))


@router.get("/units/{unit_id}/history", response_model=wire.UnitHistory)
def history(namespace: NamespaceName, unit_id: UnitId, caller: Caller, service: Services) -> wire.UnitHistory:
    """Every version of a unit with its cause, the current one first."""
    found = service.inspect.history(caller.tenant_id, namespace, unit_id)
    return wire.UnitHistory(
        unit_id=unit_id,
        versions=[
            wire.UnitVersion(
                version=item.version,
                cause=item.cause,
                state=dict(item.state),
                recorded_at=item.recorded_at,
                replaced_at=item.replaced_at,
            )
            for item in found
        ],
    )


@router.get("/units/{unit_id}/sources", response_model=wire.UnitSources)
def sources(namespace: NamespaceName, unit_id: UnitId, caller: Caller, service: Services) -> wire.UnitSources:
    """The sentences that a unit was made from, word for word."""
    found = service.inspect.sources(caller.tenant_id, namespace, unit_id)
    return wire.UnitSources(
        unit_id=unit_id,
        sources=[
            wire.CitedSource(
                message_id=said.id,
                session_id=said.session_id,
                role=said.role.value,
                speaker=said.speaker,
                occurred_at=said.occurred_at,
                start=source.start,
                end=source.end,
                text=said.content[source.start : source.end],
                caption=said.caption,
            )
            for source, said in found
        ],
    )


@router.patch("/units/{unit_id}", response_model=wire.UnitResult)
def change_unit(
    namespace: NamespaceName, unit_id: UnitId, body: wire.UnitChange, caller: Caller, service: Services
) -> wire.UnitResult:
    """Edit a unit's words, invalidate, restore or pin it, give it an end. Every change is a version of it. A key that
    may not read is told how the unit stands, and nothing that it says.
    """
    given = (caller.tenant_id, namespace, unit_id)
    last = (body.reason, caller.writer)
    if body.action == "edit":
        assert body.text is not None
        changed = service.revise.edit(*given, body.text, *last)
    elif body.action == "expire":
        changed = service.revise.expire(*given, body.expires_at, *last)
    else:
        change = {
            "invalidate": service.revise.invalidate, "restore": service.revise.restore,
            "pin": service.revise.pin, "unpin": service.revise.unpin,
        }[body.action]  # fmt: skip
        changed = change(*given, *last)
    return _unit(changed) if caller.may("read") else _without_words(_unit(changed))


@router.get("/units/{unit_id}/links", response_model=wire.UnitLinks)
def links(namespace: NamespaceName, unit_id: UnitId, caller: Caller, service: Services) -> wire.UnitLinks:
    """How a unit stands to others: says the same, supersedes, near, told next, answers, bears on it."""
    found = service.inspect.links(caller.tenant_id, namespace, unit_id)
    return wire.UnitLinks(
        unit_id=unit_id,
        links=[
            wire.UnitLink(
                kind=link.kind.value,
                other=link.dst if link.src == unit_id else link.src,
                is_source=link.src == unit_id,
                weight=link.weight,
                reason=link.reason,
                told_by=link.told_by,
            )
            for link in found
        ],
    )


@router.get("/episodes", response_model=wire.EpisodeList)
def episodes(namespace: NamespaceName, caller: Caller, service: Services) -> wire.EpisodeList:
    """Stretches of talk about one matter, as far as the background has come."""
    found = service.inspect.episodes(caller.tenant_id, namespace)
    return wire.EpisodeList(
        episodes=[
            wire.EpisodeResult(
                id=episode.id,
                name=episode.name,
                named_by=episode.named_by,
                medoid=episode.medoid,
                abstract=episode.abstract,
                start=episode.start,
                end=episode.end,
                segments=[
                    wire.SegmentResult(
                        id=segment.id,
                        session_id=segment.session_id,
                        units=list(segment.units),
                        medoid=segment.medoid,
                        start=segment.start,
                        end=segment.end,
                    )
                    for segment in episode.segments
                ],
            )
            for episode in found
        ]
    )


@router.get("/profile", response_model=profiles.ProfileList)
def profile(
    namespace: NamespaceName,
    caller: Caller,
    service: Services,
    subject: Annotated[
        str | None,
        Query(max_length=200, description="Only this person, by any of the names declared; at most 200 characters."),
    ] = None,
    as_of: Annotated[Moment | None, Query(description="As it was then, ISO 8601; without an offset in UTC.")] = None,
) -> profiles.ProfileList:
    """What holds of each person now, or held at a moment: attributes of which there is one at a time, each with what
    it was before, and how they want things.
    """
    found = service.inspect.profiles(caller.tenant_id, namespace, subject, as_of)
    return profiles.ProfileList(
        profiles=[
            profiles.ProfileResult(
                subject=item.subject,
                attributes=[_attribute(attribute) for attribute in item.attributes],
                wants=[
                    profiles.ProfileWish(unit_id=wish.id, kind=wish.kind, text=wish.said, said_at=wish.said_at)
                    for wish in item.wants
                ],
            )
            for item in found
        ]
    )


@router.get("/stats", response_model=counts.NamespaceStats)
def stats(namespace: NamespaceName, caller: Caller, service: Services) -> counts.NamespaceStats:
    """What the namespace holds, what was left out and why, and how far it was compressed."""
    found = service.inspect.stats(caller.tenant_id, namespace)
    verbatim, distilled = found.said.tokens, found.units.tokens
    return counts.NamespaceStats(
        namespace=namespace,
        seq=found.seq,
        sessions=found.said.sessions,
        exchanges=found.said.exchanges,
        messages=found.said.messages,
        skipped=found.said.skipped,
        units=found.units.by_status,
        kinds=found.units.by_kind,
        distillers=found.units.by_distiller,
        versions=found.units.versions,
        tokens=counts.TokenStats(
            verbatim=verbatim,
            distilled=distilled,
            compression=round(distilled / verbatim, 4) if verbatim else None,
        ),
        jobs=found.jobs,
        unknown_share=found.unknown_share,
        language_model={
            step: counts.ModelUsage(
                calls=cost.calls,
                failures=cost.failures,
                prompt_tokens=cost.prompt_tokens,
                completion_tokens=cost.completion_tokens,
                seconds=round(cost.seconds, 3),
                tokens_today=found.usage_today[step].tokens if step in found.usage_today else 0,
            )
            for step, cost in found.usage.items()
        },
    )


def _attribute(found: Attribute) -> profiles.ProfileAttribute:
    return profiles.ProfileAttribute(
        name=found.name,
        value=found.value,
        unit_id=found.unit_id,
        since=found.since,
        source=wire.SourceRef(message_id=found.message_id, session_id=found.session_id),
        before=profiles.FormerValue(**dataclasses.asdict(found.before)) if found.before else None,
    )


def _without_words(unit: wire.UnitResult) -> wire.UnitResult:
    """How the unit stands, everything else empty: a field that is new is closed."""
    closed = {name: value for name, value in unit if name not in _OPEN}
    empty: dict[str, object] = {
        name: "" if isinstance(value, str) else [] if isinstance(value, list) else None
        for name, value in closed.items()
    }
    return unit.model_copy(update=empty)


def _unit(stored: StoredUnit) -> wire.UnitResult:
    found = stored.unit
    return wire.UnitResult(
        id=found.id,
        kind=found.kind.value,
        text=found.text,
        core_end=found.core_end,
        status=found.status.value,
        subject=found.subject,
        persons=list(found.persons),
        entities=list(found.entities),
        keywords=list(found.keywords),
        topics=[dataclasses.asdict(topic) for topic in found.topics],
        artefacts=[dataclasses.asdict(artefact) for artefact in found.artefacts],
        quantities=[dataclasses.asdict(quantity) for quantity in found.quantities],
        location=found.location,
        t_mention=found.t_mention,
        t_start=found.time.start if found.time else None,
        t_end=found.time.end if found.time else None,
        t_granularity=found.time.granularity.value if found.time else None,
        t_phrase=found.time.phrase if found.time else None,
        salience=found.salience,
        confidence=found.confidence,
        tokens=found.tokens,
        version=found.version,
        superseded_by=found.superseded_by,
        proof_count=found.proof_count,
        valid_to=found.valid_to,
        gained_keywords=list(found.gained.keywords),
        gained_topics=[dataclasses.asdict(topic) for topic in found.gained.topics],
        pinned=found.pinned,
        expires_at=found.expires_at,
        trust=found.trust,
        assertion=found.assertion.value,
        reported_by=found.reported_by,
        holds_until=found.holds_until,
        distiller=found.distiller,
        cause=stored.cause,
        created_at=stored.created_at,
        recorded_at=stored.recorded_at,
        sources=[
            wire.UnitSource(message_id=source.message_id, session_id=session, start=source.start, end=source.end)
            for source, session in zip(found.sources, stored.source_sessions, strict=True)
        ],
    )


def _message(item: StoredMessage) -> wire.MessageResult:
    said = item.message
    return wire.MessageResult(
        id=said.id,
        session_id=said.session_id,
        exchange_id=said.exchange_id,
        role=said.role.value,
        speaker=said.speaker,
        content=said.content,
        caption=said.caption,
        metadata=dict(said.metadata),
        occurred_at=said.occurred_at,
        recorded_at=item.recorded_at,
        seq=said.seq,
        actor=said.origin.actor,
        channel=said.origin.channel,
        source=said.origin.source,
        trust=said.origin.trust,
        quarantined_at=item.quarantined_at,
        secrets=[
            wire.SecretPlace(field=".".join(place.path), start=place.start, end=place.end, kind=place.kind)
            for place in item.secrets
        ],
    )
