from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import dates
from memsvc.domain.timespan import Granularity, TimeSpan

MONDAY = dt.datetime(2023, 5, 8, 13, 56, tzinfo=dt.UTC)


# On 1 June 2026, a Monday.
@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("We moved the wedding to 3 October.", "3 October 2026"),
        ("They changed my flight to the 8th of July.", "8 July 2026"),
        ("We rescheduled the exam to Friday.", "5 June 2026"),
        ("I booked the venue for 3 October.", "3 October 2026"),
        ("I booked a table for Saturday.", "6 June 2026"),
        ("Wir haben einen Tisch für Samstag reserviert.", "6 June 2026"),
        ("Hemos movido la boda al 3 de octubre.", "3 October 2026"),
        ("Reservé una mesa para el sábado.", "6 June 2026"),
        ("On a déplacé le mariage au 3 octobre.", "3 October 2026"),
        ("J'ai réservé une table pour samedi.", "6 June 2026"),
        ("Mudámos o casamento para 3 de outubro.", "3 October 2026"),
        # Done then, not for then.
        ("We got married on the 3rd of October.", "3 October 2025"),
        ("I went for a run on Friday.", "29 May 2026"),
        ("I moved to Lyon on 3 October.", "3 October 2025"),
        ("We worked from Monday to Friday.", "25 to 29 May 2026"),
        ("We flew home for Christmas.", "24 to 26 December 2025"),
        ("Wir sind zum 1. Mai umgezogen.", "1 May 2026"),
        ("Ich habe am 12. April den Führerschein gemacht.", "12 April 2026"),
        ("Am 12. August fahren wir weg. Gestern habe ich gebucht.", "12 August 2026"),
    ],
)
def test_what_was_done_for_a_day_was_done_for_one_to_come(text: str, resolved: str) -> None:
    span, *_ = dates.find(text, dt.datetime(2026, 6, 1, 18, tzinfo=dt.UTC))
    assert dates.describe(span) == resolved


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("I went yesterday.", "7 May 2023"),
        ("We met the day before yesterday", "6 May 2023"),
        ("Last night was fun", "7 May 2023"),
        ("this morning", "8 May 2023"),
        ("see you tomorrow", "9 May 2023"),
        ("two weeks ago", "24 to 30 April 2023"),
        ("a week ago", "1 to 7 May 2023"),
        ("last week", "1 to 7 May 2023"),
        ("I'm dog-sitting for Lena until Sunday.", "14 May 2023"),
        ("We stayed until Sunday.", "7 May 2023"),
        ("Ich hüte den Hund bis Sonntag.", "14 May 2023"),
        ("Seit April wohne ich in Erfurt.", "April 2023"),
        ("Seit Freitag bin ich krank.", "5 May 2023"),
        ("Depuis avril j'habite à Metz.", "April 2023"),
        ("Desde abril moro no Porto.", "April 2023"),
        ("next week", "15 to 21 May 2023"),
        ("the week before last", "24 to 30 April 2023"),
        ("last weekend", "6 to 7 May 2023"),
        ("the weekend before last", "29 to 30 April 2023"),
        ("last Friday", "5 May 2023"),
        ("this Friday", "12 May 2023"),
        ("we met on Sunday", "7 May 2023"),
        ("next Friday", "12 to 19 May 2023"),
        ("next month", "June 2023"),
        ("last month", "April 2023"),
        ("a couple of months ago", "March 2023"),
        ("last year", "2022"),
        ("3 years ago", "2020"),
        ("in two weeks", "22 to 28 May 2023"),
        ("in May", "May 2023"),
        ("in May 2022", "May 2022"),
        ("since March", "March 2023"),
        ("last December", "December 2022"),
        ("next January", "January 2024"),
        ("May 8th", "8 May 2023"),
        ("8 May, 2023", "8 May 2023"),
        ("the 8th of May 2023", "8 May 2023"),
        ("We got her on December 24th", "24 December 2022"),
        ("2023-05-08", "8 May 2023"),
        ("on the 15th", "15 May 2023"),
        ("a few days ago", "3 to 6 May 2023"),
        ("last summer", "June 2022 to August 2022"),
        ("the summer of 2021", "June 2021 to August 2021"),
        ("recently", "1 to 8 May 2023"),
        ("for three years now", "May 2020 to May 2023"),
        ("since 2019", "January 2019 to May 2023"),
        ("in 2022", "2022"),
        ("back in the 90s", "January 1990 to December 1999"),
        ("05/28/2023", "28 May 2023"),
        ("2 hours ago", "8 May 2023"),
        ("two weekends ago", "29 to 30 April 2023"),
        ("few days ago", "3 to 6 May 2023"),
        ("I have lived here for two years", "May 2021 to May 2023"),
        ("I moved to Tromsø in August", "August 2022"),
        ("My sister moved to the second floor in July", "July 2022"),
        ("the deadline moved to 12 August", "12 August 2023"),
        ("The fair was moved to the end of August", "25 to 31 August 2023"),
    ],
)
def test_a_phrase_is_resolved_against_the_day_it_was_said(text: str, resolved: str) -> None:
    assert [dates.describe(span) for span in dates.find(text, MONDAY)] == [resolved]


@pytest.mark.parametrize(
    "text",
    [
        "I may go",
        "we march on",
        "he sat down",
        "port 8080",
        "9999999 years ago",
        "05/08/2023",
        "version 1.2.3",
        "mayo",
        "Look at it for two days",
    ],
)
def test_what_is_no_date_or_could_be_two_gives_none(text: str) -> None:
    assert not dates.find(text, MONDAY)


@pytest.mark.parametrize("text", ["Voy mañana todos los", "Hasta mañana, del los", "mañana de todos los"])
def test_a_text_that_breaks_off_behind_an_article_is_read_to_its_end(text: str) -> None:
    assert [dates.describe(span) for span in dates.find(text, MONDAY)] == ["9 May 2023"]


def test_the_month_before_is_asked_for_only_where_a_bare_day_stands() -> None:
    asked: list[str] = []
    dates.find("We met yesterday and on 3 June 2022.", MONDAY, lambda: asked.append("asked"))
    assert not asked
    dates.find("We met on the 20th.", MONDAY, lambda: asked.append("asked"))
    assert asked


def test_early_june_is_the_first_third_of_june() -> None:
    (span,) = dates.find("early June", MONDAY)
    assert (span.start.day, span.end.day, span.start.month, span.end.month) == (1, 11, 6, 6)


def test_a_bare_day_belongs_to_the_month_that_was_named_before() -> None:
    june = TimeSpan(MONDAY.replace(month=6, day=1), MONDAY.replace(month=7, day=1), Granularity.MONTH, "in June")
    (span,) = dates.find("Yes, on the 20th", MONDAY, lambda: june)
    assert dates.describe(span) == "20 June 2023"


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "last",
                "next",
                "the",
                "31st",
                "30",
                "June",
                "February",
                "29",
                "99999",
                "years",
                "ago",
                "in",
                "May",
                "2023",
                "on",
                "weekend",
                "for",
                "three",
                "few",
                "since",
                "before",
                "day",
                "0",
                "week",
                "12/31/2023",
                "a",
                "fortnight",
                "summer's",
            ]
        ),
        max_size=8,
    ),
    st.datetimes(dt.datetime(1000, 1, 2), dt.datetime(9000, 1, 1), timezones=st.just(dt.UTC)),
)
def test_any_mixture_of_date_words_gives_sane_intervals_or_nothing(words: list[str], anchor: dt.datetime) -> None:
    text = " ".join(words)
    for span in dates.find(text, anchor):
        assert span.start <= span.end
        assert span.phrase in text
        assert dates.describe(span)
