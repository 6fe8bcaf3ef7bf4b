"""The process of a product: `python -m eval.adapters.child MODULE:CLASS FOLDER`, a JSON line in, a JSON line out."""

from __future__ import annotations

import importlib
import io
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from eval.adapters import Adapter


def find(name: str) -> type[Adapter]:
    """The class that `MODULE:CLASS` names. Raises ValueError."""
    module, _, attribute = name.partition(":")
    try:
        found: type[Adapter] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"there is no adapter {name}: {error}") from None
    return found


def _answer(adapter: Adapter, asked: dict[str, Any]) -> dict[str, Any]:
    call = asked.pop("call")
    start = time.perf_counter()
    if call == "search":
        ids = list(adapter.search(**asked))
        return {"ids": ids, "seconds": time.perf_counter() - start}
    adapter.add(**asked)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": time.perf_counter() - start, "peak_bytes": 1024 * peak_kib}


def main() -> None:
    # Whatever a product prints goes to the log; replies have a stream of their own.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # One that dies has told the log until then.
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=True)

    def reply(told: dict[str, Any]) -> None:
        replies.write(json.dumps(told) + "\n")
        replies.flush()

    name, folder = sys.argv[1:]
    adapter = find(name)(Path(folder))
    reply({"about": adapter.about()})
    for line in sys.stdin:
        try:
            told = _answer(adapter, json.loads(line))
        except Exception as error:  # the edge of the process: the run tells it and ends
            told = {"error": f"{type(error).__name__}: {error}"}
        reply(told)


if __name__ == "__main__":
    main()
