"""What a service's processes have used, from the kernel (proc(5)); Linux only."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def postmaster(data: Path) -> int | None:
    """The process of the PostgreSQL in the data folder."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    return None


def tree(*roots: int | None) -> set[int]:
    """These processes and all below them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = [root for root in roots if root is not None]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += children.get(pid, ())
    return found


def processor_s(pid: int, data: Path) -> float:
    """Processor seconds of the service so far: its processes, PostgreSQL's, and of both those that have ended."""
    return sum(
        sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
        for each in tree(pid, postmaster(data))
        if (fields := _stat(each))
    ) / float(_TICKS)


def resident(pid: int, data: Path) -> tuple[int, int]:
    """Bytes resident in the service's processes without PostgreSQL's, and those of them that are no file's."""
    whole = anonymous = 0
    for each in tree(pid) - tree(postmaster(data)):
        with contextlib.suppress(OSError):
            size = Path(f"/proc/{each}/statm").read_text().split()
            whole += int(size[1]) * _PAGE
            anonymous += (int(size[1]) - int(size[2])) * _PAGE
    return whole, anonymous


def _stat(pid: int) -> list[str]:
    """The fields behind the name, from the state on; empty for a process that is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def machine() -> dict[str, int | str]:
    """Cores that this process may use, what they are, bytes of memory."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "model": names[0] if names else "unknown",
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * _PAGE,
    }
