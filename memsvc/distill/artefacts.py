"""What work leaves in a talk: paths, URLs, errors, flags, variables, versions, hashes, names of code; quantities."""

from __future__ import annotations

import re

from memsvc.domain.unit import Artefact, Quantity

_LIMIT = 12
_EXTENSIONS = (
    "py|js|ts|tsx|jsx|java|kt|go|rs|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|sql|sh|bash|yml|yaml|json|toml|ini|cfg|conf|"
    "xml|html|css|scss|md|rst|txt|csv|ipynb|lock|env|dockerfile|tf|proto|log|pdf|png|jpg|zip"
)
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"https?://[^\s<>\"'`)\]]{3,300}")),
    ("error", re.compile(r"\b[A-Z][A-Za-z]{1,60}(?:Error|Exception|Warning)\b(?::[^\n`]{0,120})?")),
    ("path", re.compile(
        rf"(?<![\w/.-])(?:[\w.~-]{{1,80}}/){{0,12}}[\w-]{{1,80}}(?:\.[\w-]{{1,20}}){{0,2}}\.(?:{_EXTENSIONS})\b",
        re.IGNORECASE,
    )),
    ("path", re.compile(r"(?<![\w/.:-])(?:~|\.{1,2})?/(?:[\w.-]{1,80}/){1,12}[\w.-]{0,80}")),
    ("flag", re.compile(r"(?<![\w-])--[a-z][a-z0-9]{1,40}(?:-[a-z0-9]{1,40}){0,6}(?:=\S{1,60})?")),
    ("variable", re.compile(r"\b[A-Z][A-Z0-9]{1,40}(?:_[A-Z0-9]{1,40}){1,8}\b")),
    ("version", re.compile(r"\bv?\d{1,4}\.\d{1,4}\.\d{1,6}(?:[-+.][\w.]{1,20})?\b|\bv\d{1,4}(?:\.\d{1,4})?\b")),
    ("hash", re.compile(r"\b(?=[0-9a-f]{0,40}\d)(?=[0-9a-f]{0,40}[a-f])[0-9a-f]{7,40}\b")),
    ("name", re.compile(
        r"\b[a-z][a-z0-9]{0,40}(?:_[a-z0-9]{1,40}){1,8}\b(?:\(\))?|\b[a-z]{1,40}(?:[A-Z][a-z0-9]{1,40}){1,6}\b(?:\(\))?"
    )),
)  # fmt: skip
_ACTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("create", re.compile(r"\b(?:creat|add|wr[io]t|generat|introduc|new file)\w*", re.IGNORECASE)),
    ("edit", re.compile(r"\b(?:edit|chang|modif|updat|fix|refactor|renam|replac|rais|mov)\w*", re.IGNORECASE)),
    ("delete", re.compile(r"\b(?:delet|remov|drop)\w*", re.IGNORECASE)),
    ("test", re.compile(r"\b(?:test|assert|verif)\w*", re.IGNORECASE)),
    ("error", re.compile(r"\b(?:fail|crash|rais\w+ \w*error|broke|breaks|died|error)\w*", re.IGNORECASE)),
    ("read", re.compile(r"\b(?:read|open|look|check|see|review)\w*", re.IGNORECASE)),
)
_UNITS = (
    r"%|percent|dollars?|euros?|pounds?|usd|eur|bucks|k?m|km|kilometers?|kilometres?|miles?|meters?|metres?|feet|ft|inches|"
    r"cm|mm|kg|kilograms?|grams?|lbs?|ounces?|oz|liters?|litres?|ml|hours?|hrs?|minutes?|mins?|seconds?|secs?|ms|"
    r"days?|weeks?|months?|years?|times?|people|users?|requests?|items?|pages?|rows?|kb|mb|gb|tb|bytes?|tokens?|"
    r"degrees?|calories|steps?|points?"
)
_QUANTITY = re.compile(
    rf"(?P<currency>[$\u20ac\u00a3])\s?(?P<amount>\d[\d,]{{0,15}}(?:\.\d{{1,4}})?(?:[kKmM]\b)?)"
    rf"|(?<![\w.])(?P<number>\d[\d,]{{0,15}}(?:\.\d{{1,6}})?)\s?(?P<unit>{_UNITS})(?!\w)",
    re.IGNORECASE,
)


# A cheap look before the patterns: every one of them needs one of these.
_SIGNAL = re.compile(r"[/_]|--[a-z]|\w\.\w|[a-z][A-Z]|\bv\d|Error|Exception|Warning|\d[0-9a-f]{3}|[a-f]\d")


def find(text: str) -> tuple[Artefact, ...]:
    """Artefacts in the text, each value once, with what was done to it if a cue verb stands in the text."""
    if not _SIGNAL.search(text):
        return ()
    found: dict[str, str] = {}
    taken: list[tuple[int, int]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if len(found) == _LIMIT:
                break
            start, end = match.span()
            if not any(start < stop and begin < end for begin, stop in taken):
                taken.append((start, end))
                found.setdefault(match.group().rstrip(".,;:"), kind)
    if not found:
        return ()
    action = next((name for name, cue in _ACTIONS if cue.search(text)), None)
    return tuple(Artefact(kind, value, action) for value, kind in found.items())


def quantities(text: str) -> tuple[Quantity, ...]:
    """Numbers with their units, as written, at most twelve."""
    found: dict[tuple[str, str], None] = {}
    for match in _QUANTITY.finditer(text):
        if match["currency"]:
            found[match["amount"], match["currency"]] = None
        else:
            found[match["number"], match["unit"].lower()] = None
        if len(found) == _LIMIT:
            break
    return tuple(Quantity(value, unit) for value, unit in found)
