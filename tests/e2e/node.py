"""Official clients for Node.js: a script of tests/clients run against a service, as a program of a user's would be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import LIMIT_S

NODE = shutil.which("node")
# Where the set-up puts them; a script read from standard input finds its packages in the folder that it runs in.
PACKAGES = Path(sys.prefix) / "node"
SCRIPTS = Path(__file__).parent.parent / "clients"
NEEDED = pytest.mark.skipif(
    NODE is None or not (PACKAGES / "node_modules" / ".package-lock.json").exists(),
    reason="no clients for Node.js here: install Node.js 20 or later with npm, then rm .venv/.ready and make setup",
)


def run(script: str, url: str, key: str, **given: str) -> Any:
    """The JSON that a script prints; `given` are environment variables of its own."""
    assert NODE is not None
    environment = os.environ | {"MEMSVC_URL": url, "MEMSVC_API_KEY": key} | given
    done = subprocess.run(
        [NODE, "--input-type=module"], input=(SCRIPTS / script).read_text(), cwd=PACKAGES, env=environment,
        capture_output=True, text=True, encoding="utf-8", timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
