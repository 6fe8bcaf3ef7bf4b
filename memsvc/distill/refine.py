"""The language model's share of distilling: what it is asked, how its reply is read, and what of it is believed.

Pure: the model itself is called elsewhere. A rule-made unit is what a reply is about, and what stands when the reply is
not to be had, not to be read, or not grounded in what was said.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.distill import entities, lexicon, segment
from memsvc.domain.message import Message
from memsvc.domain.unit import Kind, MemoryUnit, Source, Topic
from memsvc.models import replies
from memsvc.models.replies import Unreadable, one_line
from memsvc.prompts import REFINE

# Units in a database name it.
DISTILLER = f"model-{REFINE.version}"
# A note may be a little longer than a unit made by rule: it replaces pronouns by names.
MAX_NOTE_TOKENS = 70
_SOURCE_CHARS = 4_000
_CONTEXT_CHARS = 600
# Of a note's content words so many must have been said: a note that says more is an invention without a name in it.
_SAID_SHARE = 0.5
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"[A-Z\u00c0-\u00de][\w'\u2019-]+")


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a reply about unit number `n`, counted from 1."""

    n: int
    text: str
    kind: Kind | None
    keywords: tuple[str, ...]
    topics: tuple[str, ...]


def prompt(message: Message, before: Sequence[Message], drafts: Sequence[MemoryUnit]) -> str:
    """What the model is asked about one message: its context, its words, and the notes made by rule."""
    context = "\n".join(f"{said.name}: {said.text[-_CONTEXT_CHARS:]}" for said in before)
    notes = "\n".join(f"{number}. {unit.text}" for number, unit in enumerate(drafts, start=1))
    day = f"{message.occurred_at:%A}, {message.occurred_at.day} {message.occurred_at:%B %Y}"
    return REFINE.ask(
        day=day,
        before=context or "(nothing)",
        speaker=message.name,
        message=message.text[:_SOURCE_CHARS],
        drafts=notes,
    )


def parse(reply: str) -> list[Note]:
    """The notes of a reply, which may be fenced, introduced, cut off or sloppy JSON. Raises Unreadable."""
    items = _items(reply)
    notes = []
    for place, item in enumerate(items, start=1):
        text = item.get("text") if isinstance(item, dict) else None
        if not isinstance(text, str) or not one_line(text):
            continue
        number = item.get("n", place)
        kind = str(item.get("kind", "")).lower()
        notes.append(
            Note(
                number if isinstance(number, int) and not isinstance(number, bool) else place,
                one_line(text),
                Kind(kind) if kind in set(Kind) - {Kind.ABSTRACT} else None,
                _strings(item.get("keywords"), 8),
                _strings(item.get("topics"), 3),
            )
        )
    if not notes:
        raise Unreadable(f"no note with a text in: {reply[:200]!r}")
    return notes


def ungrounded(note: Note, draft: MemoryUnit, message: Message, before: Sequence[Message]) -> str | None:
    """Why the note is not believed, None when it is: it must say something, each number must stand in the message or
    the draft (whose dates are resolved), each name there or in what was said before, and half of its words must have
    been said.
    """
    own = f"{message.name}: {message.text} {draft.text}"
    return unsaid(note.text, own, " ".join([own, *(f"{said.name}: {said.text}" for said in before)]))


def unsaid(text: str, own: str, around: str) -> str | None:
    """What `text` says that was not said, None when there is nothing: its numbers must stand in `own`, its names in
    `around`, and half of its content words there too.
    """
    numbers = set(_NUMBER.findall(own))
    for number in _NUMBER.findall(text):
        if number not in numbers and number.rstrip(".,:") not in numbers:
            return f"number {number}"
    known = set(lexicon.words(around))
    for match in _NAME.finditer(text):
        words = lexicon.words(match.group())
        starts = not text[: match.start()].rstrip(" \"'(") or text[: match.start()].rstrip()[-1:] in ".!?:"
        if any(_bare(word) not in known and word not in known for word in words) and not (
            starts and words[0] in lexicon.FUNCTION
        ):
            return f"name {match.group()}"
    content = lexicon.content_words(text)
    if not content:
        return "nothing said"
    stems = {word[:5] for word in known}
    if sum(word[:5] in stems for word in content) < _SAID_SHARE * len(content):
        return "words that were not said"
    return None


def refined(
    note: Note,
    draft: MemoryUnit,
    message: Message,
    before: Sequence[Message],
    names: Sequence[str],
    model: str,
    count_tokens: Callable[[str], int],
) -> MemoryUnit:
    """The next version of `draft`: the note's words, the draft's times and people, and the sources of both."""
    said = (
        note.text
        if any(name in note.text for name in {message.name, *draft.persons})
        else f"{message.name}: {note.text}"
    )
    sentences = [segment.Sentence(0, len(said), said)]
    named = tuple(dict.fromkeys([*draft.entities, *entities.find(sentences, names)]))[:16]
    spoken = set(lexicon.words(f"{message.text} {said}"))
    keywords = tuple(word for word in note.keywords if set(lexicon.words(word)) <= spoken) or draft.keywords
    topics = tuple(Topic("concept", topic, 0.8) for topic in note.topics if set(lexicon.words(topic)) & spoken)
    return dataclasses.replace(
        draft,
        kind=note.kind or draft.kind,
        text=said,
        core_end=len(said),
        entities=named,
        keywords=keywords,
        topics=topics or draft.topics,
        sources=(*draft.sources, *_borrowed(said, draft, message, before)),
        confidence=0.8,
        tokens=count_tokens(said),
        distiller=f"{DISTILLER}:{model}",
        version=draft.version + 1,
    )


def _borrowed(text: str, draft: MemoryUnit, message: Message, before: Sequence[Message]) -> list[Source]:
    """The sentences before the message that lend the text a name which the message itself has not."""
    own = set(lexicon.words(f"{message.name} {message.text} {draft.text}"))
    missing = {
        word for match in _NAME.finditer(text) for word in lexicon.words(match.group()) if _bare(word) not in own
    }
    found = []
    for said in reversed(before):
        speaker = set(lexicon.words(said.name))
        for sentence in segment.sentences(said.content):
            lent = missing & set(lexicon.words(sentence.text)) - speaker
            if lent:
                found.append(Source(said.id, sentence.start, sentence.end))
                missing -= lent
    return found


def _bare(word: str) -> str:
    return word.removesuffix("'s")


def _strings(value: Any, limit: int) -> tuple[str, ...]:
    given = value if isinstance(value, list) else []
    texts = [one_line(item)[:80] for item in given if isinstance(item, str)]
    return tuple(dict.fromkeys(text for text in texts if text))[:limit]


def _items(reply: str) -> list[Any]:
    """The list of notes in a reply, or the one note."""
    value = replies.value(reply)
    if isinstance(value, dict):
        value = next((value[key] for key in ("notes", "units", "memories", "items") if key in value), value)
    return value if isinstance(value, list) else [value]
