"""What a person or a script asks a running service: a memory is added, found, read, and watched."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import pydantic
import typer
from rich.console import Console

from memsvc import errors
from memsvc.cli import connection
from memsvc.cli.connection import URL, Url
from memsvc.sdk import MemoryClient, MessageResult, Namespace, NotFound, calls
from memsvc.wire.changes import ChangeResult
from memsvc.wire.questions import ContextResponse, RecallResponse, RecallResult
from memsvc.wire.several import ContextOfSeveralResponse, NamespacedResult, RecallOfSeveralResponse

_POLL_S = 1.0
_STEP = 200
# Statements of what was added that are shown; of a long text the rest is counted.
_SHOWN = 5

Name = Annotated[
    str,
    typer.Option("--namespace", "-n", envvar="MEMSVC_NAMESPACE", help="The memory space: a user, an agent, a team."),
]
Names = Annotated[
    list[str],
    typer.Option(
        "--namespace", "-n", envvar="MEMSVC_NAMESPACE", help="The memory space; again for more, or a pattern: 'team-*'."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The service's reply as JSON.")]
Question = Annotated[str, typer.Argument(help="In words.")]
AsOf = Annotated[str | None, typer.Option(help="What was so then: 2024-05-08, or 2024-05-08T18:00+02:00.")]
Plan = Annotated[
    bool, typer.Option("--plan", help="Let the service's language model make several searches of the question.")
]
AskedAt = Annotated[str | None, typer.Option(help='When it is asked: what "last week" is relative to; default: now.')]


def add(
    text: Annotated[str, typer.Argument(help="What was said; - reads standard input.")],
    namespace: Name = "default",
    session: Annotated[str, typer.Option(help="Which conversation it belongs to.")] = "terminal",
    speaker: Annotated[str | None, typer.Option(help="Who said it.")] = None,
    role: Annotated[str, typer.Option(help="user, assistant, system or tool.")] = "user",
    at: Annotated[str | None, typer.Option(help="When it was said; default: now.")] = None,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """Keep what was said, word for word and distilled. It can be found when this returns."""
    content = sys.stdin.read() if text == "-" else text
    if not content.strip():
        raise errors.Invalid("There is nothing to keep.", "Give the words, or - and send them to standard input.")
    message = {"role": role, "speaker": speaker, "content": content, "occurred_at": moment(at)}
    with connection.client(url) as client:
        memory = client.namespace(namespace)
        reply = memory.write([{"session_id": session, "messages": [message]}])
        if as_json:
            return print(reply.model_dump_json(indent=1))
        made = reply.results[0].units
        print(f"Kept word for word in {namespace}, session {session}. {_told(reply.job_id, made)}")
        for unit_id in made[:_SHOWN]:
            print(f"  {memory.unit(unit_id).text}")
        if len(made) > _SHOWN:
            print(f"  and {len(made) - _SHOWN} more")


def recall(
    query: Question,
    namespace: Names = ["default"],  # noqa: B006
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, max=200, help="At most so many.")] = 5,
    as_of: AsOf = None,
    asked_at: AskedAt = None,
    plan: Plan = False,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """The memories that bear on a question, the best first, each with where it comes from."""
    then, at = moment(as_of), moment(asked_at)
    reply: RecallResponse | RecallOfSeveralResponse
    with connection.client(url) as client:
        if _are_several(namespace):
            _refuse(plan=plan)
            reply = client.recall(query, namespaces=namespace, limit=limit, as_of=then, asked_at=at)
        else:
            reply = client.namespace(namespace[0]).recall(query, limit=limit, as_of=then, asked_at=at, plan=plan)
    if as_json:
        return print(reply.model_dump_json(indent=1))
    console = _console()
    for number, result in enumerate(reply.results, 1):
        console.print(f"{number}. {result.text}")
        of = f"{result.namespace}; " if isinstance(result, NamespacedResult) else ""
        console.print(f"   {of}{_standing(result)}", style="dim")
    if not reply.results:
        console.print(f"Nothing in {', '.join(namespace)} bears on that.")


def context(
    query: Question,
    namespace: Names = ["default"],  # noqa: B006
    budget: Annotated[int, typer.Option(min=16, max=32_768, help="At most so many tokens.")] = 1024,
    pinned: Annotated[
        bool, typer.Option("--pinned", help="Begin with what holds whatever is asked, for a model's prompt cache.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Of an earlier reply its pinned_sha256: leave the pinned part out if it is the same."),
    ] = None,
    as_of: AsOf = None,
    asked_at: AskedAt = None,
    plan: Plan = False,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """A cited text for a prompt: what bears on a question, within a budget."""
    then, at = moment(as_of), moment(asked_at)
    reply: ContextResponse | ContextOfSeveralResponse
    with connection.client(url) as client:
        if _are_several(namespace):
            if pinned or since:
                raise errors.Invalid("A pinned context is of one namespace.", "Name one, or leave --pinned out.")
            _refuse(plan=plan)
            reply = client.context(query, namespaces=namespace, budget_tokens=budget, as_of=then, asked_at=at)
        else:
            reply = client.namespace(namespace[0]).context(
                query, budget_tokens=budget, as_of=then, asked_at=at, pinned=pinned or bool(since),
                since_sha256=since, plan=plan,
            )  # fmt: skip
    print(reply.model_dump_json(indent=1) if as_json else reply.text)


def answer(
    query: Question,
    namespace: Name = "default",
    asked_at: AskedAt = None,
    plan: Plan = False,
    reuse: Annotated[
        bool | None,
        typer.Option("--reuse/--no-reuse", help="Let the model's answer to a like question be given again."),
    ] = None,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """An answer with its source; or that nothing was found."""
    with connection.client(url) as client:
        memory = client.namespace(namespace)
        reply = memory.answer(query, asked_at=moment(asked_at), plan=plan, reuse=reuse)
        if as_json:
            return print(reply.model_dump_json(indent=1))
        console = _console()
        console.print(reply.answer)
        for message in [memory.message(cited) for cited in dict.fromkeys(c.message_id for c in reply.citations)]:
            who = message.speaker or message.role
            console.print(f"  said by {who} on {_day(message.occurred_at)}, session {message.session_id}", style="dim")
    if reply.abstained:
        return console.print("  left unanswered; `memsvc recall` shows what comes nearest", style="dim")
    how = "word for word" if reply.path == "quote" else "in a model's words"
    if reply.reused is not None:
        how = f"answered on {_day(reply.reused.made_at)} to {reply.reused.question!r}, which still holds"
    sure = f"{reply.support.answerable:.0%} likely that the memory holds the answer"
    console.print(f"  {how}; {sure}", style="dim")


def profile(
    subject: Annotated[str | None, typer.Argument(help="The person's name; default: everybody.")] = None,
    namespace: Name = "default",
    as_of: AsOf = None,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """What holds of each person now, and what it was before."""
    with connection.client(url) as client:
        found = client.namespace(namespace).profiles(subject, as_of=moment(as_of))
    if as_json:
        return _print_list(found)
    console = _console()
    for person in found:
        console.print(person.subject, style="bold")
        for attribute in person.attributes:
            before = attribute.before
            was = f"; before: {before.value}, until {_day(before.until)}" if before else ""
            console.print(f"  {attribute.name}: {attribute.value} (since {_day(attribute.since)}{was})")
        for wish in person.wants:
            console.print(f"  {wish.kind}: {wish.text} ({_day(wish.said_at)})")
    if not found:
        console.print(f"Nothing is known of {subject or 'anybody'} in {namespace}.")


def changes(
    namespace: Name = "default",
    limit: Annotated[int, typer.Option("--limit", "-k", min=1, help="At most so many.")] = 20,
    as_json: Json = False,
    url: Url = URL,
) -> None:
    """What took the place of what, the newest decision first, and how each is taken back."""
    with connection.client(url) as client:
        found = _first(client.namespace(namespace).changes(page_size=min(limit, 1000)), limit)
    if as_json:
        return _print_list(found)
    for change in found:
        _show_change(_console(), change)
    if not found:
        print(f"Nothing was superseded or merged in {namespace}.")


def status(namespace: Name = "default", as_json: Json = False, url: Url = URL) -> None:
    """Whether the service can work, with what, and what a namespace holds."""
    with connection.client(url) as client:
        health = client.health()
        try:
            held = client.namespace(namespace).stats()
        except NotFound:
            held = None
    if as_json:
        stats = held.model_dump(mode="json") if held else None
        return print(_JSON.dump_json({"health": health.model_dump(mode="json"), "namespace": stats}, indent=1).decode())
    print(f"{url} is {health.status}: database {health.database}, encoder {health.encoder}, jobs {health.jobs}")
    if health.reader:
        print(f"reader: {health.reader}")
    if held is None:
        return print(f"{namespace}: nothing was written yet")
    print(f"{namespace}: {held.messages} messages in {held.sessions} sessions")
    print(f"memories: {_counts(held.units)}")
    print(f"jobs: {_counts(held.jobs)}")
    for step, cost in held.language_model.items():
        tokens = cost.prompt_tokens + cost.completion_tokens
        print(f"language model, {step}: {cost.calls} calls, {tokens} tokens, {cost.tokens_today} of them today")


def tail(
    namespace: Name = "default",
    lines: Annotated[int, typer.Option("--lines", "-k", min=0, help="Begin with so many of the last messages.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON each.")] = False,
    url: Url = URL,
) -> None:
    """What is written, and what is superseded or merged, as it happens."""
    console = _console()

    def show(item: MessageResult | ChangeResult) -> None:
        if as_json:
            kind = "message" if isinstance(item, MessageResult) else item.kind
            print(
                _JSON.dump_json({"event": kind} | item.model_dump(mode="json", exclude={"kind"})).decode(), flush=True
            )
        elif isinstance(item, MessageResult):
            console.print(f"{_minute(item.occurred_at)} {item.speaker or item.role}: {item.content}")
        else:
            _show_change(console, item)

    with connection.client(url) as client:
        memory = client.namespace(namespace)
        last, seq = _last(memory, lines)
        for message in last:
            show(message)
        decided = dt.datetime.now(dt.UTC)
        while follow:
            time.sleep(_POLL_S)
            for message in _after(client, namespace, seq):
                show(message)
                seq = message.seq
            for change in reversed(_changes_since(memory, decided)):
                show(change)
                decided = max(decided, change.decided_at + dt.timedelta(microseconds=1))


def moment(said: str | None) -> dt.datetime | None:
    """ISO 8601; without an offset UTC. Raises Invalid."""
    if said is None:
        return None
    try:
        read = dt.datetime.fromisoformat(said)
    except ValueError:
        raise errors.Invalid(
            f"{said!r} is no moment.", "Give one like 2024-05-08, or 2024-05-08T18:00+02:00."
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=dt.UTC)


def _refuse(*, plan: bool) -> None:
    if plan:
        raise errors.Invalid("A plan is made for one namespace.", "Name one, or leave --plan out.")


def _are_several(names: list[str]) -> bool:
    """Whether more than one is meant, or may be."""
    return len(names) > 1 or "*" in names[0]


_JSON: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(Any)


def _print_list(items: Iterable[pydantic.BaseModel]) -> None:
    print(_JSON.dump_json([item.model_dump(mode="json") for item in items], indent=1).decode())


def _console() -> Console:
    """What was said is printed as it is: no marks of rich's are read in it, no line is folded."""
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def _told(job_id: str | None, made: list[str]) -> str:
    if job_id is not None:
        return f"It is long: its statements follow in the job {job_id}."
    if not made:
        return "It makes no statement; it is found by its words."
    return f"{len(made)} statement{'s' if len(made) > 1 else ''}:"


def _standing(result: RecallResult) -> str:
    parts = [f"said {_day(result.t_mention)}"]
    parts += [f"session {session}" for session in dict.fromkeys(source.session_id for source in result.sources)]
    if result.status != "active":
        parts.append(f"{result.status}{f', was so until {_day(result.valid_to)}' if result.valid_to else ''}")
    elif result.valid_to:
        parts.append(f"so until {_day(result.valid_to)}")
    if result.doubted_by:
        parts.append(f"perhaps ended by {result.doubted_by}")
    return "; ".join([*parts, result.unit_id or "word for word"])


def _show_change(console: Console, change: ChangeResult) -> None:
    console.print(f"{_minute(change.decided_at)} {change.kind}: {change.unit.text}")
    if change.by is not None:
        console.print(f"  by: {change.by.text}")
    console.print(f"  because: {change.cause}; taken back by {change.undo.method} {change.undo.path}", style="dim")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _first(items: Iterator[ChangeResult], limit: int) -> list[ChangeResult]:
    return [item for _, item in zip(range(limit), items, strict=False)]


def _after(client: MemoryClient, namespace: str, seq: int) -> list[MessageResult]:
    """All messages stored after that change number; none where the namespace is not there (yet, or any more)."""
    found: list[MessageResult] = []
    page: Callable[[str | None], Any] = calls.messages(namespace, page_size=_STEP)
    cursor: str | None = str(seq)
    try:
        while cursor is not None:
            got = client.send(page(cursor))
            found += got.items
            cursor = got.next_cursor
    except NotFound:
        return []
    return found


def _last(memory: Namespace, count: int) -> tuple[list[MessageResult], int]:
    """The last messages, and the change number up to which all was seen."""
    try:
        head = memory.stats().seq
    except NotFound:
        return [], 0
    found: list[MessageResult] = []
    back = max(count, 1)
    while count:
        found = _after(memory.client, memory.name, max(0, head - back))
        if len(found) >= count or back >= head:
            break
        back *= 4
    return found[len(found) - min(count, len(found)) :], max([head, *(message.seq for message in found)])


def _changes_since(memory: Namespace, since: dt.datetime) -> list[ChangeResult]:
    try:
        return list(memory.changes(since=since))
    except NotFound:
        return []


def _day(moment: dt.datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _minute(moment: dt.datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
