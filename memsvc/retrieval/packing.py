"""Ranked memories to a cited context that never exceeds its budget."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Collection, Sequence

from memsvc.domain import served
from memsvc.domain.context import Context, Memory, Passage

PREAMBLE = f"{served.OPEN} What is remembered, oldest first:"
PINNED_PREAMBLE = f"{served.OPEN} What holds, whatever is asked, oldest first:"
# Of a context's budget the pinned part has at most this. What is left of 1,024 tokens, 682, holds about 88 % of the
# evidence where all of them hold 90.6 % (docs/retrieval.md), and a third of them holds some twenty facts.
PINNED_SHARE = 1 / 3
# A memory that does not fit leaves room for a shorter one further down; after this many misses in a row the rest is
# too far from the question to be worth the search.
_MISSES = 8
# A memory twice as long must be a quarter more to the point (COMI's power of the length). On chats with long replies
# this brings 1.6 points of evidence in 512 tokens, on talk nothing; a penalty for likeness to what is in brought
# nothing on either.
_LENGTH_POWER = 0.3
_NAME_CHARS = 200
_NOTHING = Context("", 0, ())
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def pin(memories: Sequence[Memory], budget_tokens: int, count_tokens: Callable[[str], int]) -> Context:
    """The pinned part of a context of this budget: those of the memories, the most important first, that come before
    the first one that its share has no room for, written as `pack` writes them. One that has no room by itself is
    passed. So one more memory takes the place of the last ones, and moves none of the others.
    """
    memories = _lines(memories)
    share = int(budget_tokens * PINNED_SHARE)
    cost = _Cost(count_tokens, count_tokens(PINNED_PREAMBLE) + count_tokens(f"{served.CLOSE}\n"))
    frame = cost.spent
    taken: list[Memory] = []
    for memory in memories:
        if frame + cost.alone(memory) > share:
            continue
        if cost.spent + cost.of(memory) > share:
            break
        cost.take(memory)
        taken.append(memory)
    while taken:
        lines, passages = _written(taken, PINNED_PREAMBLE, 1)
        text = "\n".join([*lines, ""])
        tokens = count_tokens(text)
        if tokens <= share:
            return Context(text, tokens, passages, text, tokens)
        taken.pop()
    return _NOTHING


def pack(
    memories: Sequence[Memory],
    budget_tokens: int,
    count_tokens: Callable[[str], int],
    pinned: Context = _NOTHING,
) -> Context:
    """Take memories while they fit, those first that bring most for their length, then write them in time order under
    their dates, those of one message behind one number and speaker.

    Marks around it keep it from being taken for something new when a prompt comes back as a message. The counted text
    is the served text: the sum of parts only bounds it, so the whole is counted once more and the last taken memories
    leave until it fits. Same inputs give the same bytes. The text begins with the `pinned` part, and what that says is
    not said again.
    """
    memories = _unsaid(_lines(memories), pinned.passages)
    frame = pinned.tokens + count_tokens(PREAMBLE) + count_tokens(served.CLOSE)
    cost = _Cost(count_tokens, frame, {memory.namespace for memory in memories})
    order = sorted(memories, key=lambda memory: -memory.score / cost.words(memory) ** _LENGTH_POWER)
    taken: list[Memory] = []
    misses = 0
    for memory in order:
        if cost.spent + cost.of(memory) > budget_tokens:
            misses += 1
            if misses == _MISSES:
                break
            continue
        cost.take(memory)
        taken.append(memory)
        misses = 0
    while taken:
        lines, passages = _written(taken, PREAMBLE, len(pinned.passages) + 1)
        text = pinned.text + "\n".join(lines)
        tokens = count_tokens(text)
        if tokens <= budget_tokens:
            return dataclasses.replace(pinned, text=text, tokens=tokens, passages=(*pinned.passages, *passages))
        taken.pop()
    return pinned


class _Cost:
    """What taken memories cost in tokens: `spent` so far. Those of several `namespaces` stand behind their names."""

    def __init__(self, count_tokens: Callable[[str], int], spent: int, namespaces: Collection[str] = ()) -> None:
        self.spent = spent
        self._count = count_tokens
        self._number = count_tokens("[10] ")
        if len(namespaces) > 1:
            self._number += max(count_tokens(_label(name)) for name in namespaces)
        self._days: set[dt.date] = set()
        self._groups: set[tuple[str, ...]] = set()
        self._words: dict[str, int] = {}

    def words(self, memory: Memory) -> int:
        """Of its text alone."""
        if memory.text not in self._words:
            self._words[memory.text] = max(1, self._count(memory.text))
        return self._words[memory.text]

    def alone(self, memory: Memory) -> int:
        """With its number and its date."""
        return self.words(memory) + self._count(_date_line(memory.t_mention.date())) + self._number

    def of(self, memory: Memory) -> int:
        """Beside those that were taken: under their dates, and behind the number of what its message says too."""
        day = memory.t_mention.date()
        cost = self.words(memory) + (0 if day in self._days else self._count(_date_line(day)))
        return cost + (-self._count(_speaker(memory)) if _group(memory) in self._groups else self._number)

    def take(self, memory: Memory) -> None:
        self.spent += self.of(memory)
        self._days.add(memory.t_mention.date())
        self._groups.add(_group(memory))


def _lines(memories: Sequence[Memory]) -> list[Memory]:
    """The memories, each as one line that cannot end the context."""
    return [
        memory if (line := served.line(memory.text)) == memory.text else dataclasses.replace(memory, text=line)
        for memory in memories
    ]


def _unsaid(memories: list[Memory], said: Sequence[Passage]) -> list[Memory]:
    """Those of the memories that the passages do not say: as the same unit, in the same words, or, of one message, with
    more beside them.
    """
    if not said:
        return memories
    units = {unit_id for passage in said for unit_id in passage.unit_ids}
    texts: dict[str, str] = {}
    for passage in said:
        for source in passage.sources:
            texts[source.message_id] = f"{texts.get(source.message_id, '')}\n{passage.text}"
    every = {passage.text for passage in said}
    return [
        memory
        for memory in memories
        if memory.unit_id not in units
        and memory.text not in every
        and not any(apart(memory.text)[1] in texts.get(source.message_id, "") for source in memory.sources)
    ]


def _written(taken: Sequence[Memory], preamble: str, first: int) -> tuple[list[str], tuple[Passage, ...]]:
    """The lines, and the passages, numbered from `first`."""
    groups: dict[tuple[str, ...], list[Memory]] = {}
    for memory in sorted(taken, key=lambda m: (m.t_mention, m.seq, m.place, m.unit_id or "")):
        groups.setdefault(_group(memory), []).append(memory)
    lines = [preamble]
    passages = []
    is_of_several = len({memory.namespace for memory in taken}) > 1
    day: dt.date | None = None
    for number, group in enumerate(groups.values(), start=first):
        if group[0].t_mention.date() != day:
            day = group[0].t_mention.date()
            lines.append(_date_line(day))
        passages.append(_passage(group))
        lines.append(f"[{number}] {_label(group[0].namespace) if is_of_several else ''}{passages[-1].text}")
    return [*lines, served.CLOSE], tuple(passages)


def _passage(group: Sequence[Memory]) -> Passage:
    """Statements of one message behind its speaker, in the order in which they were said."""
    text = group[0].text
    for memory in group[1:]:
        joint = " " if text[-1:] in ".!?)\u2026\u3002\uff01\uff1f" else "; "
        text += joint + memory.text.removeprefix(_speaker(memory))
    best = max(group, key=lambda memory: memory.score)
    sources = tuple(dict.fromkeys(source for memory in group for source in memory.sources))
    unit_ids = tuple(memory.unit_id for memory in group if memory.unit_id)
    return Passage(text, best.unit_id, sources, group[0].t_mention, unit_ids, group[0].namespace)


def _label(namespace: str) -> str:
    """What tells whose a passage is where several namespaces have some. A name has no brackets and no spaces."""
    return f"({namespace}) "


def _group(memory: Memory) -> tuple[str, ...]:
    """What may stand behind one number: statements of one message and one standing, told of the same speaker."""
    own = memory.unit_id or ""
    first = (memory.namespace, memory.sources[0].message_id if memory.sources else own)
    return (*first, memory.status, speaker) if (speaker := _speaker(memory)) else (*first, memory.status, "", own)


def apart(text: str) -> tuple[str, str]:
    """The name before the words, with its colon, and the words; nothing for a name where the words stand alone."""
    name, colon, said = text.partition(": ")
    return (name + colon, said) if colon and len(name) <= _NAME_CHARS else ("", text)


def _speaker(memory: Memory) -> str:
    return apart(memory.text)[0]


def day_in_words(day: dt.date) -> str:
    """The date in words, which a language model reads without doubt about day and month; the same in every locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _date_line(day: dt.date) -> str:
    return f"{day_in_words(day)}:"
