"""Several searches for one question, as a language model plans them, within its bounds of tokens and time.

Whatever goes wrong with the model, what was found without it stands, and the plan says what went wrong.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Literal

from memsvc.domain import usage
from memsvc.domain.context import Memory
from memsvc.domain.plan import Ended, Plan, Search, Searched
from memsvc.domain.query import Query
from memsvc.models import tokens
from memsvc.models.generator import GeneratorFailed, GeneratorLate, GeneratorRefused, TextGenerator
from memsvc.models.replies import Unreadable
from memsvc.prompts import PLAN, REFLECT, Prompt
from memsvc.retrieval import planning
from memsvc.services import costs
from memsvc.store.database import Database

# Three searches with names and days, as JSON.
_REPLY_TOKENS = 256
# A call that has less time than this is not begun.
_LEAST_S = 0.2
Find = Callable[[Query], Sequence[Memory]]


class Planner:
    """`most_tokens` and `most_s` bound what the model reads and writes for one question, and how long it takes."""

    def __init__(self, database: Database, generator: TextGenerator, most_tokens: int, most_s: float) -> None:
        self._database = database
        self._generator = generator
        self._most_tokens = most_tokens
        self._most_s = most_s

    def look(
        self, tenant_id: uuid.UUID, name: str, query: Query, first: Sequence[Memory], find: Find
    ) -> tuple[list[Memory], Plan]:
        """What was found `first` for the question as it is, merged with what the searches of a plan `find`, and the
        plan. Raises what `find` raises.
        """
        run = _Looking(self._generator, self._most_tokens, time.monotonic() + self._most_s, query, first, find)
        with costs.counted(self._database, tenant_id, name, usage.PLAN) as spent:
            try:
                ended = run.whole()
            finally:
                spent.told(run.prompt_tokens, run.completion_tokens)
            spent.failed = ended in ("failed", "no time left")
        return run.merged(), run.plan(ended)


class _NoneLeft(Exception):
    """A bound is reached."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended)
        self.ended: Ended = ended


class _Looking:
    """The searches for one question."""

    def __init__(
        self, generator: TextGenerator, left: int, deadline: float, query: Query, first: Sequence[Memory], find: Find
    ) -> None:
        self._generator = generator
        self._left = left
        self._deadline = deadline
        self._query = query
        self._find = find
        self._begun = time.monotonic()
        self._rankings = [first]
        self._searched = [Searched(Search(query.text), "question", len(first), len(first))]
        self._calls = self.prompt_tokens = self.completion_tokens = 0

    def whole(self) -> Ended:
        """Plan, search, look at what came, and search once more for what is missing."""
        try:
            for search in planning.searches(self._ask(PLAN, planning.asked(self._query)), self._query):
                self._look(search, "plan")
            missing = planning.missing(self._ask(REFLECT, planning.reflected(self._query, self.merged())), self._query)
        except Unreadable:
            return "unreadable"
        except GeneratorLate:
            return "no time left"
        except (GeneratorFailed, GeneratorRefused):
            return "failed"
        except _NoneLeft as reached:
            return reached.ended
        if missing is not None:
            self._look(missing, "reflection")
        return "done"

    def merged(self) -> list[Memory]:
        return list(self._rankings[0]) if len(self._rankings) == 1 else planning.merged(self._rankings)

    def plan(self, ended: Ended) -> Plan:
        took = dt.timedelta(seconds=time.monotonic() - self._begun)
        return Plan(tuple(self._searched), ended, self._calls, self.prompt_tokens, self.completion_tokens, took)

    def _ask(self, prompt: Prompt, asked: str) -> str:
        """The reply. Raises _NoneLeft where the call could cost more than is left."""
        left_s = self._deadline - time.monotonic()
        if left_s < _LEAST_S:
            raise _NoneLeft("no time left")
        if tokens.count(prompt.system) + tokens.count(asked) + _REPLY_TOKENS > self._left:
            raise _NoneLeft("no tokens left")
        self._calls += 1
        made = self._generator.generate(
            prompt.system, asked, max_tokens=_REPLY_TOKENS, timeout_s=left_s, schema=prompt.schema,
            opening=prompt.opening,
        )  # fmt: skip
        self.prompt_tokens += max(0, made.prompt_tokens)
        self.completion_tokens += max(0, made.completion_tokens)
        self._left -= max(0, made.prompt_tokens) + max(0, made.completion_tokens)
        return made.text

    def _look(self, search: Search, by: Literal["plan", "reflection"]) -> None:
        if any(search == done.search for done in self._searched):
            return
        found = self._find(planning.applied(search, self._query))
        known = {planning.identity(memory) for ranking in self._rankings for memory in ranking}
        new = sum(planning.identity(memory) not in known for memory in found)
        self._rankings.append(found)
        self._searched.append(Searched(search, by, len(found), new))


def without(query: Query, first: Sequence[Memory], ended: Ended) -> Plan:
    """The plan of a question that no model may or can make one of."""
    return Plan((Searched(Search(query.text), "question", len(first), len(first)),), ended)
