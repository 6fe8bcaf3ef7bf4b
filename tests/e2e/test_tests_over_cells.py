"""What holds of one installation, asked of three cells: the one that is asked has no namespace, and hands on what is
about one; each database is behind a pgbouncer.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import pooler

pytestmark = [pooler.NEEDED, pytest.mark.slow]
# Who sees what, what an erasure leaves, the order of changes, jobs, what a lost connection leaves.
_HELD = (
    "isolation", "tenants_apart", "erasure", "erased_meanwhile", "feed", "jobs", "writing", "lost_commits", "records",
    "transfer",
)  # fmt: skip
# These ask a cell for what each cell has of its own (docs/scale.md): the trail of what was done, and the admin pages.
_OF_EACH = (
    "tenants_apart.py::test_without_the_applications_conditions_every_endpoint_still_answers_404_for_foreign_ids",
    "tenants_apart.py::test_without_the_applications_conditions_no_admin_page_and_no_mem0_path_shows_or_changes_anything"
    "_foreign",
)


def test_what_holds_of_one_installation_holds_of_three_cells() -> None:
    files = [f"tests/integration/test_{name}.py" for name in _HELD]
    left_out = [f"--deselect=tests/integration/test_{name}" for name in _OF_EACH]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--cells", *left_out]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:]
