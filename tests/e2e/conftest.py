from __future__ import annotations

import pytest
from typer.testing import CliRunner

from memsvc.bootstrap import Service


@pytest.fixture
def cli(service: Service, base_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line of the service that runs; what it prints on standard error is kept apart."""
    monkeypatch.setenv("MEMSVC_URL", base_url)
    monkeypatch.setenv("MEMSVC_API_KEY", service.api_key)
    return CliRunner()
