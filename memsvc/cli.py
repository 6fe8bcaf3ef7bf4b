"""The command line: memsvc serve | doctor | eval."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point. The SDK's light installation has the command too, and says what it lacks."""
    # Before numpy is imported: the products of a recall are small, and a second thread of theirs only spins on a core
    # that the background could use.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from memsvc import commands
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("memsvc"):
            raise
        sys.exit(
            f"This installation holds the SDK only (no {error.name}). "
            'For the service and its commands: pip install "memsvc[server]".'
        )
    commands.run()


if __name__ == "__main__":
    main()
