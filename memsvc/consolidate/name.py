"""What an episode is called: the chief words of what was said in it, and its days."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Mapping

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Episode

_WORDS = 3
# Of the statement that stands for it, where an episode has no keywords.
_CHARS = 60
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def name(episode: Episode, traits: Mapping[str, Trait]) -> str:
    """`sourdough, starter · 3 to 9 March 2024`: the keywords that most of its units in `traits` have, the earlier said
    first among equals, without the speakers' names. Without any keyword the words of its medoid; else its days alone.
    """
    members = [traits[unit] for segment in episode.segments for unit in segment.units if unit in traits]
    members.sort(key=lambda trait: trait.place)
    speakers = {word for trait in members for word in trait.subject.lower().split()}
    counts = collections.Counter(
        word for trait in members for word in dict.fromkeys(trait.keywords) if word.lower() not in speakers
    )
    said = ", ".join(word for word, _ in counts.most_common(_WORDS))
    if not said and episode.medoid in traits:
        said = _short(traits[episode.medoid].core)
    when = days(episode.start, episode.end)
    return f"{said} · {when}" if said else when


def days(first: dt.datetime, last: dt.datetime) -> str:
    """`3 March 2024`, `3 to 9 March 2024`, `28 February to 3 March 2024`: days of the moments' own clocks."""
    start, end = first.date(), last.date()
    if start >= end:
        return _day(start)
    shared = 3 - (start.year == end.year) - ((start.year, start.month) == (end.year, end.month))
    return f"{' '.join(_day(start).split()[:shared])} to {_day(end)}"


def _day(day: dt.date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _short(text: str) -> str:
    said = " ".join(text.split())
    return said if len(said) <= _CHARS else said[: _CHARS - 1].rstrip() + "…"
