"""Texts of all who write, in runs of one model: similar lengths together, a question beside whatever is waiting."""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Gives a row (float32, of any shape) for each of the texts, in their order.
Encode = Callable[[Sequence[Any]], NDArray[np.float32]]


class Size(NamedTuple):
    """How much one run of a model takes: padded, `tokens` at most (or a single text) and so many `texts`; of all that
    at most `padding` tokens are padding, which is what a run costs beside its tokens.
    """

    tokens: int
    padding: int
    texts: int


@dataclass(eq=False)
class _Caller:
    """One call; `left` holds its texts that are in no run yet, the shortest first."""

    unfinished: int
    left: dict[_Text, None] = field(default_factory=dict)
    error: BaseException | None = None


@dataclass(eq=False)
class _Text:
    caller: _Caller
    encode: Encode
    given: Any
    length: int
    row: NDArray[np.float32] | None = None


class Runs:
    """Runs of one model, `at_once` of them at a time. There is no thread of its own: whoever's turn it is runs the
    longest of the texts that it still lacks, and fills the run up with others' that are about as long.
    """

    def __init__(self, size: Size, at_once: int) -> None:
        self._size = size
        self._at_once = at_once
        self._changed = threading.Condition()
        self._waiting: collections.deque[_Caller] = collections.deque()
        # The oldest first, by who encodes them and their length.
        self._texts: collections.defaultdict[tuple[Encode, int], dict[_Text, None]] = collections.defaultdict(dict)
        self._running = 0
        self._questions = 0

    def rows(self, encode: Encode, given: Sequence[Any], lengths: Sequence[int]) -> list[NDArray[np.float32]]:
        """A row for each of `given`, whose `lengths` are in tokens, in their order. What `encode` raises for a run is
        raised for all who have a text in it, and for nobody else.
        """
        caller = _Caller(len(given))
        texts = [
            _Text(caller, encode, one, min(length, self._size.tokens))
            for one, length in zip(given, lengths, strict=True)
        ]
        caller.left = dict.fromkeys(sorted(texts, key=lambda text: text.length))
        with self._changed:
            for text in texts:
                self._texts[encode, text.length][text] = None
        try:
            while run := self._next(caller):
                self._do(run)
        finally:
            with self._changed:
                for text in list(caller.left):
                    self._take(text)
        if caller.error is not None:
            raise caller.error
        return [text.row for text in texts if text.row is not None]

    @contextlib.contextmanager
    def question(self) -> Iterator[None]:
        """A question waits for nobody, and as long as it takes one run less is begun beside it."""
        with self._changed:
            self._questions += 1
        try:
            yield
        finally:
            with self._changed:
                self._questions -= 1
                self._changed.notify_all()

    def _next(self, caller: _Caller) -> list[_Text]:
        """The caller's next run, when it is its turn; nothing when it has all its rows or an error."""
        with self._changed:
            self._waiting.append(caller)
            try:
                self._changed.wait_for(lambda: self._is_done(caller) or self._may_begin(caller))
            finally:
                self._waiting.remove(caller)
                self._changed.notify_all()
            if self._is_done(caller):
                return []
            self._running += 1
            return self._fill(next(reversed(caller.left)))

    def _is_done(self, caller: _Caller) -> bool:
        return not caller.unfinished or caller.error is not None

    def _may_begin(self, caller: _Caller) -> bool:
        first = next((one for one in self._waiting if one.left), None)
        return first is caller and (not self._running or self._running + self._questions < self._at_once)

    def _fill(self, longest: _Text) -> list[_Text]:
        self._take(longest)
        run, room = [longest], self._size.padding
        for length in range(longest.length, max(longest.length - room, 0) - 1, -1):
            same = self._texts.get((longest.encode, length), ())
            for text in list(itertools.islice(same, self._size.texts)):
                shorter = longest.length - length
                if (
                    shorter > room
                    or len(run) == self._size.texts
                    or (len(run) + 1) * longest.length > self._size.tokens
                ):
                    return run
                self._take(text)
                run.append(text)
                room -= shorter
        return run

    def _take(self, text: _Text) -> None:
        same = self._texts[text.encode, text.length]
        del same[text], text.caller.left[text]
        if not same:
            del self._texts[text.encode, text.length]

    def _do(self, run: Sequence[_Text]) -> None:
        error: BaseException | None = None
        try:
            for text, row in zip(run, run[0].encode([text.given for text in run]), strict=True):
                text.row = row
        except BaseException as raised:
            error = raised
        with self._changed:
            for text in run:
                text.caller.unfinished -= 1
                text.caller.error = text.caller.error or error
            self._running -= 1
            self._changed.notify_all()
