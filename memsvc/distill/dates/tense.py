"""Whether a clause looks ahead or back: what tells the last Friday from the next."""

from __future__ import annotations

import re

from memsvc.distill.dates import lexer

AHEAD, BACK, OPEN = 1, -1, 0

_SENTENCE = re.compile(r"[.!?](?=\s|$)|[\n。！？]")
_CLAUSE = re.compile(
    r"[,;:—()、，]|\b(?:but|because|so|while|when|which|although|before|aber|weil|pero|porque|mais|mas)\b"
)


def side(text: str, start: int, lexicon: lexer.Lexicon) -> int:
    """AHEAD, BACK or OPEN for the expression that begins at `start`.

    The nearest word before it in its clause decides, then the first behind it, then those of the whole sentence.
    """
    text = text.replace("’", "'")
    low = max((m.end() for m in _SENTENCE.finditer(text, 0, start)), default=0)
    stop = _SENTENCE.search(text, start)
    high = stop.start() if stop else len(text)
    cues = [
        (match.start(), AHEAD if match.lastgroup == "ahead" else BACK)
        for match in lexicon.cues.finditer(text, low, high)
    ]
    if not cues:
        return OPEN
    bounds = [match.start() for match in _CLAUSE.finditer(text, low, high)]
    first = max((bound for bound in bounds if bound < start), default=low)
    last = min((bound for bound in bounds if bound >= start), default=high)
    near = [cue for cue in cues if first <= cue[0] < last]
    # Verbs stand last in a clause of Japanese, and what marks the past behind them in Chinese.
    return _nearest(near, start, lexicon.dense) or _nearest(cues, start, lexicon.dense)


def _nearest(cues: list[tuple[int, int]], start: int, behind_first: bool) -> int:
    before = [way for at, way in cues if at < start]
    behind = [way for at, way in cues if at >= start]
    if behind_first and behind:
        return behind[-1]
    if before:
        return before[-1]
    return behind[0] if behind else OPEN
