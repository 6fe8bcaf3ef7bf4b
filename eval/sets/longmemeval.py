"""LongMemEval: each instance is one question over a haystack of chats with an assistant."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset, Conversation, Dataset, Question, Turn
from eval.sets.places import at, listed, load, text

_DATE = "%Y/%m/%d (%a) %H:%M"
_ABSTENTION = "abstention"


def read(path: Path) -> Dataset:
    """Raises BadDataset with the place that is wrong. Questions about what was never said have no evidence."""
    instances = load(path)
    if not isinstance(instances, list) or not instances:
        raise BadDataset(f"{path}: expected a list of instances")
    conversations = []
    for number, instance in enumerate(instances):
        with at(f"{path}, in the LongMemEval form: instance {number}"):
            conversations.append(_conversation(instance))
    return Dataset("longmemeval", tuple(conversations), _ABSTENTION, 0)


def _conversation(instance: dict[str, Any]) -> Conversation:
    sessions = list(
        zip(
            listed(instance, "haystack_session_ids"), listed(instance, "haystack_dates"),
            listed(instance, "haystack_sessions"), strict=True,
        )
    )  # fmt: skip
    turns, evidence = [], []
    for place, (name, date, said) in enumerate(sessions):
        session_id = f"{place:03}-{name}"  # some haystacks hold a session twice
        occurred_at = _moment(date)
        for number, turn in enumerate(said):
            turn_id = f"{session_id}:{number}"
            with at(f"session {place}, turn {number}"):
                role, words, holds = text(turn, "role"), text(turn, "content"), turn.get("has_answer")
            if words.strip():
                turns.append(Turn(turn_id, session_id, role, None, words, None, occurred_at))
                evidence += [turn_id] if holds else []
    abstains = text(instance, "question_id").endswith("_abs")
    question = Question(
        id=instance["question_id"],
        text=text(instance, "question"),
        answer=None if abstains else str(instance["answer"]),
        evidence=() if abstains else tuple(evidence),
        category=_ABSTENTION if abstains else text(instance, "question_type"),
        asked_at=_moment(text(instance, "question_date")),
    )
    return Conversation(instance["question_id"], tuple(turns), (question,))


def _moment(date: str) -> dt.datetime:
    return dt.datetime.strptime(date, _DATE).replace(tzinfo=dt.UTC)
