"""Background jobs as a user sees them: ask for one, look at them, run one again, stop one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa

from memsvc import errors
from memsvc.domain.job import Job, State
from memsvc.services import secrecy
from memsvc.store import audit, directory, jobs, namespaces
from memsvc.store.database import Database


class Maintain:
    """`kinds` are those that may be asked for, `dry` of them those that can say what they would do; `kick` tells the
    runner that there is work. `payloads`: kind -> what a job of it is asked with. `settings`: kind -> the setting
    without which there is none of it.
    """

    def __init__(
        self,
        database: Database,
        kinds: Collection[str],
        dry: Collection[str],
        kick: Callable[[], None],
        payloads: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._database = database
        self._kinds = frozenset(kinds)
        self._dry = frozenset(dry)
        self._kick = kick
        self._payloads = payloads
        self._settings = settings

    def ask(
        self, tenant_id: uuid.UUID, actor: str | None, namespace_name: str, kind: str, *, dry_run: bool = False
    ) -> Job:
        """Queue a job of this kind, or give the one that has not ended yet. With `dry_run` its result says what it
        would do, and nothing is changed. Raises NotFound, and Invalid for a kind that cannot say.
        """
        if kind not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            if setting := self._settings.get(kind):
                raise errors.NotFound(
                    f"The job {kind!r} needs {setting}, which is not set here.",
                    f"Set it and start the service again. Without it there are: {known}.",
                )
            raise errors.NotFound(f"There is no maintenance job {kind!r} here.", f"There are: {known}.")
        if dry_run and kind not in self._dry:
            can = ", ".join(sorted(self._dry & self._kinds))
            raise errors.Invalid(f"The job {kind!r} cannot be tried without its effects.", f"These can: {can}.")
        with self._database.tenant(tenant_id) as connection:
            space = namespaces.lock_existing(connection, tenant_id, namespace_name)
            if space is None:
                raise errors.NotFound(f"There is no namespace {namespace_name!r}.", "Nothing was queued.")
            job_id = jobs.unfinished(connection, space, kind, dry_run=dry_run)
            if job_id is None:
                payload = {"dry_run": True} if dry_run else self._payloads.get(kind, {})
                job_id = jobs.enqueue(connection, space, kind, f"{kind}:{uuid.uuid4()}", payload)
            job = jobs.find(connection, tenant_id, job_id)
            counts = {"dry_run": int(dry_run)}
            audit.add(connection, tenant_id, actor, f"maintenance.{kind}", f"namespace:{space.id}", counts)
            assert job is not None
            (job,) = _shown(connection, tenant_id, [job])
        self._kick()
        return job

    def find(self, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
        """Raises NotFound."""
        with self._database.tenant(tenant_id) as connection:
            (job,) = _shown(connection, tenant_id, [_found(connection, tenant_id, job_id)])
        return job

    def listed(
        self,
        tenant_id: uuid.UUID,
        states: Sequence[State],
        namespace_name: str | None,
        limit: int,
        readable: Callable[[Iterable[str]], list[str]] | None = None,
        *,
        kind: str | None = None,
        before: uuid.UUID | None = None,
    ) -> list[Job]:
        """The newest jobs, of all states when none is given, of those namespaces that are `readable`; of a `kind`, and
        older than the job `before`. Raises NotFound for a namespace that is not there.
        """

        def read(place: Database) -> list[Job]:
            with place.tenant(tenant_id, snapshot=True) as connection:
                space = None
                if namespace_name is not None:
                    space = namespaces.find(connection, tenant_id, namespace_name)
                    if space is None:
                        raise errors.NotFound(f"There is no namespace {namespace_name!r}.", "List all jobs instead.")
                among = None
                if readable is not None:
                    ids = directory.ids(connection, tenant_id)
                    among = [ids[name] for name in readable(ids)]
                found = jobs.listed(
                    connection,
                    tenant_id,
                    [state.value for state in states],
                    space,
                    limit,
                    among,
                    kind=kind,
                    before=before,
                )
                return _shown(connection, tenant_id, found)

        return self._database.heavy(read)

    def retry(self, tenant_id: uuid.UUID, actor: str | None, job_id: uuid.UUID) -> Job:
        """Let a dead or cancelled job run again. Raises NotFound, and Conflict in any other state."""
        with self._database.tenant(tenant_id) as connection:
            done = jobs.requeue(connection, _found(connection, tenant_id, job_id))
            if done:
                audit.add(connection, tenant_id, actor, "job.retry", f"job:{job_id}")
        job = self.find(tenant_id, job_id)
        if not done:
            raise errors.Conflict(f"The job is {job.state}.", "Only dead and cancelled jobs can be run again.")
        self._kick()
        return job

    def cancel(self, tenant_id: uuid.UUID, actor: str | None, job_id: uuid.UUID) -> Job:
        """Stop a job that waits or runs. Raises NotFound, and Conflict when it has ended."""
        with self._database.tenant(tenant_id) as connection:
            done = jobs.cancel(connection, _found(connection, tenant_id, job_id))
            if done:
                audit.add(connection, tenant_id, actor, "job.cancel", f"job:{job_id}")
        job = self.find(tenant_id, job_id)
        if not done:
            raise errors.Conflict(f"The job is {job.state}.", "It has ended and cannot be stopped any more.")
        return job


def _found(connection: sa.Connection, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
    found = jobs.find(connection, tenant_id, job_id)
    if found is None:
        raise absent(job_id)
    return found


def absent(job_id: uuid.UUID) -> errors.NotFound:
    """What is said where there is no such job."""
    return errors.NotFound(f"There is no job {job_id}.", "Jobs that ended long ago are forgotten.")


def _shown(connection: sa.Connection, tenant_id: uuid.UUID, found: Sequence[Job]) -> list[Job]:
    """The jobs, with the secrets of their namespaces hidden in what came of them, where they are to be."""
    spaces = namespaces.by_ids(connection, tenant_id, {job.namespace_id for job in found})
    veils = secrecy.veils(connection, tenant_id, spaces)
    return [veils.get(job.namespace_id, secrecy.Veil())(job) for job in found]
