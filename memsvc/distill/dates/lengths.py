"""Rules for lengths of time: "two weeks ago", "in ten days", "for three years now", "two summers ago"."""

from __future__ import annotations

import datetime as dt

from memsvc.distill.dates import numeric, reading, spans, tense
from memsvc.distill.dates.reading import Found
from memsvc.domain.timespan import Granularity

_FEW = (2, 5)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}


class Lengths(reading.Reading):
    """What is counted from today."""

    def _length(self, index: int) -> tuple[int, str, int] | None:
        if index not in self._lengths:
            self._lengths[index] = self._counted(index)
        return self._lengths[index]

    def _counted(self, index: int) -> tuple[int, str, int] | None:
        """(count, unit, index behind) of "three weeks", "a couple of months", "the day"; half years count as months."""
        half = self.take(index, "half")
        if half:
            unit = self.take(self.skip(half[1], "numeral"), "unit")
            return (6, "month", unit[1]) if unit and unit[0] == "year" else None
        the = self.take(index, "the")
        count = self.take(index, "count") or ((1, the[1]) if the else None)
        if not count:
            return None
        inner = count[1]
        if self.take(inner, "count") and self.take(index, "numeral"):
            count = self.take(inner, "count") or count  # a couple
            inner = count[1]
        extra = self.take(inner, "andahalf")
        unit = self.take(self.skip(extra[1] if extra else inner, "numeral"), "unit")
        if not unit or count[0] > 9999:
            return None
        extra = extra or self.take(unit[1], "andahalf")
        if extra and unit[0] == "year":
            return count[0] * 12 + 6, "month", max(unit[1], extra[1])
        return count[0], unit[0], unit[1]

    def _away(self, count: int, unit: str) -> spans.Span:
        """What lies `count` units away, as wide as the unit."""
        if unit in ("hour", "minute"):
            return spans.day((self.now + dt.timedelta(**{f"{unit}s": count})).date())
        if unit == "weekend":
            cycle = spans.UNITS[unit]
            return cycle.next(self.today, count) if count > 0 else cycle.last(self.today, -count)
        if unit == "fortnight":
            return spans.day(spans.moved(self.today, count, unit))
        return spans.around(spans.moved(self.today, count, unit), unit)

    def _some(self, index: int) -> tuple[str, int] | None:
        few = self.take(index, "few")
        unit = self.take(few[1], "unit") if few else None
        return unit if unit and unit[0] in spans.UNITS else None

    def _ago(self, index: int) -> Found | None:
        """ "two weeks ago", "vor drei Tagen", "a few days ago"."""
        first = self.take(index, "agofirst")
        inner = self.skip(first[1] if first else index, "about")
        length, some = self._length(inner), self._some(inner)
        end = length[2] if length else some[1] if some else 0
        ago = self.take(end, "ago") if end else None
        if not end or not (ago or first):
            return None
        end = ago[1] if ago else end
        if length and not (self.take(inner, "the") and not self.take(inner, "count")):
            return Found(self._away(-length[0], length[1]), end)
        if some:
            return Found(spans.joined(self._away(-_FEW[1], some[0]), self._away(-_FEW[0], some[0])), end)
        return None

    def _rounds_ago(self, index: int) -> Found | None:
        """ "two summers ago", "two Fridays ago"."""
        count = self.take(index, "count")
        plural = self.take(count[1], "plural") if count else None
        ago = self.take(plural[1], "ago") if plural else None
        if not count or not plural or not ago:
            return None
        sort, value = plural[0]
        weekly = sort == "weekday"
        cycle = spans.weekly(value, 1, Granularity.DAY) if weekly else self._season_cycle(value)
        return Found(cycle.last(self.today, count[0]), ago[1])

    def _season_cycle(self, name: str) -> spans.Cycle:
        return spans.season((_SEASONS[name] + 6 * self.southern - 1) % 12 + 1)

    def _ahead(self, index: int) -> Found | None:
        """ "in ten days", "two weeks from now", "三天后"."""
        within = self.take(index, "in")
        inner = self.skip(within[1] if within else index, "about")
        length, some = self._length(inner), self._some(inner)
        end = length[2] if length else some[1] if some else 0
        later = self.take(end, "later") if end else None
        if (
            not end
            or not (within or later)
            or self.take(end, "ago")
            or (within and index and self.take(index - 1, "never"))
        ):
            return None
        end = later[1] if later else end
        if within and not later and self.side(index) == tense.BACK:  # "we finished it in two weeks"
            return None
        if some:
            return Found(spans.joined(self._away(_FEW[0], some[0]), self._away(_FEW[1], some[0])), end)
        if length and (length[0] or length[1]) and not (self.take(inner, "the") and not self.take(inner, "count")):
            if self.take(index, "within"):
                return Found(spans.run(self.today, self._away(length[0], length[1]).end), end)
            return Found(self._away(length[0], length[1]), end)
        return None

    def _lasting(self, index: int) -> Found | None:
        """ "for three years now", "the past two weeks", "the next few days"."""
        always = self.take(index, "always")
        lasting = always or self.take(index, "for")
        inner = self.skip(self.skip(lasting[1] if lasting else index, "about"), "the")
        which = self.take(inner, "which")
        inner = which[1] if which else inner
        length, some = self._length(self.skip(inner, "about")), self._some(inner)
        if some and which and which[0]:
            return Found(self._stretch(which[0] * _FEW[1], some[0]), some[1])
        if not length or length[1] in ("hour", "minute"):
            return None
        now = self.take(length[2], "now")
        end = now[1] if now else length[2]
        if which and which[0]:
            return Found(self._stretch(which[0] * length[0], length[1]), end)
        ongoing = numeric.is_ongoing(self.text[: self.words[index].start])
        # "58 k a year now" is a rate.
        counted = now and (lasting or ongoing or length[0] != 1)
        if counted or always or (lasting and ongoing):
            return Found(self._stretch(-length[0], length[1]), end)
        return None

    def _stretch(self, count: int, unit: str) -> spans.Span:
        """From so many units ago until today, or from today."""
        far = spans.moved(self.today, count, unit)
        return spans.run(far, self.today + spans.DAY) if count < 0 else spans.run(self.today, far + spans.DAY)

    def _recently(self, index: int) -> Found | None:
        recently = self.take(index, "recently")
        return Found(self._stretch(-1, "week"), recently[1]) if recently else None
