"""What figures come from: the data they were measured on, and the commit that measured them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path


def sha256(data: Path) -> str:
    """Of a file, or of all files of a folder with their names."""
    if data.is_file():
        return hashlib.sha256(data.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        whole.update(path.relative_to(data).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def commit() -> str | None:
    """The commit of the checkout this file lies in, with "-dirty" when files differ from it; None outside one."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
