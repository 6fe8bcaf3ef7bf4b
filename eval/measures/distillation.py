"""What distilling costs and keeps: compression, the answers' words in the evidence's units, dates, speed.

The one measurement that looks at a room from inside instead of through the SDK: it judges units by themselves, before
anything is encoded or ranked.
"""

from __future__ import annotations

import datetime as dt
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.progress import track

from eval import measures
from eval.measures import gold_dates
from eval.sets.model import Conversation, Dataset, Question, Turn
from memsvc.distill import compose
from memsvc.distill.compose import Depth
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit
from memsvc.models import tokens

_ASKS_WHEN = re.compile(r"(?i)(?:when\b|(?:in|on|during|since) wh(?:ich|at)\b|wh(?:at|ich) (?:date|day|month|year)\b)")
REPLY_SHARES = (1.0, 0.5, 0.3, 0.2, 0.13, 0.09, 0.05)


@dataclass(slots=True)
class _Distilled:
    """A conversation's units by message, its messages, and why those without a unit have none."""

    messages: dict[str, Message] = field(default_factory=dict)
    units: dict[str, list[MemoryUnit]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def run(dataset: Dataset, depth: Depth | None = None, *, quiet: bool = False) -> dict[str, Any]:
    """All figures of the set at one depth. Ratios are tokens of units over tokens of messages."""
    verbatim: dict[str, int] = {}
    distilled: dict[str, int] = {}
    coverage: dict[str, list[tuple[float, float]]] = {}
    skipped: dict[str, int] = {}
    dates: dict[str, int] = {}
    messages = evidence = evidence_skipped = 0
    seconds = 0.0
    for conversation in track(dataset.conversations, description="distilling", disable=quiet):
        result = _distill(conversation, depth or Depth())
        seconds += result.seconds
        messages += len(result.messages)
        for message in result.messages.values():
            role = message.role.value
            verbatim[role] = verbatim.get(role, 0) + tokens.count(message.text)
            own = sum(unit.tokens for unit in result.units.get(message.id, ()))
            distilled[role] = distilled.get(role, 0) + own
        for reason in result.skipped.values():
            skipped[reason] = skipped.get(reason, 0) + 1
        for question in conversation.questions:
            evidence += len(question.evidence)
            evidence_skipped += sum(turn in result.skipped for turn in question.evidence)
            pair = _coverage(question, result)
            if pair is not None:
                coverage.setdefault(question.category, []).append(pair)
            outcome = _date(question, result)
            if outcome is not None:
                dates[outcome] = dates.get(outcome, 0) + 1
    return {
        "dataset": dataset.name,
        "distiller": compose.DISTILLER,
        "messages": messages,
        "messages_per_s": round(messages / seconds, 1),
        "compression": _compression(verbatim, distilled),
        "skipped": skipped,
        "evidence": evidence,
        "evidence_skipped": evidence_skipped,
        "answer_coverage": _mean(coverage),
        "dates": _shares(dates),
    }


def messages_per_s(texts: Sequence[str], session: int) -> float:
    """How many messages one core distils in a second, nothing encoded; sessions of `session` messages."""
    said = dt.datetime(2024, 5, 8, 12, tzinfo=dt.UTC)
    messages = [Message(f"m{n}", f"s{n // session}", "e", Role.USER, "Ana", text, said) for n, text in enumerate(texts)]
    start = time.perf_counter()
    for place in range(0, len(messages), session):
        compose.distill(
            messages[place : place + session], preceding=(), participants=(), namespace_id="bench",
            count_tokens=tokens.count,
        )  # fmt: skip
    return len(messages) / (time.perf_counter() - start)


def units(conversation: Conversation) -> list[tuple[str, MemoryUnit]]:
    """(message id, unit) of everything that is distilled from a conversation at the default depth."""
    result = _distill(conversation, Depth())
    return [(message_id, unit) for message_id, made in result.units.items() for unit in made]


def curve(dataset: Dataset) -> list[dict[str, float]]:
    """Coverage against compression, one depth after the other; what people say is kept at every one."""
    points = []
    for share in REPLY_SHARES:
        depth = Depth(reply_share=share)
        figures = run(dataset, depth)
        points.append(
            {
                "reply_share": depth.reply_share,
                "compression": figures["compression"]["all"],
                "verbatim": figures["answer_coverage"]["all"]["verbatim"],
                "distilled": figures["answer_coverage"]["all"]["distilled"],
            }
        )
    return points


def _distill(conversation: Conversation, depth: Depth) -> _Distilled:
    result = _Distilled()
    for session in _sessions(conversation):
        start = time.perf_counter()
        made = compose.distill(
            session, preceding=(), participants=(), namespace_id=conversation.id, count_tokens=tokens.count,
            depth=depth,
        )  # fmt: skip
        result.seconds += time.perf_counter() - start
        result.messages |= {message.id: message for message in session}
        told = {source.message_id for unit in made.units for source in unit.sources}
        result.skipped |= {skip.message_id: skip.reason for skip in made.skips if skip.message_id not in told}
        for unit in made.units:
            for message_id in dict.fromkeys(source.message_id for source in unit.sources):
                result.units.setdefault(message_id, []).append(unit)
    return result


def _sessions(conversation: Conversation) -> Iterator[list[Message]]:
    sessions: dict[str, list[Message]] = {}
    for turn in conversation.turns:
        sessions.setdefault(turn.session_id, []).append(_message(turn))
    yield from sessions.values()


def _message(turn: Turn) -> Message:
    role = Role(turn.role)
    return Message(
        turn.id, turn.session_id, turn.session_id, role, turn.speaker, turn.text, turn.occurred_at, turn.caption
    )


def _coverage(question: Question, result: _Distilled) -> tuple[float, float] | None:
    """The answer's words in the evidence, verbatim and distilled. None without answer, evidence or words."""
    if question.answer is None or not question.evidence:
        return None
    said = "\n".join(f"{result.messages[m].name}: {result.messages[m].text}" for m in question.evidence)
    kept = "\n".join(unit.text for m in question.evidence for unit in result.units.get(m, ()))
    verbatim = measures.answer_coverage(said, question.answer)
    distilled = measures.answer_coverage(kept, question.answer)
    return None if verbatim is None or distilled is None else (verbatim, distilled)


def _date(question: Question, result: _Distilled) -> str | None:
    """How the intervals of the evidence's units stand to the date in the answer; None for an answer without one.

    exact: the same days. within: they overlap. wrong: there are intervals and none overlaps. said: no interval, but the
    evidence was said within the answer's days. none: nothing.
    """
    if question.answer is None or not question.evidence or not _ASKS_WHEN.match(question.text):
        return None
    gold = gold_dates.interval(question.answer)
    if gold is None:
        return None
    spans = [
        (unit.time.start.date(), (unit.time.end - dt.timedelta(microseconds=1)).date())
        for message_id in question.evidence
        for unit in result.units.get(message_id, ())
        if unit.time
    ]
    if gold in spans:
        return "exact"
    if any(first <= gold[1] and gold[0] <= last for first, last in spans):
        return "within"
    if spans:
        return "wrong"
    said = [result.messages[message_id].occurred_at.date() for message_id in question.evidence]
    return "said" if any(gold[0] <= day <= gold[1] for day in said) else "none"


def _compression(verbatim: dict[str, int], distilled: dict[str, int]) -> dict[str, float]:
    ratios = {role: round(distilled.get(role, 0) / count, 4) for role, count in verbatim.items() if count}
    return {"all": round(sum(distilled.values()) / max(1, sum(verbatim.values())), 4), **ratios}


def _mean(coverage: dict[str, list[tuple[float, float]]]) -> dict[str, dict[str, float]]:
    groups = {"all": [pair for pairs in coverage.values() for pair in pairs], **dict(sorted(coverage.items()))}
    return {
        name: {
            "n": len(pairs),
            "verbatim": round(statistics.fmean(pair[0] for pair in pairs), 4),
            "distilled": round(statistics.fmean(pair[1] for pair in pairs), 4),
        }
        for name, pairs in groups.items()
        if pairs
    }


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    names = ("exact", "within", "said", "wrong", "none")
    return {"n": total, **{name: round(counts.get(name, 0) / total, 4) for name in names if total}}
