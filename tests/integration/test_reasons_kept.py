"""How long a reason stands: while both units do with these words, and no longer anywhere than what was said."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.sdk import Namespace
from memsvc.sdk.errors import MemsvcClientError
from memsvc.services import consolidate
from memsvc.store import tables
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.integration.test_connecting import (
    DRIVE,
    MOVED,
    REASONS,
    RIDES,
    SAID,
    all_reasons,
    connected,
    connects,
    reasons_of,
    told,
    unit_of,
)
from tests.integration.test_consolidation import run as consolidated
from tests.integration.test_consolidation import say
from tests.integration.test_erasure import rows_with
from tests.integration.test_verdicts import space_of
from tests.unit.models.test_generator import Endpoint

OF_RIDES, OF_DRIVE = REASONS[frozenset((MOVED, RIDES))], REASONS[frozenset((MOVED, DRIVE))]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    server.behave = connects()
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def linked(service: Service, memory: Namespace, endpoint: Endpoint) -> Namespace:
    for number, said in enumerate(SAID):
        message = NewMessage(id=f"m{number}", role="user", speaker="Ana", content=said)
        memory.write([NewExchange(session_id=f"s{number}", messages=[message])])
    consolidated(service, memory)
    connected(service, memory, endpoint)
    assert all_reasons(memory) == {OF_RIDES, OF_DRIVE}
    return memory


def stored(service: Service, memory: Namespace) -> list[str]:
    """The ids of all units that a row says something of."""
    with service.database.tenant(service.tenant_id) as connection:
        rows = connection.execute(
            sa.select(tables.reason).where(*tables.within(tables.reason, space_of(service, memory)))
        )
        return [end for row in rows for end in (row.src, row.dst)]


def sealed(lines: list[Any]) -> bytes:
    """A file of these lines, with its end."""
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    last = {"rows": len(lines) - 1, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(last).encode() + b"\n"


@pytest.mark.parametrize(
    "leave",
    [
        lambda memory, unit: memory.edit(unit, "Ana's cat Miso loves long car rides."),
        lambda memory, unit: memory.invalidate(unit),
        lambda memory, unit: memory.quarantine("message", "m1"),
        lambda memory, unit: memory.erase_unit(unit),
        lambda memory, unit: memory.erase_part("message", "m1"),
    ],
    ids=["edited", "put away", "quarantined", "erased", "erased with its message"],
)
def test_what_has_other_words_or_stands_no_more_has_no_reason_and_the_others_keep_theirs(
    service: Service, linked: Namespace, leave: Callable[[Namespace, str], object]
) -> None:
    rides = unit_of(linked, RIDES)
    assert rides in stored(service, linked)
    leave(linked, rides)
    assert OF_RIDES not in all_reasons(linked)
    assert rides not in stored(service, linked)
    consolidated(service, linked)
    assert all_reasons(linked) <= {OF_DRIVE}


def test_what_is_superseded_has_no_reason(service: Service, memory: Namespace, endpoint: Endpoint) -> None:
    live, harbour = "I live in Oslo.", "Oslo has an old harbour."
    for day, said in enumerate((live, harbour)):
        say(memory, said, day)
    consolidated(service, memory)
    endpoint.behave = connects(lambda note, other: "Ana lives in Oslo, which has an old harbour.")
    assert connected(service, memory, endpoint)["linked"] == 1
    first = unit_of(memory, live)
    assert reasons_of(memory, first)
    say(memory, "I live in Porto.", 9)
    consolidated(service, memory)
    assert (memory.unit(first).status, reasons_of(memory, first)) == ("superseded", [])
    assert first not in stored(service, memory)


def test_what_got_other_words_is_asked_about_again(service: Service, linked: Namespace, endpoint: Endpoint) -> None:
    rides = unit_of(linked, RIDES)
    linked.edit(rides, "Ana: My cat Miso hates tunnels.")
    before = len(endpoint.requests)
    endpoint.behave = connects(
        lambda note, other: "Miso hates tunnels and moved to Oslo." if "tunnels" in note + other else None
    )
    assert connected(service, linked, endpoint)["linked"] == 1
    assert all("tunnels" in str(told(body)) for body in endpoint.requests[before:])
    assert {link.reason for link in reasons_of(linked, rides)} == {"Miso hates tunnels and moved to Oslo."}


def test_no_word_of_an_erased_message_is_left_in_a_reason(
    service: Service, memory: Namespace, endpoint: Endpoint
) -> None:
    word = f"zyxo{uuid.uuid4().hex[:8]}"
    for number, said in enumerate((MOVED, f"My cat Miso hates rides in the {word}.")):
        message = NewMessage(id=f"m{number}", role="user", speaker="Ana", content=said)
        memory.write([NewExchange(session_id=f"s{number}", messages=[message])])
    consolidated(service, memory)
    endpoint.behave = connects(lambda note, other: f"Miso, who moved to Oslo, hates rides in the {word}.")
    assert connected(service, memory, endpoint)["linked"] == 1
    assert rows_with(service, service.tenant_id, word)["reason"] == 1
    receipt = memory.erase_part("message", "m1")
    assert (receipt.remaining, receipt.erased["reason"]) == (0, 1)
    assert rows_with(service, service.tenant_id, word) == {}


def test_reasons_are_erased_with_their_namespace(service: Service, linked: Namespace) -> None:
    receipt = linked.erase()
    assert (receipt.remaining, receipt.erased["reason"] >= 2) == (0, True)


def test_a_copy_has_the_reasons_and_is_not_asked_again(service: Service, linked: Namespace, endpoint: Endpoint) -> None:
    copy = linked.client.namespace(f"{linked.name}-copy")
    copy.load(linked.export())
    assert all_reasons(copy) == all_reasons(linked)
    assert sorted(stored(service, copy)) == sorted(stored(service, linked))
    calls = len(endpoint.requests)
    assert connected(service, copy, endpoint) == {"model": "probe"}
    assert len(endpoint.requests) == calls
    consolidated(service, copy, consolidate.REBUILD_KIND)
    assert all_reasons(copy) == all_reasons(linked)


@pytest.mark.parametrize(
    ("table", "field", "value", "wrong"),
    [
        ("reason", "src", "u_nobody", "names what is not in the file"),
        ("reason", "dst", "u_nobody", "names what is not in the file"),
        ("reason", "text", "two\nlines", "not valid"),
        ("reason", "prompt_version", -1, "not valid"),
        ("link", "kind", "related", "not valid"),
    ],
)
def test_an_import_takes_no_reason_that_none_could_have_told(
    linked: Namespace, table: str, field: str, value: object, wrong: str
) -> None:
    lines = [json.loads(line) for line in linked.export().splitlines()[:-1]]
    next(line for line in lines if line.get("table") == table)["row"][field] = value
    with pytest.raises(MemsvcClientError, match=wrong):
        linked.client.namespace(f"{linked.name}-copy").load(sealed(lines))


def test_a_reason_told_of_other_words_is_shown_to_nobody(linked: Namespace) -> None:
    lines = [json.loads(line) for line in linked.export().splitlines()[:-1]]
    for line in lines:
        if line.get("table") == "reason":
            line["row"]["digest"] = "0" * 64
    copy = linked.client.namespace(f"{linked.name}-copy")
    copy.load(sealed(lines))
    assert all_reasons(copy) == set()


def test_a_secret_in_a_reason_is_hidden_where_it_is_shown(
    service: Service, memory: Namespace, endpoint: Endpoint
) -> None:
    for day, said in enumerate(("The password of my account in Oslo is hunter2-Xy77.", "I opened an account in Oslo.")):
        say(memory, said, day)
    consolidated(service, memory)
    endpoint.behave = connects(lambda note, other: "The account opened in Oslo has the password hunter2-Xy77.")
    assert connected(service, memory, endpoint)["linked"] == 1
    memory.set_secrets("mask")
    (reason,) = all_reasons(memory)
    assert reason == f"The account opened in Oslo has the password {'*' * len('hunter2-Xy77')}."
