"""What is released: one version everywhere, the same bytes from the same commit, a bill of all that is in it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest

from api.app import described
from deploy import release
from memsvc import __version__
from memsvc.sdk import MemoryClient

ROOT = Path(__file__).parents[2]


def test_the_version_stands_in_one_place_and_all_else_says_the_same() -> None:
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    top = re.search(r"^## (\S+)( \(unreleased\))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert top is not None and top.group(1) == __version__
    told = subprocess.run([sys.executable, "-m", "memsvc.cli", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == __version__ == described().openapi()["info"]["version"]
    for file, pattern in (
        ("Dockerfile", r'image\.version="([^"]+)"'), ("deploy/kubernetes/cell.yaml", r"image: memsvc:(\S+)"),
    ):  # fmt: skip
        assert set(re.findall(pattern, (ROOT / file).read_text())) == {__version__}, file


def test_the_client_says_to_the_service_which_version_it_is() -> None:
    seen = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["User-Agent"])
        return httpx.Response(200)

    with MemoryClient("http://127.0.0.1:9", "k" * 9, transport=httpx.MockTransport(reply)) as client:
        assert client.ready()
    assert seen == [f"memsvc/{__version__}"]


def test_two_builds_of_a_commit_give_the_same_bytes_and_are_of_the_version_of_the_changelog(tmp_path: Path) -> None:
    first, again = release.build(tmp_path / "first"), release.build(tmp_path / "again")
    assert [file.name for file in first] == [
        f"memsvc-{__version__}-py3-none-any.whl", f"memsvc-{__version__}.tar.gz",
    ]  # fmt: skip
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in again]
    release.check(first)
    wheel, source = first
    meta = zipfile.ZipFile(wheel).read(f"memsvc-{__version__}.dist-info/METADATA").decode()
    assert f"\nVersion: {__version__}\n" in meta
    with tarfile.open(source) as packed:
        assert f"memsvc-{__version__}/migrations/env.py" in packed.getnames()
    with pytest.raises(SystemExit, match=r"Not of version .*: memsvc-9\.9\.9"):
        release.check([tmp_path / "memsvc-9.9.9.tar.gz"])


@pytest.mark.slow
def test_the_bill_of_materials_names_all_that_is_installed_to_serve_and_nothing_else() -> None:
    pins = [line.split("==") for line in release.PINS.read_text().splitlines() if "==" in line]
    bill = release.sbom({"jinja2": "ab" * 32})
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == __version__
    parts = {re.sub(r"[-_.]+", "-", part["name"]).lower(): part for part in bill["components"]}
    assert {name: part["version"] for name, part in parts.items()} == {
        re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins
    }
    assert all(part["purl"].startswith(f"pkg:pypi/{name}@") for name, part in parts.items())
    # protobuf tells its licence in a file alone.
    assert [name for name, part in parts.items() if not part.get("licenses")] == ["protobuf"]
    assert [name for name, part in parts.items() if "hashes" in part] == ["jinja2"]
    refs = {part["bom-ref"] for part in bill["components"]}
    assert all(set(item.get("dependsOn", [])) <= refs for item in bill["dependencies"])
    assert str(ROOT) not in str(bill) and "file:" not in str(bill)
