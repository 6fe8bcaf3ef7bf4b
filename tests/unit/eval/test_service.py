from __future__ import annotations

import pytest

from eval import service


def test_a_run_never_gets_the_users_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSVC_DATABASE_URL", "postgresql://real")
    monkeypatch.setenv("MEMSVC_DATABASE_APP_URL", "postgresql://real")
    monkeypatch.setenv("MEMSVC_ENCODER_THREADS", "2")
    made = service.environment("key")
    assert not [name for name in made if name.startswith("MEMSVC_DATABASE_")]
    assert made["MEMSVC_API_KEY"] == "key"
    assert made["MEMSVC_ENCODER_THREADS"] == "2"
