from __future__ import annotations

import pytest

from memsvc.sdk import Invalid, Namespace
from memsvc.wire.records import Condition

ODD = ("a/b", "..", "ü ", "'; DROP TABLE record; --")


def test_a_record_is_read_back_as_it_was_written_under_any_name(memory: Namespace) -> None:
    value = {"b": [1, 2.5, None, {"deep": "ß"}], "a": True}
    first = memory.put_record(ODD, "k/..", value)
    again = memory.record(ODD, "k/..")
    assert again is not None
    assert again.value == value
    second = memory.put_record(ODD, "k/..", {"new": 1})
    assert (second.created_at, second.value) == (first.created_at, {"new": 1})
    assert memory.record(ODD[:2], "k/..") is None
    assert memory.delete_record(ODD, "k/..") is True
    assert memory.delete_record(ODD, "k/..") is False
    assert memory.record(ODD, "k/..") is None


def test_records_are_found_by_meaning_within_their_prefix(memory: Namespace) -> None:
    memory.put_record(["users", "ana"], "pet", {"n": 1}, text="Ana keeps a tortoise at home")
    memory.put_record(["users", "ana"], "job", {"n": 2}, text="Ana repairs violins for a living")
    memory.put_record(["users", "ben"], "pet", {"n": 3}, text="Ben has a parrot")
    memory.put_record(["users", "ana"], "bare", {"n": 4})
    found = memory.search_records(["users", "ana"], query="Which animal does she have?").records
    assert [record.key for record in found] == ["pet", "job", "bare"]
    assert found[0].score is not None
    assert found[1].score is not None
    assert found[0].score > found[1].score
    assert found[2].score is None
    assert [r.key for r in memory.search_records(["users", "ana"], query="animal", limit=1, offset=1).records] == [
        "job"
    ]
    assert [r.value["n"] for r in memory.search_records(["users"]).records] == [4, 3, 2, 1]
    assert memory.search_records(["user"]).records == []
    assert memory.record_paths() == [["users", "ana"], ["users", "ben"]]


def test_conditions_compare_values_of_one_type(memory: Namespace) -> None:
    for key, value in {"a": 1, "b": 2, "c": 10, "d": "10", "e": None, "f": [1], "g": True}.items():
        memory.put_record(["p"], key, {"x": value})
    memory.put_record(["p"], "h", {})

    def keys(*conditions: Condition) -> str:
        return "".join(sorted(r.key for r in memory.search_records(["p"], conditions=conditions).records))

    def on(operator: str, operand: object) -> Condition:
        return Condition.model_validate({"field": "x", "operator": operator, "operand": operand})

    assert keys(on("eq", 10)) == "c"
    assert keys(on("eq", [1])) == "f"
    assert keys(on("eq", None)) == "e"
    assert keys(on("ne", 10)) == "abdefgh"
    assert keys(on("gt", 1)) == "bc"
    assert keys(on("gte", 2), on("lt", 10)) == "b"
    assert keys(on("lte", "99")) == "d"


def test_records_are_erased_with_their_namespace_and_bad_ones_are_refused(memory: Namespace) -> None:
    memory.put_record(["p"], "k", {"x": 1})
    assert memory.erase().erased["record"] == 1
    assert memory.record(["p"], "k") is None
    for value in ({"x": "a\x00"}, {"x\x00": 1}, {"x": float("nan")}, {"x": "y" * 1_000_001}):
        with pytest.raises(ValueError, match="must"):
            memory.put_record(["p"], "k", value)
    with pytest.raises(ValueError, match="key"):
        memory.put_record(["p"], "", {})
    with pytest.raises(Invalid):
        memory.client.namespace("no way").put_record(["p"], "k", {})
