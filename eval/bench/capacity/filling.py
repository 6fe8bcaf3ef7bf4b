"""A large namespace from a small one: its export many times over, with other ids, other words, other days.

The service encodes, distils and consolidates the small one itself. A copy has its vectors turned: each is mixed with
its image under a rotation of the copy's own, so that nearness within a copy stays as the encoder made it, while copies
of a statement are no more alike than two statements about one matter.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.sets import talk

# Work and its traces, and what is keyed by content: none of it is memory that a copy needs.
_LEFT_OUT = frozenset({"apart", "asked", "idempotency", "judgement", "reason", "unit_access"})
_DATED = frozenset({"occurred_at", "t_mention", "t_start", "t_end", "valid_to", "start_at", "end_at"})
_VOWELS, _CONSONANTS = "aeiou", "bdfgklmnprstvz"
_OWN, _TURNED = 0.8, 0.6  # of a vector and of its image: copies of one have a cosine of .64
_WORD = re.compile(r"[A-Za-z]{4,}")
_ID = "id"


@dataclass(frozen=True, slots=True)
class Seed:
    """An export, read: its header, and rows by table in their order."""

    header: dict[str, Any]
    rows: list[tuple[str, dict[str, Any]]]

    @property
    def days(self) -> int:
        """How many days its talk takes; a copy lies so many before the one before it."""
        return len({row[_ID] for table, row in self.rows if table == "session"})

    def texts(self) -> list[str]:
        return [row["content"] for table, row in self.rows if table == "message"]

    def vectors(self) -> NDArray[np.float32]:
        """Of shape (rows, width): all that the index has of it."""
        width = self.width()
        held = [base64.b64decode(row["embedding"]) for _, row in self.rows if row.get("embedding")]
        return np.frombuffer(b"".join(held), "<f4").reshape(-1, width)

    def width(self) -> int:
        """Of a vector: a unit has one."""
        return min(len(base64.b64decode(row["embedding"])) for table, row in self.rows if table == "unit") // 4


def read(exported: bytes) -> Seed:
    """Of an export of the service."""
    lines = [json.loads(line) for line in exported.splitlines()]
    rows = [(line["table"], line["row"]) for line in lines[1:-1] if line["table"] not in _LEFT_OUT]
    return Seed(lines[0], rows)


def lines(seed: Seed, copies: int) -> Iterator[bytes]:
    """The export of a namespace with the seed so many times in it."""
    digest, count = hashlib.sha256(), 0
    head = seed.header["head"]
    grown = {"head": head * copies, "consolidated": seed.header["consolidated"] * copies}
    line = _line(seed.header | grown)
    digest.update(line)
    yield line
    turned = [_Copy(seed, number) for number in range(copies)]
    tables = list(dict.fromkeys(table for table, _ in seed.rows))
    for table in tables:
        mine = [row for name, row in seed.rows if name == table]
        for copy in turned:
            for row in mine:
                line = _line({"table": table, "row": copy.row(row)})
                digest.update(line)
                count += 1
                yield line
    yield _line({"rows": count, "sha256": digest.hexdigest()})


def reworded(number: int) -> Callable[[str], str]:
    """Puts other made-up words in place of the vocabulary's, letter by letter, so that places in a text stay."""
    chance = np.random.default_rng(number)
    letters: dict[int, int] = {}
    for kind in (_VOWELS, _CONSONANTS):
        mixed = "".join(chance.permutation(list(kind))) if number else kind
        letters |= str.maketrans(kind + kind.upper(), mixed + mixed.upper())
    known = frozenset(talk.vocabulary())

    def word(match: re.Match[str]) -> str:
        found = match.group()
        return found.translate(letters) if found.lower() in known else found

    return lambda text: _WORD.sub(word, text)


class _Copy:
    """Copy `number` of a seed; 0 is the seed itself."""

    def __init__(self, seed: Seed, number: int) -> None:
        self._number = number
        self._ids = frozenset(row[_ID] for _, row in seed.rows if _ID in row)
        self._ahead = number * seed.header["head"]
        self._earlier = dt.timedelta(days=number * seed.days)
        self._reworded = reworded(number)
        self._width = seed.width()
        chance = np.random.default_rng(number)
        self._rotation = np.linalg.qr(chance.standard_normal((self._width, self._width)))[0].astype(np.float32)

    def row(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._number == 0:
            return row
        return {name: self._field(name, value) for name, value in row.items()}

    def _field(self, name: str, value: Any) -> Any:
        if value is None or name == "content_hash":
            return value
        if name == "embedding":
            return self._turned(value)
        if name == "seq":
            return value + self._ahead
        if name in _DATED:
            return (dt.datetime.fromisoformat(value) - self._earlier).isoformat()
        return self._value(value)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return f"{value}-{self._number}" if value in self._ids else self._reworded(value)
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if isinstance(value, dict):
            return {name: self._value(item) for name, item in value.items()}
        return value

    def _turned(self, held: str) -> str:
        given = np.frombuffer(base64.b64decode(held), "<f4").reshape(-1, self._width)
        made = _OWN * given + _TURNED * given @ self._rotation
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
        return base64.b64encode(made.astype("<f4").tobytes()).decode("ascii")


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"
