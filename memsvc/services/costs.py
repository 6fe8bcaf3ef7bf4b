"""Calls of language models, counted for their namespaces; those of jobs within a budget of tokens a day."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import time
import uuid
from collections.abc import Iterator

import sqlalchemy as sa
import structlog

from memsvc import errors
from memsvc.domain import usage
from memsvc.domain.usage import Usage
from memsvc.models.generator import Generated, TextGenerator
from memsvc.prompts import Prompt
from memsvc.services.work import Lease, PutOff
from memsvc.store import namespaces
from memsvc.store import usage as stored
from memsvc.store.database import Database

# No call has so many tokens.
_MOST = 10**9
_log = structlog.get_logger("memsvc.costs")


class Spent:
    """What a call that is being made turns out to cost, filled in by who makes it."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.failed = False
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def told(self, prompt_tokens: int, completion_tokens: int) -> None:
        """What it cost, as the model counted it, whose server may count wrong."""
        self.prompt_tokens = min(max(0, prompt_tokens), _MOST)
        self.completion_tokens = min(max(0, completion_tokens), _MOST)

    def as_usage(self) -> Usage:
        took_s = time.monotonic() - self._begun
        return Usage(1, int(self.failed), self.prompt_tokens, self.completion_tokens, took_s)


class Asking:
    """A language model as jobs ask it. `timeout_s` and `max_tokens` bound each call, `daily_tokens` what the calls of
    all jobs of a namespace cost in a day (UTC), 0: nothing does.
    """

    def __init__(self, generator: TextGenerator, timeout_s: float, max_tokens: int, daily_tokens: int = 0) -> None:
        self._generator = generator
        self._timeout_s = timeout_s
        self._max_tokens = max_tokens
        self._daily_tokens = daily_tokens

    @property
    def name(self) -> str:
        return self._generator.name

    @property
    def max_tokens(self) -> int:
        """Of a reply."""
        return self._max_tokens

    def ask(self, lease: Lease, prompt: Prompt, asked: str) -> Generated:
        """The reply, which is counted under the prompt's name, with its tokens as they are counted. Raises
        GeneratorFailed and GeneratorRefused, and PutOff when the namespace has spent what it may today.
        """
        self._require_left(lease)
        spent = Spent()
        try:
            made = self._generator.generate(
                prompt.system, asked, max_tokens=self._max_tokens, timeout_s=self._timeout_s, schema=prompt.schema,
                opening=prompt.opening,
            )  # fmt: skip
            spent.told(made.prompt_tokens, made.completion_tokens)
        except errors.MemsvcError:
            spent.failed = True
            raise
        finally:
            note(lease, prompt.name, spent)
        return dataclasses.replace(made, prompt_tokens=spent.prompt_tokens, completion_tokens=spent.completion_tokens)

    def _require_left(self, lease: Lease) -> None:
        if not self._daily_tokens:
            return
        now = dt.datetime.now(dt.UTC)
        with lease.reading() as (connection, space):
            so_far = stored.tokens(connection, space, usage.BACKGROUND, now.date())
        if so_far >= self._daily_tokens:
            midnight = dt.datetime.combine(now.date() + dt.timedelta(days=1), dt.time(), dt.UTC)
            raise PutOff(
                f"The namespace has spent {so_far} tokens today, of {self._daily_tokens} "
                f"(MEMSVC_GENERATOR_DAILY_TOKENS). The rest waits until {midnight:%Y-%m-%d %H:%M} UTC.",
                (midnight - now).total_seconds(),
            )


def note(lease: Lease, step: str, spent: Spent) -> None:
    """Count a job's call. Raises LeaseLost."""
    with lease.beside() as connection:
        space = namespaces.by_id(connection, lease.job.tenant_id, lease.job.namespace_id, share=True)
        if space is not None:
            stored.add(connection, space, step, dt.datetime.now(dt.UTC).date(), spent.as_usage())


@contextlib.contextmanager
def counted(database: Database, tenant_id: uuid.UUID, name: str, step: str) -> Iterator[Spent]:
    """Count the call that is made in this block for a request; what is raised in it makes it one that failed. A call
    that cannot be counted is logged: who asked has the reply.
    """
    spent = Spent()
    try:
        yield spent
    except BaseException:
        spent.failed = True
        raise
    finally:
        record(database, tenant_id, name, step, spent)


def record(database: Database, tenant_id: uuid.UUID, name: str, step: str, spent: Spent) -> None:
    """Count a call of a request, unless its namespace is gone; likewise."""
    try:
        with database.tenant(tenant_id) as connection:
            found = namespaces.find(connection, tenant_id, name)
            space = namespaces.by_id(connection, tenant_id, found.id, share=True) if found else None
            if space is not None:
                stored.add(connection, space, step, dt.datetime.now(dt.UTC).date(), spent.as_usage())
    except (errors.MemsvcError, sa.exc.SQLAlchemyError) as error:
        _log.warning("a call of a language model is not counted", step=step, reason=type(error).__name__)
