"""Whom an erasure by subject takes, and how much at once."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator

import pytest

from memsvc.bootstrap import Service
from memsvc.domain.alias import Naming
from memsvc.domain.exchange import Namespace as Space
from memsvc.domain.selection import By, Selection
from memsvc.sdk import Namespace
from memsvc.services.ingest import NOBODY
from memsvc.store import accesses, namespaces
from memsvc.wire.exchanges import NewExchange, NewMessage

# Each is named in the text: (name, text).
NAMED = [
    ("Étienne", "ÉTIENNE called."),
    ("étienne", "I met Étienne."),
    ("Étienne", "I met E\u0301tienne’s wife."),
    ("E\u0301TIENNE", "(étienne)"),
    ("İbrahim", "I met IBRAHIM and ibrahim."),
    ("IŞIL", "I met Işıl."),
    ("ışıl", "I met IŞIL."),
    ("Strauß", "Herr STRAUSS rief an."),
    ("Анна", "Вчера приехала АННА."),
    ("田中", "昨日田中さんと会った。"),
    ("アナ", "昨日アナさんと会った。"),
    ("민수", "어제 민수가 왔다."),
    ("Ana", "昨日Anaさんと会った。"),
    ("O'Brien", "O’Brien’s dog barks."),
    ("Jean-Luc", "JEAN\u2010LUC is here."),
    ("Ana", "Ana's dog; the Ana-led team."),
    ("Ana Sousa", "I met Ana\n  SOUSA."),
    ("Ana", "An\u00ada and A\u200bna."),
    ("राम", "मैं राम से मिला।"),
]
# Each is somebody or something else.
NOT_NAMED = [
    ("Ana", "Anaïs, Ana\u0131, Banana, Anaís and AnaÏs called."),
    ("Ana", "Anai\u0308s called."),
    ("Ana", "Ana\u0301 called."),
    ("Étienne", "Etienne and Étiennette called."),
    ("Анна", "Вчера приехала Анналена."),
    ("アナ", "アナウンスを聞いた。"),
    ("राम", "मैं रामा से मिला।"),
    ("Ana", "ana_2, Ana2 and 2Ana"),
    ("", "Anything."),
    ("\u200b ", "Anything."),
]


@pytest.mark.parametrize(("name", "text"), NAMED)
def test_a_name_is_found_in_any_spelling_of_it_as_a_whole_word(name: str, text: str) -> None:
    assert Naming([name]).stands_in(text)


@pytest.mark.parametrize(("name", "text"), NOT_NAMED)
def test_a_name_is_not_found_in_another_one(name: str, text: str) -> None:
    assert not Naming([name]).stands_in(text)


def said(memory: Namespace, *texts: tuple[str | None, str]) -> None:
    """Messages m1, m2, … of a session each."""
    for number, (speaker, text) in enumerate(texts, start=1):
        message = NewMessage(id=f"m{number}", role="user", speaker=speaker, content=text)
        memory.write([NewExchange(id=f"e{number}", session_id=f"s{number}", messages=[message])])


def left(memory: Namespace) -> list[str]:
    return [message.id for message in memory.messages()]


def served(memory: Namespace) -> str:
    """All that the service shows of the namespace."""
    units = [unit.model_dump(mode="json") for unit in memory.units()]
    versions = [version.state for unit in memory.units() for version in memory.history(unit.id)]
    return json.dumps([units, versions, [message.content for message in memory.messages()]], ensure_ascii=False)


def test_a_person_is_erased_in_all_spellings_and_nobody_else_is(memory: Namespace, service: Service) -> None:
    said(
        memory,
        ("Étienne", "I play the oboe."),
        ("ÉTIENNE", "I play the harp."),
        ("e\u0301tienne", "I play the lute."),
        ("Ben", "Yesterday ÉTIENNE came by."),
        ("Étiennette", "I play the drums."),
        ("Ben", "Etienne, without the accent, plays chess."),
    )
    done = service.erase.part(service.tenant_id, "test", memory.name, Selection(By.SUBJECT, "étienne"))
    assert (done.erased["message"], done.remaining) == (4, 0)
    assert left(memory) == ["m5", "m6"]
    assert "oboe" not in served(memory)


def test_erasing_ana_leaves_anais(memory: Namespace, service: Service) -> None:
    said(memory, ("Anaïs", "I live in Porto."), ("Ben", "Anaïs likes figs."), ("Ben", "Ana likes dates."))
    done = service.erase.part(service.tenant_id, "test", memory.name, Selection(By.SUBJECT, "Ana"))
    assert (done.erased["message"], done.remaining) == (1, 0)
    assert left(memory) == ["m1", "m2"]


def test_with_a_person_go_its_other_names_in_any_case(memory: Namespace, service: Service) -> None:
    said(memory, ("Ана", "I play the oboe."), ("Ben", "АННА plays well."), ("Ben", "Аннабель plays chess."))
    service.aliases.declare(service.tenant_id, memory.name, "Анна", ["Ана"], writer=NOBODY)
    done = service.erase.part(service.tenant_id, "test", memory.name, Selection(By.SUBJECT, "ана"))
    assert (done.erased["message"], done.erased["alias"], done.remaining) == (2, 1, 0)
    assert left(memory) == ["m3"]


def test_what_a_person_wrote_by_hand_about_the_erased_goes_too(memory: Namespace, service: Service) -> None:
    said(memory, ("Ben", "I have played the violin since 2011."), ("Ben", "I have a dog."))
    unit = next(unit for unit in memory.units() if "violin" in unit.text)
    memory.edit(unit.id, "Étienne has played the violin since 2011.")
    memory.edit(unit.id, "Ben has played the violin since 2011.")
    done = service.erase.part(service.tenant_id, "test", memory.name, Selection(By.SUBJECT, "ÉTIENNE"))
    assert (left(memory), done.remaining) == (["m2"], 0)
    assert "tienne" not in served(memory)


_MANY = 40_000
_FILL = (
    "INSERT INTO session (tenant_id, namespace_id, id) SELECT %(t)s, %(n)s, 's' || x FROM generate_series(1, 2) x",
    "INSERT INTO exchange (tenant_id, namespace_id, id, session_id, content_hash, message_ids, skipped)"
    " SELECT %(t)s, %(n)s, 'e' || x, 's1', '', ARRAY['m' || x], '[]' FROM generate_series(1, %(many)s) x",
    "INSERT INTO message (tenant_id, namespace_id, id, seq, session_id, exchange_id, role, speaker, content, metadata,"
    " occurred_at, content_hash) SELECT %(t)s, %(n)s, 'm' || x, x, 's' || (x %% 2 + 1), 'e' || x, 'user', 'Ana',"
    " 'I row.', '{}', now() + x * interval '1 second', '' FROM generate_series(1, %(many)s) x",
    "INSERT INTO unit (tenant_id, namespace_id, id, seq, exchange_id, session_id, kind, text, core_end, persons,"
    " entities, keywords, topics, artefacts, quantities, t_mention, salience, confidence, tokens, status, version,"
    " distiller, embedding) SELECT %(t)s, %(n)s, 'u' || x, %(many)s + x, 'e' || x, 's1', 'statement', 'Ana rows.', 9, '{Ana}',"
    " '{}', '{row}', '[]', '[]', '[]', now(), 1, 1, 3, 'active', 1, 'rule', '' FROM generate_series(1, %(many)s) x",
    "INSERT INTO unit_source (tenant_id, namespace_id, unit_id, ordinal, message_id, session_id, start_char, end_char)"
    " SELECT %(t)s, %(n)s, 'u' || x, 0, 'm' || x, 's1', 0, 6 FROM generate_series(1, %(many)s) x",
    "INSERT INTO idempotency (tenant_id, namespace_id, key, request_hash, response) SELECT %(t)s, %(n)s, 'k' || x, '',"
    " jsonb_build_object('seq', 1, 'results', jsonb_build_array(jsonb_build_object('messages', ARRAY['m' || x])))"
    " FROM generate_series(1, %(many)s) x",
    "UPDATE namespace SET head = 2 * %(many)s, messages = %(many)s WHERE id = %(n)s",
)


@pytest.fixture
def full(memory: Namespace, service: Service) -> Iterator[Space]:
    """A namespace of 40,000 messages in two sessions, each with a unit, an exchange and a kept reply."""
    fresh = Space(service.tenant_id, uuid.uuid4(), memory.name, 0, service.encoder.name)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.lock(connection, fresh)
    assert service.postgres is not None
    with service.postgres._superuser("memsvc") as connection:
        connection.execute("SET session_replication_role = replica")  # no check of each row's keys
        for statement in _FILL:
            connection.execute(statement, {"t": space.tenant_id, "n": space.id, "many": _MANY})
        connection.execute("ANALYZE")
    yield space
    memory.erase()  # its jobs with it


@pytest.mark.slow
@pytest.mark.parametrize("selection", [Selection(By.SUBJECT, "Ana"), Selection(By.SESSION, "s1")])
def test_forty_thousand_messages_are_erased_at_once(
    full: Space, memory: Namespace, service: Service, selection: Selection
) -> None:
    done = service.erase.part(service.tenant_id, "test", full.name, selection)
    expected = _MANY if selection.by is By.SUBJECT else _MANY // 2
    assert (done.erased["message"], done.remaining) == (expected, 0)
    assert done.erased["idempotency"] == expected
    assert memory.stats().messages == _MANY - expected


@pytest.mark.slow
def test_the_recalls_of_forty_thousand_units_are_counted_at_once(full: Space, service: Service) -> None:
    noted = {f"u{number}": number for number in range(1, _MANY + 1)}
    with service.database.tenant(service.tenant_id) as connection:
        for _ in range(2):
            accesses.add(connection, full, noted, dt.datetime.now(dt.UTC))
        counted = accesses.of(connection, full)
    assert len(counted) == _MANY and counted["u7"][0] == 14
