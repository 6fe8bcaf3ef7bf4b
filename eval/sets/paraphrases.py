"""Questions in several wordings, and near misses of them, over short made-up talks: for a cache of answers."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.sets.model import BadDataset
from eval.sets.places import at, listed, text

FILE = Path(__file__).with_name("paraphrases.toml")
PARTS = ("choosing", "reporting")
KINDS = ("fact", "count", "latest", "time", "yes-no", "list")

_FIELDS = {
    "memory": {"id", "part", "language", "messages", "questions", "later"},
    "message": {"speaker", "at", "text"},
    "group": {"kind", "asked", "answer", "same", "other"},
    "near miss": {"asked", "answer"},
    "later": {"messages", "changes"},
    "change": {"asked", "answer"},
}


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said; `at` is aware."""

    speaker: str
    at: dt.datetime
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One wording and its right answer, "" where the memory does not hold it."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Group:
    """A question: `same` are other wordings of it, `other` read like it and have another answer."""

    kind: str
    asked: str
    answer: str
    same: tuple[str, ...]
    other: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Later:
    """What is said afterwards, and every right answer that it changes, by the first wording."""

    messages: tuple[Message, ...]
    changes: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    id: str
    part: str
    language: str
    messages: tuple[Message, ...]
    questions: tuple[Group, ...]
    later: Later | None

    def answers(self, *, later: bool = False) -> dict[str, str]:
        """The right answer of every wording, near misses too; with `later`, after what is said afterwards."""
        right = {asked: answer for group in self.questions for asked, answer in _wordings(group)}
        if later and self.later:
            changed = {change.text: change.answer for change in self.later.changes}
            right |= changed
            for group in self.questions:
                right |= dict.fromkeys(group.same, right[group.asked])
        return right


def read(part: str, path: Path = FILE) -> tuple[Memory, ...]:
    """The memories of a part, in the file's order. The whole file is read and must be right: raises BadDataset with the
    place that is wrong, and ValueError for a part that is none of `PARTS`.
    """
    if part not in PARTS:
        raise ValueError(f"{part!r} is no part: {', '.join(PARTS)}")
    with at(str(path)):
        memories = []
        for number, item in enumerate(listed(_load(path), "memory")):
            with at(f"memory {item['id'] if isinstance(item, dict) and 'id' in item else number}"):
                memories.append(_memory(item))
        if len({memory.id for memory in memories}) < len(memories):
            raise ValueError("two memories have the same 'id'")
    return tuple(memory for memory in memories if memory.part == part)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadDataset(f"it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BadDataset(f"it is not TOML: {error}") from None


def _memory(item: Any) -> Memory:
    _known(item, "memory")
    messages = _messages(item)
    groups = []
    for place, group in enumerate(listed(item, "questions")):
        with at(f"question {place}"):
            groups.append(_group(group))
    if not groups:
        raise ValueError("'questions' is empty")
    right: dict[str, str] = {}
    for group in groups:
        for asked, answer in _wordings(group):
            if right.setdefault(asked, answer) != answer:
                raise ValueError(f"{asked!r} has two answers, {right[asked]!r} and {answer!r}")
    later = None
    if "later" in item:
        with at("later"):
            later = _later(item["later"], messages[-1].at, right, {same for group in groups for same in group.same})
    return Memory(
        _words(item, "id"), _one_of(item, "part", PARTS), _words(item, "language"), messages, tuple(groups), later
    )


def _messages(item: Any) -> tuple[Message, ...]:
    messages: list[Message] = []
    for place, said in enumerate(listed(item, "messages")):
        with at(f"message {place}"):
            _known(said, "message")
            moment = said["at"]
            if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
                raise ValueError(f"'at' must be a time with its zone, like 2024-05-08T18:00:00Z, and is {moment}")
            if messages and moment < messages[-1].at:
                raise ValueError("'at' is before the message before it")
            messages.append(Message(_words(said, "speaker"), moment, _words(said, "text")))
    if not messages:
        raise ValueError("'messages' is empty")
    return tuple(messages)


def _group(item: Any) -> Group:
    _known(item, "group")
    answer = text(item, "answer")
    same = listed(item, "same")
    if not same or not all(isinstance(wording, str) and wording.strip() for wording in same):
        raise ValueError("'same' must be a list of wordings")
    other = _asked(listed(item, "other"), "near miss")
    if not other:
        raise ValueError("'other' is empty")
    for miss in other:
        if miss.answer == answer:
            raise ValueError(f"the near miss {miss.text!r} has the group's answer")
    return Group(_one_of(item, "kind", KINDS), _words(item, "asked"), answer, tuple(same), other)


def _later(item: Any, last: dt.datetime, right: dict[str, str], same: set[str]) -> Later:
    _known(item, "later")
    messages = _messages(item)
    if messages[0].at <= last:
        raise ValueError("its first message is not after the memory's last one")
    changes = _asked(listed(item, "changes"), "change")
    if not changes:
        raise ValueError("'changes' is empty")
    for change in changes:
        if change.text not in right or change.text in same:
            raise ValueError(f"{change.text!r} is no first wording and no near miss of this memory")
        if change.answer == right[change.text]:
            raise ValueError(f"the answer to {change.text!r} does not change")
    return Later(messages, changes)


def _asked(items: list[Any], kind: str) -> tuple[Asked, ...]:
    found = []
    for place, item in enumerate(items):
        with at(f"{kind} {place}"):
            _known(item, kind)
            found.append(Asked(_words(item, "asked"), text(item, "answer")))
    return tuple(found)


def _wordings(group: Group) -> Iterable[tuple[str, str]]:
    for wording in (group.asked, *group.same):
        yield wording, group.answer
    for miss in group.other:
        yield miss.text, miss.answer


def _words(item: Any, field: str) -> str:
    value = text(item, field)
    if not value.strip():
        raise ValueError(f"{field!r} is empty")
    return value


def _one_of(item: Any, field: str, known: tuple[str, ...]) -> str:
    value = text(item, field)
    if value not in known:
        raise ValueError(f"{field!r} must be one of {', '.join(known)}, and is {value!r}")
    return value


def _known(item: Any, kind: str) -> None:
    if not isinstance(item, dict):
        raise BadDataset(f"a {kind} must be a table")
    for field in item:
        if field not in _FIELDS[kind]:
            raise ValueError(f"{field!r} is no field of a {kind}: {', '.join(sorted(_FIELDS[kind]))}")
