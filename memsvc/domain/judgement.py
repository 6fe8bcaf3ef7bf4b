"""What a language model said of two statements: whether the later one ends the earlier."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of the units `earlier` and `later` while their texts have this `digest`: `replaces` says whether the later one
    ends the earlier, None that nothing the model said could be believed. `judged_by` is the model's name
    with the version of the prompt, which older judgements lack.
    """

    earlier: str
    later: str
    digest: str
    replaces: bool | None
    judged_by: str


def digest(earlier: str, later: str) -> str:
    """Of the texts of two units, in hexadecimal: an edit of either makes another one."""
    return hashlib.sha256(json.dumps([earlier, later]).encode()).hexdigest()
