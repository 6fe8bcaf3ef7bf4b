"""Messages to units: the order of the rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsvc.distill import artefacts, dates, entities, gate, lexicon, resolve, salience, segment
from memsvc.distill.segment import Fence, Sentence
from memsvc.domain.message import Message, Role
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Artefact, Kind, MemoryUnit, Skip, Source, Topic, unit_id

DISTILLER = "rule-1"
# A unit says one or two things: about the length of a spoken turn.
UNIT_TOKENS = 45
# Of a long reply a fifth is kept, in units of that length: what it settles.
REPLY_SHARE = 0.2
_CONTEXT_WORDS = 40
# One sentence beyond this is cut by force (a pasted table, a megabyte without a stop).
_MAX_SENTENCE_CHARS = 600
_SPACE = re.compile(r"\s+")
_VAGUE = re.compile(r"(?i)^(?:recently|lately|the other day|these days|today|tonight|this \w+|for .*|since .*)$")


@dataclass(frozen=True, slots=True)
class Distillate:
    """Units in the order of their sources, and the messages that gave none."""

    units: tuple[MemoryUnit, ...]
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class _Setting:
    """What one message is distilled against."""

    message: Message
    previous: Message | None
    addressees: tuple[str, ...]
    names: tuple[str, ...]
    is_peer_talk: bool
    namespace_id: str
    count_tokens: Callable[[str], int]


def distill(
    messages: Sequence[Message],
    *,
    preceding: Sequence[Message],
    participants: Sequence[str],
    namespace_id: str,
    count_tokens: Callable[[str], int],
) -> Distillate:
    """Units of consecutive `messages` of one session.

    `preceding` are the messages before them, for context; `participants` the named speakers of the session. Every
    message gives at least one unit or one skip.
    """
    units: list[MemoryUnit] = []
    skips: list[Skip] = []
    names = tuple(dict.fromkeys([*participants, *(m.speaker for m in messages if m.speaker)]))
    is_peer_talk = not any(message.role is Role.ASSISTANT for message in (*preceding, *messages)) and len(names) > 1
    addressing = frozenset(word for name in names for word in lexicon.words(name))
    previous = preceding[-1] if preceding else None
    for message in messages:
        reason = gate.reason_to_skip(message, addressing)
        if reason:
            skips.append(Skip(message.id, reason))
        else:
            others = tuple(name for name in names if name != message.name)
            setting = _Setting(message, previous, others, names, is_peer_talk, namespace_id, count_tokens)
            units.extend(_units(setting))
        previous = message
    return Distillate(tuple(units), tuple(skips))


def context_key(previous: Message | None, own_text: str) -> str:
    """What the encoder gets for a unit: the end of what was said before, then the unit's own words."""
    if previous is None:
        return own_text
    before = " ".join(f"{previous.name}: {previous.text[-2000:]}".split()[-_CONTEXT_WORDS:])
    return f"{before}\n{own_text}"


def _units(setting: _Setting) -> list[MemoryUnit]:
    message = setting.message
    blocks = segment.fences(message.content)
    sentences = [part for sentence in segment.prose(message.content, blocks) for part in _bounded(sentence)]
    groups = _groups(sentences, setting)
    if message.role in (Role.ASSISTANT, Role.TOOL):
        groups = _settled(groups, setting)
    units = [_unit(setting, group, is_last=group is groups[-1]) for group in groups]
    units.extend(_code_unit(setting, block) for block in blocks if block.code.strip())
    if not units:
        units.append(_unit(setting, [], is_last=True))
    return units


def _bounded(sentence: Sentence) -> list[Sentence]:
    """The sentence, in pieces when it is far too long for a unit."""
    if len(sentence.text) <= _MAX_SENTENCE_CHARS:
        return [sentence]
    pieces = []
    start = sentence.start
    while start < sentence.end:
        end = min(start + _MAX_SENTENCE_CHARS, sentence.end)
        space = sentence.text.rfind(" ", start - sentence.start + _MAX_SENTENCE_CHARS // 2, end - sentence.start)
        if end < sentence.end and space > 0:
            end = sentence.start + space + 1
        pieces.append(Sentence(start, end, sentence.text[start - sentence.start : end - sentence.start]))
        start = end
    return pieces


def _groups(sentences: Sequence[Sentence], setting: _Setting) -> list[list[Sentence]]:
    """Consecutive sentences of about a unit's length, without what only keeps in touch."""
    names = frozenset(word for name in setting.names for word in lexicon.words(name))
    kept = [sentence for sentence in sentences if not gate.is_phatic(sentence.text, names)]
    statements = [sentence for sentence in kept if not sentence.text.endswith(("?", "\uff1f"))]
    if statements and setting.is_peer_talk:
        kept = statements  # a question back is found word for word; it is no memory beside a statement
    kept = kept or list(sentences)
    groups: list[list[Sentence]] = []
    spent = 0
    for sentence in kept:
        cost = setting.count_tokens(sentence.text)
        if groups and spent + cost <= UNIT_TOKENS:
            groups[-1].append(sentence)
            spent += cost
        else:
            groups.append([sentence])
            spent = cost
    return groups


def _settled(groups: list[list[Sentence]], setting: _Setting) -> list[list[Sentence]]:
    """The most salient groups of a reply, in order, up to its share."""
    costs = [setting.count_tokens(_joined(group)) for group in groups]
    if sum(costs) <= 2 * UNIT_TOKENS:
        return groups
    allowed = REPLY_SHARE * sum(costs)
    values = [
        salience.salience(text, len(entities.find(group, ())), bool(dates.find(text, setting.message.occurred_at)))
        for group in groups
        for text in [_joined(group)]
    ]
    kept: set[int] = set()
    spent = 0
    for place in sorted(range(len(groups)), key=lambda place: (-values[place], place)):
        if not kept or spent + costs[place] <= allowed:
            kept.add(place)
            spent += costs[place]
    return [groups[place] for place in sorted(kept)]


def _unit(setting: _Setting, group: Sequence[Sentence], *, is_last: bool) -> MemoryUnit:
    message = setting.message
    core = _joined(group)
    detail = f"[image: {_SPACE.sub(' ', message.caption).strip()}]" if is_last and message.caption else ""
    own = f"{message.name}: {core}".rstrip()
    times = dates.find(core, message.occurred_at, _month_before(setting.previous))
    resolved = _resolutions(times)
    text = " ".join(part for part in (own, "-" if core and detail else "", detail, resolved) if part)
    sources = tuple(Source(message.id, s.start, s.end) for s in _merged(group)) or (Source(message.id, 0, 0),)
    found = artefacts.find(core)
    kind = salience.kind(core, message.role, setting.is_peer_talk, found, bool(times))
    named = entities.find(group, setting.names)
    people = resolve.people(core, message.name, setting.addressees)
    return _built(
        setting, kind, text, len(own), context_key(setting.previous, " ".join(p for p in (own, detail) if p)), sources,
        subject=people.subject,
        persons=people.persons,
        entities=named,
        found=found,
        times=times,
        value=salience.salience(core, len(named), bool(times)),
        confidence=0.9 if resolved else 1.0,
        core=f"{core} {message.caption or ''}",
    )  # fmt: skip


def _code_unit(setting: _Setting, block: Fence) -> MemoryUnit:
    """A code block gives its language, the names it defines and the files it names rather than its lines."""
    message = setting.message
    defined = re.findall(
        r"\b(?:def|class|function|func|fn|interface|struct|create table)\s+(\w{2,60})", block.code, re.IGNORECASE
    )
    found = artefacts.find(block.code[:4000])
    named = list(dict.fromkeys([*defined, *(a.value for a in found if a.type in ("path", "error", "variable"))]))[:6]
    first = next((line.strip() for line in block.code.splitlines() if line.strip()), "")[:120]
    shown = ", ".join(named) if named else first
    own = f"{message.name}: {block.language or 'code'} block: {shown}"
    return _built(
        setting, Kind.ARTEFACT, own, len(own), context_key(setting.previous, own),
        (Source(message.id, block.start, block.end),),
        subject=message.name, persons=(message.name,), entities=(), found=found, times=[], value=0.3, confidence=0.8,
        core=shown,
    )  # fmt: skip


def _built(
    setting: _Setting, kind: Kind, text: str, core_end: int, key: str, sources: tuple[Source, ...], *,
    subject: str, persons: tuple[str, ...], entities: tuple[str, ...], found: tuple[Artefact, ...],
    times: Sequence[TimeSpan], value: float, confidence: float, core: str,
) -> MemoryUnit:  # fmt: skip
    words = salience.keywords(core)
    return MemoryUnit(
        id=unit_id(setting.namespace_id, sources, kind, DISTILLER),
        kind=kind,
        text=text,
        core_end=core_end,
        key=key,
        subject=subject,
        persons=persons,
        entities=entities,
        keywords=words,
        topics=_topics(found, words),
        artefacts=found,
        quantities=artefacts.quantities(core),
        location=None,
        t_mention=setting.message.occurred_at,
        time=_main_time(times),
        sources=sources,
        salience=value,
        confidence=confidence,
        tokens=setting.count_tokens(text),
        distiller=DISTILLER,
    )


def _joined(group: Sequence[Sentence]) -> str:
    return _SPACE.sub(" ", " ".join(sentence.text for sentence in group)).strip()


def _merged(group: Sequence[Sentence]) -> list[Sentence]:
    """Sentences that follow each other directly, as one span."""
    merged: list[Sentence] = []
    for sentence in group:
        if merged and sentence.start - merged[-1].end <= 2:
            merged[-1] = Sentence(merged[-1].start, sentence.end, "")
        else:
            merged.append(sentence)
    return merged


def _resolutions(times: Sequence[TimeSpan]) -> str:
    """(yesterday: 7 May 2023) for phrases that are exact once one knows the day; vague ones stay as they are."""
    exact = [span for span in times if dates.is_relative(span) and not _VAGUE.match(span.phrase)]
    if not exact:
        return ""
    return "(" + "; ".join(f"{span.phrase}: {dates.describe(span)}" for span in exact[:3]) + ")"


def _month_before(previous: Message | None) -> TimeSpan | None:
    """The month that the message before named, if it named just one."""
    if previous is None or len(previous.content) > _MAX_SENTENCE_CHARS:
        return None
    named = dates.find(previous.content, previous.occurred_at)
    months = [span for span in named if span.granularity is Granularity.MONTH]
    return months[0] if len(months) == 1 else None


def _main_time(times: Sequence[TimeSpan]) -> TimeSpan | None:
    """The most precise interval, the first among equals."""
    order = list(Granularity)
    return min(times, key=lambda span: order.index(span.granularity)) if times else None


def _topics(found: Sequence[Artefact], words: Sequence[str]) -> tuple[Topic, ...]:
    """Files that are named, else the two rarest words as concepts."""
    files = tuple(Topic("file", artefact.value, 1.0) for artefact in found if artefact.type == "path")[:3]
    if files:
        return files
    rare = sorted(words, key=lambda word: -salience.idf(word))[:2]
    return tuple(Topic("concept", word, 0.5) for word in rare)
