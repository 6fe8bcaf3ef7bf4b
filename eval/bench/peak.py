"""The memory that reading a long text takes, each time in a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memsvc.models.local import LocalGenerator
from memsvc.reader import cache, decode, evict, prompt
from memsvc.reader.evict import Bound, Method


def rows(
    model: str, models: Path, text: str, tokens: int, ways: Sequence[tuple[Method | None, int]]
) -> list[dict[str, Any]]:
    """A row for each way to read `tokens` tokens of `text`, keeping one in `ratio`: bytes of keys and values at their
    peak, and by how much the process's largest resident size grew (Linux; None elsewhere).
    """
    spawn = multiprocessing.get_context("spawn")
    found = []
    for method, ratio in ways:
        with spawn.Pool(1) as pool:
            found.append(pool.apply(_peak, (model, models, text, tokens, method, ratio)))
    return found


def _peak(model: str, models: Path, text: str, tokens: int, method: Method | None, ratio: int) -> dict[str, Any]:
    loaded, tokenizer = LocalGenerator(model, device=None, dtype="auto", threads=1, folder=models).weights()
    frame = prompt.frame(tokenizer)
    ids = prompt.prefix(tokenizer, frame, text)[:tokens]
    # What the first pass through a model allocates for good is not the text's.
    decode.read(loaded, cache.empty(loaded), ids[:64], 0)
    before = largest(anew=True)
    peak = 0

    def watch(held: cache.Snapshot) -> None:
        nonlocal peak
        peak = max(peak, held.nbytes)

    if method is None:
        going = cache.empty(loaded)
        decode.read(loaded, going, ids, 0)
        watch(cache.snapshot(going, ids))
    else:
        bound = Bound(len(ids) // ratio, method, tuple(ids[len(ids) // 2 :][:128]))
        evict.read(loaded, ids, len(frame.before), bound, look=watch)
    grown = largest() - before if sys.platform == "linux" else None
    return {"method": method or "all", "ratio": ratio, "tokens": len(ids), "cache_bytes": peak, "process_bytes": grown}


def largest(*, anew: bool = False) -> int:
    """The process's largest resident size in bytes; `anew`: from now on, for loading a model took more than it keeps
    (proc(5): 5 written to clear_refs sets VmHWM back).
    """
    if sys.platform != "linux":
        return 0
    if anew:
        with contextlib.suppress(OSError):  # not every sandbox has it
            Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
