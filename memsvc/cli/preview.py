"""What the distiller makes of a chat in a file, beside its words: without a server, without an encoder."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from memsvc import errors
from memsvc.distill import compose
from memsvc.distill.compose import Depth, Distillate
from memsvc.domain.message import Message, Role
from memsvc.models import tokens
from memsvc.settings import DistillSettings
from memsvc.store import exchanges, units
from memsvc.wire.exchanges import NewExchange, NewMessage

_HELP = (
    'A chat is a list of {"role": "user", "content": "..."}, or {"messages": [...]}, or what is sent to a service: '
    '{"exchanges": [{"session_id": "...", "messages": [...]}]}.'
)


def read(path: Path) -> list[Message]:
    """The messages of a chat file. Raises Invalid with the place that is wrong."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.Invalid(f"{path} cannot be read: {error.strerror}.", "Give the path of a JSON file.") from None
    except ValueError as error:
        raise errors.Invalid(f"{path} is not JSON: {error}.", _HELP) from None
    try:
        return _messages(data, dt.datetime.now(dt.UTC))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise errors.Invalid(f"{path}: {place}: {first['msg']}.", _HELP) from None


def distil(messages: list[Message], settings: DistillSettings) -> Distillate:
    """Session by session, as a service does it."""
    sessions: dict[str, list[Message]] = {}
    for message in messages:
        sessions.setdefault(message.session_id, []).append(message)
    made = [
        compose.distill(
            session, preceding=(), participants=(), namespace_id="preview", count_tokens=tokens.count,
            depth=Depth(settings.reply_share), locale=settings.locale,
        )
        for session in sessions.values()
    ]  # fmt: skip
    return Distillate(
        tuple(unit for part in made for unit in part.units), tuple(skip for part in made for skip in part.skips)
    )


def as_json(made: Distillate) -> dict[str, Any]:
    return {
        "units": [units.as_json(unit) for unit in made.units],
        "skipped": [exchanges.skip_as_json(skip) for skip in made.skips],
    }


def table(messages: list[Message], made: Distillate) -> Table:
    """Verbatim beside distilled, a row a message, with the tokens of both."""
    said = sum(tokens.count(message.text) for message in messages)
    kept = sum(unit.tokens for unit in made.units)
    shown = Table(
        show_lines=True,
        expand=True,
        caption=f"{said} tokens said, {kept} distilled ({kept / said:.0%})" if said else None,
    )
    shown.add_column("word for word", ratio=1)
    shown.add_column("distilled", ratio=1)
    for message in messages:
        own = [unit for unit in made.units if unit.sources[0].message_id == message.id]
        cell = Text()
        for unit in own:
            cell.append(f"{unit.kind.value} ", style="bold cyan")
            cell.append(f"{unit.text}\n")
            details = _details(unit)
            if details:
                cell.append(f"  {details}\n", style="dim")
        for skip in made.skips:
            if skip.message_id == message.id:
                left = "all of it" if skip.start is None else " ".join(message.content[skip.start : skip.end].split())
                cell.append(f"{skip.reason}: {left}; found word for word all the same\n", style="dim italic")
        cell.rstrip()
        shown.add_row(Text(f"{message.name}: {message.text}"), cell)
    return shown


def _details(unit: Any) -> str:
    """The fields worth a newcomer's look."""
    fields = {
        "time": f"{unit.time.start:%Y-%m-%d}..{unit.time.end - dt.timedelta(microseconds=1):%Y-%m-%d}"
        if unit.time
        else "",
        "entities": ", ".join(unit.entities),
        "place": unit.location or "",
        "quantities": ", ".join(f"{quantity.value} {quantity.unit}" for quantity in unit.quantities),
        "artefacts": ", ".join(artefact.value for artefact in unit.artefacts),
        "salience": f"{unit.salience:.2f}",
    }
    return "; ".join(f"{name}: {value}" for name, value in fields.items() if value)


def _messages(data: Any, now: dt.datetime) -> list[Message]:
    if isinstance(data, dict) and "exchanges" in data:
        exchanges = TypeAdapter(list[NewExchange]).validate_python(data["exchanges"])
    else:
        items = data.get("messages", data) if isinstance(data, dict) else data
        given = TypeAdapter(list[NewMessage]).validate_python(items)
        exchanges = [NewExchange(session_id="chat", messages=given)] if given else []
    return [
        Message(
            message.id or f"m{number}-{place}",
            exchange.session_id,
            exchange.id or f"e{number}",
            Role(message.role),
            message.speaker,
            message.content,
            message.occurred_at or exchange.occurred_at or now,
            message.caption,
        )
        for number, exchange in enumerate(exchanges)
        for place, message in enumerate(exchange.messages)
    ]
