"""Whether a clause looks ahead or back: what tells the last Friday from the next."""

from __future__ import annotations

import re

from memsvc.distill.dates import lexer

AHEAD, BACK, OPEN = 1, -1, 0

_SENTENCE = re.compile(r"[.!?](?=\s|$)|[\n。！？]")
# "am 1. Mai": there a stop behind a day ends nothing.
_SENTENCE_BEHIND_DAYS = re.compile(r"(?<!\b\d)(?<!\b\d\d)\.(?=\s|$)|[!?](?=\s|$)|\n")
# What is so until a day that nothing says to be past goes on until the next one.
_UNTIL = re.compile(r"\b(?:until|till|bis(?: zum)?|jusqu'(?:à|au)?|hasta(?: el)?|até(?: a| o)?)(?!\w)", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[,;:—()、，]|\b(?:but|because|so|while|when|which|although|before|aber|weil|pero|porque|mais|mas)\b"
)


def side(text: str, start: int, lexicon: lexer.Lexicon) -> int:
    """AHEAD, BACK or OPEN for the expression that begins at `start`.

    The nearest word before it in its clause decides, then the first behind it, then those of the whole sentence.
    """
    text = text.replace("’", "'")
    ends = _SENTENCE_BEHIND_DAYS if lexicon.language.name == "de" else _SENTENCE
    low = max((m.end() for m in ends.finditer(text, 0, start)), default=0)
    stop = ends.search(text, start)
    high = stop.start() if stop else len(text)
    cues = [
        (match.start(), AHEAD if match.lastgroup == "ahead" else BACK)
        for match in lexicon.cues.finditer(text, low, high)
    ]
    if not cues:
        return AHEAD if _is_until(text, low, start) else OPEN
    bounds = [match.start() for match in _CLAUSE.finditer(text, low, high)]
    first = max((bound for bound in bounds if bound < start), default=low)
    last = min((bound for bound in bounds if bound >= start), default=high)
    near = [cue for cue in cues if first <= cue[0] < last]
    # Verbs stand last in a clause of Japanese, and what marks the past behind them in Chinese.
    return _nearest(near, start, lexicon.dense) or _nearest(cues, start, lexicon.dense)


def _is_until(text: str, low: int, start: int) -> bool:
    """Whether the expression begins with such a word, or stands behind one."""
    before = any(not text[match.end() : start].strip() for match in _UNTIL.finditer(text, low, start))
    return before or _UNTIL.match(text, start) is not None


def _nearest(cues: list[tuple[int, int]], start: int, behind_first: bool) -> int:
    before = [way for at, way in cues if at < start]
    behind = [way for at, way in cues if at >= start]
    if behind_first and behind:
        return behind[-1]
    if before:
        return before[-1]
    return behind[0] if behind else OPEN
