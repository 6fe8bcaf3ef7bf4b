"""The command line. Here is its entry point; a file for each group of commands, app.py puts them together.

asking: add, recall, context, answer, profile, changes, status, tail.  serving: serve, worker, mcp, doctor.  moving:
import, export.  accounts: keys, tenants, scrub.  distilling: distill, reencode.  cells.  erasures.  evaluating: eval,
bench.  connection.py is what those share that ask a running service.
"""

from __future__ import annotations

import gc
import os
import sys

# New objects before the youngest are looked through, and how often that happens before the older ones are.
_COLLECT = (10_000, 10, 20)


def main() -> None:
    """Entry point. The SDK's light installation has the command too, and says what it lacks."""
    # Before numpy is imported: the products of a recall are small, and a second thread of theirs only spins on a core
    # that the background could use.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # What is read and made of a namespace lives on: looking through it for cycles every 700 objects, as Python does,
    # takes a quarter of the time of a read of all.
    gc.set_threshold(*_COLLECT)
    try:
        from memsvc.cli import app
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("memsvc"):
            raise
        sys.exit(
            f"This installation holds the SDK only (no {error.name}). "
            'For the commands: pip install "memsvc[cli]"; for the service too: pip install "memsvc[server]".'
        )
    app.run()
