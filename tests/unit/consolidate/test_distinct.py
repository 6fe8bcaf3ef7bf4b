"""Nothing true is hidden behind what only looks like it, and what is said again is one memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from memsvc import loading
from memsvc.consolidate import judge, relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.distill import compose
from memsvc.domain.link import LinkKind
from memsvc.domain.message import Message, Role
from memsvc.domain.unit import MemoryUnit
from memsvc.models import tokens
from memsvc.settings import Settings
from tests.unit.consolidate.distinct_facts import AGAIN, DISTINCT

DAY = dt.datetime(2024, 2, 5, 9, tzinfo=dt.UTC)
DISTINCT_PAIRS = [pair for pairs in DISTINCT.values() for pair in pairs]
AGAIN_PAIRS = [pair for pairs in AGAIN.values() for pair in pairs]
COSINES = (0.0, relate.LOWEST_COSINE, 0.9, 1.0)
LEAST_MERGED = 60


def statement(text: str, day: int) -> MemoryUnit:
    """The one unit that a message of `text` gives."""
    message = Message(f"m{day}", "s", "e", Role.USER, "Ana", text, DAY + dt.timedelta(days=day))
    (unit,) = compose.distill(
        [message], preceding=(), participants=(), namespace_id="n", count_tokens=tokens.count
    ).units  # fmt: skip
    return unit


def read(unit: MemoryUnit) -> Trait:
    dates = (unit.time.start, unit.time.end) if unit.time else None
    return trait.read(
        id=unit.id, kind=unit.kind, text=unit.text, subject=unit.subject, persons=unit.persons, entities=unit.entities,
        session_id="s", message_ids=[unit.sources[0].message_id], said_at=unit.t_mention, is_assistants=False,
        dates=dates, core_end=unit.core_end, assertion=unit.assertion,
    )  # fmt: skip


def said(pair: Sequence[str]) -> tuple[Trait, Trait]:
    return read(statement(pair[0], 0)), read(statement(pair[1], 40))


def is_merged(one: Trait, other: Trait, cosine: float) -> bool:
    link = relate.pair(one, other, cosine)
    return link is not None and link.kind is LinkKind.SAME


def test_there_are_two_hundred_pairs_of_distinct_facts_in_twelve_languages_and_half_as_many_restatements() -> None:
    texts = [text for pair in DISTINCT_PAIRS for text in pair]
    assert len(texts) == len(set(texts)) == 400
    assert len(DISTINCT) == 12
    assert len(set(AGAIN_PAIRS)) == 100
    assert len(AGAIN) >= 8


@pytest.mark.parametrize("language", DISTINCT)
def test_no_two_distinct_facts_are_merged_however_near_they_are(language: str) -> None:
    merged = [
        pair
        for pair in DISTINCT[language]
        for one, other in (said(pair), said(pair[::-1]))
        for cosine in COSINES
        if is_merged(one, other, cosine) or is_merged(other, one, cosine)
    ]
    assert merged == []


def test_no_fact_is_merged_with_any_other_one() -> None:
    """Of all pairs of the 400, not only of those that are near."""
    told = [read(statement(text, day)) for day, text in enumerate(text for pair in DISTINCT_PAIRS for text in pair)]
    merged = [
        (one.said, other.said)
        for place, one in enumerate(told)
        for other in told[place + 1 :]
        if is_merged(one, other, 1.0)
    ]
    assert merged == []


def test_the_same_statement_said_again_is_merged_and_takes_no_place() -> None:
    encoder = loading.encoder(Settings())
    pairs = [said(pair) for pair in AGAIN_PAIRS]
    rows = encoder.encode([f"Ana: {one.said}" for pair in pairs for one in pair])
    verdicts = judge.shipped(encoder.name).scores(pairs, (rows[::2], rows[1::2]))
    cosines = (rows[::2] * rows[1::2]).sum(axis=1)
    kinds = []
    for (earlier, later), cosine, verdict in zip(pairs, cosines, verdicts, strict=True):
        link = relate.pair(earlier, later, float(cosine), float(verdict))
        assert link == relate.pair(later, earlier, float(cosine), float(verdict))
        kinds.append(link.kind if link else None)
    assert LinkKind.SUPERSEDES not in kinds
    assert kinds.count(LinkKind.SAME) >= LEAST_MERGED, [
        pair for pair, kind in zip(AGAIN_PAIRS, kinds, strict=True) if kind is not LinkKind.SAME
    ]
