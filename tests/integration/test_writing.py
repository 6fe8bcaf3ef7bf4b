from __future__ import annotations

import datetime as dt

import httpx
import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.sdk import Conflict, Invalid, MemoryClient, Namespace, NewExchange, NewMessage, NotFound


def session(number: int, *contents: str, exchange: str | None = None) -> NewExchange:
    messages = [NewMessage(id=f"s{number}-{n}", role="user", speaker="Ana", content=c) for n, c in enumerate(contents)]
    return NewExchange(id=exchange, session_id=f"s{number}", messages=messages)


def test_everything_of_a_message_comes_back_word_for_word(memory: Namespace) -> None:
    when = dt.datetime(1999, 12, 31, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=9)))
    content = "  Two\n\tlines, \u202eright to left\u202c, \U0001f600 and \u6771\u4eac.  "
    memory.add(
        content, session_id="s", id="D1:1", role="tool", speaker="\u00c5sa", occurred_at=when, caption="a bowl",
        metadata={"a": [1, 2.5, None, {"b": "c"}], "big": 10**30},
    )  # fmt: skip
    said = memory.message("D1:1")
    assert (said.content, said.role, said.speaker, said.caption) == (content, "tool", "\u00c5sa", "a bowl")
    assert said.occurred_at == when
    assert said.metadata == {"a": [1, 2.5, None, {"b": "c"}], "big": 10**30}


def test_a_write_is_found_by_the_next_recall_with_its_source(memory: Namespace) -> None:
    memory.add("The spare key is under the blue flowerpot.", session_id="s", id="m1", speaker="Ana")
    (result,) = memory.recall("Where is the spare key?").results
    assert result.sources[0].message_id == "m1"
    assert result.unit_id is not None
    unit = memory.unit(result.unit_id)
    (source,) = unit.sources
    assert memory.message("m1").content[source.start : source.end] == "The spare key is under the blue flowerpot."


def test_a_message_without_a_unit_is_listed_as_skipped_and_still_found(memory: Namespace) -> None:
    memory.add("I bought a red canoe.", session_id="s", speaker="Ben", id="m0")
    written = memory.add("Wow, awesome!", session_id="s", speaker="Ana", id="m1")
    assert [(skip.message_id, skip.reason) for skip in written.skipped] == [("m1", "phatic")]
    found = [r for r in memory.recall("awesome").results if r.sources[0].message_id == "m1"]
    assert [(r.unit_id, r.kind, r.text) for r in found] == [(None, "message", "Ana: Wow, awesome!")]


def test_the_same_ids_again_are_duplicates_and_store_nothing(memory: Namespace) -> None:
    batch = [session(1, "I moved to Oslo.", "I have two cats.", exchange="e1")]
    first = memory.write(batch)
    again = memory.write(batch)
    assert again.seq == first.seq
    assert again.results[0].duplicate
    assert again.results[0].units == first.results[0].units
    assert len(list(memory.messages())) == 2


def test_a_session_sent_again_with_more_messages_adds_only_the_new_ones(memory: Namespace) -> None:
    memory.write([session(1, "I moved to Oslo.")])
    grown = memory.write([session(1, "I moved to Oslo.", "I have two cats.")]).results[0]
    assert [(skip.message_id, skip.reason) for skip in grown.skipped] == [("s1-0", "duplicate")]
    assert [message.content for message in memory.messages()] == ["I moved to Oslo.", "I have two cats."]


@pytest.mark.parametrize("exchange", ["e1", None])
def test_the_same_id_with_other_content_is_a_conflict_and_nothing_of_the_batch_is_stored(
    memory: Namespace, exchange: str | None
) -> None:
    memory.write([session(1, "I moved to Oslo.", exchange=exchange)])
    with pytest.raises(Conflict, match="other content"):
        memory.write([session(2, "A new session."), session(1, "I moved to Rome.", exchange=exchange)])
    assert [message.content for message in memory.messages()] == ["I moved to Oslo."]


def test_an_id_twice_in_one_batch_is_stored_once_or_a_conflict(memory: Namespace) -> None:
    memory.write([session(1, "One."), session(1, "One.")])
    assert len(list(memory.messages())) == 1
    with pytest.raises(Conflict):
        memory.write([session(2, "One."), session(2, "Two.")])


def test_an_idempotency_key_replays_its_reply_and_refuses_another_request(memory: Namespace) -> None:
    batch = [{"session_id": "s", "messages": [{"role": "user", "content": "No ids here."}]}]
    first = memory.write(batch, idempotency_key="k1")
    assert memory.write(batch, idempotency_key="k1") == first
    assert len(list(memory.messages())) == 1
    with pytest.raises(Conflict, match="Idempotency-Key"):
        memory.write([{"session_id": "s", "messages": [{"role": "user", "content": "Other."}]}], idempotency_key="k1")


def test_messages_are_paged_in_the_order_they_were_stored(memory: Namespace) -> None:
    for number in range(7):
        memory.add(f"Message number {number}.", session_id=f"s{number % 2}", id=f"m{number}")
    assert [message.id for message in memory.messages(page_size=3)] == [f"m{number}" for number in range(7)]


def test_relative_dates_are_resolved_against_the_day_of_the_message(memory: Namespace) -> None:
    when = dt.datetime(2023, 5, 8, 13, tzinfo=dt.UTC)
    memory.add("I went to the dentist yesterday.", session_id="s", speaker="Ana", occurred_at=when)
    (result,) = memory.recall("dentist").results
    assert result.t_mention == when
    assert result.t_start == dt.datetime(2023, 5, 7, tzinfo=dt.UTC)
    assert "7 May 2023" in result.text


def test_erasing_counts_what_it_erased_and_leaves_nothing(memory: Namespace, service: Service) -> None:
    memory.write([session(1, "I moved to Oslo.", "I have two cats.")])
    receipt = memory.erase()
    assert receipt.erased["message"] == 2
    assert receipt.erased["unit"] == 2
    assert receipt.remaining == 0
    with pytest.raises(NotFound):
        memory.recall("Oslo")
    memory.add("Something new.", session_id="s", id="s1-0")
    assert [result.text for result in memory.recall("Oslo cats new").results] == ["User: Something new."]


def test_job_rows_are_written_with_the_data(memory: Namespace, service: Service) -> None:
    memory.add("I moved to Oslo.", session_id="s")
    with service.database.tenant(service.tenant_id) as connection:
        query = sa.text(
            "SELECT job.kind, job.state FROM job JOIN namespace n ON n.id = job.namespace_id WHERE n.name = :name"
        )
        assert set(connection.execute(query, {"name": memory.name}).all()) == {
            ("consolidate", "queued"),
            ("contexts", "queued"),
        }


def test_a_write_into_a_namespace_of_another_encoder_is_refused_and_recall_goes_by_words(
    memory: Namespace, service: Service
) -> None:
    memory.add("I moved to Oslo.", session_id="s")
    with service.database.tenant(service.tenant_id) as connection:
        connection.execute(sa.text("UPDATE namespace SET encoder = 'other' WHERE name = :n"), {"n": memory.name})
    with pytest.raises(Conflict, match="MEMSVC_ENCODER_MODEL=other"):
        memory.add("I moved to Porto.", session_id="s")
    found = memory.recall("Oslo")
    assert "Oslo" in found.results[0].text
    assert found.degraded is not None


def test_the_sdk_refuses_what_the_service_would(memory: Namespace, client: MemoryClient, base_url: str) -> None:
    with pytest.raises(Invalid):
        client.namespace("no spaces allowed").recall("x")
    assert httpx.get(f"{base_url}/readyz").json()["status"] == "ready"
