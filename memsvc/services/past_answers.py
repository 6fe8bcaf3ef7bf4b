"""Answers that a language model gave, served again where the same is asked and nothing that it rests on has changed.

Retrieval is made for every question; what is saved is the model. The memories say whether an answer still holds, so
that nothing has to be told to forget it (see `likeness`). Who asks opts in: a question that is kept is content.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray

from memsvc import errors
from memsvc.domain import usage
from memsvc.domain.exchange import Namespace
from memsvc.domain.past_answer import PastAnswer, digest, key
from memsvc.domain.query import Query
from memsvc.domain.unit import Status
from memsvc.models import replies, tokens
from memsvc.models.encoder import TextEncoder
from memsvc.models.generator import GeneratorFailed, GeneratorRefused, TextGenerator
from memsvc.prompts import SAME
from memsvc.services import costs, likeness, secrecy
from memsvc.services.recall import Served
from memsvc.store import answers, feed, namespaces, units
from memsvc.store.database import Database

_log = structlog.get_logger("memsvc.past_answers")
# What an example is near to, or its form teaches nothing for the question.
_EXAMPLE_COSINE = 0.5
# A few words with a verdict, as JSON.
_VERDICT_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Reused:
    """An answer as it was given, to which question and when; `cosine` is the likeness of the two questions, which are
    in the same words or not.
    """

    answer: PastAnswer
    made_at: dt.datetime
    cosine: float
    in_same_words: bool


class PastAnswers:
    """`maker` names the model and its prompt: another one's answers are not its own. Of a namespace the latest `most`
    are kept. `judge` says whether two questions ask the same, within `timeout_s`; None: only the same words do.
    """

    def __init__(
        self,
        database: Database,
        encoder: TextEncoder,
        maker: str,
        most: int,
        judge: TextGenerator | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        self._judge = judge
        self._timeout_s = timeout_s
        self._database = database
        self._encoder = encoder
        self._maker = f"{maker}, {encoder.name}"
        self._most = most

    def find(self, tenant_id: uuid.UUID, name: str, query: Query, served: Served, max_tokens: int) -> Sequence[Reused]:
        """Those that may answer this question as well, in the same words first, then the likest: see `confirmed`."""
        if not _may_be_kept(query, served):
            return ()
        rule = likeness.RULES[likeness.kind(served.asked)]
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            form = likeness.form(served.asked)
            stored = answers.of_form(connection, space, form, self._maker) if space else []
        found = []
        for item, cosine in zip(stored, self._cosines(query.text, stored), strict=True):
            past = item.answer
            same = likeness.same_words(past.question, query.text)
            like = same or (
                self._judge is not None
                and cosine >= rule.least_cosine
                and likeness.may_ask_the_same(past, query.text, served.memories)
            )
            holds = past.tokens <= max_tokens and likeness.holds(past, served.asked, served.memories, served.likely)
            if like and holds:
                found.append(Reused(past, item.made_at, cosine, same))
        return sorted(found, key=lambda item: (not item.in_same_words, -item.cosine, item.answer.question))

    def confirmed(self, tenant_id: uuid.UUID, name: str, query: Query, reused: Reused) -> bool:
        """Whether the two questions ask the same: by their words, else as the judge says. Whatever goes wrong with it,
        they do not.
        """
        if reused.in_same_words or self._judge is None:
            return reused.in_same_words
        told = json.dumps({"first": reused.answer.question, "second": query.text}, ensure_ascii=False, indent=1)
        try:
            with costs.counted(self._database, tenant_id, name, usage.SAME) as spent:
                made = self._judge.generate(
                    SAME.system, SAME.ask(questions=told), max_tokens=_VERDICT_TOKENS, timeout_s=self._timeout_s,
                    schema=SAME.schema, opening=SAME.opening,
                )  # fmt: skip
                spent.told(made.prompt_tokens, made.completion_tokens)
            value = replies.value(made.text, "{")
        except (GeneratorFailed, GeneratorRefused, replies.Unreadable) as error:
            _log.warning("whether two questions ask the same is not known", reason=type(error).__name__)
            return False
        return isinstance(value, dict) and value.get("verdict") == "same" and value.get("difference") == ""

    def examples(
        self, tenant_id: uuid.UUID, name: str, query: Query, served: Served, count: int
    ) -> list[tuple[str, str]]:
        """Up to so many questions with their answers that are near to this one, the nearest last, whose memories still
        stand.
        """
        if not count or not _may_be_kept(query, served):
            return []
        with self._database.tenant(tenant_id, snapshot=True) as connection:
            space = namespaces.find(connection, tenant_id, name)
            stored = answers.latest(connection, space, self._maker) if space else []
            near = sorted(
                (
                    (cosine, item.answer)
                    for item, cosine in zip(stored, self._cosines(query.text, stored), strict=True)
                    if cosine >= _EXAMPLE_COSINE and item.answer.question != query.text
                ),
                key=lambda pair: (-pair[0], pair[1].question),
            )
            held = units.by_id(connection, space, {name for _, a in near for name in a.cited}) if space else {}
        standing = {unit_id for unit_id, found in held.items() if found.unit.status is Status.ACTIVE}
        chosen = [past for _, past in near if standing.issuperset(past.cited)][:count]
        return [(past.question, past.text) for past in reversed(chosen)]

    def keep(
        self, tenant_id: uuid.UUID, name: str, query: Query, served: Served, text: str, cited: Sequence[str]
    ) -> None:
        """Keep what a model answered, unless what it rests on has changed meanwhile. What cannot be kept is logged: who
        asked has the answer.
        """
        if not cited or not _may_be_kept(query, served):
            return
        seen = {key(memory): digest(memory) for memory in served.memories}
        past = PastAnswer(
            query.text, served.asked.query.asked_at, likeness.form(served.asked), self._maker, text,
            tokens.count(text), tuple(cited), seen,
        )  # fmt: skip
        vector = self._encoder.encode_query(query.text).astype("<f4").tobytes()
        try:
            with self._database.tenant(tenant_id) as connection:
                # As a writer: an erasure is over, or begins behind this and takes the answer along.
                space = namespaces.lock_existing(connection, tenant_id, name)
                if space is not None and not _has_changed(connection, space, served):
                    answers.put(connection, space, past, vector)
                    answers.keep(connection, space, self._most, likeness.LONGEST)
        except (errors.MemsvcError, sa.exc.SQLAlchemyError) as error:
            _log.warning("an answer is not kept", reason=type(error).__name__)

    def _cosines(self, question: str, stored: Sequence[answers.Stored]) -> list[float]:
        """Of the question with that of each."""
        if not stored:
            return []
        vector: NDArray[np.float32] = self._encoder.encode_query(question)
        rows = np.array([np.frombuffer(item.embedding, "<f4") for item in stored])
        return [round(float(cosine), 4) for cosine in rows @ vector]


def _may_be_kept(query: Query, served: Served) -> bool:
    """Not of a question about another moment, or about a part of the namespace, nor one with a secret in it."""
    plain = not (query.as_of or query.known_at or query.min_trust > 0 or query.only or query.times or query.plan)
    return plain and served.degraded is None and not secrecy.places(query.text, None, None)


def _has_changed(connection: sa.Connection, space: Namespace, served: Served) -> bool:
    """Whether since the question was read something was removed or set otherwise, or a memory that was found for it has
    changed.
    """
    before = served.space
    if (space.id, space.secrets, space.settings) != (before.id, before.secrets, before.settings):
        return True
    since = feed.changes(connection, space, served.seq)
    refs = {memory.unit_id for memory in served.memories}
    return any(change.op == "remove" or change.ref in refs for change in since)
