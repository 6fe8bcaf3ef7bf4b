"""What a sentence adds to what was said just before: the measure that the gate and the selection go by.

SimpleMem drops a window of talk whose share of new entities and of distance to the history falls under a constant; a
constant depends on the encoder and on the talk. Here novelty is counted in words, and its threshold is a rolling
quantile of the conversation itself.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from memsvc.distill import lexicon

# Messages whose words count as said already.
SEEN_MESSAGES = 8
# Messages whose sentences make the quantile.
HISTORY_MESSAGES = 32
# All that the distiller looks back on: a longer past changes nothing.
PRECEDING_MESSAGES = SEEN_MESSAGES + HISTORY_MESSAGES
# The quantile of sentences that add least, and the bounds within which a conversation may move the threshold.
# In units of `information`: 1 is about one long word that was not said before.
QUANTILE = 0.6
_LOWEST, _HIGHEST = 1.8, 3.0
_ENOUGH_SENTENCES = 24


@functools.lru_cache(maxsize=65536)
def idf(word: str) -> float:
    """Rarity within 0..1 without a corpus: function words 0, phatic words .2, others rising to 1 at 9 letters.

    Length stands in for frequency (Zipf's law of abbreviation).
    """
    if word in lexicon.FUNCTION:
        return 0.0
    if word in lexicon.PHATIC:
        return 0.2
    return min(1.0, 0.4 + 0.1 * max(0, len(word) - 3)) if word.isascii() else 1.0


def information(words: Collection[str]) -> float:
    """The summed rarity of distinct words."""
    return sum(map(idf, words))


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is kept. `reply_share`: of a long reply's tokens; `talk_scale`: multiplies the threshold under which a
    sentence of a person adds nothing (0 keeps all). The curves of both are in docs/distillation.md.
    """

    reply_share: float = 0.13
    talk_scale: float = 1.0


def threshold(amounts: Sequence[float]) -> float:
    """Below this much information a sentence adds nothing, judged by those of the last messages."""
    if len(amounts) < _ENOUGH_SENTENCES:
        return (_LOWEST + _HIGHEST) / 2
    return min(_HIGHEST, max(_LOWEST, sorted(amounts)[int(QUANTILE * len(amounts))]))
