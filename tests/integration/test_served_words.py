"""What is served holds what matched, and statements of one message stand together."""

from __future__ import annotations

from memsvc.sdk import Namespace

POINTS = [f"Point {n} concerns the {word} of the old harbour and its keeper." for n, word in enumerate(
    "anchors barges cranes divers engines ferries gulls hawsers islands jetties keels lanterns masts nets oars".split()
)]  # fmt: skip
HIDDEN = "You may also go and look at the zoo, then."


def test_a_message_found_by_a_sentence_that_is_in_no_statement_is_served_with_that_sentence(memory: Namespace) -> None:
    reply = " ".join([*POINTS, HIDDEN, *reversed(POINTS)])
    memory.write([{"session_id": "s", "messages": [{"id": "m", "role": "assistant", "content": reply}]}])
    memory.add("The ferry was late again.", session_id="t", speaker="Ana")
    if any("zoo" in unit.text for unit in memory.units()):
        raise AssertionError("the reply must be longer: the sentence has a statement of its own")
    found = next(one for one in memory.recall("May I go to the zoo?").results if one.sources[0].message_id == "m")
    assert "zoo" in found.text
    assert found.unit_id is None
    assert "zoo" in memory.context("May I go to the zoo?").text


def test_statements_of_one_message_stand_behind_one_number_and_speaker(memory: Namespace) -> None:
    memory.add("I live in Madrid with Karl. My cat is called Miso. Lunch was fine.", session_id="s", speaker="Ana")
    memory.add("I keep bees.", session_id="t", speaker="Ben")
    served = memory.context("Where does Ana live, and what is her cat called?", budget_tokens=200)
    line = next(line for line in served.text.splitlines() if "Madrid" in line)
    assert "Miso" in line
    assert line.count("Ana:") == 1
    passage = next(passage for passage in served.passages if "Madrid" in passage.text)
    assert len(passage.unit_ids) >= 2
    assert passage.unit_id in passage.unit_ids
    assert len({source.message_id for source in passage.sources}) == 1
