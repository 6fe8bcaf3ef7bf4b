"""Where something is said: whose clock, whose calendar."""

from __future__ import annotations

import datetime as dt

import pytest

from memsvc.distill import dates
from memsvc.domain.locale import Locale

NOON = dt.datetime(2026, 3, 11, 12, tzinfo=dt.UTC)


def days(text: str, locale: Locale, said_at: dt.datetime = NOON) -> list[str]:
    return [dates.describe(span) for span in dates.find(text, said_at, locale=locale)]


def test_a_moment_in_utc_is_read_by_the_clocks_of_the_time_zone_in_summer_and_winter() -> None:
    there = Locale(time_zone="Europe/Oslo")
    late = dt.datetime(2026, 7, 3, 22, 30, tzinfo=dt.UTC)
    assert there.local(late).isoformat() == "2026-07-04T00:30:00+02:00"
    assert there.local(late.replace(month=1)).isoformat() == "2026-01-03T23:30:00+01:00"
    assert there.local(late) == late


def test_a_moment_with_an_offset_of_its_own_stays_as_it_was_given() -> None:
    given = dt.datetime(2026, 7, 3, 22, 30, tzinfo=dt.timezone(dt.timedelta(hours=-7)))
    assert Locale(time_zone="Europe/Oslo").local(given).isoformat() == given.isoformat()
    assert Locale().local(NOON) is NOON


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (("en-US",), "4 March 2026"),
        (("en-GB",), "3 April 2026"),
        (("en-AU", "en-US"), "3 April 2026"),
        (("de", "en-GB"), "3 April 2026"),
    ],
)
def test_figures_are_read_as_the_region_writes_them(languages: tuple[str, ...], expected: str) -> None:
    assert days("We met on 03/04/2026 at the harbour.", Locale(languages=languages)) == [expected]


@pytest.mark.parametrize("languages", [(), ("en",), ("nb", "en")])
def test_figures_that_could_be_two_days_are_none_where_no_region_tells(languages: tuple[str, ...]) -> None:
    assert days("We met on 03/04/2026 at the harbour.", Locale(languages=languages)) == []
    assert days("We met on 03/14/2026 at the harbour.", Locale(languages=languages)) == ["14 March 2026"]


def test_only_the_languages_that_are_spoken_here_are_read() -> None:
    assert days("Demain, c'est Lyon.", Locale()) == ["12 March 2026"]
    assert days("Demain, c'est Lyon.", Locale(languages=("en-GB",))) == []
    assert days("Demain, c'est Lyon.", Locale(languages=("en", "fr-CA"))) == ["12 March 2026"]


def test_a_language_of_which_no_dates_are_known_leaves_all_the_others() -> None:
    assert days("We met yesterday.", Locale(languages=("is",))) == ["10 March 2026"]
