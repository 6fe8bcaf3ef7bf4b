from __future__ import annotations

import datetime as dt

import pytest

from memsvc.consolidate import relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import LinkKind


def said(text: str, day: int, *, holds: bool = True, kind: str = "fact") -> Trait:
    return trait.read(
        id=f"u{day}", kind=kind, text=f"Ana: {text}", subject="Ana", persons=("Ana",), entities=(), session_id="s",
        message_ids=(f"m{day}",), said_at=dt.datetime(2024, 5, day, tzinfo=dt.UTC), is_assistants=False, dates=None,
        holds=holds,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My left knee hurts.", "My right knee hurts."),
        ("I have two kids.", "I have three kids."),
        ("Migration is done.", "Migration is in progress."),
        ("Ben owes Rita.", "Rita owes Ben."),
        ("I code in C.", "I code in C#."),
        ("It was 5 degrees.", "It was -5 degrees."),
        ("Soy alérgico a las nueces.", "Ya no soy alérgico a las nueces."),
        ("ฉันแพ้กุ้ง", "ฉันแพ้ถั่ว"),
    ],
)
def test_what_differs_in_a_word_is_never_merged_however_near_it_is(one: str, other: str) -> None:
    link = relate.pair(said(one, 1), said(other, 2), 1.0)
    assert link is None or link.kind is not LinkKind.SAME


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I hate cilantro.", "i hate cilantro!"),
        ("My cat, Miso, is ill.", "My cat Miso is ill"),
        ("Café Luna is closed.", "CAFÉ LUNA IS CLOSED."),
    ],
)
def test_the_same_words_in_another_case_and_punctuation_are_merged(one: str, other: str) -> None:
    link = relate.pair(said(one, 1), said(other, 2), 0.9)
    assert link is not None
    assert link.kind is LinkKind.SAME


def test_what_is_not_asserted_takes_no_place_and_fills_no_slot() -> None:
    now, then = said("I live in Madrid.", 1), said("I live in Atlantis.", 2)
    assert relate.supersedes(then, now, 0.9)
    told = said("I live in Atlantis.", 2, holds=False)
    assert told.slot is None
    assert not relate.supersedes(told, now, 0.9)


def test_a_conflict_with_what_is_not_asserted_takes_no_place_either() -> None:
    smokes, quits = said("I smoke cigars.", 1, kind="state"), said("I don't smoke cigars.", 2, kind="state")
    assert relate.supersedes(quits, smokes, 0.9)
    assert not relate.supersedes(said("I don't smoke cigars.", 2, kind="state", holds=False), smokes, 0.9)
