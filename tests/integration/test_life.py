"""A namespace's life in any order: write, edit, put aside, erase, consolidate, import again, forget the index."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any, cast

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from memsvc.bootstrap import Service
from memsvc.domain.query import Query
from memsvc.sdk import MemoryClient, Namespace
from memsvc.services.recall import Recall
from memsvc.wire.exchanges import NewExchange, NewMessage
from tests.serving import apart
from tests.waiting import LIMIT_S

_SAID = (
    "I live in Oslo.", "I moved to Porto.", "I have been vegetarian since 2019.", "I am not vegetarian any more.",
    "My favourite colour is green.", "My favourite colour is red now.", "We adopted a tortoise called Miso last month.",
    "Wow, cool!", "The deadline is Friday.", "The deadline moved to Monday.",
)  # fmt: skip
_QUESTIONS = ("Where does Ana live?", "What does Ben eat?", "When is the deadline?", "Which colour, which tortoise?")
_names = itertools.count()


class Life(RuleBasedStateMachine):
    """Beside the service runs a ledger: message id -> (words, session, source, whether it is put aside)."""

    service: Service
    client: MemoryClient
    http: httpx.Client

    @initialize()
    def begin(self) -> None:
        self.memory: Namespace = self.client.namespace(f"life-{next(_names)}")
        self.ledger: dict[str, tuple[str, str, str, bool]] = {}
        self.erased: set[str] = set()
        self.other = self._process()

    @rule(
        words=st.sampled_from(_SAID), who=st.sampled_from(("Ana", "Ben")), session=st.sampled_from(("s", "t")),
        source=st.sampled_from(("chat", "web")), trust=st.sampled_from((None, 0.3)),
    )  # fmt: skip
    def say(self, words: str, who: str, session: str, source: str, trust: float | None) -> None:
        name = f"m{len(self.ledger) + len(self.erased)}"
        said = NewMessage(id=name, role="user", speaker=who, content=words, source=source, trust=trust)
        self.memory.write([NewExchange(session_id=session, messages=[said])])
        self.ledger[name] = (words, session, source, False)

    @precondition(lambda self: self.ledger)
    @rule(data=st.data())
    def edit_a_unit(self, data: st.DataObject) -> None:
        units = [unit.id for unit in self.memory.units() if unit.status == "active"]
        if units:
            self.memory.edit(data.draw(st.sampled_from(units)), "Ana: edited by hand.")

    @precondition(lambda self: self.ledger)
    @rule(data=st.data())
    def erase_a_message(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.ledger)))
        self._post("erasures", {"by": "message", "value": name})
        del self.ledger[name]
        self.erased.add(name)

    @rule(session=st.sampled_from(("s", "t")))
    def erase_a_session(self, session: str) -> None:
        gone = {name for name, entry in self.ledger.items() if entry[1] == session}
        if gone:
            self._post("erasures", {"by": "session", "value": session})
            self.erased |= gone
            self.ledger = {name: entry for name, entry in self.ledger.items() if name not in gone}

    @rule(source=st.sampled_from(("chat", "web")), aside=st.booleans())
    def put_a_source_aside_or_let_it_back(self, source: str, aside: bool) -> None:
        moved = {name for name, entry in self.ledger.items() if entry[2] == source and entry[3] != aside}
        if moved:
            self._post("quarantine" if aside else "release", {"by": "source", "value": source})
            self.ledger |= {name: (*self.ledger[name][:3], aside) for name in moved}

    @rule()
    def run_the_background(self) -> None:
        with self.service.database.tenant(self.service.tenant_id) as connection:
            connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        self.service.runner.run_due()

    @precondition(lambda self: self.ledger)
    @rule()
    def export_and_import(self) -> None:
        content = self.http.get(f"/v1/namespaces/{self.memory.name}/export").raise_for_status().content
        copy = self.client.namespace(f"life-{next(_names)}")
        self.http.post(f"/v1/namespaces/{copy.name}/import", content=content).raise_for_status()
        self.memory = copy

    @invariant()
    def nothing_acknowledged_is_lost_and_nothing_erased_is_left(self) -> None:
        if not hasattr(self, "memory") or not (self.ledger or self.erased):
            return
        assert {message.id: message.content for message in self.memory.messages()} == {
            name: entry[0] for name, entry in self.ledger.items()
        }
        heard = {name for name, entry in self.ledger.items() if not entry[3]}
        for unit in self.memory.units():
            assert {source.message_id for source in unit.sources} <= set(self.ledger)
        for question in _QUESTIONS:
            found = self.memory.recall(question, limit=50).results
            assert {source.message_id for result in found for source in result.sources} <= heard

    @invariant()
    def the_index_answers_as_one_that_is_built_anew(self) -> None:
        if not hasattr(self, "memory") or not (self.ledger or self.erased):
            return
        fresh = self._process()
        assert [self._recall(self.other, question) for question in _QUESTIONS] == [
            self._recall(fresh, question) for question in _QUESTIONS
        ]

    def teardown(self) -> None:
        if getattr(self, "ledger", None):
            self.run_the_background()
            self.nothing_acknowledged_is_lost_and_nothing_erased_is_left()
            dead = [job for job in self.client.jobs(namespace=self.memory.name) if job.state == "dead"]
            assert [job.last_error for job in dead] == []

    def _process(self) -> Recall:
        """Recall as another process has it: with indexes of its own, which hear of changes from the feed alone."""
        return apart(self.service)

    def _recall(self, process: Recall, question: str) -> set[tuple[str | None, str, float]]:
        asked = Query(question, dt.datetime(2024, 5, 1, tzinfo=dt.UTC))
        found = process.recall(self.service.tenant_id, self.memory.name, asked, 50).memories
        return {(memory.unit_id, memory.text, round(memory.score, 4)) for memory in found}

    def _post(self, what: str, body: dict[str, Any]) -> None:
        self.http.post(f"/v1/namespaces/{self.memory.name}/{what}", json=body).raise_for_status()


@pytest.mark.slow
def test_in_whatever_order_nothing_is_lost_and_the_index_equals_a_new_one(
    service: Service, client: MemoryClient, base_url: str
) -> None:
    with httpx.Client(
        base_url=base_url, headers={"Authorization": f"Bearer {service.api_key}"}, timeout=LIMIT_S
    ) as http:
        Life.service, Life.client, Life.http = service, client, http
        cast(Any, run_state_machine_as_test)(
            Life,
            settings=settings(
                max_examples=40, stateful_step_count=16, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate],  # a failure is told at once, not made smaller for minutes
            ),
        )  # fmt: skip
