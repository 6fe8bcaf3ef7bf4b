"""How two units stand to each other, from the two alone."""

from __future__ import annotations

import functools
import math
import re

from memsvc.consolidate import judge, trait, whose
from memsvc.consolidate.trait import Trait
from memsvc.domain.link import Link, LinkKind
from memsvc.domain.unit import WISH_KINDS, Kind

# Below this two units have nothing to do with each other, and no pair is looked at.
LOWEST_COSINE = 0.55
_NEAR_COSINE = 0.70
# The judge's verdict from which on a statement ends another: a wrong one hides a truth, a missed one leaves two.
SURE = 0.6
_SURE_OF_A_FIGURE = 0.97
# From here on both stand, and the later one is served first.
DOUBT = 0.3
# Between these the judge may be wrong either way, and so may it be where it is sure and the wording speaks against it:
# a language model, where there is one, is asked.
_ASKED_ABOUT = 0.15
_CLEAR = 0.9
# A block of code is told by a few names in it: two with the same names may be two different blocks.
_NAMED_ONLY = "artefact"
# As punctuation leaves them: "don't" is "don t".
_SHORT_FORMS = tuple(
    (re.compile(short), full)
    for short, full in (
        (r"\bcan ?(?:t|not)\b", "can not"), (r"\bwon t\b", "will not"), (r"(?<=\w)n t\b", " not"), (r"\bi m\b", "i am"),
        (r"\b(we|you|they) re\b", r"\1 are"), (r"\b(i|we|you|they) ve\b", r"\1 have"),
        (r"\b(i|we|you|they|he|she|it) ll\b", r"\1 will"),
    )
)  # fmt: skip
_CLAUSE_END = re.compile("[,;:](?=\\s)|[\u3001\uff0c\uff1b\u060c\u061b]")
# Thai, Japanese, Chinese: a clause is a run of letters.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]")


def pair(one: Trait, other: Trait, cosine: float, verdict: float = 0.0, judged: bool | None = None) -> Link | None:
    """The strongest link of the two, None when there is none; symmetric in its arguments. `verdict`: how sure the judge
    is that the later one ends the earlier, 0 where it was not asked; `judged`: what a language model said of that, None
    where it said nothing.

    Of `same` and `near` the earlier unit is `src`; of `supersedes` the newer is.
    """
    earlier, later = sorted((one, other), key=lambda trait: trait.place)
    if _says_the_same(earlier, later):
        return Link(earlier.id, later.id, LinkKind.SAME, cosine)
    if supersedes(later, earlier, verdict, judged):
        return Link(later.id, earlier.id, LinkKind.SUPERSEDES, cosine)
    if cosine >= _NEAR_COSINE or (cosine >= LOWEST_COSINE and earlier.entities & later.entities):
        return Link(earlier.id, later.id, LinkKind.NEAR, cosine)
    return None


def supersedes(later: Trait, earlier: Trait, verdict: float, judged: bool | None = None) -> bool:
    """Whether the later unit takes the place of the earlier one: where it corrects that one, where it gives the same
    attribute of the same subject another value and a rule knows the attribute, else where a language model said so,
    else where the judge is sure.
    """
    if not comparable(later, earlier):
        return False
    if later.corrects(earlier):
        return True
    if _is_ruled(later, earlier):
        return later.slot != earlier.slot
    if judged is None:
        # Nearly all pairs leave here, before anything is compared.
        return verdict >= SURE and judgeable(later, earlier) and verdict >= _needed(later, earlier)
    return judged and judgeable(later, earlier)


def is_doubtful(later: Trait, earlier: Trait, verdict: float) -> bool:
    """Whether the judge, with this verdict on the two, leaves a doubt that a language model is to settle."""
    return (
        verdict >= _ASKED_ABOUT
        and verdict < max(_CLEAR, _needed(later, earlier))
        and comparable(later, earlier)
        and judgeable(later, earlier)
        and not _is_ruled(later, earlier)
    )


def _is_ruled(later: Trait, earlier: Trait) -> bool:
    """Whether the later one corrects the earlier, or a rule knows the attribute that both give a value."""
    if later.corrects(earlier):
        return True
    return bool(later.holds and earlier.holds and later.slot and earlier.slot and later.slot[0] == earlier.slot[0])


def doubts(later: Trait, earlier: Trait, verdict: float) -> bool:
    """Whether the later one may well have ended the earlier, which it does not supersede."""
    return (
        verdict >= DOUBT
        and verdict >= (DOUBT if judge.replaced(earlier, later) is None else SURE)
        and comparable(later, earlier)
        and judgeable(later, earlier)
        and not _is_ruled(later, earlier)
    )


def _needed(later: Trait, earlier: Trait) -> float:
    """How sure the judge must be. The same sentence with another word is as often about another thing ("my left knee",
    "my right knee"): it ends the earlier one only where the word is a figure, and the judge very sure.
    What is agreed to must give another value: "Do you like red bikes?" ends no "My bike is red".
    """
    replaced = judge.replaced(earlier, later)
    if replaced is None and later.is_agreed and not judge.exchanges(earlier, later):
        return math.inf
    if replaced is None:
        return SURE
    return _SURE_OF_A_FIGURE if replaced == {"figure"} else math.inf


def comparable(later: Trait, earlier: Trait) -> bool:
    """Whether the later one could take the place of the earlier at all. An assistant's words never take the place of a
    person's, nor what is trusted less that of what is trusted more.
    """
    return (
        later.subject == earlier.subject
        and later.follows(earlier)
        and not (later.is_assistants and not earlier.is_assistants)
        and later.trust >= earlier.trust
    )


def judgeable(later: Trait, earlier: Trait) -> bool:
    """Whether the judge is asked: only what is asserted until further notice ends anything, what is supposed or asked
    cannot be ended, two pieces of an assistant's advice do not conflict, the same words give nothing a new value, what
    is so of somebody ends nothing that is so of somebody else, and how somebody wants things nothing that is so
    otherwise.
    """
    return (
        may_be_ended(earlier)
        and may_end(later)
        and not _are_apart(later, earlier)
        and not set(later.message_ids) & set(earlier.message_ids)
        and not _has_no_other_word(_written_out(later.text), _written_out(earlier.text))
        # Of people who are named in both somebody may be called otherwise ("my girlfriend Elif", "Elif and I").
        and (bool(later.entities & earlier.entities) or not whose.differs(later.judged, earlier.judged))
    )


def _are_apart(later: Trait, earlier: Trait) -> bool:
    """Whether one says how somebody wants things, the other how things are, with no chief word and no name in common:
    "Please answer me in French" ends no "I live in Oslo", and a new home no "I prefer tea".
    """
    wants = later.kind == Kind.INSTRUCTION and earlier.kind not in WISH_KINDS
    is_so = later.slot is not None and earlier.slot is None and earlier.kind in WISH_KINDS
    return (wants or is_so) and not (later.entities & earlier.entities or set(later.keywords) & set(earlier.keywords))


def may_be_ended(trait: Trait) -> bool:
    """What of `judgeable` the earlier one decides by itself."""
    return trait.is_claim and trait.tells and not trait.is_assistants


def may_end(trait: Trait) -> bool:
    """What of `judgeable` the later one decides by itself."""
    return trait.holds and may_be_ended(trait)


def letters(trait: Trait) -> str:
    """Only what is equal in this says the same."""
    return "".join(sorted(trait.text.replace(" ", "")))


def _says_the_same(earlier: Trait, later: Trait) -> bool:
    """Whether the later one adds no word: nothing is merged for being near in meaning, since merging hides."""
    return (
        (earlier.text == later.text or _turned(earlier, later))
        # A question says nothing, whatever its words: its answer must not vanish behind it.
        and earlier.is_claim == later.is_claim
        and earlier.holds == later.holds
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


def sentence(trait: Trait) -> tuple[object, ...] | None:
    """Equal only of two that say the same in the same words; None where even those may be two things."""
    if trait.kind == _NAMED_ONLY:
        return None
    return (
        trait.text, trait.is_claim, trait.holds, trait.subject, trait.numbers, trait.dates, trait.is_negated,
        trait.entities, trait.slot, trait.is_assistants, trait.trust,
    )  # fmt: skip


def _turned(one: Trait, other: Trait) -> bool:
    """Whether one says the end of the other first: "On Mondays I swim", "I swim on Mondays". Words that only changed
    places may say something else ("Karl likes Ana"); the two halves of a sentence do not. A single word is no half
    ("Only I swim", "I swim only"), nor is what goes over the end of a clause ("Before work I swim, after it I read").
    """
    if one.proposition or other.proposition:
        return False
    if len(one.text) != len(other.text) or not _has_no_other_word(one.text, other.text):
        return False
    if trait.bare(one.said[len(one.core) :]) != trait.bare(other.said[len(other.core) :]):
        return False
    clauses, turned = _clauses(one.core), _clauses(other.core)
    words = " ".join(clauses).split()
    for cut in range(1, len(words)):
        start, end = " ".join(words[:cut]), " ".join(words[cut:])
        if (
            _is_half(start)
            and _is_half(end)
            and clauses in ([f"{start} {end}"], [start, end])
            and turned in ([f"{end} {start}"], [end, start])
        ):
            return True
    return False


def _clauses(text: str) -> list[str]:
    found = (trait.bare(clause) for clause in _CLAUSE_END.split(text.replace("\u2019", "'")))
    return [clause for clause in found if clause]


@functools.lru_cache(maxsize=200_000)
def _written_out(text: str) -> str:
    """English with its short forms written out, of a text without punctuation: "don t" says what "do not" says."""
    for short, full in _SHORT_FORMS:
        text = short.sub(full, text)
    return text


def _is_half(text: str) -> bool:
    return " " in text or bool(_UNSPACED.search(text))


def _has_no_other_word(one: str, other: str) -> bool:
    """Whether both have the same words as often, in whatever order and however spaced."""
    return sorted(one.split()) == sorted(other.split()) or one.replace(" ", "") == other.replace(" ", "")
