"""How somebody wants things done ends nothing that is so, and what becomes so ends no wish about something else."""

from __future__ import annotations

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import Namespace
from tests.integration.test_consolidation import run, say

APART = [
    ("I live in Oslo.", "Please always answer me in French."),
    ("I work for Siemens.", "From now on always keep your replies short."),
    ("My sister has two cats.", "Always show prices in euros, please."),
    ("I am allergic to walnuts.", "From now on, never use emojis."),
    ("Our office is in Lyon.", "Never send me reminders before noon."),
    ("Ich wohne in Köln.", "Bitte antworte mir immer auf Englisch."),
    ("Vivo en Sevilla.", "A partir de ahora responde siempre en inglés."),
    ("J'habite à Lille.", "Réponds-moi toujours en anglais, s'il te plaît."),
    ("I live in Oslo.", "I prefer short answers."),
    ("My sister has two cats.", "I like answers with examples best."),
    ("I drive a red van.", "My favourite way to learn is by pictures."),
    ("I prefer tea to coffee.", "I moved to Porto."),
    ("Please keep your answers short.", "I moved to Porto."),
    ("I like short answers with examples.", "I am married now."),
]
CHANGES = [
    ("Always answer me in English.", "From now on always answer me in French."),
    ("I live in Oslo.", "I moved to Porto."),
]


@pytest.mark.parametrize(("earlier", "later"), APART)
def test_both_stand_and_neither_is_in_doubt(service: Service, memory: Namespace, earlier: str, later: str) -> None:
    first, second = say(memory, earlier, 0)[0], say(memory, later, 30)[0]
    run(service, memory)
    assert [memory.unit(unit).status for unit in (first, second)] == ["active", "active"]
    found = {result.unit_id: result for result in memory.recall(earlier).results}
    assert found[first].doubted_by is None
    assert found[first].valid_to is None


@pytest.mark.parametrize(("earlier", "later"), CHANGES)
def test_a_wish_still_ends_a_wish_and_a_home_a_home(
    service: Service, memory: Namespace, earlier: str, later: str
) -> None:
    first, second = say(memory, earlier, 0)[0], say(memory, later, 30)[0]
    run(service, memory)
    assert (memory.unit(first).status, memory.unit(first).superseded_by) == ("superseded", second)
