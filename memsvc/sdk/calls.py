"""Every call on a namespace, described once: its arguments, what is sent, how the reply is read.

The first argument is the namespace; MemoryClient and AsyncMemoryClient turn each into a method.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from memsvc.sdk import errors
from memsvc.sdk.transport import Call
from memsvc.wire import answers, counts, exchanges, jobs, questions, reads, selections, transfer
from memsvc.wire.changes import ChangePage, ChangeResult
from memsvc.wire.profiles import ProfileList, ProfileResult

T = TypeVar("T")
ReplyT = TypeVar("ReplyT", bound=BaseModel)
Role = Literal["user", "assistant", "system", "tool"]
Kind = Literal["fact", "event", "preference", "instruction", "state", "artefact", "abstract"]
Part = Literal["message", "session", "subject", "source", "channel", "actor"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None


# The call for the page behind a cursor; None begins.
Pages = Callable[[str | None], Call[Page[T]]]


class Trail:
    """The cursors of one walk over pages."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def next(self, page: Page[Any]) -> str | None:
        """Where the walk goes on. Raises BadReply for a cursor that was there before: the walk would never end."""
        cursor = page.next_cursor
        if cursor in self._seen:
            raise errors.BadReply(
                f"The service gave the cursor {cursor!r} twice; the rest of the pages is out of reach."
            )
        if cursor is not None:
            self._seen.add(cursor)
        return cursor


def add(
    namespace: str,
    content: str,
    *,
    session_id: str,
    role: Role = "user",
    speaker: str | None = None,
    occurred_at: dt.datetime | None = None,
    caption: str | None = None,
    id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Call[exchanges.WriteResult]:
    """Store one message."""
    message = exchanges.NewMessage(
        id=id, role=role, speaker=speaker, content=content, occurred_at=occurred_at, caption=caption, metadata=metadata
    )
    return write(namespace, [exchanges.NewExchange(session_id=session_id, messages=[message])]).then(
        lambda reply: reply.results[0]
    )


def write(
    namespace: str,
    batch: Iterable[exchanges.NewExchange | Mapping[str, Any]],
    *,
    idempotency_key: str | None = None,
) -> Call[exchanges.WriteResponse]:
    """Store exchanges, all or none; durable and searchable when this returns; the statements of a long write
    follow in the job `job_id` of the reply.

    Raises pydantic's ValidationError for a batch that the service would refuse.
    """
    items = [item if isinstance(item, exchanges.NewExchange) else exchanges.NewExchange(**item) for item in batch]
    body = exchanges.WriteRequest(exchanges=items)
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return Call(
        "POST", place(namespace, "exchanges"), exchanges.WriteResponse.model_validate_json, dump(body), headers=headers
    )


def recall(
    namespace: str,
    query: str,
    *,
    asked_at: dt.datetime | None = None,
    limit: int | None = 10,
    trace: bool = False,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: questions.RecallFilter | None = None,
    min_trust: float = 0.0,
    explain: str | None = None,
    sweep: bool = False,
    plan: bool = False,
) -> Call[questions.RecallResponse]:
    """The memories that bear on the question, best first: as things are, or were at `as_of`, or were known at
    `known_at`; with `only` of some sessions, speakers, roles, times, with `min_trust` only what is trusted so far.
    `explain` tells how a unit or message fared. With `limit` None those worth showing, 3 to 20. With `sweep` ("list
    all …", "summarise …") spread over messages, matters and sessions, oldest first; up to 50 with `limit` None. With
    `plan` the service's language model makes several searches of it.
    """
    body = questions.RecallRequest(
        query=query, asked_at=asked_at, limit=limit, trace=trace, as_of=as_of, known_at=known_at, only=only,
        min_trust=min_trust, explain=explain, sweep=sweep, plan=plan,
    )  # fmt: skip
    path = place(namespace, "recall")
    return Call("POST", path, questions.RecallResponse.model_validate_json, body.model_dump(mode="json"))


def context(
    namespace: str,
    query: str,
    *,
    asked_at: dt.datetime | None = None,
    budget_tokens: int | None = 1024,
    as_of: dt.datetime | None = None,
    known_at: dt.datetime | None = None,
    only: questions.RecallFilter | None = None,
    min_trust: float = 0.0,
    sweep: bool = False,
    pinned: bool = False,
    since_sha256: str | None = None,
    plan: bool = False,
) -> Call[questions.ContextResponse]:
    """A cited text for a prompt, of at most `budget_tokens`; with None those worth showing, in at most 3,000. With
    `sweep` ("list all …", "summarise …") spread over messages, matters and sessions. With `pinned` it begins with what
    holds whatever is asked, the same bytes until that changes; without that part where it is still that of
    `since_sha256`, the `pinned_sha256` of an earlier reply. With `plan` the service's language model makes several
    searches of the question.
    """
    body = questions.ContextRequest(
        query=query, asked_at=asked_at, budget_tokens=budget_tokens, as_of=as_of, known_at=known_at, only=only,
        min_trust=min_trust, sweep=sweep, pinned=pinned, since_sha256=since_sha256, plan=plan,
    )  # fmt: skip
    path = place(namespace, "context")
    return Call("POST", path, questions.ContextResponse.model_validate_json, body.model_dump(mode="json"))


def answer(
    namespace: str,
    query: str,
    *,
    asked_at: dt.datetime | None = None,
    budget_tokens: int | None = 1024,
    max_tokens: int = 64,
    only: questions.RecallFilter | None = None,
    min_trust: float = 0.0,
    sweep: bool = False,
    plan: bool = False,
    reuse: bool | None = None,
) -> Call[answers.AnswerResponse]:
    """An answer from what is remembered, with its citations: a model's words that stand in it, a memory word for word,
    or none; its `path` tells which. With `plan` the service's language model makes several searches of the question;
    with `reuse` its answer to a like question is given again while what it rests on stands, None: as the service has
    it.
    """
    body = answers.AnswerRequest(
        query=query, asked_at=asked_at, budget_tokens=budget_tokens, max_tokens=max_tokens, only=only,
        min_trust=min_trust, sweep=sweep, plan=plan, reuse=reuse,
    )  # fmt: skip
    path = place(namespace, "answer")
    return Call("POST", path, answers.AnswerResponse.model_validate_json, body.model_dump(mode="json"))


def messages(namespace: str, *, page_size: int = 100) -> Pages[reads.MessageResult]:
    """Everything that was said, in the order it was stored; pages are fetched as they are needed."""

    def page(cursor: str | None) -> Call[Page[reads.MessageResult]]:
        found = get(reads.MessagePage, place(namespace, "messages"), limit=str(page_size), cursor=cursor)
        return found.then(lambda reply: Page(reply.messages, reply.next_cursor))

    return page


def message(namespace: str, message_id: str) -> Call[reads.MessageResult]:
    """One message, word for word."""
    return get(reads.MessageResult, place(namespace, "messages", message_id))


def units(namespace: str, *, page_size: int = 100, kind: Kind | None = None) -> Pages[reads.UnitResult]:
    """All memories, or the units of a kind, of every status, in the order made; pages are fetched as needed."""

    def page(cursor: str | None) -> Call[Page[reads.UnitResult]]:
        found = get(reads.UnitPage, place(namespace, "units"), limit=str(page_size), cursor=cursor, kind=kind)
        return found.then(lambda reply: Page(reply.units, reply.next_cursor))

    return page


def unit(namespace: str, unit_id: str) -> Call[reads.UnitResult]:
    """One memory unit with all its fields."""
    return get(reads.UnitResult, place(namespace, "units", unit_id))


def edit(namespace: str, unit_id: str, text: str, *, reason: str | None = None) -> Call[reads.UnitResult]:
    """Give a unit other words; the old ones stay in its history."""
    return _change(namespace, unit_id, reads.UnitChange(text=text, reason=reason))


def invalidate(namespace: str, unit_id: str, *, reason: str | None = None) -> Call[reads.UnitResult]:
    """Put a unit away: no longer recalled, kept with its history."""
    return _change(namespace, unit_id, reads.UnitChange(action="invalidate", reason=reason))


def restore(namespace: str, unit_id: str, *, reason: str | None = None) -> Call[reads.UnitResult]:
    """Bring a unit back that was put away, merged or superseded; of one in doubt, say that it still holds."""
    return _change(namespace, unit_id, reads.UnitChange(action="restore", reason=reason))


def pin(namespace: str, unit_id: str) -> Call[reads.UnitResult]:
    """Never let a unit fade."""
    return _change(namespace, unit_id, reads.UnitChange(action="pin"))


def unpin(namespace: str, unit_id: str) -> Call[reads.UnitResult]:
    """Let a unit fade like any other."""
    return _change(namespace, unit_id, reads.UnitChange(action="unpin"))


def expire(namespace: str, unit_id: str, at: dt.datetime | None) -> Call[reads.UnitResult]:
    """Let a unit be recalled until `at` and no longer; None takes its end away."""
    return _change(namespace, unit_id, reads.UnitChange(action="expire", expires_at=at))


def links(namespace: str, unit_id: str) -> Call[list[reads.UnitLink]]:
    """How a unit stands to others, the strongest first."""
    return get(reads.UnitLinks, place(namespace, "units", unit_id, "links")).then(lambda reply: reply.links)


def episodes(namespace: str) -> Call[list[reads.EpisodeResult]]:
    """Stretches of talk about one matter, the earliest first."""
    return get(reads.EpisodeList, place(namespace, "episodes")).then(lambda reply: reply.episodes)


def changes(
    namespace: str, *, since: dt.datetime | None = None, until: dt.datetime | None = None, page_size: int = 100
) -> Pages[ChangeResult]:
    """What was superseded or merged, as far as it stands, the newest decision first: those made within [since, until).
    `restore` with the id of a change's `unit` takes it back.
    """
    within = {"since": since.isoformat() if since else None, "until": until.isoformat() if until else None}

    def page(cursor: str | None) -> Call[Page[ChangeResult]]:
        path = place(namespace, "changes")
        found = get(ChangePage, path, limit=str(page_size), cursor=cursor, **within)
        return found.then(lambda reply: Page(reply.changes, reply.next_cursor))

    return page


def profiles(
    namespace: str, subject: str | None = None, *, as_of: dt.datetime | None = None
) -> Call[list[ProfileResult]]:
    """What holds of each person, or of one, now or at `as_of`: each attribute with what it was before."""
    moment = as_of.isoformat() if as_of else None
    found = get(ProfileList, place(namespace, "profile"), subject=subject, as_of=moment)
    return found.then(lambda reply: reply.profiles)


def history(namespace: str, unit_id: str) -> Call[list[reads.UnitVersion]]:
    """Every version of a unit with its cause, the current one first."""
    return get(reads.UnitHistory, place(namespace, "units", unit_id, "history")).then(lambda reply: reply.versions)


def sources(namespace: str, unit_id: str) -> Call[list[reads.CitedSource]]:
    """The sentences that a unit was made from, word for word."""
    return get(reads.UnitSources, place(namespace, "units", unit_id, "sources")).then(lambda reply: reply.sources)


def stats(namespace: str) -> Call[counts.NamespaceStats]:
    """What the namespace holds, what was left out and why, and how far it was compressed."""
    return get(counts.NamespaceStats, place(namespace, "stats"))


def maintain(namespace: str, kind: str, *, dry_run: bool = False) -> Call[jobs.JobResult]:
    """Queue a maintenance job ("distill", "forget", …), or give the one of this kind that has not ended yet. With
    `dry_run` its result says what it would do, and nothing is changed.
    """
    params = {"dry_run": "true"} if dry_run else {}
    return Call("POST", place(namespace, "maintenance", kind), jobs.JobResult.model_validate_json, params=params)


def erase(namespace: str) -> Call[selections.ErasureReceipt]:
    """Erase the namespace and everything in it."""
    return Call("DELETE", place(namespace), selections.ErasureReceipt.model_validate_json, repeatable=False)


def erase_part(namespace: str, by: Part, value: str) -> Call[selections.PartErasure]:
    """Erase a message, a session, a person, or what came from a source, a channel or an actor, with all made of it."""
    return _moved(namespace, "erasures", by, value, selections.PartErasure)


def erase_unit(namespace: str, unit_id: str) -> Call[selections.PartErasure]:
    """Erase a unit with the messages that it was made from, and all else made of them; `invalidate` keeps them."""
    read = selections.PartErasure.model_validate_json
    return Call("DELETE", place(namespace, "units", unit_id), read, repeatable=False)


def quarantine(namespace: str, by: Part, value: str) -> Call[selections.QuarantineReceipt]:
    """Take a part out of memory with all that was made of it; it is kept."""
    return _moved(namespace, "quarantine", by, value, selections.QuarantineReceipt)


def release(namespace: str, by: Part, value: str) -> Call[selections.QuarantineReceipt]:
    """Let a part that was in quarantine back in."""
    return _moved(namespace, "release", by, value, selections.QuarantineReceipt)


def export(namespace: str) -> Call[bytes]:
    """Everything in the namespace as JSON lines, lossless, all in memory; checked to be whole. `memsvc export` writes a
    file as it comes.
    """
    return Call("GET", place(namespace, "export"), _whole)


def load(namespace: str, exported: bytes) -> Call[transfer.ImportReceipt]:
    """Make the namespace, which must not be there, from an export: all of it or nothing."""
    read = transfer.ImportReceipt.model_validate_json
    headers = {"Content-Type": "application/x-ndjson"}
    return Call("POST", place(namespace, "import"), read, headers=headers, repeatable=False, content=exported)


def _whole(exported: bytes) -> bytes:
    """Raises BadReply for an export that broke off or was changed: its last line has the hash of all before it."""
    before, _, last = exported.rstrip(b"\n").rpartition(b"\n")
    try:
        said = json.loads(last)["sha256"]
    except (ValueError, KeyError, TypeError):
        said = None
    if said != hashlib.sha256(before + b"\n").hexdigest():
        raise errors.BadReply("The export is not whole. Export again.")
    return exported


def get(reply: type[ReplyT], path: str, **params: str | None) -> Call[ReplyT]:
    given = {name: value for name, value in params.items() if value is not None}
    return Call("GET", path, reply.model_validate_json, params=given)


def _change(namespace: str, unit_id: str, change: reads.UnitChange) -> Call[reads.UnitResult]:
    path = place(namespace, "units", unit_id)
    return Call("PATCH", path, reads.UnitResult.model_validate_json, dump(change), repeatable=False)


def _moved(namespace: str, what: str, by: Part, value: str, reply: type[ReplyT]) -> Call[ReplyT]:
    body = selections.Selection(by=by, value=value)
    return Call("POST", place(namespace, what), reply.model_validate_json, dump(body), repeatable=False)


def place(namespace: str, *parts: str) -> str:
    return "/v1/namespaces/" + "/".join(segment(part) for part in (namespace, *parts))


def segment(part: str) -> str:
    """One segment of a path, whatever is in it. Raises BadArgument for an empty one, which would name another path."""
    if not part:
        raise errors.BadArgument("A namespace and an id must not be empty.")
    # Dots alone would be walked by any URL library.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="", errors="replace")


def dump(body: BaseModel) -> Any:
    return body.model_dump(mode="json", exclude_none=True)
