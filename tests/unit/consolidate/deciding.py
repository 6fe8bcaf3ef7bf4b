"""All that the consolidation says of a namespace, at once or after what was known of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from memsvc.consolidate.abstract import Abstract
from memsvc.consolidate.derive import Standing
from memsvc.domain.judgement import Judgement
from memsvc.domain.link import Episode, Link
from memsvc.domain.unit import Gained
from memsvc.services.decisions import Changed, Held, Outcome
from memsvc.store.consolidation import Base


@dataclass(frozen=True, slots=True)
class Decisions:
    links: set[Link]
    standings: Mapping[str, Standing]
    episodes: tuple[Episode, ...]
    gained: Mapping[str, Gained]
    abstracts: tuple[Abstract, ...]
    judged: Mapping[tuple[str, str], Judgement]
    doubtful: tuple[tuple[str, str], ...]


def decide(
    base: Sequence[Base],
    width: int,
    changed: Iterable[str],
    known: Collection[Link],
    order: Mapping[str, int],
    encoder: str,
    judgements: Sequence[Judgement] = (),
) -> Decisions:
    """What a run says that reads everything."""
    held = Held(width, encoder, (), known, ())
    return said(held, held.advance(everything(base, changed, order, judgements)))


def everything(
    base: Sequence[Base], changed: Iterable[str], order: Mapping[str, int], judgements: Sequence[Judgement] = ()
) -> Changed:
    return Changed(base, set(), set(changed), order, set(), judgements)


def said(held: Held, outcome: Outcome) -> Decisions:
    return Decisions(
        held.links, dict(held.standings), tuple(held.episodes.values()), dict(held.gained),
        tuple(held.abstracts[id] for id in held.episodes if id in held.abstracts), outcome.judged, outcome.doubtful,
    )  # fmt: skip
