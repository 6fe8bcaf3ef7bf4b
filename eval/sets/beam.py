"""BEAM: long chats with an assistant, with probing questions of ten types; a folder of chats, or one chat's folder."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset, Conversation, Dataset, Question, Turn
from eval.sets.places import at, listed, load, text

# The authors mark the ends of user messages with their plan's bullet: "->-> 1,1".
_PLAN_MARK = re.compile(r"\s*->->[^\n]*\Z")
_ANSWER_FIELDS = ("answer", "ideal_response", "ideal_answer", "ideal_summary", "expected_compliance")
_ABSTENTION = "abstention"
_SWEEPING = ("event_ordering", "multi_session_reasoning", "summarization")
# Chats that date nothing begin here.
_UNDATED = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def read(path: Path) -> Dataset:
    """Raises BadDataset with the place that is wrong."""
    folders = [path] if (path / "chat.json").exists() else sorted(path.glob("*/chat.json"), key=_number)
    chats = [folder if folder == path else folder.parent for folder in folders]
    if not chats:
        raise BadDataset(f"{path}: no chat.json in it or in its folders")
    conversations, dropped = [], 0
    for chat in chats:
        with at(f"{chat}, in the BEAM form"):
            conversation, lost = _conversation(chat)
        conversations.append(conversation)
        dropped += lost
    return Dataset("beam", tuple(conversations), _ABSTENTION, dropped, _SWEEPING)


def _number(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdigit() else 0, name)


def _conversation(folder: Path) -> tuple[Conversation, int]:
    turns = tuple(_turns(load(folder / "chat.json")))
    if not turns:
        raise ValueError("no messages")
    known = frozenset(turn.id for turn in turns)
    asked_at = max(turn.occurred_at for turn in turns).replace(hour=23, minute=59)
    questions, dropped = [], 0
    probes = load(folder / "probing_questions.json")
    for kind, items in probes.items():
        for place, item in enumerate(items):
            with at(f"probing_questions.json, {kind}, question {place}"):
                named = [str(value) for value in _flat(item.get("source_chat_ids") or [])]
                evidence = tuple(dict.fromkeys(value for value in named if value in known))
                dropped += sum(value not in known for value in named)
                answer = next((str(item[field]) for field in _ANSWER_FIELDS if field in item), None)
                questions.append(
                    Question(
                        f"{folder.name}:{kind}:{place}",
                        text(item, "question"),
                        None if kind == _ABSTENTION else answer,
                        evidence,
                        kind,
                        asked_at,
                        tuple(map(str, listed(item, "rubric"))) if "rubric" in item else (),
                    )
                )
    return Conversation(folder.name, turns, tuple(questions)), dropped


def _turns(chat: list[dict[str, Any]]) -> Iterator[Turn]:
    """A batch is a session; a time anchor holds until the next one."""
    when = _UNDATED
    for batch in chat:
        session = f"batch_{batch['batch_number']}"
        for message in (message for turn in batch["turns"] for message in turn):
            anchor = message.get("time_anchor")
            if anchor:
                when = dt.datetime.strptime(anchor, "%B-%d-%Y").replace(tzinfo=dt.UTC)
            with at(f"{session}, message {message.get('id')}"):
                role, words, name = text(message, "role"), text(message, "content"), str(message["id"])
            yield Turn(name, session, role, None, _PLAN_MARK.sub("", words) if role == "user" else words, None, when)


def _flat(ids: Any) -> Iterator[Any]:
    """`source_chat_ids` is a list, a dict of lists, or a list of lists."""
    if isinstance(ids, dict):
        ids = list(ids.values())
    for value in ids if isinstance(ids, list) else [ids]:
        if isinstance(value, list | dict):
            yield from _flat(value)
        else:
            yield value
