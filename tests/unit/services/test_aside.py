from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import LIMIT_S, until

PROGRAM = """
import os, time
from memsvc.services.aside import Aside
if __name__ == "__main__":
    print(Aside(600.0).run(os.getpid), flush=True)
    time.sleep(3600)
"""


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_helper_of_a_process_that_was_killed_ends_too(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    parent = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        helper = int(parent.stdout.readline())
        assert is_there(helper)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(LIMIT_S)
        until(lambda: not is_there(helper))
