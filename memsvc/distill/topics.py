"""Where a unit belongs: files it names, the work that is done, else its rarest words as concepts.

The three types are the rooms of Structured Distillation: file, workflow, concept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memsvc.distill import information
from memsvc.domain.unit import Artefact, Topic

_WORKFLOWS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(rf"\b(?:{cues})\b", re.IGNORECASE))
    for name, cues in (
        ("debugging", r"debug\w*|traceback|stack ?trace|bug(?:s|fix\w*)?|(?:crash|fail)(?:ed|es|s)? (?:with|on|in|at)"),
        ("testing", r"unit tests?|test suite|pytest|jest|test cases?|regression tests?"),
        ("deployment", r"deploy\w*|rollout|kubernetes|docker\w*|ci/cd|release (?:pipeline|process)"),
        ("review", r"code review|pull requests?|merge requests?|reviewed (?:my|the|your) (?:code|pr|draft)"),
        ("refactoring", r"refactor\w*"),
        ("migration", r"migrat(?:e|ed|ing|ion|ions) (?:to|from|the|our|my)|database migrations?"),
        ("configuration", r"configur\w+|set ?up|install(?:ed|ing|ation)?"),
        ("scheduling", r"deadlines?|schedul\w+|calendar|appointments?|milestones?"),
        ("budgeting", r"budget\w*|expenses?|savings"),
        ("travel", r"flights?|itinerar\w+|road ?trip|book(?:ed|ing) (?:a |the )?(?:hotel|flight|trip)"),
    )
)  # fmt: skip


def find(text: str, found: Sequence[Artefact], words: Sequence[str]) -> tuple[Topic, ...]:
    """At most three: the files first, then a workflow, then concepts."""
    topics = [Topic("file", artefact.value, 1.0) for artefact in found if artefact.type == "path"][:3]
    topics += [Topic("workflow", name, 0.7) for name, cue in _WORKFLOWS if cue.search(text)][:1]
    rare = sorted(words, key=lambda word: -information.idf(word))[:2]
    topics += [Topic("concept", word, 0.5) for word in rare]
    return tuple(topics[:3])
