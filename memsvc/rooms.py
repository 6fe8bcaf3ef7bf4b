"""Where the rooms beside this package lie: api, eval, workers and migrations are no part of the package `memsvc`.

In a checkout they are its neighbours. The wheel carries them inside, under `_bundled`, so that nothing named api or
eval lands in anybody's site-packages; the process that serves adds that one folder to its own path.
"""

from __future__ import annotations

import sys
from pathlib import Path

from memsvc import errors


def root() -> Path:
    """The folder that holds api, eval, workers and migrations. Raises Invalid in an installation without them."""
    package = Path(__file__).parent
    for folder in (package / "_bundled", package.parent):
        if (folder / "migrations" / "env.py").exists():
            return folder
    raise errors.Invalid("This installation has no server.", "Use a checkout, the container image, or the full wheel.")


def make_importable() -> None:
    """Let `import api` and `import eval` find the rooms, ahead of anything else of these names."""
    path = str(root())
    if path not in sys.path:
        sys.path.insert(0, path)
