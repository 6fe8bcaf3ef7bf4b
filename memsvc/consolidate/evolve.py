"""What a unit takes on from its nearest neighbours (A-MEM's evolution): keywords and topics that two of them share.

Taken from the neighbours' own keywords and topics, never from what those took on, so that the order does not matter.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Mapping, Sequence

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link
from memsvc.domain.unit import Gained, Topic

_NEAREST = 5
_HELD_BY = 2
# What is taken on counts half of what a unit says itself.
_WEIGHT = 0.5
_MAX_KEYWORDS, _MAX_TOPICS = 5, 3
NOTHING = Gained((), ())


def gained(trait: Trait, traits: Mapping[str, Trait], near: Iterable[Link]) -> Gained:
    """What the unit takes on; `near` are its `near` links as `derive.nearest` keeps them, the strongest first, of which
    those to units in `traits` count.
    """
    others = (link.dst if link.src == trait.id else link.src for link in near)
    return _shared(trait, list(itertools.islice((traits[other] for other in others if other in traits), _NEAREST)))


def _shared(trait: Trait, neighbours: Sequence[Trait]) -> Gained:
    keywords = collections.Counter(word for other in neighbours for word in set(other.keywords))
    topics: dict[tuple[str, str], list[Topic]] = {}
    for other in neighbours:
        for key in {(topic.type, topic.key) for topic in other.topics}:
            topics.setdefault(key, []).append(Topic(*key, _WEIGHT))
    own_topics = {(topic.type, topic.key) for topic in trait.topics}
    words = [word for word, count in keywords.items() if count >= _HELD_BY and word not in trait.keywords]
    words.sort(key=lambda word: (-keywords[word], word))
    kept = [key for key, held in topics.items() if len(held) >= _HELD_BY and key not in own_topics]
    kept.sort(key=lambda key: (-len(topics[key]), key))
    return Gained(
        tuple(words[:_MAX_KEYWORDS]),
        tuple(topics[key][0] for key in kept[:_MAX_TOPICS]),
    )
