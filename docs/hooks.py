"""What mkdocs asks while it builds: pages that stand elsewhere in the tree, and one made from the codec's registries.

The README is the first page, the figures and the changelog come along, and a link from one document to another leads
from page to page although in the tree it leads from file to file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

from covered import coverage

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "bench/RESULTS.md": "results.md",
}
"""Documents that stand elsewhere in the tree, and the pages they are."""
COVERAGE: Final = "coverage.md"

_LINK: Final = re.compile(r"\[([^\]\[]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")
_SOURCES: Final = {page: document for document, page in PAGES.items()}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in the folder."""
    for document, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / document)))
    files.append(File.generated(config, COVERAGE, content=coverage()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links from page to page; a file that is no page is only named."""
    here = page.file.src_uri
    return _LINK.sub(lambda found: led(here, found, {file.src_uri for file in files}), markdown)


def led(here: str, link: re.Match[str], pages: Iterable[str]) -> str:
    """Give a link of a page as the site needs it."""
    text, target, anchor = link[1], link[2], link[3] or ""
    if posixpath.normpath(posixpath.join(posixpath.dirname(here), target)) in pages:
        return link[0]
    document = _SOURCES.get(here, f"docs/{here}")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(document), target))
    leads_to = PAGES.get(wanted, wanted.removeprefix("docs/"))
    if leads_to not in pages:
        return text
    return f"[{text}]({posixpath.relpath(leads_to, posixpath.dirname(here) or '.')}{anchor})"
