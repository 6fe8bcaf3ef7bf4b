from __future__ import annotations

import datetime as dt

import pytest

from memsvc.consolidate import relate, trait
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import LinkKind


def said(text: str, day: int, *, assertion: str = "asserted", kind: str = "fact") -> Trait:
    return trait.read(
        id=f"u{day}", kind=kind, text=f"Ana: {text}", subject="Ana", persons=("Ana",), entities=(), session_id="s",
        message_ids=(f"m{day}",), said_at=dt.datetime(2024, 5, day, tzinfo=dt.UTC), is_assistants=False, dates=None,
        assertion=assertion,
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
        ("Karl likes Ana but not Ben.", "Ben likes Karl but not Ana."),
        ("I left Porto before I met Rita.", "I met Rita before I left Porto."),
        ("Is Rita coming?", "Is Rita coming."),
        ("Ich trinke Wein in Maßen.", "Ich trinke Wein in Massen."),
        ("Only on Sundays, I rest.", "On Sundays, I rest only."),
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
        ("On Mondays I swim at the lake.", "I swim at the lake on Mondays."),
        ("If it rains, the match is off.", "The match is off if it rains."),
        ("Am Freitag habe ich frei.", "Habe ich frei am Freitag."),
        ("下雨的时候，我坐公交车。", "我坐公交车，下雨的时候。"),
        ("Mi barco se llama «Gaviota».", 'Mi barco se llama "Gaviota".'),
        ("He was born in 1990.", "He was born in 1990!"),
    ],
)
def test_the_same_words_in_another_case_punctuation_and_order_of_clauses_are_merged(one: str, other: str) -> None:
    link = relate.pair(said(one, 1), said(other, 2), 0.9)
    assert link is not None
    assert link.kind is LinkKind.SAME


def test_what_is_not_asserted_takes_no_place_and_fills_no_slot() -> None:
    now, then = said("I live in Madrid.", 1), said("I live in Atlantis.", 2)
    assert relate.supersedes(then, now, 0.0)
    told = said("I live in Atlantis.", 2, assertion="reported")
    assert told.slot is None
    assert not relate.supersedes(told, now, 0.0)


def test_a_conflict_with_what_is_not_asserted_takes_no_place_either() -> None:
    smokes, quits = said("I smoke cigars.", 1, kind="state"), said("I don't smoke cigars.", 2, kind="state")
    assert relate.supersedes(quits, smokes, 1.0)
    assert not relate.supersedes(said("I don't smoke cigars.", 2, kind="state", assertion="hypothetical"), smokes, 1.0)


def test_the_same_words_in_another_order_give_nothing_a_new_value() -> None:
    first, again = said("Carol trusts Dave.", 1), said("Dave trusts Carol.", 2)
    assert not relate.supersedes(again, first, 1.0)
    assert relate.supersedes(said("Carol trusts Erin now.", 2), first, 1.0)


def test_of_one_exchange_the_later_sentence_is_the_later_one() -> None:
    def at(text: str, turn: tuple[int, int], exchange: str = "e") -> Trait:
        return trait.read(
            id=f"{exchange}{turn}", kind="state", text=f"Ana: {text}", subject="Ana", persons=("Ana",), entities=(),
            session_id="s", message_ids=("m",), said_at=dt.datetime(2024, 5, 1, tzinfo=dt.UTC), is_assistants=False,
            dates=None, exchange_id=exchange, turn=turn,
        )  # fmt: skip

    oslo, porto = at("I live in Oslo.", (7, 0)), at("I live in Porto.", (7, 16))
    for link in (relate.pair(oslo, porto, 0.8), relate.pair(porto, oslo, 0.8)):
        assert link is not None
        assert (link.kind, link.src) == (LinkKind.SUPERSEDES, porto.id)
    elsewhere = relate.pair(oslo, at("I live in Porto.", (9, 0), "other"), 0.8)
    assert elsewhere is not None
    assert elsewhere.kind is LinkKind.NEAR  # said at once in two exchanges: nobody knows which came later


def test_a_statement_is_so_since_the_time_that_it_speaks_of() -> None:
    def moved(dates: tuple[dt.datetime, dt.datetime] | None) -> Trait:
        return trait.read(
            id="u", kind="event", text="Ana: I moved to Verona.", subject="Ana", persons=("Ana",), entities=(),
            session_id="s", message_ids=("m",), said_at=dt.datetime(2024, 3, 28, tzinfo=dt.UTC), is_assistants=False,
            dates=dates,
        )  # fmt: skip

    february = dt.datetime(2024, 2, 1, tzinfo=dt.UTC), dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    assert moved(february).since == february[0]
    assert moved(None).since == moved(None).said_at
    ahead = dt.datetime(2024, 5, 1, tzinfo=dt.UTC), dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    assert moved(ahead).since == moved(None).said_at
