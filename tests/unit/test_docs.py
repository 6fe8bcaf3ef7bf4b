"""The pages for people: every link leads somewhere, every setting is told, the README is short and its figures are real."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memsvc.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("memsvc/**/*.md")])
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings: small letters, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text()))
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and (file.suffix != ".md" or anchor not in anchors(file))):
            wrong.append(target)
    assert wrong == []


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    found, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in found or page.suffix != ".md" or not page.exists():
            continue
        found.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        left += [(page.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)]
    assert [page.name for page in (ROOT / "docs").rglob("*.md") if page not in found] == []


def test_no_line_of_a_page_is_longer_than_120_characters_but_of_tables_blocks_and_what_is_written_from_code() -> None:
    for page in PAGES:
        if page.parent.name == "reference":
            continue
        lines = _FENCE.sub("", page.read_text(encoding="utf-8")).splitlines()
        long = [line for line in lines if len(line) > 120 and not line.startswith(("|", "!["))]
        assert not long, (page, long)


def test_no_two_headings_of_a_page_that_is_linked_into_have_one_anchor() -> None:
    """Of two, a link can lead to the first alone."""
    linked = {
        (page.parent / target).resolve() if target else page
        for page in PAGES for target in re.findall(r"\]\(([^)#\s:]*)#", page.read_text())
    }  # fmt: skip
    headings = {str(page): re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE) for page in linked}
    folded = {name: [heading.lower() for heading in found] for name, found in headings.items()}
    assert {name: [one for one in found if found.count(one) > 1] for name, found in folded.items()} == {
        name: [] for name in folded
    }


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    """`make docs` writes it."""
    folder = ROOT / "docs" / "reference"
    subprocess.run(
        [sys.executable, folder / "generate.py", tmp_path], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    made = {page.name: page.read_text() for page in tmp_path.iterdir()}
    assert made.keys() == {page.name for page in folder.glob("*.md")} == {"rest.md", "sdk.md", "cli.md"}
    assert [name for name, text in made.items() if text != (folder / name).read_text()] == []


def test_every_setting_stands_on_its_page_and_nothing_else_does() -> None:
    """`MEMSVC_READER_MODEL`, `_DEVICE` in one row are MEMSVC_READER_MODEL and MEMSVC_READER_DEVICE."""
    told = set[str]()
    for row in re.findall(r"^\| (`MEMSVC_[^|]+) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE):
        names = re.findall(r"`([A-Z_]+)`", row)
        told |= {name for name in names if name.startswith("MEMSVC_")}
        room = "_".join(names[0].split("_")[:2])
        told |= {f"{room}{name}" for name in names if name.startswith("_")}
    known = {
        f"{group.model_config.get('env_prefix', 'MEMSVC_')}{field}".upper()
        for group in vars(Settings()).values() for field in type(group).model_fields
    }  # fmt: skip
    assert told - known == set()
    assert known - told == set()


def test_the_readme_is_short_and_its_figures_are_those_of_the_recorded_run() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 120
    assert max(len(line) for line in text.splitlines()) <= 120
    rows = re.findall(r"^\| (LoCoMo|BEAM-128K), ([\d,]+) questions \| (.+) \|$", text, re.MULTILINE)
    runs = json.loads((ROOT / "docs" / "results" / "retrieval.json").read_text())
    assert len(rows) == len(runs) == 2
    for (_, count, cells), run in zip(rows, runs, strict=True):
        beside = (run["baselines"][name] for name in ("memsvc, no ranker", "bm25", "dense", "hybrid_sum"))
        measured = [run, *beside]
        shown = [float(cell.strip("* ")) for cell in cells.split("|")]
        assert shown == [round(100 * system["overall"]["recall@10"], 1) for system in measured]
        assert int(count.replace(",", "")) == run["overall"]["n"]
