"""What a unit takes on from its nearest neighbours (A-MEM's evolution): keywords and topics that two of them share.

Taken from the neighbours' own keywords and topics, never from what those took on, so that the order does not matter.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import Gained, Topic

_NEAREST = 5
_HELD_BY = 2
# What is taken on counts half of what a unit says itself.
_WEIGHT = 0.5
_MAX_KEYWORDS, _MAX_TOPICS = 5, 3
NOTHING = Gained((), ())


def gained(traits: Mapping[str, Trait], links: Iterable[Link]) -> dict[str, Gained]:
    """Unit id -> what it takes on, for units that take on something; `links` as `derive.nearest` keeps them."""
    near = [link for link in links if link.kind is LinkKind.NEAR and link.src in traits and link.dst in traits]
    near.sort(key=lambda link: (-link.weight, link.src, link.dst))
    neighbours: dict[str, list[Trait]] = {}
    for link in near:
        for one, other in ((link.src, link.dst), (link.dst, link.src)):
            held = neighbours.setdefault(one, [])
            if len(held) < _NEAREST:
                held.append(traits[other])
    found = {unit_id: _shared(traits[unit_id], held) for unit_id, held in neighbours.items()}
    return {unit_id: taken for unit_id, taken in found.items() if taken != NOTHING}


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
