"""The command line: memsvc serve | doctor | eval."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point. The SDK's light installation has the command too, and says what it lacks."""
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
