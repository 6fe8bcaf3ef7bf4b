"""Distilling in a running service: versions, sources, statistics, and doing it again."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.distill import build
from memsvc.distill.compose import Depth
from memsvc.sdk import Namespace, NotFound
from memsvc.services import redistil
from memsvc.services.redistil import Redistil
from memsvc.services.work import Lease, Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, namespaces, tables

DAY = dt.datetime(2023, 5, 8, 12, tzinfo=dt.UTC)
QUICK = JobSettings(backoff_s=0.01, attempts=2)
SAID = [
    "Hey! Yesterday I moved to Oslo with my cat Miso. I really love the old harbour there, it is beautiful.",
    "Wow, that is great!",
    "I paid 900 euros for the boat in Porto last week.",
]
WORDS = (
    "anchors barges cranes divers engines ferries gulls hawsers islands jetties keels lanterns masts nets oars pilots "
    "quays ropes sails tides upkeep vaults wharves yards buoys cargo depths eddies fleets gates hulls inlets"
).split()


@pytest.fixture
def talk(memory: Namespace) -> Namespace:
    for session in ("a", "b"):
        messages = [
            {"id": f"{session}{n}", "role": "user", "speaker": "Ana", "content": said} for n, said in enumerate(SAID)
        ]
        memory.write([{"session_id": session, "occurred_at": DAY, "messages": messages}])
    return memory


def run(service: Service, talk: Namespace, kind: str, handler: Any) -> Any:
    """Ask for the job over the table and run it here; its row afterwards."""
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, talk.name)
        assert space is not None
        job_id = jobs.enqueue(connection, space, kind, f"{kind}:{uuid.uuid4()}", {})
    runner = Runner(service.database, {kind: handler}, QUICK)
    for _ in range(200):
        runner.run_due()
        with service.database.tenant(service.tenant_id) as connection:
            job = jobs.find(connection, service.tenant_id, job_id)
        assert job is not None
        if job.state not in ("queued", "running"):
            return job
    raise AssertionError(job)


def redistil_with(service: Service, depth: Depth | None = None) -> Any:
    return Redistil(service.encoder, depth or Depth()).run


def test_sources_give_the_sentences_word_for_word(talk: Namespace) -> None:
    unit = next(unit for unit in talk.units() if "Oslo" in unit.text)
    cited = talk.sources(unit.id)
    assert [source.message_id for source in cited] == ["a0"]
    assert cited[0].text == "Yesterday I moved to Oslo with my cat Miso."
    with pytest.raises(NotFound):
        talk.sources("u_nobody")


def test_stats_count_what_was_said_what_was_left_out_and_the_compression(talk: Namespace) -> None:
    talk.write([{"session_id": "a", "occurred_at": DAY, "messages": [{"id": "a0", "role": "user", "speaker": "Ana", "content": SAID[0]}, {"id": "a9", "role": "user", "content": " "}]}])  # fmt: skip
    stats = talk.stats()
    assert (stats.sessions, stats.exchanges, stats.messages) == (2, 3, 7)
    assert stats.skipped["phatic"] == 4
    assert stats.skipped["empty"] == 1
    assert stats.skipped["duplicate"] == 1
    assert stats.units == {"active": len(list(talk.units()))}
    assert stats.distillers == {build.DISTILLER: stats.units["active"]}
    assert stats.tokens.distilled == sum(unit.tokens for unit in talk.units())
    assert stats.tokens.compression == pytest.approx(stats.tokens.distilled / stats.tokens.verbatim, abs=1e-4)
    assert stats.jobs["queued"] >= 1


def test_stats_tell_the_share_of_units_whose_words_the_encoder_does_not_know(memory: Namespace) -> None:
    memory.write([{"session_id": "s", "messages": [{"id": "blank", "role": "user", "content": " "}]}])
    assert memory.stats().unknown_share is None
    for number, said in enumerate(("I keep a tortoise.", "I live in Oslo.", "I like tea.", "ฉันเป็นพยาบาลที่โรงพยาบาล")):
        memory.write([{"session_id": "s", "messages": [{"id": f"m{number}", "role": "user", "content": said}]}])
    assert memory.stats().unknown_share == 0.25
    (known, *_) = memory.units()
    memory.invalidate(known.id)
    assert memory.stats().unknown_share == pytest.approx(1 / 3)


def test_what_was_left_out_is_listed_sentence_by_sentence(memory: Namespace) -> None:
    content = "Hey there! I'm pregnant. Wow! I hate cilantro."
    written = memory.write([{"session_id": "s", "messages": [{"id": "m", "role": "user", "content": content}]}])
    left = [(content[skip.start : skip.end], skip.reason) for skip in written.results[0].skipped]
    assert left == [("Hey there!", "phatic"), ("Wow!", "phatic")]
    assert [unit.text for unit in memory.units()] == ["User: I'm pregnant.", "User: I hate cilantro."]
    again = memory.write([{"session_id": "s", "messages": [{"id": "m", "role": "user", "content": content}]}])
    assert again.results[0].units == written.results[0].units


def test_days_are_those_of_the_speakers_clock_also_when_distilled_again(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = dt.datetime.fromisoformat("2024-05-15T00:20:00+09:00")
    memory.add("I fell off my bike yesterday.", session_id="s", role="user", occurred_at=said)
    for version in (1, 2):
        (unit,) = memory.units()
        assert (unit.version, unit.t_start) == (version, dt.datetime.fromisoformat("2024-05-14T00:00:00+09:00"))
        assert "14 May 2024" in unit.text
        assert "15 May 2024:" in memory.context("What happened to the bike?").text
        monkeypatch.setattr(build, "DISTILLER", "rule-next")
        run(service, memory, redistil.KIND, redistil_with(service))


def test_a_namespace_of_before_statements_is_searched_and_brought_over(
    service: Service, talk: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, talk.name)
        assert space is not None
        connection.execute(sa.update(tables.unit).where(*tables.within(tables.unit, space)).values(
            distiller="rule-2", embedding=tables.unit.c.embedding.op("||")(tables.unit.c.embedding)))  # fmt: skip
        connection.execute(
            sa.update(tables.message).where(*tables.within(tables.message, space)).values(embedding=None)
        )
    service.pool.drop(space.id)
    ids = [message.id for message in talk.messages()]
    assert "Oslo" in talk.recall("Where did Ana move?").results[0].text
    run(service, talk, redistil.KIND, redistil_with(service))
    assert [message.id for message in talk.messages()] == ids
    assert {unit.distiller for unit in talk.units() if unit.status == "active"} == {build.DISTILLER}
    with service.database.tenant(service.tenant_id) as connection:
        missing = sa.select(tables.message.c.id).where(
            *tables.within(tables.message, space), tables.message.c.embedding.is_(None)
        )
        assert connection.execute(missing).all() == []
    assert "Oslo" in talk.recall("Where did Ana move?").results[0].text


def test_a_fresh_unit_has_one_version_and_units_are_listed_in_pages(talk: Namespace) -> None:
    units = list(talk.units(page_size=1))
    assert [unit.id for unit in units] == [unit.id for unit in talk.units()]
    (version,) = talk.history(units[0].id)
    assert (version.version, version.cause, version.replaced_at) == (1, "distilled", None)
    assert version.state["text"] == units[0].text


def test_distilling_again_changes_nothing_with_the_same_distiller(service: Service, talk: Namespace) -> None:
    before = list(talk.units())
    job = run(service, talk, redistil.KIND, redistil_with(service))
    assert (job.state, job.done, job.total) == ("done", 2, 2)
    assert (job.result["replaced"], job.result["fresh"], job.result["retired"]) == (0, 0, 0)
    assert list(talk.units()) == before


def test_distilling_again_with_another_distiller_keeps_ids_and_history_and_makes_no_duplicates(
    service: Service, talk: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {unit.id: unit for unit in talk.units()}
    monkeypatch.setattr(build, "DISTILLER", "rule-next")
    run(service, talk, redistil.KIND, redistil_with(service))
    active = [unit for unit in talk.units() if unit.status == "active"]
    assert {unit.distiller for unit in active} == {"rule-next"}
    assert set(before) <= {unit.id for unit in talk.units()}
    spans = [(source.message_id, source.start) for unit in active for source in unit.sources]
    assert len(spans) == len(set(spans))
    changed = next(unit for unit in active if unit.version == 2)
    newest, oldest = talk.history(changed.id)
    assert (newest.cause, oldest.cause) == ("distilled again", "distilled")
    assert oldest.state["text"] == before[changed.id].text
    assert oldest.replaced_at is not None
    again = list(talk.units())
    run(service, talk, redistil.KIND, redistil_with(service))
    assert list(talk.units()) == again
    found = talk.recall("Where did Ana move?").results[0]
    assert found.unit_id in {unit.id for unit in active}


def test_an_interrupted_distilling_goes_on_where_it_was(
    service: Service, talk: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "DISTILLER", "rule-next")
    whole = Redistil(service.encoder, Depth())
    seen: list[str] = []
    original = Redistil._session

    def breaking(self: Redistil, lease: Lease, session: str, *rest: Any) -> None:
        seen.append(session)
        if len(seen) == 2:
            raise OSError("the process is gone")
        original(self, lease, session, *rest)

    monkeypatch.setattr(Redistil, "_session", breaking)
    job = run(service, talk, redistil.KIND, whole.run)
    assert job.state == "done"
    assert seen == ["a", "b", "b"]
    assert {unit.version for unit in talk.units()} == {2}


def test_a_unit_that_is_no_longer_made_is_archived_and_not_recalled(
    service: Service, memory: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [f"Point {n} concerns the {word} of the {near}." for n, word in enumerate(WORDS) for near in WORDS[:4]]
    memory.write([{"session_id": "s", "messages": [{"role": "assistant", "content": " ".join(points)}]}])
    total = len(list(memory.units()))
    run(service, memory, redistil.KIND, redistil_with(service, Depth(reply_share=0.05)))
    archived = [unit for unit in memory.units() if unit.status == "archived"]
    assert 0 < len(archived) < total
    found = {result.unit_id for result in memory.recall("points of anchors", limit=50).results}
    assert not found & {unit.id for unit in archived}
    assert len(list(memory.units())) == total


def test_context_that_comes_back_in_a_prompt_is_neither_distilled_nor_indexed(talk: Namespace) -> None:
    served = talk.context("Oslo").text
    assert "Oslo" in served
    result = talk.add(served, session_id="agent")
    assert (result.units, [skip.reason for skip in result.skipped]) == ([], ["served"])
    assert talk.message(result.messages[0]).content == served
    assert result.messages[0] not in {s.message_id for r in talk.recall("Oslo", limit=50).results for s in r.sources}
    assert talk.stats().skipped["served"] == 1


def test_preferences_and_instructions_are_considered_for_every_question(memory: Namespace) -> None:
    memory.add("From now on always answer with bullet points.", session_id="s", role="user")
    for n in range(150):
        memory.add(f"The harbour in town {n} has a lighthouse number {n}.", session_id=f"h{n}", speaker="Ana")
    trace = memory.recall("Which harbour has a lighthouse?", limit=1, trace=True).trace
    assert trace is not None
    rule = next(unit for unit in memory.units() if unit.kind == "instruction")
    assert rule.id in {entry["unit_id"] for entry in trace["ranking"]}
