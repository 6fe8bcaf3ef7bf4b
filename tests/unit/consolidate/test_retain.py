"""What is older than it is kept: put away, erased, and what stays for the sake of something else."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.consolidate import retain
from memsvc.domain.aged import Aged
from memsvc.domain.space_settings import SpaceSettings, Term
from memsvc.domain.unit import Status

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def ago(days: float) -> dt.datetime:
    return NOW - dt.timedelta(days=days)


def unit(name: str, days: float, kind: str = "fact", **others: object) -> Aged:
    """Made of the message of its own name, so many days ago."""
    given: dict[str, object] = {
        "id": name, "version": 1, "kind": kind, "status": Status.ACTIVE.value, "said_at": ago(days),
        "message_ids": (name,),
    }  # fmt: skip
    return Aged(**(given | others))  # type: ignore[arg-type]


def kept(*terms: Term) -> SpaceSettings:
    return SpaceSettings(retention=terms)


FORGET = kept(Term("event", forget_after_days=30), Term(None, forget_after_days=300))
ERASE = kept(Term("event", erase_after_days=30), Term("instruction"), Term(None, erase_after_days=300))


def gone(units: list[Aged], settings: SpaceSettings = ERASE, **others: float) -> list[str]:
    said = {message: item.said_at for item in units for message in item.message_ids}
    said |= {name: ago(days) for name, days in others.items()}
    return retain.erased(units, said, settings, NOW)


def test_each_kind_is_put_away_after_its_own_term_and_the_others_after_that_of_all() -> None:
    units = [unit("trip", 31, "event"), unit("fresh", 29, "event"), unit("home", 31), unit("old", 301)]
    assert retain.forgotten(units, FORGET, NOW) == ["old", "trip"]
    assert retain.forgotten(units, kept(Term("event", forget_after_days=30)), NOW) == ["trip"]
    assert retain.forgotten(units, SpaceSettings(), NOW) == []


def test_what_is_pinned_or_was_changed_by_a_person_is_not_put_away() -> None:
    held = [unit("a", 400, is_pinned=True), unit("b", 400, is_by_hand=True), unit("c", 400)]
    assert retain.forgotten(held, FORGET, NOW) == ["c"]


def test_what_was_said_again_is_as_old_as_the_last_time_and_goes_with_all_that_say_it() -> None:
    first = unit("first", 400)
    again = unit("again", 299, status=Status.MERGED.value, superseded_by="first")
    assert retain.forgotten([first, again], FORGET, NOW) == []
    older = unit("older", 350, status=Status.MERGED.value, superseded_by="first")
    assert retain.forgotten([first, older], FORGET, NOW) == ["first", "older"]


def test_what_ended_something_that_stays_is_neither_put_away_nor_erased() -> None:
    oslo = unit("oslo", 500, "state", status=Status.SUPERSEDED.value, superseded_by="porto")
    porto = unit("porto", 40, "event")
    forever = kept(Term("event", forget_after_days=30, erase_after_days=35))
    assert retain.forgotten([oslo, porto], forever, NOW) == []
    assert gone([oslo, porto], forever) == []
    both = kept(Term(None, forget_after_days=30, erase_after_days=35))
    assert retain.forgotten([oslo, porto], both, NOW) == ["oslo", "porto"]
    assert gone([oslo, porto], both) == ["oslo", "porto"]


def test_a_chain_of_ends_stays_as_a_whole_where_its_beginning_stays() -> None:
    first = unit("first", 500, "instruction", status=Status.SUPERSEDED.value, superseded_by="second")
    second = unit("second", 400, status=Status.SUPERSEDED.value, superseded_by="third")
    third = unit("third", 350)
    assert gone([first, second, third]) == []
    assert gone([second, third]) == ["second", "third"]


def test_a_message_is_erased_when_the_last_that_was_made_of_it_has_come_so_far() -> None:
    both = [unit("trip", 40, "event", message_ids=("m",)), unit("home", 40, message_ids=("m",))]
    assert gone(both) == []
    assert gone([unit("trip", 301, "event", message_ids=("m",)), unit("home", 301, message_ids=("m",))]) == ["m"]
    rule = unit("rule", 900, "instruction", message_ids=("m",))
    assert gone([both[0], rule]) == []


def test_what_gave_no_memory_is_erased_after_the_term_of_all_kinds_and_stays_where_there_is_none() -> None:
    assert gone([], thanks=301, later=299) == ["thanks"]
    assert gone([], kept(Term("event", erase_after_days=1)), thanks=301) == []


def test_what_a_pinned_memory_was_made_of_stays_with_all_of_its_messages() -> None:
    assert gone([unit("a", 400, message_ids=("m", "n"), is_pinned=True), unit("b", 400, message_ids=("n",))]) == []


def test_what_a_later_memory_cites_stays_as_long_as_that() -> None:
    wrong = unit("wrong", 400, message_ids=("m",))
    corrected = unit("corrected", 100, message_ids=("m", "n"))
    assert gone([wrong, corrected]) == []


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"retention": [{"kind": "rumour"}]}, "no kind 'rumour'"),
        ({"retention": [{"erase_after_days": 0}]}, "more than 0 days"),
        ({"retention": [{"forget_after_days": 10, "erase_after_days": 10}]}, "must be the longer"),
        ({"retention": [{"kind": "fact"}, {"kind": "fact"}]}, "of one kind"),
        ({"reply_share": 0}, "above 0"),
        ({"languages": ["english please"]}, "no language"),
        ({"time_zone": "Europe/Atlantis"}, "no time zone"),
        ({"time_zone": "../etc/passwd"}, "no time zone"),
        ({"hemisphere": "eastern"}, "northern or southern"),
        ({"language_model": "sometimes"}, "allowed or never"),
    ],
)
def test_what_no_namespace_can_have_is_told(given: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        SpaceSettings().with_values(given)


def test_settings_go_to_json_and_back_and_keep_what_is_not_named() -> None:
    one = SpaceSettings().with_values(
        {"retention": [{"kind": "event", "forget_after_days": 3}], "languages": ["en-GB"]}
    )
    assert SpaceSettings().with_values(one.as_json()) == one
    other = one.with_values({"time_zone": "Asia/Tokyo", "languages": None})
    assert other.as_json() == {"retention": one.as_json()["retention"], "time_zone": "Asia/Tokyo"}
