"""What is set for one namespace, in place of what holds for all of the service."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memsvc.domain.locale import Locale, zone
from memsvc.domain.unit import Kind

# Abstracts are of many messages, and go with them.
KINDS = tuple(kind.value for kind in Kind if kind is not Kind.ABSTRACT)
_MOST_DAYS = 36_500
_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Term:
    """How long what is of one kind is kept, in days since it was said; None: for ever. `kind` None: every kind that has
    no term of its own, and what was said without giving a memory. Raises ValueError.
    """

    kind: str | None = None
    forget_after_days: float | None = None
    erase_after_days: float | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise ValueError(f"There is no kind {self.kind!r}; there are: {', '.join(KINDS)}.")
        for days in (self.forget_after_days, self.erase_after_days):
            if days is not None and not 0 < days <= _MOST_DAYS:
                raise ValueError(f"A term has more than 0 days and at most {_MOST_DAYS:,}.")
        if self.forget_after_days and self.erase_after_days and self.forget_after_days >= self.erase_after_days:
            raise ValueError("What is forgotten is kept until it is erased: erase_after_days must be the longer.")


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """None is not set. `retention`: at most one term a kind; `reply_share` of a long reply's tokens are kept;
    `language_model` "never": none reads what is said here. Raises ValueError.
    """

    retention: tuple[Term, ...] | None = None
    reply_share: float | None = None
    languages: tuple[str, ...] | None = None
    time_zone: str | None = None
    hemisphere: str | None = None
    language_model: str | None = None

    def __post_init__(self) -> None:
        kinds = [term.kind for term in self.retention or ()]
        if len(kinds) > len(set(kinds)):
            raise ValueError("Two terms are of one kind.")
        if self.reply_share is not None and not 0 < self.reply_share <= 1:
            raise ValueError("reply_share lies above 0 and is at most 1.")
        for tag in self.languages or ():
            if not _TAG.fullmatch(tag):
                raise ValueError(f"{tag!r} is no language: write tags like en, en-GB, pt-BR.")
        if self.time_zone is not None:
            zone(self.time_zone)
        if self.hemisphere not in (None, "northern", "southern"):
            raise ValueError("hemisphere is northern or southern.")
        if self.language_model not in (None, "allowed", "never"):
            raise ValueError("language_model is allowed or never.")

    def locale(self, default: Locale) -> Locale:
        """What dates here mean, where nothing is set by the service's own."""
        return Locale(
            default.southern if self.hemisphere is None else self.hemisphere == "southern",
            default.languages if self.languages is None else self.languages,
            default.time_zone if self.time_zone is None else self.time_zone,
        )

    @property
    def reads_with_model(self) -> bool:
        """Whether a language model may be given what is said here."""
        return self.language_model != "never"

    def term(self, kind: str | None) -> Term | None:
        """The term that holds for a kind: its own, or that of all others."""
        terms = {term.kind: term for term in self.retention or ()}
        return terms.get(kind, terms.get(None))

    def with_values(self, given: Mapping[str, Any]) -> SpaceSettings:
        """The same with these values, as JSON has them, in place of its own. Raises ValueError for one that cannot be,
        TypeError for one of another form.
        """
        values = dict(given)
        if values.get("retention") is not None:
            values["retention"] = tuple(Term(**term) for term in values["retention"])
        if values.get("languages") is not None:
            values["languages"] = tuple(values["languages"])
        return dataclasses.replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """What is set, as `with_values` takes it."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


UNSET = SpaceSettings()
FIELDS = tuple(field.name for field in dataclasses.fields(SpaceSettings))
