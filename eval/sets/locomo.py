"""LoCoMo: talk between two people over months, with questions whose evidence is named turn by turn."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset, Conversation, Dataset, Question, Turn
from eval.sets.places import at, listed, load, text

_SESSION = re.compile(r"session_(\d+)")
_DIALOGUE_ID = re.compile(r"D:?(\d+):(\d+)")
_ADVERSARIAL = "5"
_DATE = "%I:%M %p on %d %B, %Y"


def read(path: Path) -> Dataset:
    """Raises BadDataset with the place that is wrong."""
    samples = load(path)
    if not isinstance(samples, list) or not samples:
        raise BadDataset(f"{path}: expected a list of conversations")
    conversations = []
    dropped = 0
    for number, sample in enumerate(samples):
        with at(f"{path}, in the LoCoMo form: conversation {number}"):
            conversation, lost = _conversation(sample, number)
        conversations.append(conversation)
        dropped += lost
    return Dataset("locomo", tuple(conversations), _ADVERSARIAL, dropped)


def evidence_ids(raw: Any, known: frozenset[str]) -> tuple[tuple[str, ...], int]:
    """Turn ids out of an evidence list, and how many of its ids name no turn.

    The published file has "D8:6; D9:17" in one string, "D:11:26" and "D30:05".
    """
    ids: dict[str, None] = {}
    dropped = 0
    for named in raw or []:
        matches = [f"D{int(session)}:{int(turn)}" for session, turn in _DIALOGUE_ID.findall(str(named))]
        found = [match for match in matches if match in known]
        dropped += max(len(matches), 1) - len(found)
        ids |= dict.fromkeys(found)
    return tuple(ids), dropped


def _conversation(sample: dict[str, Any], number: int) -> tuple[Conversation, int]:
    talk = sample["conversation"]
    sessions = sorted((key for key in talk if _SESSION.fullmatch(key)), key=lambda key: int(key.split("_")[1]))
    turns: list[Turn] = []
    for session in sessions:
        when = dt.datetime.strptime(text(talk, f"{session}_date_time"), _DATE).replace(tzinfo=dt.UTC)
        for place, turn in enumerate(listed(talk, session)):
            with at(f"{session}, turn {place}"):
                said = text(turn, "dia_id"), session, "user", text(turn, "speaker"), text(turn, "text")
                caption = text(turn, "blip_caption") if turn.get("blip_caption") is not None else None
            turns.append(Turn(*said, caption, when))
    if not turns:
        raise ValueError("no turns")
    # Questions are asked when everything has been said: at the end of the last session's day.
    asked_at = max(turn.occurred_at for turn in turns).replace(hour=23, minute=59)
    known = frozenset(turn.id for turn in turns)
    name = str(sample.get("sample_id", number))
    questions = []
    dropped = 0
    for place, item in enumerate(listed(sample, "qa")):
        with at(f"question {place}"):
            evidence, lost = evidence_ids(item.get("evidence"), known)
            dropped += lost
            category = str(item["category"])
            answer = str(item["answer"]) if "answer" in item and category != _ADVERSARIAL else None
            questions.append(Question(f"{name}:{place}", text(item, "question"), answer, evidence, category, asked_at))
    return Conversation(name, tuple(turns), tuple(questions)), dropped
