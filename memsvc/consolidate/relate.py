"""How two units stand to each other, from the two alone."""

from __future__ import annotations

from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind

# Below this two units have nothing to do with each other, and no pair is looked at.
LOWEST_COSINE = 0.55
_CONFLICT_COSINE = 0.80
_NEAR_COSINE = 0.70
# Of two statements that differ in a figure so much of the longer must be the same words, or they are about two things.
_SAME_WORDS = 0.5
# A block of code is told by a few names in it: two with the same names may be two different blocks.
_NAMED_ONLY = "artefact"
# What was once so may be over; what happened stays.
_REPLACEABLE = frozenset({"state", "preference", "instruction", "fact", "artefact"})

# What one can take back by saying the opposite; a negation in a plain fact is as often an encouragement.
_REVOCABLE = frozenset({"state", "preference", "instruction"})


def pair(one: Trait, other: Trait, cosine: float) -> Link | None:
    """The strongest link of the two, None when there is none; symmetric in its arguments.

    Of `same` and `near` the earlier unit is `src`; of `supersedes` the newer is.
    """
    earlier, later = sorted((one, other), key=lambda trait: trait.place)
    if _says_the_same(earlier, later):
        return Link(earlier.id, later.id, LinkKind.SAME, cosine)
    if supersedes(later, earlier, cosine):
        return Link(later.id, earlier.id, LinkKind.SUPERSEDES, cosine)
    if cosine >= _NEAR_COSINE or (cosine >= LOWEST_COSINE and earlier.entities & later.entities):
        return Link(earlier.id, later.id, LinkKind.NEAR, cosine)
    return None


def supersedes(later: Trait, earlier: Trait, cosine: float) -> bool:
    """Whether the later unit takes the place of the earlier one.

    By slot: the same attribute of the same subject with another value. By conflict: nearly the same statement, with a
    negation or a figure changed, or with words of change. An assistant's words never take the place of a person's,
    nor what is trusted less that of what is trusted more.
    """
    if later.subject != earlier.subject or not later.follows(earlier):
        return False
    if not (later.holds and earlier.holds):  # a question, a plan, a quotation
        return False
    if later.is_assistants and not earlier.is_assistants:
        return False
    if later.trust < earlier.trust:
        return False
    if later.slot and earlier.slot and later.slot[0] == earlier.slot[0]:
        return later.slot[1] != earlier.slot[1]
    if later.is_assistants or earlier.is_assistants:  # advice: two pieces of it do not conflict
        return False
    if cosine < _CONFLICT_COSINE or later.kind not in _REPLACEABLE or earlier.kind not in _REPLACEABLE:
        return False
    if _overlap(later, earlier) < _SAME_WORDS:
        return False
    if later.is_negated != earlier.is_negated and {later.kind, earlier.kind} <= _REVOCABLE:
        return True
    differs = later.numbers != earlier.numbers and bool(later.numbers) and bool(earlier.numbers)
    return later.says_change and (differs or later.entities != earlier.entities)


def _says_the_same(earlier: Trait, later: Trait) -> bool:
    """Whether the later one adds no word: nothing is merged for being near in meaning, since merging hides."""
    return (
        (earlier.text == later.text or _turned(earlier.text, later.text))
        and earlier.subject == later.subject
        and _NAMED_ONLY not in (earlier.kind, later.kind)
        and earlier.numbers == later.numbers
        and earlier.dates == later.dates
        and earlier.is_negated == later.is_negated
        and earlier.entities == later.entities
        and earlier.slot == later.slot
        and earlier.is_assistants == later.is_assistants
        # A leader stands for those merged into it: it must not make them less trusted.
        and earlier.trust == later.trust
    )


def _turned(one: str, other: str) -> bool:
    """Whether one says the end of the other first: "On Mondays I swim", "I swim on Mondays". Words that only changed
    places may say something else ("Karl likes Ana"); the two halves of a sentence do not.
    """
    return len(one) == len(other) and f" {other} " in f" {one} {one} "


def _overlap(one: Trait, other: Trait) -> float:
    shared = len(one.words & other.words)
    return shared / max(1, len(one.words), len(other.words))
