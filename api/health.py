"""Liveness and readiness; neither needs a key."""

from __future__ import annotations

from fastapi import APIRouter

from api.deps import Services

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(service: Services) -> dict[str, str]:
    """The service can work: 503 names what is missing."""
    service.database.check()
    return {"status": "ready", "database": "reachable", "encoder": service.encoder.name}
