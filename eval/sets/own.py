"""A question set of one's own: a small format, described in docs/evaluation.md."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset, Conversation, Dataset, Question, Turn
from eval.sets.places import at, listed, load, text

_FIELDS = {
    "conversation": {"id", "turns", "questions"},
    "turn": {"id", "text", "at", "session", "speaker", "role"},
    "question": {"id", "text", "evidence", "answer", "category", "asked_at"},
}
_ROLES = ("user", "assistant", "system", "tool")
# Questions about what was never said: nothing to find, and a refusal is the right answer.
_ABSTENTION = "abstention"


def read(path: Path) -> Dataset:
    """Raises BadDataset with the place that is wrong. Evidence must name turns: a slip of the pen would otherwise
    count as something that was not found.
    """
    with at(str(path)):
        found = listed(load(path), "conversations")
        if not found:
            raise ValueError("'conversations' is empty")
        conversations = []
        for number, item in enumerate(found):
            with at(f"conversation {number}"):
                conversations.append(_conversation(item, number))
        names = [conversation.id for conversation in conversations]
        if len(set(names)) < len(names):
            raise ValueError("two conversations have the same 'id'")
    return Dataset("own", tuple(conversations), _ABSTENTION, 0)


def _conversation(item: Any, number: int) -> Conversation:
    _known(item, "conversation")
    turns: list[Turn] = []
    for place, said in enumerate(listed(item, "turns")):
        with at(f"turn {place}"):
            turns.append(_turn(said, place))
    if not turns:
        raise ValueError("'turns' is empty")
    ids = {turn.id for turn in turns}
    if len(ids) < len(turns):
        raise ValueError("two turns have the same 'id'")
    name = str(item.get("id", number))
    last = max(turn.occurred_at for turn in turns)
    questions = []
    for place, asked in enumerate(listed(item, "questions")):
        with at(f"question {place}"):
            questions.append(_question(asked, f"{name}:{place}", ids, last))
    return Conversation(name, tuple(turns), tuple(questions))


def _turn(item: Any, place: int) -> Turn:
    _known(item, "turn")
    role = item.get("role", "user")
    if role not in _ROLES:
        raise ValueError(f"'role' must be one of {', '.join(_ROLES)}")
    speaker = text(item, "speaker") if item.get("speaker") is not None else None
    words = text(item, "text")
    if not words.strip():
        raise ValueError("'text' is empty")
    return Turn(
        str(item.get("id", place)), str(item.get("session", "1")), role, speaker, words, None, _moment(item, "at")
    )


def _question(item: Any, name: str, turns: set[str], last: dt.datetime) -> Question:
    _known(item, "question")
    evidence = [str(turn_id) for turn_id in listed(item, "evidence")] if "evidence" in item else []
    for turn_id in evidence:
        if turn_id not in turns:
            raise ValueError(f"'evidence' names {turn_id!r}, which is no turn of this conversation")
    answer = str(item["answer"]) if item.get("answer") is not None else None
    asked_at = _moment(item, "asked_at") if "asked_at" in item else last
    category = str(item.get("category", "all"))
    return Question(
        str(item.get("id", name)), text(item, "text"), None if category == _ABSTENTION else answer,
        tuple(dict.fromkeys(evidence)), category, asked_at,
    )  # fmt: skip


def _known(item: Any, kind: str) -> None:
    if not isinstance(item, dict):
        raise BadDataset(f"a {kind} must be an object")
    for field in item:
        if field not in _FIELDS[kind]:
            raise ValueError(f"{field!r} is no field of a {kind}: {', '.join(sorted(_FIELDS[kind]))}")


def _moment(item: Any, field: str) -> dt.datetime:
    value = text(item, field)
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{field!r} must be a time like 2024-05-08T18:00:00Z, and is {value!r}") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
