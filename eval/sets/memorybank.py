"""MemoryBank: ten days of talk of made-up people with an assistant, in English and Chinese; a file, or the folder.

The set has no questions with named evidence; those that stand here are made by rule (`eval.sets.made`).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eval.sets import made
from eval.sets.made import chinese, english
from eval.sets.model import BadDataset, Conversation, Dataset, Turn
from eval.sets.places import at, listed, load, text

_HAN = re.compile(r"[\u4e00-\u9fff]")
# Nothing is asked about what was never said.
_ABSTENTION = "abstention"
SEED = 20230427


def files(folder: Path) -> list[Path]:
    """The set's files in a folder; none where it is another set's."""
    return sorted(folder.glob("memory_bank_*.json"))


def is_form(found: Any) -> bool:
    """Whether the JSON of a file looks like this set's: people by name, each with a history."""
    return isinstance(found, dict) and any(
        isinstance(person, dict) and "history" in person for person in found.values()
    )


def read(path: Path, seed: int = SEED) -> Dataset:
    """Raises BadDataset with the place that is wrong. The same `seed` gives the same questions."""
    conversations: list[Conversation] = []
    for file in files(path) if path.is_dir() else [path]:
        people = load(file)
        if not isinstance(people, dict) or not people:
            raise BadDataset(f"{file}: expected people by name")
        for number, (name, person) in enumerate(people.items()):
            with at(f"{file}, in the MemoryBank form: {name.strip()}"):
                conversations.append(_conversation(name.strip(), number, person, seed))
    return Dataset("memorybank", tuple(conversations), _ABSTENTION, 0)


def _conversation(name: str, number: int, person: Any, seed: int) -> Conversation:
    turns = tuple(_turns(name, person["history"]))
    if not turns:
        raise ValueError("no messages")
    han = sum(bool(_HAN.search(turn.text)) for turn in turns) * 2 > len(turns)
    # Names of Chinese people are no names of namespaces, so a number tells them apart.
    place = f"{'zh' if han else 'en'}-{number}"
    return Conversation(place, turns, made.questions(place, turns, name, chinese if han else english, seed))


def _turns(name: str, history: dict[str, Any]) -> Iterator[Turn]:
    """A day is a session; the hour is not told."""
    for day in history:
        with at(day):
            when = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), dt.UTC)
            exchanges = listed(history, day)
        for place, exchange in enumerate(exchanges):
            with at(f"{day}, exchange {place}"):
                said = (("user", name, text(exchange, "query")), ("assistant", None, text(exchange, "response")))
            for role, speaker, words in said:
                if words.strip():
                    yield Turn(f"{day}:{place}:{role}", day, role, speaker, words.strip(), None, when)
