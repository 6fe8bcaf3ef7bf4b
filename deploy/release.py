"""Builds what is released of the commit that is checked out, into a folder: `make release`.

The wheel and the source, the same bytes from the same commit whenever and wherever they are built; sbom.json, what
`make run` installs as CycloneDX, with licences, and hashes of the files of this machine's kind; SHA256SUMS of them all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memsvc import __version__

ROOT = Path(__file__).parents[1]
PINS = ROOT / "requirements" / "serve.txt"
# 1 January 1980, before which no zip can date a file.
_UNKNOWN = "315532800"


def commit_time() -> str:
    """SOURCE_DATE_EPOCH: seconds since 1970 of the last commit, or as the environment has it; of a source without its
    history always the same.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    try:
        done = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return _UNKNOWN
    return done.stdout.strip()


def build(folder: Path) -> list[Path]:
    """The wheel and the source, made in `folder`."""
    epoch = os.environ | {"SOURCE_DATE_EPOCH": commit_time()}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=epoch, check=True, capture_output=True)
    return sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])


def sbom(hashes: Mapping[str, str]) -> dict[str, Any]:
    """CycloneDX of what is pinned for serving: names, versions, licences, purls, what needs what; of each file its
    hash as `hashes` has it, package -> SHA-256. Raises SystemExit for a pin that is not installed here.
    """
    pinned = {_normal(line.split("==")[0]) for line in PINS.read_text().splitlines() if "==" in line}
    command = (sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml",
               "--output-reproducible", "--sv", "1.6", sys.executable)  # fmt: skip
    whole: dict[str, Any] = json.loads(_output(*command, SOURCE_DATE_EPOCH=commit_time()))
    kept = [part for part in whole["components"] if _normal(part["name"]) in pinned]
    for part in kept:
        # Where this machine found it says nothing to anybody else.
        part["externalReferences"] = [
            link for link in part.get("externalReferences", []) if link["url"].startswith("https://")
        ]
        if known := hashes.get(_normal(part["name"])):
            part["hashes"] = [{"alg": "SHA-256", "content": known}]
    missing = pinned - {_normal(part["name"]) for part in kept}
    if missing:
        raise SystemExit(f"Not installed, so nothing is known of it: {', '.join(sorted(missing))}. Run make setup.")
    whole["metadata"]["component"]["version"] = __version__
    refs = {part["bom-ref"] for part in kept} | {whole["metadata"]["component"]["bom-ref"]}
    needs = [
        item | ({"dependsOn": [ref for ref in item["dependsOn"] if ref in refs]} if "dependsOn" in item else {})
        for item in whole["dependencies"] if item["ref"] in refs
    ]  # fmt: skip
    return whole | {"components": kept, "dependencies": needs}


def hashes_of_files() -> dict[str, str]:
    """Package -> SHA-256 of the file that pip would install here; asks the package index. None at all where that does
    not answer, which is said.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "-r",
            str(PINS), "--report", str(report),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(f"The bill of materials has no hashes: {done.stderr.strip()[-300:]}\n")
            return {}
        found = json.loads(report.read_text())["install"]
    return {
        _normal(item["metadata"]["name"]): item["download_info"]["archive_info"]["hashes"]["sha256"] for item in found
    }


def check(files: list[Path]) -> None:
    """Raises SystemExit unless the files are of the version that stands first in CHANGELOG.md."""
    top = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    if top is None or top.group(1) != __version__:
        raise SystemExit(f"CHANGELOG.md does not begin with a section on {__version__}.")
    wrong = [file.name for file in files if f"-{__version__}" not in file.name]
    if wrong:
        raise SystemExit(f"Not of version {__version__}: {', '.join(wrong)}.")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _output(*command: str, **more: str) -> str:
    done = subprocess.run(command, cwd=ROOT, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def main(folder: Path) -> None:
    """Write all files of a release into `folder`, in place of those of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("memsvc-*"):
        old.unlink()
    files = build(folder)
    check(files)
    bill = folder / "sbom.json"
    bill.write_text(json.dumps(sbom(hashes_of_files()), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in [*files, bill]]
    (folder / "SHA256SUMS").write_text("".join(lines))
    sys.stdout.write("".join(lines))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    main(parser.parse_args().folder)
