"""An answer as it is given, with what it stands in; and those for which no model is asked: a memory word for word, or
that nothing was found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from memsvc.domain.context import Context, Memory, Passage
from memsvc.domain.past_answer import key
from memsvc.domain.plan import Plan
from memsvc.domain.served import line
from memsvc.retrieval.support import FIRST, Support
from memsvc.services.grounding import asks
from memsvc.services.past_answers import Reused
from memsvc.services.recall import Served

# Of a quote of several statements; beyond it the best stands alone.
_MOST_CHARS = 600
BY_MODEL = ("episode_cache", "text")
NOTHING = "Nothing was found that answers this."


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """`citations` are the passages in which the answer stands; of words that are not grounded those that it names, or
    the one that it was made from when it names none. `path`: the model's words, over what it had read ahead or not;
    words that it gave before, to the question of `reused`; a memory word for word; or that nothing was found that
    answers. One that is not whole was cut off at a limit.
    """

    seq: int
    text: str
    citations: tuple[Passage, ...]
    path: Literal["episode_cache", "text", "reused", "quote", "abstain"]
    abstained: bool
    support: Support
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    timings_ms: dict[str, float]
    plan: Plan | None = None
    reused: Reused | None = None
    is_whole: bool = True


def cited(context: Context, numbers: Sequence[int], text: str, abstained: bool) -> tuple[Passage, ...]:
    """The passages of these numbers; without numbers the one that has most of the answer's words."""
    if abstained:
        return ()
    named = tuple(context.passages[number - 1] for number in numbers if 0 < number <= len(context.passages))
    if named:
        return named
    words = {word.strip(".,;:!?()'\"").lower() for word in text.split()} - {""}

    def shared(passage: Passage) -> int:
        return len(words & {word.strip(".,;:!?()'\"").lower() for word in passage.text.split()})

    best = max(context.passages, key=shared, default=None)
    return (best,) if best is not None and shared(best) else ()


def quoted(served: Served, answerable: float) -> Answered:
    """The best memory that likely answers, word for word, with what else of its message was taken where that is short:
    "She is nine!" needs what was said before it. A question answers nothing, however near it is: it is passed over, and
    where none of the first memories is left, nothing was found.
    """
    for place, memory in enumerate(served.memories[:FIRST]):
        # A message that is kept verbatim has no number of its own; the first has that of all.
        likely = served.likely.get(memory.unit_id or "", served.support.answerable if place == 0 else 0.0)
        if likely >= answerable and not asks(memory.text):
            passage = next((passage for passage in served.context.passages if holds(passage, memory)), None)
            if passage is not None:
                text = passage.text if len(passage.text) <= _MOST_CHARS else line(memory.text)
                return Answered(
                    served.seq, text, (passage,), "quote", False, served.support, 0, 0, 0, served.timings_ms
                )
    return unknown(served)


def holds(passage: Passage, memory: Memory) -> bool:
    """Whether a memory was packed into this passage; one that did not fit into the budget is in none."""
    if memory.unit_id is not None:
        return memory.unit_id in passage.unit_ids
    return passage.unit_id is None and passage.sources == memory.sources


def keys(passages: Sequence[Passage], memories: Sequence[Memory]) -> tuple[str, ...]:
    """The memories in these passages; none where a passage holds none that was found for the question, so that nobody
    could tell later whether it still stands.
    """
    of = [[key(memory) for memory in memories if holds(passage, memory)] for passage in passages]
    return tuple(dict.fromkeys(name for names in of for name in names)) if all(of) else ()


def unknown(served: Served) -> Answered:
    """Nothing is remembered that could answer."""
    return Answered(served.seq, NOTHING, (), "abstain", True, served.support, 0, 0, 0, served.timings_ms)
