"""One statement to one memory unit: all its fields."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memsvc.distill import (
    artefacts,
    assertion,
    dates,
    entities,
    questions,
    resolve,
    salience,
    topics,
)
from memsvc.distill.corrections import Correction
from memsvc.distill.segment import Fence, Sentence
from memsvc.distill.statements import Statement
from memsvc.domain import proposition, third_person
from memsvc.domain.locale import HERE, Locale
from memsvc.domain.message import Message
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.domain.unit import Artefact, Assertion, Kind, MemoryUnit, Source, unit_id

DISTILLER = "rule-4"
_SHOWN_CHARS = 80
# A message longer than this names its month too far away from what follows it.
_NEAR_CHARS = 600
_VAGUE = re.compile(r"(?i)^(?:recently|lately|the other day|these days|today|tonight|this \w+|for .*|since .*)$")
_DEFINED = re.compile(
    r"\b(?:def|class|function|func|fn|interface|struct|create table)\s+(\w{2,60})", re.IGNORECASE
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """What one message is distilled against. `names` are the participants, `recent` the last messages; `locale`
    says what dates mean.
    """

    message: Message
    recent: tuple[Message, ...]
    addressees: tuple[str, ...]
    names: tuple[str, ...]
    is_peer_talk: bool
    namespace_id: str
    count_tokens: Callable[[str], int]
    locale: Locale = HERE

    @property
    def previous(self) -> Message | None:
        return self.recent[-1] if self.recent else None


def unit(setting: Setting, statement: Statement, question: str, corrected: Correction | None = None) -> MemoryUnit:
    """The unit of one statement: its words, with what makes them readable apart from them: its header, and what it
    corrects or the `question` that it answers, where it is not understood without. Its fields are those of what is
    said with that.
    """
    message = setting.message
    said = statement.text
    own = f"{message.name}: {statement.header}: {said}" if statement.header else f"{message.name}: {said}"
    agrees = not corrected and bool(question) and proposition.is_assent(said)
    core = corrected.proposition if corrected else said
    spoken = proposition.agreed(question) if agrees else core
    month = functools.partial(month_before, setting, statement)
    times = dates.find(spoken, message.occurred_at, month, locale=setting.locale)
    resolved = resolutions(times)
    behind = corrected.context if corrected else ""
    if question and not corrected and (agrees or questions.is_elliptic(said)):
        behind = proposition.answers(question)
    text = " ".join(part for part in (own, behind, resolved) if part)
    found = artefacts.find(core)
    named = entities.find([Sentence(0, len(core), core)], setting.names)
    people = resolve.people(
        core, message.name, setting.addressees, [m.content for m in setting.recent[-2:]], message.role
    )
    judged = assertion.judge(
        core, role=message.role, is_peer_talk=setting.is_peer_talk, times=times, said_at=message.occurred_at
    )
    kind = salience.kind(third_person.as_first_person(core), message.role, setting.is_peer_talk, found, bool(times))
    words = salience.keywords(f"{statement.header} {core}")
    spans = [*statement.spans, *([statement.header_span] if statement.header_span else [])]
    sources = tuple(Source(message.id, start, end) for start, end in spans)
    sources += corrected.sources if corrected else ()
    return MemoryUnit(
        id=unit_id(setting.namespace_id, sources, kind, DISTILLER),
        kind=kind,
        text=text,
        core_end=len(own),
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
        assertion=Assertion.ASSERTED if agrees else judged.assertion,
        reported_by=judged.by,
        holds_until=judged.until,
    )


def code_unit(setting: Setting, block: Fence) -> MemoryUnit:
    """A code block gives its language, the names it defines and the files it names rather than its lines."""
    found, named = code_names(block)
    first = next((line.strip() for line in block.code.splitlines() if line.strip()), "")[:_SHOWN_CHARS]
    shown = ", ".join(named) if named else first
    own = f"{setting.message.name}: {block.language or 'code'} block: {shown}"
    return _shown(setting, own, shown, Kind.ARTEFACT, Source(setting.message.id, block.start, block.end), found)


def caption_unit(setting: Setting, caption: str) -> MemoryUnit:
    """What an image shows that came with the message."""
    own = f"{setting.message.name}: [image: {caption}]"
    return _shown(setting, own, caption, Kind.FACT, Source(setting.message.id, 0, 0), ())


def _shown(
    setting: Setting, own: str, shown: str, kind: Kind, source: Source, found: tuple[Artefact, ...]
) -> MemoryUnit:
    """A unit of what is shown rather than said."""
    message = setting.message
    words = salience.keywords(shown)
    return MemoryUnit(
        id=unit_id(setting.namespace_id, (source,), kind, DISTILLER),
        kind=kind,
        text=own,
        core_end=len(own),
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
        sources=(source,),
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


def resolutions(times: Sequence[TimeSpan]) -> str:
    """(yesterday: 7 May 2023) for phrases that are exact once one knows the day; vague ones stay as they are."""
    exact = [span for span in times if dates.is_relative(span) and not _VAGUE.match(span.phrase)]
    if not exact:
        return ""
    return "(" + "; ".join(f"{span.phrase}: {dates.describe(span)}" for span in exact[:3]) + ")"


def month_before(setting: Setting, statement: Statement) -> TimeSpan | None:
    """The one month that was named just before: earlier in the message, else in the message before."""
    message, previous = setting.message, setting.previous
    earlier = message.content[: statement.spans[0][0]][-_NEAR_CHARS:]
    near = [(earlier, message.occurred_at)]
    if previous is not None and len(previous.content) <= _NEAR_CHARS:
        near.append((previous.content, previous.occurred_at))
    for text, said_at in near:
        if dates.MONTH.search(text):
            found = dates.find(text, said_at, locale=setting.locale)
            months = [span for span in found if span.granularity is Granularity.MONTH]
            return months[0] if len(months) == 1 else None
    return None


def _main_time(times: Sequence[TimeSpan]) -> TimeSpan | None:
    """The most precise interval, the first among equals."""
    order = list(Granularity)
    return min(times, key=lambda span: order.index(span.granularity)) if times else None
