"""The speakers of a namespace, and which of them a text names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

_RUN = re.compile(r"\w+")


class Speakers(tuple[str, ...]):
    """Names, made ready when they are first looked for; whoever keeps them does so once for many texts."""

    def named_in(self, text: str) -> tuple[str, ...]:
        """Those whose first word stands in the text as a word of its own, in whatever case; in their own order."""
        whole = _key(text)
        runs = {"", *map(_key, _RUN.findall(text))}
        places = [
            place
            for run in runs & self._by_run.keys()
            for word, held in self._by_run[run].items()
            if _key(word) in whole and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)
            for place in held
        ]
        return tuple(self[place] for place in sorted(places))

    @functools.cached_property
    def _by_run(self) -> Mapping[str, Mapping[str, list[int]]]:
        """The first run of letters in a first word ("" without one) -> the first words that have it -> whose they are.
        Where such a word stands as a word, its run is a whole run of the text.
        """
        found: dict[str, dict[str, list[int]]] = {}
        for place, name in enumerate(self):
            for word in name.split()[:1]:
                run = _RUN.search(word)
                found.setdefault(_key(run[0]) if run else "", {}).setdefault(word, []).append(place)
        return found


def _key(text: str) -> str:
    """The same for what differs in case alone (the Kelvin sign, a sharp s, both small sigmas); for some that differ in
    more, too.
    """
    return text.replace("\u0130", "i").lower().upper()
