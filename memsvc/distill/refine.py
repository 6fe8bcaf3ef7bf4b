"""The language model's share of distilling: how its reply is read, and what units its notes make.

Pure: the model itself is called elsewhere. A rule-made unit is what stands when the reply is not to be had, not to be
read, or not grounded in what was said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memsvc.distill import assertion, build, dates, entities, grounding, lexicon, segment
from memsvc.distill.build import Setting
from memsvc.distill.statements import Statement
from memsvc.distill.window import Window
from memsvc.domain.message import Message
from memsvc.domain.unit import Assertion, Kind, MemoryUnit, Source, Topic, found_id
from memsvc.models import replies
from memsvc.models.replies import Unreadable, one_line
from memsvc.prompts import REFINE

# Units in a database name it.
DISTILLER = f"model-{REFINE.version}"
# A note may be a little longer than a unit made by rule: it replaces pronouns by names.
MAX_NOTE_TOKENS = 70
_CONFIDENCE = 0.8
_MOST_ENTITIES = 16


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the message that is shown under this number; None: of the note's own."""

    of: int | None
    words: str


@dataclass(frozen=True, slots=True)
class Note:
    """One note of a reply: about the draft number `n`, None for what no draft says, and the message number `of`, None
    for the draft's own; both are counted from 1.
    """

    n: int | None
    of: int | None
    text: str
    kind: Kind | None
    assertion: Assertion | None
    entities: tuple[str, ...]
    keywords: tuple[str, ...]
    topics: tuple[str, ...]
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class Grounded:
    """A note that is believed: its message's number, the draft that it restates, None for none, and the words that it
    quotes, those of its own message first.
    """

    note: Note
    of: int
    draft: MemoryUnit | None
    quoted: tuple[Source, ...]


class NotGrounded(Exception):
    """The note is not believed; the message says why, in words that are counted."""


def parse(reply: str) -> list[Note]:
    """The notes of a reply, which may be fenced, introduced, cut off or sloppy JSON. Raises Unreadable."""
    notes = []
    for item in _items(reply):
        text = item.get("text") if isinstance(item, dict) else None
        if not isinstance(text, str) or not one_line(text):
            continue
        kind, asserted = (str(item.get(name, "")).lower() for name in ("kind", "assertion"))
        notes.append(
            Note(
                n=_number(item.get("n")),
                of=_number(item.get("of")),
                text=one_line(text),
                kind=Kind(kind) if kind in set(Kind) - {Kind.ABSTRACT} else None,
                assertion=Assertion(asserted) if asserted in set(Assertion) else None,
                entities=_strings(item.get("entities"), _MOST_ENTITIES),
                keywords=_strings(item.get("keywords"), 8),
                topics=_strings(item.get("topics"), 3),
                quotes=_quotes(item.get("quotes")),
            )
        )
    if not notes:
        raise Unreadable(f"no note with a text in: {reply[:200]!r}")
    return notes


def ground(note: Note, window: Window, setting: Setting) -> Grounded:
    """The note with the words that it stands on; `setting` counts tokens and says what dates mean. Raises NotGrounded:
    it must quote its own message, what it restates the draft's words there, and say nothing that was not said.
    """
    drafted = window.drafts[note.n - 1] if note.n and note.n <= len(window.drafts) else None
    number = note.of or (drafted.of if drafted else None)
    if number is None or number not in window.asked or (drafted and drafted.of != number):
        raise NotGrounded("it is of no message that was asked about")
    if setting.count_tokens(note.text) > MAX_NOTE_TOKENS:
        raise NotGrounded("it is too long")
    message, before = window.shown[number - 1], window.shown[: number - 1]
    own: list[Source] = []
    others: list[Source] = []
    lenders = {said.id for said in grounding.lenders(message, before)}
    for quote in note.quotes:
        at = number if quote.of is None else quote.of
        said = window.shown[at - 1] if at <= number else None
        found = grounding.place(quote.words, said) if said else None
        if said is None or found is None or not (said is message or said.id in lenders):
            raise NotGrounded("its quote was not said")
        (own if said is message else others).append(found)
    if not own:
        raise NotGrounded("it quotes nothing of its message")
    draft = drafted.unit if drafted else None
    if draft and not any(grounding.meets(source, quoted) for source in draft.sources for quoted in own):
        raise NotGrounded("it quotes what another statement says")
    reason = grounding.ungrounded(note.text, message, before, draft, setting.locale)
    if reason is None and grounding.is_turned(note.text, message, own):
        reason = "it denies what was said, or says what was denied"
    if reason:
        raise NotGrounded(reason)
    return Grounded(note, number, draft, tuple(dict.fromkeys([*own, *others])))


def rewritten(grounded: Grounded, draft: MemoryUnit, window: Window, setting: Setting, model: str) -> MemoryUnit:
    """The next version of `draft`: the note's words, the draft's times, people and assertion, and the sources of
    both.
    """
    note = grounded.note
    said = _spoken(note.text, setting.message, draft.persons)
    beyond = [quoted for quoted in grounded.quoted if not any(grounding.meets(quoted, own) for own in draft.sources)]
    own = f"{setting.message.name} {setting.message.text} {draft.text}"
    # A model may leave "next Friday" as it was said.
    resolved = build.resolutions(dates.find(note.text, setting.message.occurred_at, locale=setting.locale))
    text = f"{said} {resolved}" if resolved else said
    return dataclasses.replace(
        draft,
        kind=_kind(note, draft.kind),
        text=text,
        core_end=len(said),
        sources=_cited([*draft.sources, *beyond], said, own, grounded, window),
        tokens=setting.count_tokens(text),
        version=draft.version + 1,
        **_told(note, draft, said, setting, model),
    )


def fresh(grounded: Grounded, window: Window, setting: Setting, model: str) -> MemoryUnit:
    """The unit of what no draft says: the note's words, with the fields that the rules read in them. It is asserted as
    the words that it quotes are, or with more care, never with less.
    """
    note, message = grounded.note, setting.message
    spans = tuple((source.start, source.end) for source in grounded.quoted if source.message_id == message.id)
    made = build.unit(setting, Statement(spans, note.text), "")
    said = _spoken(note.text, message, made.persons)
    text = said + made.text[made.core_end :]
    judged = _judged(note, made, spans[0], setting)
    return dataclasses.replace(
        made,
        id=found_id(setting.namespace_id, message.id, note.text),
        kind=_kind(note, made.kind),
        text=text,
        core_end=len(said),
        sources=_cited(grounded.quoted, said, f"{message.name} {message.text}", grounded, window),
        tokens=setting.count_tokens(text),
        assertion=judged.assertion,
        reported_by=judged.by,
        holds_until=judged.until,
        **_told(note, made, said, setting, model),
    )


def _told(note: Note, unit: MemoryUnit, said: str, setting: Setting, model: str) -> dict[str, Any]:
    """The fields that both sorts of units take from a note, as far as they were said."""
    spoken = set(lexicon.words(f"{setting.message.text} {said}"))
    keywords = tuple(word for word in note.keywords if set(lexicon.words(word)) <= spoken)
    topics = tuple(Topic("concept", topic, 0.8) for topic in note.topics if set(lexicon.words(topic)) & spoken)
    named = entities.find([segment.Sentence(0, len(said), said)], setting.names)
    known = {name.lower() for name in (*unit.entities, *named)}
    given = [name for name in note.entities if name.lower() not in known and name.lower() in said.lower()]
    return {
        "entities": tuple(dict.fromkeys([*unit.entities, *named, *given]))[:_MOST_ENTITIES],
        "keywords": keywords or unit.keywords,
        "topics": topics or unit.topics,
        "confidence": _CONFIDENCE,
        "distiller": f"{DISTILLER}:{model}",
    }


def _judged(note: Note, made: MemoryUnit, span: tuple[int, int], setting: Setting) -> assertion.Judgement:
    """How a note is asserted: as the sentence that it quotes, where that is more than asserted, else as its own words,
    else as the model says.
    """
    message = setting.message
    around = next((s for s in segment.sentences(message.content) if s.start <= span[0] < s.end), None)
    if around is not None:
        times = dates.find(around.text, message.occurred_at, locale=setting.locale)
        judged = assertion.judge(
            around.text, role=message.role, is_peer_talk=setting.is_peer_talk, times=times, said_at=message.occurred_at
        )
        if judged.assertion is not Assertion.ASSERTED:
            return judged
    if made.assertion is not Assertion.ASSERTED:
        return assertion.Judgement(made.assertion, made.reported_by, made.holds_until)
    return assertion.Judgement(note.assertion or Assertion.ASSERTED)


def _kind(note: Note, by_rule: Kind) -> Kind:
    """The model's choice, but what is to be followed from now on only the rules say."""
    return by_rule if note.kind in (None, Kind.INSTRUCTION) else note.kind


def _spoken(text: str, message: Message, persons: Sequence[str]) -> str:
    """The text behind its speaker's name, unless it names who it is about."""
    return text if any(name in text for name in {message.name, *persons}) else f"{message.name}: {text}"


def _cited(given: Sequence[Source], said: str, own: str, grounded: Grounded, window: Window) -> tuple[Source, ...]:
    """The sources, with the sentences that lend the text a name and were not quoted."""
    before = grounding.lenders(window.shown[grounded.of - 1], window.shown[: grounded.of - 1])
    lent = [
        source
        for source in grounding.borrowed(said, own, before)
        if not any(grounding.meets(source, quoted) for quoted in given)
    ]
    return (*given, *lent)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _quotes(value: Any) -> tuple[Quote, ...]:
    """Those of a note; words alone are of its own message."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        words = item.get("words") if isinstance(item, dict) else item
        if isinstance(words, str) and words.strip():
            found.append(Quote(_number(item.get("of")) if isinstance(item, dict) else None, words))
    return tuple(found[:_MOST_ENTITIES])


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
