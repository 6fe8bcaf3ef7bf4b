"""Names in a text: capitalised runs inside sentences, quoted titles, @handles, #tags, known people."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from memsvc.distill import lexicon
from memsvc.distill.segment import Sentence

_LIMIT = 16
_RUN = re.compile(
    r"[A-Z\u00c0-\u00de][\w'\u2019&-]{0,40}(?:\s(?:(?:of|the|de|la|van|von|and|&)\s)?[A-Z\u00c0-\u00de][\w'\u2019&-]{0,40}){0,5}"
)
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d\n]{2,80})[\"\u201d]")
_TAGGED = re.compile(r"(?<!\w)[@#]\w[\w.-]{1,40}")
_CALENDAR = frozenset(
    "january february march april may june july august september october november december monday tuesday wednesday "
    "thursday friday saturday sunday yesterday today tomorrow tonight i i'm i've i'd i'll ok okay".split()
)
# A place is where one is, lives or goes: the verb decides, since "in" alone also stands before languages and months.
_PLACE = re.compile(
    r"\b(?i:liv(?:e|es|ed|ing)|mov(?:e|ed|ing)|travel(?:l?ed|l?ing|s)?|went|go|going|been|visit(?:ed|ing|s)?|trip|"
    r"fl(?:y|ew|ying)|flight|stay(?:ed|ing)?|born|grew up|based|arriv(?:e|ed|ing)|met|vacation|holiday|conference|"
    r"back|drove) (?:(?i:up|over|down|out|back|here|there|home|\w+ing) )?(?i:in|to|at|from|near)? ?(?i:the )?"
    r"(?P<place>[A-Z\u00c0-\u00de][\w'\u2019-]{1,40}(?: (?:of |de |la )?[A-Z\u00c0-\u00de][\w'\u2019-]{1,40}){0,3})"
)


def find(sentences: Sequence[Sentence], known: Iterable[str]) -> tuple[str, ...]:
    """Entities of the sentences in order of appearance, each once, at most sixteen.

    The first word of a sentence is capitalised anyway and counts only when it is known or goes on as a name.
    """
    people = _aliases(tuple(known))
    found: dict[str, str] = {}
    for sentence in sentences:
        for value in (*_runs(sentence.text, people), *_QUOTED.findall(sentence.text), *_TAGGED.findall(sentence.text)):
            cleaned = _clean(value)
            if cleaned and cleaned.lower() not in _CALENDAR:
                found.setdefault(cleaned.lower(), people.get(cleaned.lower(), cleaned))
            if len(found) == _LIMIT:
                return tuple(found.values())
    return tuple(found.values())


def location(text: str, people: Sequence[str]) -> str | None:
    """The place that the text puts itself in ("moved to Berlin"), None without a verb of being or going there."""
    known = _aliases(tuple(people))
    for match in _PLACE.finditer(text):
        place = _clean(match["place"])
        first = place.partition(" ")[0].lower()
        if first not in _CALENDAR and place.lower() not in known and not _plain(place.partition(" ")[0]):
            return place
    return None


@functools.lru_cache(maxsize=256)
def _aliases(names: tuple[str, ...]) -> dict[str, str]:
    """Lower-cased forms of people's names to the name: whole, first name, and short forms ("Mel") that fit just one."""
    forms: dict[str, set[str]] = {}
    for name in names:
        first = name.split()[0].lower() if name.split() else ""
        for form in {name.lower(), *(first[:length] for length in range(3, len(first) + 1))}:
            forms.setdefault(form, set()).add(name)
    return {form: next(iter(owners)) for form, owners in forms.items() if len(owners) == 1}


def _runs(text: str, people: dict[str, str]) -> list[str]:
    names = []
    for match in _RUN.finditer(text):
        value = match.group()
        if match.start() and text[match.start() - 1].isalnum():
            continue
        words = value.split(" ")
        while words and _plain(words[-1]):
            words.pop()
        if not words:
            continue
        value = " ".join(words)
        if match.start() == 0 or not text[: match.start()].strip("\"'([*_-# \u201c"):
            if _clean(words[0]).lower() in people:
                names.append(words[0] if len(words) > 1 and _clean(words[1]).lower() in _CALENDAR else value)
                continue
            if len(words) == 1 or _plain(words[0]):
                words = words[1:]
        while words and _plain(words[0]):
            words = words[1:]
        if words:
            names.append(" ".join(words))
    return names


def _plain(word: str) -> bool:
    """A word of the language rather than a name."""
    lower = word.lower().replace("\u2019", "'")
    return (
        lower in lexicon.FUNCTION
        or lower in lexicon.PHATIC
        or lower in _CALENDAR
        or lower.partition("'")[0] in lexicon.FUNCTION | {"i"}
    )


def _clean(value: str) -> str:
    value = value.strip(" .,;:!?-'\u2019\"")
    return re.sub(r"['\u2019]s$", "", value)
