"""What the README and the tutorial tell people to type does what they say it does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from memsvc.bootstrap import Service
from memsvc.store import keys, tenants
from tests.waiting import LIMIT_S

ROOT = Path(__file__).parents[2]
# What sets the machine up; other tests do that.
INSTALLS = re.compile(r"^(make|pip) ")


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(sh|python|text)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def plain(words: str) -> str:
    """Without what differs from day to day."""
    words = re.sub(r"\d{1,2} [A-Z][a-z]+ \d{4}", "DAY", words)
    return re.sub(r"\d+%", "…%", words)


def settle(service: Service, tenant_id: uuid.UUID) -> None:
    for _ in range(3):
        with service.database.tenant(tenant_id) as connection:
            connection.execute(sa.text("UPDATE job SET run_after = now() WHERE state = 'queued'"))
        service.runner.run_due()


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/rest.md"])
def test_what_the_page_says_to_type_works_and_answers_as_shown(
    page: str, service: Service, base_url: str, tmp_path: Path
) -> None:
    tenant_id = tenants.ensure(service.database, f"tenant-{uuid.uuid4()}")
    key, _ = keys.create(service.database, tenant_id, ["admin"], "reader of the pages", "operator")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "memsvc"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m memsvc.cli "$@"\n')
    command.chmod(0o755)
    environment = os.environ | {
        "MEMSVC_URL": base_url, "MEMSVC_API_KEY": key, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    if page == "docs/rest.md":
        subprocess.run(
            [command, "add", "I play the oboe.", "-n", "ana", "--speaker", "Ana"], env=environment, check=True,
            capture_output=True,
        )  # fmt: skip
    printed, ran = "", 0
    for kind, text in blocks(ROOT / page):
        settle(service, tenant_id)
        if kind == "text":
            pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", plain(text)))
            assert re.search(pattern, plain(printed), re.DOTALL), printed
            printed = ""
            continue
        lines = "".join(
            line for line in text.splitlines(keepends=True)
            if kind == "python" or not (INSTALLS.match(line) or line.startswith("memsvc scrub"))
        )  # fmt: skip
        if not lines.strip():
            continue
        shell = shutil.which("bash")
        assert shell is not None
        done = subprocess.run(
            [sys.executable, "-c", lines] if kind == "python" else [shell, "-ec", lines],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, (lines, done.stderr)
        printed += done.stdout
        ran += 1
    assert ran >= 2
