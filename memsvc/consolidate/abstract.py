"""An episode in a few lines: its most central unit, what the others add to it, and from when to when (SimpleMem).

The members stay as they are; the abstract points to them through its episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memsvc.consolidate import name
from memsvc.consolidate.derive import Standing
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Episode

# Fewer units are read faster than an abstract of them.
MIN_MEMBERS = 4
_MAX_DETAILS = 5
# A member that is more alike than this to what is already in adds nothing to it.
_DISTINCT_COSINE = 0.70


@dataclass(frozen=True, slots=True)
class Abstract:
    """`text[:core_end]` is the medoid's; `chosen` are the units whose words it has, the medoid first, `members` all of
    them. `anchor` is the episode's first unit, which stays when the episode grows: it names the abstract.
    """

    episode_id: str
    anchor: str
    text: str
    core_end: int
    chosen: tuple[str, ...]
    members: tuple[str, ...]
    vector: NDArray[np.float32]


def abstract(
    episode: Episode,
    traits: Mapping[str, Trait],
    standings: Mapping[str, Standing],
    vectors: Mapping[str, NDArray[np.float32]],
    count_tokens: Callable[[str], int],
) -> Abstract | None:
    """None for an episode of fewer than four units that stand and are in `traits`. It never has more tokens than all
    of them: the least central details are left out, and where even the medoid with its days has more, there is none.

    `vectors` and the result's `vector` are (d,) float32, of length 1.
    """
    members = [
        traits[unit_id]
        for segment in episode.segments
        for unit_id in segment.units
        if unit_id in traits and standings[unit_id].superseded_by is None
    ]
    if len(members) < MIN_MEMBERS:
        return None
    members.sort(key=lambda trait: trait.place)
    rows = np.stack([vectors[trait.id] for trait in members])
    centre = rows.mean(axis=0)
    chosen = _chosen(rows, centre)
    when = name.days(members[0].said_at, members[-1].said_at)
    most = sum(count_tokens(trait.said) for trait in members)
    while True:
        medoid, details = members[chosen[0]], [members[place] for place in sorted(chosen[1:])]
        core = _line(medoid)
        text = "; ".join([core, *(_line(trait) for trait in details)]) + f" ({when})"
        if count_tokens(text) <= most:
            break
        if not details:
            return None
        chosen.pop()
    ids = tuple(trait.id for trait in members)
    vector = (centre / max(float(np.linalg.norm(centre)), 1e-12)).astype(np.float32)
    anchor = episode.segments[0].units[0]
    return Abstract(episode.id, anchor, text, len(core), (medoid.id, *(t.id for t in details)), ids, vector)


def _chosen(rows: NDArray[np.float32], centre: NDArray[np.float32]) -> list[int]:
    """The most central row, then again and again the most central one that is unlike all that are in."""
    central = rows @ centre
    chosen = [int(np.argmax(central))]
    alike = rows @ rows[chosen[0]]
    while len(chosen) <= _MAX_DETAILS:
        open_ = np.where(alike < _DISTINCT_COSINE, central, -np.inf)
        open_[chosen] = -np.inf
        place = int(np.argmax(open_))
        if open_[place] == -np.inf:
            break
        chosen.append(place)
        alike = np.maximum(alike, rows @ rows[place])
    return chosen


def _line(trait: Trait) -> str:
    said = trait.readable.rstrip(" .;")
    return f"{trait.subject}: {said}" if trait.subject else said
