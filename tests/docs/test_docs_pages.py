"""The documentation does not fall behind the sources: pages, programs in them, and the table of what is covered."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.ofproto.strategies import CLASSES

import covered
from daoli.ofproto import FIELDS
from daoli.ofproto.actions import ACTION
from daoli.ofproto.coverage import Row
from daoli.ofproto.instructions import INSTRUCTION

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = (ROOT / "mkdocs.yml").read_text()
GENERATED = {"index.md", "changelog.md", "contributing.md", "results.md", "coverage.md"}
"""Pages that `docs/hooks.py` adds."""
REFERENCE = {path.stem: path.read_text() for path in sorted((DOCS / "reference").glob("*.md"))}
COVERAGE = covered.coverage()
INTERNAL = {"daoli.ofproto.nicira_text", "daoli.ofproto.coverage"}
"""Modules without anything that others import."""


def test_navigation_has_every_page() -> None:
    """Each page is in the navigation, and each entry of it is a page."""
    listed = re.findall(r": (\S+\.md)$", SITE, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | GENERATED


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The site needs no fonts and no scripts of others."""
    assert re.search(r"^  font: false$", SITE, re.MULTILINE)
    assert "://" not in SITE


def test_reference_has_every_module() -> None:
    """Each module of the OpenFlow stack stands on one page of docs/reference, and no page on what is gone."""
    packages = (ROOT / "src/daoli/ofproto", ROOT / "src/daoli/datapath")
    files = [path.relative_to(ROOT / "src") for package in packages for path in package.rglob("[!_]*.py")]
    modules = {".".join(path.with_suffix("").parts) for path in files}
    shown = [name for page in REFERENCE.values() for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]
    assert len(shown) == len(set(shown))
    assert set(shown) == modules - INTERNAL


@pytest.mark.parametrize("page", REFERENCE)
def test_programs_run(page: str) -> None:
    """What the reference shows as Python runs, and its assertions hold."""
    for program in re.findall(r"```python\n(.*?)```", REFERENCE[page], re.DOTALL):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr


def test_coverage_leads_to_every_class() -> None:
    """Each class of message, action and instruction is in the table of what is covered, and leads to its reference."""
    for cls in (*CLASSES, *ACTION.classes.values(), *INSTRUCTION.classes.values()):
        link = f"[{cls.__name__}][{cls.__module__}.{cls.__name__}]"
        assert link in COVERAGE or cls.__name__.startswith("Unknown"), cls


def test_coverage_says_what_is_missing() -> None:
    """What has no class is unknown, and what is no class has no link."""
    assert covered.named(Row("messages", "OFPT_NOVEL", "", "7")) == "*unknown*"
    assert covered.named(Row("match fields", "OFPXMT_OFB_IN_PORT", "in_port", "7.2.3.7")) == "`in_port`"


def test_coverage_names_every_field() -> None:
    """Each match field has its line."""
    assert [name for name in FIELDS if f"| `{name}` |" not in COVERAGE] == []


def test_tables_are_even() -> None:
    """Every line of a table has as many cells as its headings."""
    for section in COVERAGE.split("\n## ")[1:]:
        lines = [line.replace(r"\|", "") for line in section.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1, section.splitlines()[0]
