"""Every call on the whole account, described as those on a namespace are: jobs, keys, the audit trail, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memsvc.sdk.calls import Page, Pages, dump, get, segment
from memsvc.sdk.transport import Call
from memsvc.wire import jobs, keys
from memsvc.wire.status import Health


def job(job_id: str) -> Call[jobs.JobResult]:
    """A background job: its state, how far it is, what came of it, or why it failed."""
    return get(jobs.JobResult, _job_path(job_id))


def listed_jobs(
    *, namespace: str | None = None, state: str | None = None, limit: int = 100
) -> Call[list[jobs.JobResult]]:
    """The newest background jobs, newest first."""
    found = get(jobs.JobList, "/v1/jobs", namespace=namespace, state=state, limit=str(limit))
    return found.then(lambda reply: reply.jobs)


def retry_job(job_id: str) -> Call[jobs.JobResult]:
    """Let a dead or cancelled job run again."""
    return Call("POST", f"{_job_path(job_id)}/retry", jobs.JobResult.model_validate_json, repeatable=False)


def cancel_job(job_id: str) -> Call[jobs.JobResult]:
    """Stop a job that waits or runs."""
    return Call("POST", f"{_job_path(job_id)}/cancel", jobs.JobResult.model_validate_json, repeatable=False)


def health() -> Call[Health]:
    """Whether the service can work, and with what. Raises Unavailable, naming what is missing, when it cannot."""
    return get(Health, "/readyz")


def listed_keys() -> Call[list[keys.KeyResult]]:
    """All API keys of the account, the oldest first, without their secrets. Keys and the trail need the scope admin."""
    return get(keys.KeyList, "/v1/keys").then(lambda reply: reply.keys)


def create_key(
    scopes: Sequence[keys.Scope] | None = None,
    *,
    grants: Mapping[str, Sequence[keys.GrantScope]] | None = None,
    label: str = "",
    max_trust: float = 1.0,
) -> Call[keys.KeyResult]:
    """A new API key; its field `key` is the whole key, shown this once. What it writes is trusted no more than
    `max_trust` (0..1). With `scopes` it acts in the whole account, with `grants` in some namespaces alone: name, or
    pattern with `*` -> what it may do there.
    """
    given = None
    if grants is not None:
        given = [keys.NewGrant(namespaces=name, scopes=list(granted)) for name, granted in grants.items()]
    body = keys.NewKey(scopes=None if scopes is None else list(scopes), grants=given, label=label, max_trust=max_trust)
    return Call("POST", "/v1/keys", keys.KeyResult.model_validate_json, dump(body), repeatable=False)


def rotate_key(key_id: str, *, grace_s: int = 86_400) -> Call[keys.KeyResult]:
    """A successor with the same rights, shown whole this once; the old key lives on for `grace_s` seconds."""
    body = keys.Rotation(grace_s=grace_s)
    path = f"/v1/keys/{segment(key_id)}/rotate"
    return Call("POST", path, keys.KeyResult.model_validate_json, dump(body), repeatable=False)


def revoke_key(key_id: str) -> Call[keys.KeyResult]:
    """End a key; every process refuses it within five seconds."""
    path = f"/v1/keys/{segment(key_id)}/revoke"
    return Call("POST", path, keys.KeyResult.model_validate_json, repeatable=False)


def audit(*, page_size: int = 100) -> Pages[keys.AuditEntry]:
    """The audit trail, the oldest entry first; pages are fetched as they are needed."""

    def page(cursor: str | None) -> Call[Page[keys.AuditEntry]]:
        found = get(keys.AuditPage, "/v1/audit", limit=str(page_size), cursor=cursor)
        return found.then(lambda reply: Page(reply.entries, reply.next_cursor))

    return page


def _job_path(job_id: str) -> str:
    return f"/v1/jobs/{segment(job_id)}"
