"""Why a version of a unit came into being, in words that a user reads and that rules look at."""

from __future__ import annotations

from memsvc.domain.unit import Kind
from memsvc.store.decisions import EDITED as EDITED
from memsvc.store.decisions import FORGOTTEN as FORGOTTEN
from memsvc.store.decisions import INVALIDATED as INVALIDATED
from memsvc.store.decisions import RESTORED as RESTORED
from memsvc.store.units import StoredUnit

DISTILLED = "distilled"
DISTILLED_AGAIN = "distilled again"
RUN_OUT = f"{FORGOTTEN}: expired"
# What a person decided is not decided again by a rule.
BY_HAND = (EDITED, INVALIDATED, RESTORED)
_RULES = "rule-"


def judged_by(who: str) -> str:
    """How causes begin where a language model said how two units stand; `who` as a Judgement has it."""
    return f"judged by {who}"


def is_by_rule(stored: StoredUnit) -> bool:
    """Whether the words are still the rule-based distiller's, so that a newer one or a model may write them anew."""
    unit = stored.unit
    if unit.kind is Kind.ABSTRACT or not unit.distiller.startswith(_RULES):
        return False
    return not stored.cause.startswith((*BY_HAND, FORGOTTEN))
