"""One group of a message's pieces to one memory unit: all its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsvc.distill import artefacts, dates, entities, information, lexicon, outline, resolve, salience, topics, trim
from memsvc.distill.outline import Piece
from memsvc.distill.segment import Fence, Sentence
from memsvc.domain.message import Message
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Artefact, Kind, MemoryUnit, Source, unit_id

DISTILLER = "rule-2"
_CONTEXT_WORDS = 40
# An answer of so few content words is not understood without its question.
_ELLIPTIC_WORDS = 3
_QUESTION_WORDS = 16
_DETAIL_CHARS = 80
# A message longer than this names its month too far away from what follows it.
_NEAR_CHARS = 600
_VAGUE = re.compile(r"(?i)^(?:recently|lately|the other day|these days|today|tonight|this \w+|for .*|since .*)$")
_DEFINED = re.compile(
    r"\b(?:def|class|function|func|fn|interface|struct|create table)\s+(\w{2,60})", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """What one message is distilled against. `names` are the participants, `recent` the last messages."""

    message: Message
    recent: tuple[Message, ...]
    addressees: tuple[str, ...]
    names: tuple[str, ...]
    is_peer_talk: bool
    namespace_id: str
    count_tokens: Callable[[str], int]

    @property
    def previous(self) -> Message | None:
        return self.recent[-1] if self.recent else None


def context_key(previous: Message | None, own_text: str) -> str:
    """What the encoder gets beside a unit's text: the end of what was said before, then the words themselves."""
    if previous is None:
        return own_text
    before = " ".join(f"{previous.name}: {previous.text[-2000:]}".split()[-_CONTEXT_WORDS:])
    return f"{before}\n{own_text}"


def unit(setting: Setting, group: Sequence[Piece], *, caption: str = "", detail: Piece | None = None) -> MemoryUnit:
    """The unit of consecutive pieces; `caption` and `detail` follow behind the core."""
    message = setting.message
    core = outline.joined(group)
    own = f"{message.name}: {core}".rstrip()
    times = dates.find(core, message.occurred_at, _month_before(setting.previous)) if core else ()
    resolved = _resolutions(times)
    tail = [f"[image: {caption}]" if caption else "", detail.text if detail else ""]
    tail = [part for part in tail if part]
    asked = _question(setting, core)
    text = " ".join(part for part in (own, asked, "-" if core and tail else "", "; ".join(tail), resolved) if part)
    sentences = [Sentence(piece.start, piece.end, piece.text) for piece in group]
    found = artefacts.find(core)
    named = entities.find(sentences, setting.names)
    people = resolve.people(core, message.name, setting.addressees, [m.content for m in setting.recent[-2:]])
    kind = salience.kind(core, message.role, setting.is_peer_talk, found, bool(times))
    words = salience.keywords(f"{core} {caption}")
    sources = _sources(message, [*group, *([detail] if detail else [])])
    verbatim = " ".join(message.content[piece.start : piece.end] for piece in group)
    return MemoryUnit(
        id=unit_id(setting.namespace_id, sources, kind, DISTILLER),
        kind=kind,
        text=text,
        core_end=len(own),
        key=context_key(setting.previous, " ".join(p for p in (f"{message.name}: {verbatim}".rstrip(), *tail) if p)),
        subject=people.subject,
        persons=people.persons,
        entities=named,
        keywords=words,
        topics=topics.find(core, found, words),
        artefacts=found,
        quantities=artefacts.quantities(core),
        location=entities.location(core, setting.names),
        t_mention=message.occurred_at,
        time=_main_time(times),
        sources=sources,
        salience=salience.salience(core, len(named), bool(times)),
        confidence=0.9 if resolved else 1.0,
        tokens=setting.count_tokens(text),
        distiller=DISTILLER,
    )


def code_unit(setting: Setting, block: Fence) -> MemoryUnit:
    """A code block gives its language, the names it defines and the files it names rather than its lines."""
    message = setting.message
    found, named = code_names(block)
    first = next((line.strip() for line in block.code.splitlines() if line.strip()), "")[:_DETAIL_CHARS]
    shown = ", ".join(named) if named else first
    own = f"{message.name}: {block.language or 'code'} block: {shown}"
    sources = (Source(message.id, block.start, block.end),)
    words = salience.keywords(shown)
    return MemoryUnit(
        id=unit_id(setting.namespace_id, sources, Kind.ARTEFACT, DISTILLER),
        kind=Kind.ARTEFACT,
        text=own,
        core_end=len(own),
        key=context_key(setting.previous, own),
        subject=message.name,
        persons=(message.name,),
        entities=(),
        keywords=words,
        topics=topics.find(shown, found, words),
        artefacts=found,
        quantities=(),
        location=None,
        t_mention=message.occurred_at,
        time=None,
        sources=sources,
        salience=0.3,
        confidence=0.8,
        tokens=setting.count_tokens(own),
        distiller=DISTILLER,
    )


def code_names(block: Fence) -> tuple[tuple[Artefact, ...], list[str]]:
    """A block's artefacts, and what to call it by: what it defines, then files, errors and variables it names."""
    found = artefacts.find(block.code[:4000])
    defined = _DEFINED.findall(block.code)
    return found, list(dict.fromkeys([*defined, *(a.value for a in found if a.type in ("path", "error", "variable"))]))[
        :6
    ]


def detail(pieces: Sequence[Piece], core: str) -> Piece | None:
    """The rarest concrete span of what was left out, copied: a quantity, a quoted title or an artefact."""
    best: tuple[float, Piece] | None = None
    for piece in pieces:
        for match in artefacts.CONCRETE.finditer(piece.text[:_NEAR_CHARS]):
            text = match.group().strip()
            weight = information.information(set(lexicon.words(text)))
            if len(text) <= _DETAIL_CHARS and text not in core and (best is None or weight > best[0]):
                best = (weight, Piece(piece.start, piece.end, text, False))
    return best[1] if best else None


def _question(setting: Setting, core: str) -> str:
    """(re: …) for an answer that says too little by itself. A question with a number or a date is left in the key:
    a unit names none that its sources do not.
    """
    previous = setting.previous
    if previous is None or previous.name == setting.message.name or "?" not in previous.content[-400:]:
        return ""
    if not core or core.endswith("?") or len(lexicon.content_words(core)) > _ELLIPTIC_WORDS:
        return ""
    asked = previous.content[-400:].rpartition("?")[0]
    asked = trim.filler(re.split(r"[.!?\n]\s", asked)[-1].strip())
    if len(asked.split()) > _QUESTION_WORDS or lexicon.DIGIT.search(asked) or dates.find(asked, previous.occurred_at):
        return ""
    return f"(re: {asked}?)" if asked else ""


def _sources(message: Message, pieces: Sequence[Piece]) -> tuple[Source, ...]:
    """Spans in order; pieces that follow each other directly are one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted({(piece.start, piece.end) for piece in pieces}):
        if merged and start - merged[-1][1] <= 2:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(Source(message.id, start, end) for start, end in merged) or (Source(message.id, 0, 0),)


def _resolutions(times: Sequence[TimeSpan]) -> str:
    """(yesterday: 7 May 2023) for phrases that are exact once one knows the day; vague ones stay as they are."""
    exact = [span for span in times if dates.is_relative(span) and not _VAGUE.match(span.phrase)]
    if not exact:
        return ""
    return "(" + "; ".join(f"{span.phrase}: {dates.describe(span)}" for span in exact[:3]) + ")"


def _month_before(previous: Message | None) -> TimeSpan | None:
    """The month that the message before named, if it named just one."""
    if previous is None or len(previous.content) > _NEAR_CHARS or not dates.MONTH.search(previous.content):
        return None
    named = dates.find(previous.content, previous.occurred_at)
    months = [span for span in named if span.granularity is Granularity.MONTH]
    return months[0] if len(months) == 1 else None


def _main_time(times: Sequence[TimeSpan]) -> TimeSpan | None:
    """The most precise interval, the first among equals."""
    order = list(Granularity)
    return min(times, key=lambda span: order.index(span.granularity)) if times else None
