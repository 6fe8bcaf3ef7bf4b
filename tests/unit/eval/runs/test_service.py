from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from eval.runs import service


def test_a_run_names_the_packages_that_its_figures_depend_on() -> None:
    found = service.packages()
    assert "none" not in found.values()
    assert found["faiss-cpu"] == version("faiss-cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_the_peak_of_a_process_is_what_it_held_at_its_most() -> None:
    held = 200 * 2**20
    program = f"x = bytearray({held}); del x; print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        peak = service._peak_bytes(process.pid)
        process.kill()
    assert peak is not None
    assert held < peak < 2 * held
    assert service._peak_bytes(process.pid) is None


def test_a_run_never_gets_the_users_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMSVC_DATABASE_URL", "postgresql://real")
    monkeypatch.setenv("MEMSVC_DATABASE_APP_URL", "postgresql://real")
    monkeypatch.setenv("MEMSVC_ENCODER_THREADS", "2")
    made = service.environment("key")
    assert not [name for name in made if name.startswith("MEMSVC_DATABASE_")]
    assert made["MEMSVC_API_KEY"] == "key"
    assert made["MEMSVC_ENCODER_THREADS"] == "2"
