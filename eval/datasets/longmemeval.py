"""LongMemEval: each instance is one question over a haystack of chats with an assistant."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from eval.datasets.model import BadDataset, Conversation, Dataset, Question, Turn

_DATE = "%Y/%m/%d (%a) %H:%M"
_ABSTENTION = "abstention"


def read(path: Path) -> Dataset:
    """Raises BadDataset with the place that is wrong. Questions about what was never said have no evidence."""
    try:
        instances = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDataset(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadDataset(f"{path} is not JSON: {error}") from None
    if not isinstance(instances, list) or not instances:
        raise BadDataset(f"{path}: expected a list of instances")
    conversations = []
    for number, instance in enumerate(instances):
        try:
            conversations.append(_conversation(instance))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadDataset(f"{path}: instance {number} is not in the LongMemEval form: {error!r}") from error
    return Dataset("longmemeval", tuple(conversations), _ABSTENTION, 0)


def _conversation(instance: dict[str, Any]) -> Conversation:
    sessions = list(
        zip(
            instance["haystack_session_ids"], instance["haystack_dates"], instance["haystack_sessions"], strict=True
        )
    )  # fmt: skip
    turns, evidence = [], []
    for place, (name, date, said) in enumerate(sessions):
        session_id = f"{place:03}-{name}"  # some haystacks hold a session twice
        occurred_at = _moment(date)
        for number, turn in enumerate(said):
            turn_id = f"{session_id}:{number}"
            if not turn["content"].strip():
                continue
            turns.append(Turn(turn_id, session_id, turn["role"], None, turn["content"], None, occurred_at))
            if turn.get("has_answer"):
                evidence.append(turn_id)
    abstains = instance["question_id"].endswith("_abs")
    question = Question(
        id=instance["question_id"],
        text=instance["question"],
        answer=None if abstains else str(instance["answer"]),
        evidence=() if abstains else tuple(evidence),
        category=_ABSTENTION if abstains else instance["question_type"],
        asked_at=_moment(instance["question_date"]),
    )
    return Conversation(instance["question_id"], tuple(turns), (question,))


def _moment(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, _DATE).replace(tzinfo=dt.UTC)
