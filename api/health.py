"""Liveness and readiness; neither needs a key."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Services
from memsvc import errors
from memsvc.wire.status import Health

router = APIRouter(tags=["health"])


@router.get("/healthz", response_model=Health, response_model_exclude_unset=True)
def alive() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, response_model_exclude_unset=True)
def ready(service: Services) -> Health:
    """The service can work: 503 names what is missing. `reader` tells whether the model that answers is loaded."""
    service.database.check()
    in_server = service.settings.jobs.in_server
    if in_server and not service.runner.is_running():
        raise errors.Unavailable("The job runner of this process has stopped.", "Start the service again.")
    jobs = "run here" if in_server else "run by workers"
    return Health(
        status="ready",
        database="reachable",
        encoder=service.encoder.name,
        jobs=jobs,
        reader=service.answers.reader,
    )
