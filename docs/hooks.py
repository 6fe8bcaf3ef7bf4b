"""For the site: pages that stand outside docs/ become pages of it too, and links are as they are in the repository.

So a page is written once, its links are paths in the repository, and they lead where they should on GitHub and here.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# In the repository -> in the site. The README is the first page; the icon is the service's.
_OUTSIDE = {
    "README.md": "index.md",
    **{path.name: path.name for path in sorted(ROOT.glob("*.md")) if path.name != "README.md"},
    **{path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix() for path in ROOT.glob("memsvc/**/*.md")},
    "deploy/nginx.conf": "deploy/nginx.conf",
    "api/admin/static/icon.svg": "icon.svg",
}
_INSIDE = {site: repository for repository, site in _OUTSIDE.items()}
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The files of docs/, and the pages from outside it."""
    for repository, site in _OUTSIDE.items():
        files.append(File.generated(config, site, abs_src_path=str(ROOT / repository)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links as the site has them."""
    site = page.file.src_uri
    folder = posixpath.dirname(_INSIDE.get(site, f"docs/{site}"))

    def moved(link: re.Match[str]) -> str:
        target, anchor = link.group(1), link.group(2) or ""
        if re.match(r"[a-z]+:", target):
            return link.group(0)
        there = posixpath.normpath(posixpath.join(folder, target))
        there = _OUTSIDE.get(there, there.removeprefix("docs/"))
        return f"]({posixpath.relpath(there, posixpath.dirname(site) or '.')}{anchor})"

    return _LINK.sub(moved, markdown)
