"""Questions made by rule from talk that has none: a span of a message is asked for, in other words than the message's.

The evidence is known by the making, and a question that other messages answer as well is not kept.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from eval.sets.made.facts import Draft, Fact, Language
from eval.sets.model import Question, Turn

# More messages than this and the question is vague.
MOST_EVIDENCE = 5
# Of one category in one conversation: what the rules find easily must not drown the rest.
MOST_OF_A_CATEGORY = 20
_THIRD_PERSON = 0.25
# Of the questions by day, so many name what the talk was about too.
_BOTH = 0.4
# Frames of things with a name: wherever it stands, the question is answered.
_NAMED = ("title", "recommended")
# What may be asked with no word of the day or the talk, where it is said once or twice.
_PLAIN = (*_NAMED, "place", "action:buy", "action:join")
_DAY, _SEVERAL = "day", "several"


def questions(name: str, turns: Sequence[Turn], person: str, language: Language, seed: int) -> tuple[Question, ...]:
    """The questions of a conversation of `person` with an assistant; the same seed gives the same ones."""
    rng = random.Random(f"{seed}:{name}")
    drafts = [
        *_of_facts(language.facts(turns), turns, person, language, rng),
        *_of_topics(turns, person, language, rng),
        *language.replies(turns, person, rng),
    ]
    asked_at = max(turn.occurred_at for turn in turns).replace(hour=23, minute=59)
    return tuple(
        Question(
            f"{name}:{place}", draft.text, ", ".join(draft.answers) or None, draft.evidence, draft.category, asked_at
        )
        for place, draft in enumerate(_drawn(_sifted(drafts, language), rng))
    )


def _of_facts(
    facts: Sequence[Fact], turns: Sequence[Turn], person: str, language: Language, rng: random.Random
) -> Iterator[Draft]:
    """Each fact is asked for by its day, by a topic, or by neither where few facts are of its frame."""
    asked = set()
    for fact in facts:
        alike = [other for other in facts if other.frame == fact.frame]
        of_day = [other for other in alike if other.turn.session_id == fact.turn.session_id]
        day = language.on_day(fact.turn.occurred_at.date(), rng)
        ways = [(_DAY, day, of_day)]
        if fact.topics:
            topic = rng.choice(sorted(fact.topics))
            of_topic = [other for other in alike if topic in other.topics]
            ways.append((_kind(fact), language.about(topic, rng), of_topic))
            if rng.random() < _BOTH:
                both = [other for other in of_day if topic in other.topics]
                ways[0] = (_DAY, language.about(topic, rng, fact.turn.occurred_at.date()), both)
        if fact.frame.startswith(_PLAIN) and len({other.turn.id for other in alike}) <= 2:
            ways.append((_kind(fact), "", alike))
        for category, when, meant in ways:
            answers = tuple(dict.fromkeys(other.answer for other in meant))
            # Facts that are meant together are asked for once in each way.
            if (fact.frame, category, not when, answers) in asked:
                continue
            asked.add((fact.frame, category, not when, answers))
            evidence = _holding(turns, meant, language)
            if len({other.turn.id for other in meant}) > 1:
                category = _SEVERAL
            third = person if fact.turn.role == "user" and rng.random() < _THIRD_PERSON else None
            yield Draft(language.wording(fact.frame, third, when, rng), answers, evidence, category)


def _of_topics(turns: Sequence[Turn], person: str, language: Language, rng: random.Random) -> Iterator[Draft]:
    """All that a user said of one topic."""
    said = [(turn, language.topics(turn.text)) for turn in turns if turn.role == "user"]
    for topic in sorted(set().union(*(topics for _, topics in said))):
        evidence = tuple(turn.id for turn, topics in said if topic in topics)
        if len(evidence) > 1:
            third = person if rng.random() < _THIRD_PERSON else None
            yield Draft(language.named(topic, third, rng), (), evidence, _SEVERAL)


def _kind(fact: Fact) -> str:
    return fact.frame.split(":")[0]


def _holding(turns: Sequence[Turn], meant: Sequence[Fact], language: Language) -> tuple[str, ...]:
    """The messages with one of the spans; none where a span that is no name stands in the talk of other days too."""
    found = [turn for turn in turns if any(language.holds(turn.text, fact.answer) for fact in meant)]
    days = {fact.turn.session_id for fact in meant}
    if _kind(meant[0]) not in _NAMED and any(turn.session_id not in days for turn in found):
        return ()
    return tuple(turn.id for turn in found)


def _sifted(drafts: Sequence[Draft], language: Language) -> list[Draft]:
    """One draft of each text, its evidence few, its answers not in it. Two of one text whose evidence differs are both
    left out: which was meant cannot be told.
    """
    found: dict[str, Draft | None] = {}
    for draft in drafts:
        if not 0 < len(draft.evidence) <= MOST_EVIDENCE:
            continue
        if any(language.holds(draft.text, answer) for answer in draft.answers):
            continue
        other = found.get(draft.text, draft)
        found[draft.text] = draft if other is not None and set(other.evidence) == set(draft.evidence) else None
    return [draft for draft in found.values() if draft is not None]


def _drawn(drafts: Sequence[Draft], rng: random.Random) -> list[Draft]:
    """So many of each category, in the order in which they were made."""
    places: dict[str, list[int]] = {}
    for place, draft in enumerate(drafts):
        places.setdefault(draft.category, []).append(place)
    kept = {
        place
        for category in sorted(places)
        for place in rng.sample(places[category], min(len(places[category]), MOST_OF_A_CATEGORY))
    }
    return [draft for place, draft in enumerate(drafts) if place in kept]
