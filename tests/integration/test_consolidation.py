"""Consolidation over the real database, and truth over time through the API."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from memsvc.bootstrap import Service
from memsvc.sdk import Conflict, Namespace, NotFound
from memsvc.services import consolidate
from memsvc.services.consolidate import Consolidate
from memsvc.services.work import Runner
from memsvc.settings import JobSettings
from memsvc.store import jobs, links, namespaces

START = dt.datetime(2024, 1, 10, 12, tzinfo=dt.UTC)


def say(memory: Namespace, text: str, day: int, speaker: str = "Ana", session: str | None = None) -> list[str]:
    return memory.add(
        text, session_id=session or f"day{day}", speaker=speaker, occurred_at=START + dt.timedelta(days=day)
    ).units


def run(
    service: Service,
    memory: Namespace,
    kind: str = consolidate.KIND,
    job: Consolidate | None = None,
    payload: dict[str, Any] | None = None,
) -> Any:
    job = job or Consolidate(service.encoder.width)
    with service.database.tenant(service.tenant_id) as connection:
        space = namespaces.find(connection, service.tenant_id, memory.name)
        assert space is not None
        job_id = jobs.enqueue(connection, space, f"{kind}-test", f"{kind}:{uuid.uuid4()}", payload or {})
    handlers = {f"{consolidate.KIND}-test": job.run, f"{consolidate.REBUILD_KIND}-test": job.rebuild}
    Runner(service.database, handlers, JobSettings()).run_due()
    with service.database.tenant(service.tenant_id) as connection:
        done = jobs.find(connection, service.tenant_id, job_id)
        assert done is not None
        assert done.state == "done", done.last_error
        return done.result, links.all_of(connection, space), links.episodes(connection, space)


def texts(memory: Namespace, question: str, **moment: dt.datetime) -> list[str]:
    return [f"{result.status}: {result.text}" for result in memory.recall(question, **moment).results]  # type: ignore[arg-type]


def test_what_is_said_twice_is_one_memory_with_both_sources(service: Service, memory: Namespace) -> None:
    (first,) = say(memory, "I own two boats in the old harbour.", 0)
    (second,) = say(memory, "I own two boats in the old harbour.", 3)
    run(service, memory)
    assert memory.unit(first).proof_count == 2
    assert [source.text for source in memory.sources(first)] == ["I own two boats in the old harbour."] * 2
    merged = memory.unit(second)
    assert (merged.status, merged.superseded_by) == ("merged", first)
    found = memory.recall("Which boats does Ana own?").results
    assert [result.unit_id for result in found].count(first) >= 1
    assert second not in {result.unit_id for result in found}
    assert len({source.message_id for source in found[0].sources}) == 2
    assert memory.history(second)[0].cause.startswith("merged")


def test_what_was_so_is_superseded_marked_ranked_down_and_found_in_its_time(
    service: Service, memory: Namespace
) -> None:
    (oslo,) = say(memory, "I live in Oslo, near the opera.", 0)
    (porto,) = say(memory, "I moved to Porto, near the river.", 60)
    run(service, memory)
    was = memory.unit(oslo)
    assert (was.status, was.superseded_by, was.valid_to) == ("superseded", porto, START + dt.timedelta(days=60))
    assert [link.kind for link in memory.links(oslo) if link.other == porto] == ["supersedes"]
    assert texts(memory, "Where does Ana live?")[0].startswith("active: Ana: I moved to Porto")
    then = memory.recall("Where does Ana live?", as_of=START + dt.timedelta(days=30)).results
    assert [result.unit_id for result in then] == [oslo]
    now = memory.recall("Where does Ana live?", as_of=START + dt.timedelta(days=90)).results
    assert now[0].unit_id == porto
    before = memory.unit(oslo).created_at - dt.timedelta(seconds=1)
    assert memory.recall("Where does Ana live?", known_at=before).results == []
    assert "Oslo" in memory.context("Where did Ana live before?", as_of=START + dt.timedelta(days=1)).text


def test_the_order_of_arrival_changes_nothing(service: Service, memory: Namespace, client: Any) -> None:
    other = client.namespace(f"{memory.name}-late")
    said = [("I live in Oslo.", 0), ("I have 2 cats.", 1), ("I live in Porto.", 20), ("I live in Ghent.", 40), ("I have 2 cats.", 50)]  # fmt: skip
    for text, day in said:
        say(memory, text, day)
        run(service, memory)
    for text, day in reversed(said):
        say(other, text, day)
        run(service, other)

    def outcome(space: Namespace) -> list[tuple[str, str, int, str | None]]:
        named = {unit.id: unit.text + unit.t_mention.isoformat() for unit in space.units()}
        return sorted(
            (named[u.id], u.status, u.proof_count, named[u.superseded_by] if u.superseded_by else None)
            for u in space.units()
        )

    assert outcome(memory) == outcome(other)
    assert len([row for row in outcome(memory) if row[1] == "superseded"]) == 2


def test_a_rebuild_gives_what_the_increments_gave(service: Service, memory: Namespace) -> None:
    for day in range(12):
        say(memory, f"I walked {day % 3} miles to the harbour with Rita.", day)
        say(memory, ["I live in Oslo.", "I live in Porto."][day % 2], day)
        run(service, memory)
    before = list(memory.units())
    result, stored_links, stored_episodes = run(service, memory)
    assert result == {"units": 0}
    result, rebuilt_links, rebuilt_episodes = run(service, memory, consolidate.REBUILD_KIND)
    assert result["links added"] == result["links removed"] == result["episodes changed"] == 0
    assert (rebuilt_links, rebuilt_episodes) == (stored_links, stored_episodes)
    assert list(memory.units()) == before


def test_episodes_hold_every_standing_unit_once_and_are_listed(service: Service, memory: Namespace) -> None:
    for day in range(3):
        say(memory, f"The choir concert number {day + 1} was in the harbour hall.", day)
        say(memory, f"My violin needed {day + 2} new strings.", day)
    run(service, memory)
    listed = memory.episodes()
    held = [unit for episode in listed for segment in episode.segments for unit in segment.units]
    assert sorted(held) == sorted(
        unit.id for unit in memory.units() if unit.status != "merged" and unit.kind != "abstract"
    )
    assert all(episode.medoid in held for episode in listed)
    assert [episode.start for episode in listed] == sorted(episode.start for episode in listed)


def test_a_person_edits_puts_away_and_brings_back_and_no_rule_undoes_it(service: Service, memory: Namespace) -> None:
    (oslo,) = say(memory, "I live in Oslo, near the opera.", 0)
    (porto,) = say(memory, "I moved to Porto, near the river.", 60)
    run(service, memory)
    edited = memory.edit(porto, "Ana: I moved to Braga, near the market.", reason="a slip")
    assert (edited.version, edited.cause) == (2, "edited by hand: a slip")
    assert "Braga" in texts(memory, "Which market is near Ana?")[0]
    assert memory.restore(oslo).status == "active"
    run(service, memory)
    assert memory.unit(oslo).status == "active"
    assert memory.invalidate(porto).status == "archived"
    assert porto not in {result.unit_id for result in memory.recall("Braga market").results}
    assert [version.cause.split(":")[0] for version in memory.history(porto)] == [
        "invalidated by hand", "edited by hand", "distilled",
    ]  # fmt: skip
    with pytest.raises(Conflict):
        memory.restore(oslo)
    with pytest.raises(NotFound):
        memory.edit("u_nobody", "x")


def test_a_profile_holds_what_is_so_now_and_what_is_wanted(service: Service, memory: Namespace) -> None:
    say(memory, "I live in Oslo.", 0)
    say(memory, "I moved to Porto.", 9)
    say(memory, "I prefer tea over coffee in the morning.", 10)
    say(memory, "I work at Acme Labs.", 3, speaker="Ben")
    run(service, memory)
    ana, ben = memory.profiles()
    assert [(a.name, a.value) for a in ana.attributes] == [("residence", "Porto")]
    assert [(wish.kind, wish.text) for wish in ana.wants] == [
        ("preference", "I prefer tea over coffee in the morning.")
    ]
    assert [(a.name, a.value) for a in ben.attributes] == [("employer", "Acme Labs")]
    assert [profile.subject for profile in memory.profiles("Ben")] == ["Ben"]


def test_several_queued_jobs_do_the_work_once(service: Service, memory: Namespace) -> None:
    for day in range(4):
        say(memory, f"I bought {day + 2} lamps in Oslo.", day)
    first, *_ = run(service, memory)
    second, *_ = run(service, memory)
    assert first["units"] == 4
    assert second == {"units": 0}


def test_what_the_consolidation_made_is_erased_with_its_namespace(service: Service, memory: Namespace) -> None:
    say(memory, "I own two boats.", 0)
    say(memory, "I own two boats.", 1)
    run(service, memory)
    receipt = memory.erase()
    assert receipt.remaining == 0
    assert receipt.erased["link"] > 0
    assert receipt.erased["episode"] > 0
