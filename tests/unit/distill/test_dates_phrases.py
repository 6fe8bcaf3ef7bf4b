"""Phrases said on Wednesday 15 May 2024, with the interval that each means, or none."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsvc.distill import dates
from memsvc.distill.dates import spans
from memsvc.domain.locale import Locale

WEDNESDAY = dt.datetime(2024, 5, 15, 14, 0, tzinfo=dt.UTC)

TENSE = """
The exam is on Friday. | 17 May 2024
My flight is Friday at noon. | 17 May 2024
The wedding will be on September 7th. | 7 September 2024
The rent is due on the 5th. | 5 June 2024
The deadline is April 12. | 12 April 2025
I went to the dentist on Friday. | 10 May 2024
I went on September 7th. | 7 September 2023
I saw her on Monday. | 13 May 2024
We moved in on March 3rd. | 3 March 2024
The shop opens on October 1. | 1 October 2024
Let's meet on Tuesday. | 21 May 2024
Remind me on Thursday. | 16 May 2024
Please send the report by Monday. | 20 May 2024
I'm flying to Rome on June 20. | 20 June 2024
I have an appointment on Monday. | 20 May 2024
I have to hand it in by Friday. | 17 May 2024
She'll call on Saturday. | 18 May 2024
See you Friday! | 17 May 2024
On Friday I went home. | 10 May 2024
On Friday we will go home. | 17 May 2024
The game was on Sunday. | 12 May 2024
The meeting was moved to Friday. | 17 May 2024
It is scheduled for 3 June. | 3 June 2024
I finished the course in March. | March 2024
The course starts in March. | March 2025
I'll be in Oslo in July. | July 2024
We were in Oslo in July. | July 2023
We were in Oslo, and the exam is on Monday. | 20 May 2024
I have lived here since March. | March 2024
In winter we went skiing. | December 2023 to February 2024
We will go skiing in winter. | December 2024 to February 2025
My sabbatical starts in autumn. | September 2024 to November 2024
I was promoted in the fall. | September 2023 to November 2023
The baby is due in October. | October 2024
I got the keys on the 3rd. | 3 May 2024
What did we do on Friday? | 10 May 2024
What are we doing on Friday? | 17 May 2024
I'm excited about Friday. | 17 May 2024
"""

COMPOSED = """
We met three years ago today. | 15 May 2021
A week from tomorrow I get my cast off. | 23 May 2024
We left two days after Christmas. | 27 December 2023
They come two days before Easter and will stay. | 18 April 2025
I saw the doctor the Friday before last. | 3 May 2024
We met the day before yesterday. | 13 May 2024
the day after tomorrow | 17 May 2024
We fly the weekend after next. | 25 to 26 May 2024
Call me Monday in two weeks. | 27 May 2024
The workshop is June 3-5. | 3 to 5 June 2024
The workshop runs from 3 to 5 June. | 3 to 5 June 2024
I'll be away June 28 to July 2. | 28 June to 2 July 2024
We will travel between July and September. | July 2024 to September 2024
I was ill between March and April 2023. | 1 March to 30 April 2023
He worked there from 2019 to 2021. | January 2019 to December 2021
The exhibition opens mid-July. | 11 to 20 July 2024
I get paid at the end of the month. | 25 to 31 May 2024
I finish my PhD by the end of the year. | 1 to 31 December 2024
I'll call early next week. | 20 to 21 May 2024
We are moving in the first week of June. | 1 to 7 June 2024
Sales fell in Q3 2024. | July 2024 to September 2024
It was built in the second half of 2023. | July 2023 to December 2023
The third quarter of 2023 was slow. | July 2023 to September 2023
The election is on the first Tuesday of November. | 5 November 2024
It closes on the last Friday of the month. | 31 May 2024
Dinner is at half past six tonight. | 15 May 2024
The call was on 22 July 9:15. | 22 July 2023
We met on Friday of last week. | 10 May 2024
Monday next week works. | 20 May 2024
We wed on Friday, June 2, 2023. | 2 June 2023
The talk is on Monday, June 3. | 3 June 2024
I visited in June last year. | June 2023
Last year in June I moved. | June 2023
The 15th of next month is the date. | 15 June 2024
It ended in the summer of 2021. | June 2021 to August 2021
Christmas 2022 was quiet. | 25 December 2022
A year and a half ago I quit. | November 2022
I quit half a year ago. | November 2023
I'll be back in 10 days. | 25 May 2024
in three weeks' time | 3 to 9 June 2024
Two weeks from now I'm done. | 27 May to 2 June 2024
The past two weeks were hard. | 1 to 15 May 2024
In the next three days it will rain. | 15 to 18 May 2024
She has known him for two weeks. | 1 to 15 May 2024
a fortnight ago | 1 May 2024
Late last month we moved. | 21 to 30 April 2024
I started in early 2020. | January 2020 to April 2020
The Monday after Easter I flew. | 1 April 2024
a few weeks ago | 8 April to 5 May 2024
I left the week before last. | 29 April to 5 May 2024
Tomorrow morning | 16 May 2024
Two months ago | March 2024
It happened in the 1990s. | January 1990 to December 1999
The day before Christmas was cold. | 24 December 2023
"""

HOLIDAYS = """
My parents visited at Christmas. | 24 to 26 December 2023
We got engaged on Christmas Eve. | 24 December 2023
The party is on New Year's Eve. | 31 December 2024
We met on New Year's Day. | 1 January 2024
Last Easter we hiked. | 31 March 2024
We will hike at Easter. | 20 April 2025
On Good Friday we went out. | 29 March 2024
I'll dress up for Halloween. | 31 October 2024
He proposed on Valentine's Day. | 14 February 2024
We hosted Thanksgiving. | 23 November 2023
The sale begins on Black Friday. | 29 November 2024
We're leaving on Labor Day. | 2 September 2024
We flew on Easter Monday. | 1 April 2024
Next Christmas we fly. | 25 December 2024
"""

EXACT = """
It was signed on 28/05/2023. | 28 May 2023
It was signed on 05/28/2023. | 28 May 2023
2023-05-08 | 8 May 2023
The log says 2023-05-08T10:00:00Z. | 8 May 2023
It was on 05/05/2023. | 5 May 2023
(15 March 2024.) | 15 March 2024
The 8th of May 2023 | 8 May 2023
Sept. 5, 2023 | 5 September 2023
It is due on 05/28. | 28 May 2024
It was on 5/28. | 28 May 2023
It happened on 15 March. | 15 March 2024
It happened may 5th. | 5 May 2024
in may 2022 | May 2022
this Friday | 17 May 2024
next Friday | 17 to 24 May 2024
last Wednesday | 8 May 2024
this summer | June 2024 to August 2024
last May | May 2023
next May | May 2025
this weekend | 18 to 19 May 2024
last weekend | 11 to 12 May 2024
since 2019 | January 2019 to May 2024
"""

TRAPS = """
I may go on. | none
May I ask something? | none
We march on. | none
They march 8 miles. | none
The march was long. | none
He sat down. | none
The Sun is bright. | none
We sat in the sun. | none
Wait a second. | none
The second half was boring. | none
I fall often. | none
After the fall he was in pain. | none
Every Friday I swim. | none
I swim on Fridays. | none
I read on a Sunday. | none
One day I'll go. | none
It's on the 5th floor. | none
I was born on 03/04/1990. | none
05/08/2023 | none
version 1.2.3 | none
1.2.2023.4 | none
We work 24/7. | none
It costs 2000 dollars. | none
port 8080 | none
I'm on page 31. | none
April said hello to June. | none
It was a 50/50 call. | none
3/4 of them agreed. | none
The room at 10.0.0.12 is free. | none
2 weeks of holiday is not enough. | none
Look at it for two days. | none
I lived there for two years. | none
on Wednesday | none
December 24th | none
My number is 20-19-2021-77. | none
Mon ami est malade. | none
The summer was great. | none
A day in the life. | none
I was there from May to July. | May 2023 to July 2023
We'll have moved by autumn. | September 2024 to November 2024
I’m flying on Friday. | 17 May 2024
I was born on 12 June. | none
In one week I lost 2 kg. | none
I go there twice in a week. | none
Let's take a break for two days. | none
Seit gestern wohne ich hier. | 14 May 2024
On se voit demain soir. | 16 May 2024
I will have finished by Friday. | 17 May 2024
The store is closed on Monday. | 20 May 2024
In early spring we planted trees. | 1 to 30 March 2024
I broke my arm two summers ago. | June 2022 to August 2022
I'll see you a week on Friday. | 24 May 2024
She turns 5 on June 1st. | 1 June 2024
The summer before last we went to Spain. | June 2022 to August 2022
31 June | none
I need 3 may be 4. | none
"""

GERMAN = """
Heute war ich müde. | 15 May 2024
Ich war gestern im Kino. | 14 May 2024
Wir haben uns vorgestern getroffen. | 13 May 2024
Bis morgen! | 16 May 2024
Übermorgen fliegen wir. | 17 May 2024
Am 3. Juni fliege ich nach Rom. | 3 June 2024
Ich wurde am 3. Mai 2023 operiert. | 3 May 2023
Letzten Freitag war ich krank. | 10 May 2024
Wir waren am Montag im Zoo. | 13 May 2024
Am Freitag gehe ich ins Kino. | 17 May 2024
Letzte Woche war ich in Bonn. | 6 to 12 May 2024
Nächsten Monat ziehe ich um. | June 2024
Vor drei Tagen kam sie an. | 12 May 2024
Wir treffen uns in zwei Wochen. | 27 May to 2 June 2024
Letztes Jahr war besser. | 2023
Im August 2023 war ich dort. | August 2023
"""

SPANISH = """
Vuelvo a Madrid el 12 de junio. | 12 June 2024
Ayer fui al cine. | 14 May 2024
Anteayer llovió. | 13 May 2024
Mañana viajo. | 16 May 2024
Pasado mañana viajo. | 17 May 2024
El lunes pasado fui al médico. | 13 May 2024
El próximo mes me mudo. | June 2024
La semana pasada estuve enfermo. | 6 to 12 May 2024
Hace dos semanas compré un coche. | 29 April to 5 May 2024
Nací el 5 de marzo de 1990. | 5 March 1990
El año que viene me caso. | 2025
El viernes fui al cine. | 10 May 2024
En verano de 2022 viajé a Perú. | June 2022 to August 2022
"""

FRENCH = """
Hier je suis allé au cinéma. | 14 May 2024
Avant-hier il a plu. | 13 May 2024
Demain je pars. | 16 May 2024
Après-demain nous partons. | 17 May 2024
Le 3 mai 2023 nous avons déménagé. | 3 May 2023
Lundi dernier j'ai vu le médecin. | 13 May 2024
La semaine dernière j'étais malade. | 6 to 12 May 2024
Le mois prochain je déménage. | June 2024
Il y a trois jours j'ai mangé ici. | 12 May 2024
Dans deux semaines nous partons. | 27 May to 2 June 2024
L'année dernière, c'était mieux. | 2023
Je suis né le 1er août 1990. | 1 August 1990
Aujourd'hui je travaille. | 15 May 2024
"""

PORTUGUESE = """
Ontem fui ao cinema. | 14 May 2024
Anteontem choveu. | 13 May 2024
Amanhã eu viajo. | 16 May 2024
Depois de amanhã eu viajo. | 17 May 2024
Em 5 de março de 2023 mudei de casa. | 5 March 2023
Na segunda-feira passada fui ao médico. | 13 May 2024
A semana passada foi difícil. | 6 to 12 May 2024
No próximo mês eu me mudo. | June 2024
Há dois dias comprei um carro. | 13 May 2024
O ano passado foi melhor. | 2023
Vou viajar em julho. | July 2024
"""

CHINESE_AND_JAPANESE = """
我昨天去了北京。 | 14 May 2024
前天下雨了。 | 13 May 2024
我明天去上海。 | 16 May 2024
后天见。 | 17 May 2024
2023年5月8日我们结婚了。 | 8 May 2023
我6月3日要去北京。 | 3 June 2024
去年我搬家了。 | 2023
明年我要结婚。 | 2025
上周五我去了医院。 | 10 May 2024
下周一开会。 | 20 May 2024
上个月我很忙。 | April 2024
三天前我买了一辆车。 | 12 May 2024
两周后我要考试。 | 27 May to 2 June 2024
去年5月我在东京。 | May 2023
今天很热。 | 15 May 2024
昨日映画を見ました。 | 14 May 2024
一昨日雨が降った。 | 13 May 2024
明日東京に行きます。 | 16 May 2024
先週の金曜日に会いました。 | 10 May 2024
来週の月曜日に始まります。 | 20 May 2024
来月引っ越します。 | June 2024
3日前に買いました。 | 12 May 2024
2023年5月8日に結婚しました。 | 8 May 2023
5月8日に買いました。 | 8 May 2024
去年日本に行きました。 | 2023
先月は忙しかった。 | April 2024
"""


def rows(table: str) -> list[tuple[str, str]]:
    return [
        (text.strip(), meant.strip()) for text, _, meant in (line.rpartition("|") for line in table.split("\n") if line)
    ]


ALL = rows(
    "\n".join((TENSE, COMPOSED, HOLIDAYS, EXACT, TRAPS, GERMAN, SPANISH, FRENCH, PORTUGUESE, CHINESE_AND_JAPANESE))
)


@pytest.mark.parametrize(("text", "meant"), ALL)
def test_a_phrase_means_its_interval_or_none(text: str, meant: str) -> None:
    assert [dates.describe(span) for span in dates.find(text, WEDNESDAY)] == ([] if meant == "none" else [meant])


def test_a_day_is_a_day_of_the_speakers_own_offset() -> None:
    tokyo = dt.datetime(2024, 5, 15, 0, 20, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    (there,) = dates.find("I fell yesterday.", tokyo)
    (here,) = dates.find("I fell yesterday.", tokyo.astimezone(dt.UTC))  # the same instant, another day
    assert there.start.isoformat() == "2024-05-14T00:00:00+09:00"
    assert here.start.isoformat() == "2024-05-13T00:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("This weekend was a blur.", "11 to 12 May 2024"),
        ("Last weekend we hiked.", "4 to 5 May 2024"),
        ("We hiked on Sunday.", "5 May 2024"),
        ("We will hike on Sunday.", "19 May 2024"),
        ("Next week we fly.", "13 to 19 May 2024"),
    ],
)
def test_on_a_sunday_the_weekend_is_the_one_that_is_on(text: str, meant: str) -> None:
    assert [dates.describe(span) for span in dates.find(text, dt.datetime(2024, 5, 12, 20, tzinfo=dt.UTC))] == [meant]


def test_seasons_turn_round_on_the_southern_half() -> None:
    (span,) = dates.find("We will travel in summer.", WEDNESDAY, locale=Locale(southern=True))
    assert dates.describe(span) == "December 2024 to February 2025"


@pytest.mark.parametrize("text", ["(15 March.)", "We met on 15 March..", "on 15 March,", "Sept. 5.", "in March 2024.)"])
def test_a_phrase_ends_in_no_punctuation(text: str) -> None:
    (span,) = dates.find(f"It was {text}", WEDNESDAY)
    assert span.phrase[-1].isalnum()


@pytest.mark.parametrize(
    ("year", "month", "day"), [(2023, 4, 9), (2024, 3, 31), (2025, 4, 20), (2038, 4, 25), (1818, 3, 22)]
)
def test_easter_is_computed(year: int, month: int, day: int) -> None:
    assert spans.easter(year) == dt.date(year, month, day)


PIECES = sorted({word for text, _ in ALL for word in text.split()})


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.text(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join),
    st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC)),
    st.booleans(),
)
def test_any_text_gives_sane_intervals_or_nothing(text: str, anchor: dt.datetime, southern: bool) -> None:
    for span in dates.find(text, anchor, locale=Locale(southern)):
        assert span.start < span.end
        assert span.phrase in text
        assert span.phrase == span.phrase.strip(" .,")
        assert dates.describe(span)
