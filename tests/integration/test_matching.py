"""A condition on metadata is read once, and then only what came since."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from memsvc.bootstrap import Service
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services.matching import Matching
from memsvc.store import filters, namespaces
from memsvc.wire.questions import RecallFilter

VET: dict[str, JsonValue] = {"app": "vet", "n": [1, {"k": "ü"}]}


def asked(memory: Namespace) -> set[str]:
    found = memory.recall("Which dog?", limit=50, only=RecallFilter(metadata=VET)).results
    return {source.message_id for result in found for source in result.sources}


def numbers(service: Service, memory: Namespace, matching: Matching) -> list[int]:
    with service.database.tenant(service.tenant_id, snapshot=True) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        return [int(number) for number in matching.messages(connection, space, VET)]


def test_what_is_written_or_erased_after_a_condition_was_asked_for_counts(memory: Namespace) -> None:
    memory.add("The first dog is a lurcher.", session_id="s", id="a", metadata=VET | {"more": 1})
    memory.add("The second dog is a whippet.", session_id="s", id="b", metadata={"app": "diary"})
    assert asked(memory) == {"a"}
    memory.add("The third dog is a poodle.", session_id="s", id="c", metadata=VET)
    memory.add("The fourth dog is a beagle.", session_id="t", id="d")
    assert asked(memory) == {"a", "c"}
    memory.erase_part("message", "a")
    assert asked(memory) == {"c"}


def test_a_name_that_is_erased_and_written_again_keeps_nothing_of_before(
    memory: Namespace, client: MemoryClient
) -> None:
    memory.add("The first dog is a lurcher.", session_id="s", id="a", metadata=VET)
    assert asked(memory) == {"a"}
    memory.erase()
    memory.add("The other dog is a whippet.", session_id="s", id="b", metadata={"app": "diary"})
    assert asked(memory) == set()


def test_only_what_came_since_is_read(service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    matching, begun = Matching(), []
    read = filters.messages_with

    def noted(connection: object, space: object, metadata: object, after: int = 0) -> list[int]:
        begun.append(after)
        return read(connection, space, metadata, after)  # type: ignore[arg-type]

    monkeypatch.setattr(filters, "messages_with", noted)
    memory.add("The first dog is a lurcher.", session_id="s", metadata=VET)
    first = numbers(service, memory, matching)
    assert numbers(service, memory, matching) == first
    memory.add("The third dog is a poodle.", session_id="s", metadata=VET)
    both = numbers(service, memory, matching)
    assert both[:1] == first and len(both) == 2
    assert begun[0] == 0 and len(begun) == 2 and begun[1] > first[0]


def test_what_is_kept_of_conditions_is_bounded(service: Service, memory: Namespace, client: MemoryClient) -> None:
    matching = Matching(most=3)
    spaces = [memory, client.namespace(f"{memory.name}-b")]
    for space in spaces:
        for number in range(2):
            space.add(f"Dog number {number} is a lurcher.", session_id="s", metadata=VET)
        assert len(numbers(service, space, matching)) == 2
    assert matching._count == 2 and len(matching._found) == 1
    assert len(numbers(service, spaces[0], matching)) == 2
