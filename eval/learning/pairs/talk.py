"""Talk of made-up people, written for the purpose: the same matters come again and again, and nothing ends anything."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

from eval.sets.model import Conversation, Dataset, Turn

FOLDER = Path(__file__).parent / "talk"
_FIRST = dt.datetime(2024, 1, 8, 19, tzinfo=dt.UTC)
_APART = dt.timedelta(days=4)


def read(folder: Path = FOLDER) -> Dataset:
    """A conversation a person, a message every few days."""
    conversations = []
    for file in sorted(folder.glob("*.json")):
        for name, said in json.loads(file.read_text(encoding="utf-8")).items():
            turns = tuple(
                Turn(
                    f"{file.stem} {name} {place}", f"{name} {place}", "user", name, text, None, _FIRST + place * _APART
                )
                for place, text in enumerate(said)
            )
            conversations.append(Conversation(f"{file.stem} {name}", turns, ()))
    return Dataset("talk", tuple(conversations), adversarial="", dropped_evidence=0)
