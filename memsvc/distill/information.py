"""What a sentence adds to what was said just before, counted in words: the measure by which a long reply is settled.

Cosine novelty would need the encoder first, and a constant for each encoder.
"""

from __future__ import annotations

import functools
from collections.abc import Collection

from memsvc.distill import lexicon

# Messages whose words count as said already, and all that the distiller looks back on: a longer past changes nothing.
PRECEDING_MESSAGES = 8


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
