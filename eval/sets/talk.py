"""Talk that is made up, the same at every run: plain lines, and sessions of several people with many rare words."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from functools import cache

from memsvc.sdk import NewExchange, NewMessage

SPEAKERS = ("Ana", "Bruno", "Carla", "Deniz", "Erik", "Fatima", "Goran", "Hana")
MATTERS = ("home", "work", "travel", "family", "health")
BEGUN = dt.datetime(2024, 5, 8, 9, tzinfo=dt.UTC)
SESSION = 25
_SEED = 7
_WORDS = 4_000
_SUBJECTS = ["my sister", "the landlord", "our team", "a neighbour", "the vet", "my manager", "the choir"]
_VERBS = ["bought", "repaired", "lost", "painted", "ordered", "borrowed", "sold", "cleaned", "found", "wrapped"]
_THINGS = [
    "bicycle", "kettle", "notebook", "violin", "tent", "lamp", "camera", "sofa", "ticket", "garden chair", "radio",
    "map", "coat", "ladder",
]  # fmt: skip
_PLACES = ["Lisbon", "Porto", "Berlin", "Oslo", "the market", "the library", "the station", "the harbour", "Ghent"]
# Capital N, P: a made-up name; w, v: made-up words; s, d, t, p: subject, verb, thing, place.
_LINES = (
    "Yesterday {s} {d} the {w} {t} in {p}, and I {d} a {v} for {n} euros.",
    "I have been to {N} with {s}; the {w} there was worth the {n} minutes by train.",
    "My favourite {w} is the one from {N}, I prefer it to any {v}.",
    "Could you remind me to call {N} about the {w} next Tuesday?",
    "{N} moved from {P} to {p} in spring and works as a {w} teacher now.",
    "We are planning a {w} for {s}, with {n} guests and a lot of {v}.",
    "I am allergic to {w}, so please never order the {v} again.",
    "The {t} broke, {s} says that the {w} inside costs {n} euros.",
    "Did you hear that {N} {d} the {w}? I saw it in {p}.",
    "I started learning {w} last month and practise {n} minutes a day.",
    "Our {w} meeting was put off because {N} was ill; the {v} is due on Friday.",
    "She reads everything that {N} writes about {w}, above all the one on {v}.",
    "I love the {w} at {P}, we go there every Sunday after the {v}.",
    "My doctor changed the {w} to {n} milligrams, and told me to avoid {v}.",
    "They want to rent the flat near {P}: {n} square metres, with a {w} in the yard.",
    "Nothing beats {w} with {v} when it rains in {p}.",
)
_REPLIES = (
    "That sounds good. For the {w} you could ask {N}, who {d} one in {p}. A {v} costs about {n} euros there. Shall I "
    "note the date?",
    "Noted: the {w} with {N}. The {v} near {P} opens at nine, and the {t} can be had for {n} euros.",
    "You could compare three things: the {w}, its {v}, and how far {P} is. {N} would be the one to ask.",
)


def texts(count: int) -> Iterator[str]:
    """Lines of one form that can be told apart by their numbers."""
    chooser = random.Random(_SEED)
    for number in range(count):
        pick: Callable[[list[str]], str] = chooser.choice
        yield (
            f"Yesterday {pick(_SUBJECTS)} {pick(_VERBS)} the {pick(_THINGS)} in {pick(_PLACES)}, and I {pick(_VERBS)} "
            f"a {pick(_THINGS)} for {chooser.randrange(5, 900)} euros, order {number}."
        )


@cache
def vocabulary() -> tuple[str, ...]:
    """Words that no language has, the commonest first."""
    chooser = random.Random(_SEED)
    found: dict[str, None] = {}
    while len(found) < _WORDS:
        syllables = chooser.choice((2, 3, 3, 4))
        found["".join(chooser.choice("bdfgklmnprstvz") + chooser.choice("aeiou") for _ in range(syllables))] = None
    return tuple(found)


class Talk:
    """Lines, questions and sessions by chance, each series by its own seed; words are as frequent as Zipf has them."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{_SEED}-{seed}")
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(_WORDS)))

    def line(self, *, reply: bool = False) -> str:
        return self._filled(self._chance.choice(_REPLIES if reply else _LINES))

    def question(self) -> str:
        form = self._chance.choice(
            (
                "Who {d} the {w}?",
                "What did {N} say about the {w}?",
                "Where is the {w} with {v}?",
                "When was the {w} in {p}?",
            )
        )
        return self._filled(form)

    def sessions(self, messages: int) -> Iterator[NewExchange]:
        """An exchange a session, a session a day: two of three between two people, the others with an assistant."""
        for number, start in enumerate(range(0, messages, SESSION)):
            pair = self._chance.sample(SPEAKERS, 2)
            assisted = number % 3 == 2
            begun = BEGUN + dt.timedelta(days=number)
            said = []
            for place in range(min(SESSION, messages - start)):
                reply = assisted and place % 2 == 1
                said.append(
                    NewMessage(
                        id=f"m{start + place}",
                        role="assistant" if reply else "user",
                        speaker=None if reply else pair[0 if assisted else place % 2],
                        content=self.line(reply=reply),
                        occurred_at=begun + dt.timedelta(minutes=place),
                        metadata={"matter": MATTERS[number % len(MATTERS)]},
                    )
                )
            yield NewExchange(id=f"x{number}", session_id=f"s{number}", messages=said)

    def _filled(self, form: str) -> str:
        pick = self._chance.choice
        return form.format(
            s=pick(_SUBJECTS), d=pick(_VERBS), t=pick(_THINGS), p=pick(_PLACES), n=self._chance.randrange(5, 900),
            w=self._word(), v=self._word(), N=self._word().capitalize(), P=self._word().capitalize(),
        )  # fmt: skip

    def _word(self) -> str:
        return self._chance.choices(vocabulary(), cum_weights=self._weights)[0]
