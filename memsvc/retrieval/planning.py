"""A question as several searches: what a language model is asked, how its reply is read, how what they find is merged.

Pure: the model itself is called elsewhere. The question as it was asked is always the first search, so that a plan adds
to what is found without one. The look at what was found is HyMem's reflection.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from memsvc.domain import served
from memsvc.domain.context import Memory
from memsvc.domain.plan import Search
from memsvc.domain.query import Query
from memsvc.domain.timespan import Granularity, TimeSpan
from memsvc.models import replies
from memsvc.models.replies import Unreadable, one_line
from memsvc.prompts import PLAN, REFLECT

MOST_SEARCHES = 3
_WORDS_CHARS = 300
_QUESTION_CHARS = 2_000
_PERSONS = 8
_PERSON_CHARS = 80
# So many of the best memories are looked at, and so much of each.
_SHOWN = 12
_SHOWN_CHARS = 300
# Reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009), with the constant of its paper. The question's own words
# weigh as much as two searches that a model made of them, which may be beside the point.
_RANK_BASE = 60
_OWN_WEIGHT = 2.0
_DAY = dt.timedelta(days=1)


def asked(query: Query) -> str:
    """What the model is asked for a plan."""
    return PLAN.ask(question=_question(query), day=_day(query))


def reflected(query: Query, memories: Sequence[Memory]) -> str:
    """What the model is asked about what was found, the best first."""
    lines = [f"- {memory.t_mention.date()}: {served.line(memory.text)[:_SHOWN_CHARS]}" for memory in memories[:_SHOWN]]
    return REFLECT.ask(question=_question(query), day=_day(query), found="\n".join(lines) or "(nothing)")


def searches(reply: str, query: Query) -> list[Search]:
    """The searches of a plan, at most three, none of which is the question itself. Raises Unreadable."""
    value = replies.value(reply, "{")
    given = value.get("searches") if isinstance(value, dict) else None
    if not isinstance(given, list):
        raise Unreadable(f"no searches in: {reply[:200]!r}")
    return _distinct(given, query)[:MOST_SEARCHES]


def missing(reply: str, query: Query) -> Search | None:
    """What is to be searched for once more; None where nothing is. Raises Unreadable."""
    value = replies.value(reply, "{")
    given = value.get("missing", value) if isinstance(value, dict) else value
    if isinstance(given, dict):
        given = [given]
    if given is not None and not isinstance(given, list):
        raise Unreadable(f"nothing that is missing in: {reply[:200]!r}")
    return next(iter(_distinct(given or [], query)), None)


def applied(search: Search, query: Query) -> Query:
    """The search as a question, under the conditions of the one that was asked; whom its words do not name stands
    before them.
    """
    words = search.words.casefold()
    unnamed = [name for name in search.persons if name.casefold() not in words]
    times = (search.time,) if search.time else ()
    return dataclasses.replace(query, text=" ".join([*unnamed, search.words]), times=times, plan=False)


def merged(rankings: Sequence[Sequence[Memory]]) -> list[Memory]:
    """One ranking of all, each memory once, with its sum of reciprocal ranks as its score; of equal ones that first
    which an earlier ranking has. The first ranking is that of the question's own words.
    """
    scores: dict[object, float] = {}
    first: dict[object, Memory] = {}
    for place, ranking in enumerate(rankings):
        weight = 1.0 if place else _OWN_WEIGHT
        for rank, memory in enumerate(ranking, start=1):
            key = identity(memory)
            first.setdefault(key, memory)
            scores[key] = scores.get(key, 0.0) + weight / (_RANK_BASE + rank)
    order = sorted(scores, key=lambda key: -scores[key])
    return [dataclasses.replace(first[key], score=scores[key]) for key in order]


def identity(memory: Memory) -> object:
    """What is the same of a memory that two searches found."""
    return memory.unit_id or memory.sources


def _distinct(given: Sequence[Any], query: Query) -> list[Search]:
    """Those that can be read, each once; the question itself has been searched for."""
    found: dict[Search, None] = {}
    for item in given:
        search = _search(item, query)
        if search is not None and search != Search(one_line(query.text)[:_WORDS_CHARS]):
            found[search] = None
    return list(found)


def _search(item: Any, query: Query) -> Search | None:
    words = item.get("words") if isinstance(item, dict) else item
    text = one_line(words)[:_WORDS_CHARS] if isinstance(words, str) else ""
    if not text:
        return None
    if not isinstance(item, dict):
        return Search(text)
    persons = item.get("persons")
    given = persons if isinstance(persons, list) else [persons]
    names = dict.fromkeys(one_line(name)[:_PERSON_CHARS] for name in given if isinstance(name, str))
    return Search(text, tuple(filter(None, names))[:_PERSONS], _time(item.get("from"), item.get("to"), query))


def _time(first: Any, last: Any, query: Query) -> TimeSpan | None:
    """The days from one to the other, both with them, where the asker is; None where they are no days in order."""
    days = [_date(first), _date(last)]
    begin, end = days[0] or days[1], days[1] or days[0]
    if begin is None or end is None or end < begin:
        return None
    zone = query.asked_at.tzinfo
    start, stop = (dt.datetime.combine(day, dt.time(), zone) for day in (begin, end + _DAY))
    return TimeSpan(start, stop, Granularity.DAY if begin == end else Granularity.RANGE, f"{begin} to {end}")


def _date(given: Any) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(given[:10]) if isinstance(given, str) else None
    except ValueError:
        return None
    return day if day is not None and 1000 < day.year < 9000 else None


def _question(query: Query) -> str:
    return one_line(query.text)[-_QUESTION_CHARS:]


def _day(query: Query) -> str:
    return f"{query.asked_at:%A}, {query.asked_at.day} {query.asked_at:%B %Y}"
