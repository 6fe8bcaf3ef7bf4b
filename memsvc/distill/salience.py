"""How much a sentence settles, and what kind of memory it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memsvc.distill import gate, lexicon
from memsvc.distill.information import idf
from memsvc.domain.message import Role
from memsvc.domain.unit import Artefact, Kind

_INSTRUCTION = re.compile(
    r"\b(?:from now on|in (?:the )?future|always|never|please (?:use|don't|do not|make sure|remember|avoid|keep|stop)|"
    r"make sure|remember to|don't ever|do not ever|keep in mind|whenever i|every time i)\b",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    r"\b(?:i|we)(?:'d| would| really| also| do| don't| always| just| actually)* "
    r"(?:prefer|love|like|enjoy|hate|dislike|adore|"
    r"can't stand|fancy)\b|\bmy (?:\w+ )?favou?rite\b|"
    r"\b(?:i'm|i am) (?:a (?:big|huge) fan of|allergic|vegetarian|vegan)\b",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\b(?:i|we)(?:'m|'re| am| are| have been|'ve been| live| work| study| own| have)\b|\bmy \w+ (?:is|are)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:went|did|was|were|had|got|made|met|saw|took|bought|started|finished|joined|moved|visited|attended|won|lost|"
    r"signed|found|tried|came|gave|ran|read|wrote|built|\w{3,}ed)\b",
    re.IGNORECASE,
)


def salience(text: str, entity_count: int, has_time: bool) -> float:
    """.35 mean idf + .25 [number or date] + .20 min(1, entities / 2) + .10 [first person] + .10 [decision cue]
    - .3 [question] - .4 [phatic], within 0..1.
    """
    said = lexicon.words(text)
    mean_idf = sum(idf(word) for word in said) / len(said) if said else 0.0
    numeric = has_time or bool(lexicon.DIGIT.search(text))
    value = 0.35 * mean_idf + 0.25 * numeric + 0.20 * min(1.0, entity_count / 2)
    value += 0.10 * bool(lexicon.FIRST_PERSON.search(text)) + 0.10 * bool(lexicon.DECISION.search(text))
    value -= 0.3 * text.rstrip().endswith(("?", "\uff1f")) + 0.4 * gate.is_phatic(text, frozenset())
    return round(max(0.0, min(1.0, value)), 4)


def kind(text: str, role: Role, is_peer_talk: bool, found: Sequence[Artefact], has_time: bool) -> Kind:
    """The first that fits: instruction (to an assistant), preference, event, artefact, state, fact.

    Between people "always" and "never" tell of habits, so only a user's message to an assistant instructs.
    """
    plain = text.replace("\u2019", "'")
    if instructs(plain, role, is_peer_talk):
        return Kind.INSTRUCTION
    if role is not Role.ASSISTANT and _PREFERENCE.search(plain):
        return Kind.PREFERENCE
    if has_time and _PAST.search(plain):
        return Kind.EVENT
    if found:
        return Kind.ARTEFACT
    if role is not Role.ASSISTANT and _STATE.search(plain):
        return Kind.STATE
    return Kind.FACT


def instructs(text: str, role: Role, is_peer_talk: bool) -> bool:
    """Whether a text tells an assistant how to behave from now on."""
    if is_peer_talk or role not in (Role.USER, Role.SYSTEM) or text.endswith("?"):
        return False
    return bool(_INSTRUCTION.search(text.replace("\u2019", "'")))


def keywords(text: str, count: int = 8) -> tuple[str, ...]:
    """The rarest content words, each once, in order of appearance."""
    distinct = list(dict.fromkeys(lexicon.content_words(text)))
    kept = set(sorted(distinct, key=lambda word: -idf(word))[:count]) if len(distinct) > count else set(distinct)
    return tuple(word for word in distinct if word in kept)
