"""Long computation in a process of its own, so that requests of this one need not wait for the interpreter's lock."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")
# Below the requests' priority; on a machine with one core they share it by this.
_NICE = 10
# See gc.set_threshold.
_COLLECT = (50_000, 20, 50)


class Aside:
    """One helper process, started at its first use and again when it was killed. Arguments and results are pickled.
    With `idle_s` it ends when nothing was asked of it for so long.
    """

    def __init__(self, idle_s: float | None = None) -> None:
        self._idle_s = idle_s
        self._asked = 0
        self._lock = threading.Lock()
        self._executor: ProcessPoolExecutor | None = None

    def run(self, function: Callable[..., ResultT], *arguments: Any) -> ResultT:
        """`function(*arguments)`, a function that can be imported; raises what it raises."""
        try:
            for attempt in range(2):
                try:
                    return self._started().submit(function, *arguments).result()
                except BrokenProcessPool:
                    self.close()
                    if attempt:
                        raise
            raise AssertionError
        finally:
            self._end_later()

    def tell(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have it called behind what is at work, without waiting for it; not at all where no process runs."""
        with self._lock:
            if self._executor is not None:
                # Of a process that was killed nothing is left to tell.
                with contextlib.suppress(BrokenProcessPool):
                    self._executor.submit(function, *arguments)

    def close(self) -> None:
        """End the process, whatever it is at."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            for process in list((executor._processes or {}).values()):
                process.kill()
            executor.shutdown(wait=True, cancel_futures=True)

    def _end_later(self) -> None:
        if self._idle_s is not None:
            timer = threading.Timer(self._idle_s, self._end_idle, [self._asked])
            timer.daemon = True
            timer.start()

    def _end_idle(self, asked: int) -> None:
        if asked == self._asked:
            self.close()

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            self._asked += 1
            if self._executor is None:
                # Spawned: a fork of a process with threads and a database's connections would share both.
                context = multiprocessing.get_context("spawn")
                self._executor = ProcessPoolExecutor(1, context, initializer=_step_back)
            return self._executor


def _step_back() -> None:
    threading.Thread(target=_end_with_parent, name="memsvc-aside", daemon=True).start()
    # Nearly all that it makes lives on, and none of it is in cycles that hold much.
    gc.set_threshold(*_COLLECT)
    if hasattr(os, "nice"):
        os.nice(_NICE)


def _end_with_parent() -> None:
    """Of a parent that was killed it would wait for work for ever, with all that it keeps."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
