from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import memsvc

SAMPLE = Path(__file__).parent / "sample_use.py"


@pytest.mark.slow
def test_a_users_mistakes_are_found_by_the_type_checker_and_nothing_else_is() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", str(SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SAMPLE.parent.parent.parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SAMPLE.read_text().count("type: ignore[") == 9


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(memsvc.__file__).parent / "py.typed").exists()
