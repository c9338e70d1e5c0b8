"""The tree keeps its order: tests mirror the sources, every target of the Makefile is explained."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path.relative_to(ROOT / "src/daoli")
    for path in (ROOT / "src/daoli").rglob("*.py")
    if not path.name.startswith("__")
)


def declares_only(source: Path) -> bool:
    """Tell whether a module has nothing that could be run: records, exceptions and protocols."""
    tree = ast.parse((ROOT / "src/daoli" / source).read_text())
    protocols = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases)
    ]
    silent = {function for protocol in protocols for function in ast.walk(protocol)}
    return not any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in silent for node in ast.walk(tree)
    )


def mirrors(source: Path) -> list[Path]:
    """List the names that a module's test may have: test basenames are unique over the whole tree."""
    folder = ROOT / "tests" / source.parent
    return [folder / f"test_{source.stem}.py", folder / f"test_{'_'.join((*source.parent.parts, source.stem))}.py"]


@pytest.mark.parametrize("source", [source for source in SOURCES if not declares_only(source)], ids=str)
def test_module_has_its_test(source: Path) -> None:
    """Every module that does something has a test file at the same place under tests."""
    assert any(path.exists() for path in mirrors(source)), (
        f"none of {[str(p.relative_to(ROOT)) for p in mirrors(source)]}"
    )


def test_test_has_its_module() -> None:
    """No test file of a folder that mirrors a package has outlived its module."""
    known = {path for source in SOURCES for path in mirrors(source)}
    packages = {source.parent for source in SOURCES if source.parent != Path()}
    tests = {path for package in packages for path in (ROOT / "tests" / package).glob("test_*.py")}
    whole_package = {ROOT / "tests" / package / f"test_{package.name}_package.py" for package in packages}
    main = {ROOT / "tests" / package / f"test_{package.name}_main.py" for package in packages}
    assert tests - known - whole_package - main == set()


def test_makefile_explains_its_targets() -> None:
    """`make help` has a line for each target."""
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z0-9]+):", text, re.MULTILINE)
    assert targets == re.findall(r"^([a-z0-9]+):.*## \S", text, re.MULTILINE)


def imported(path: Path) -> set[str]:
    """List the top-level packages that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_dependencies_are_declared() -> None:
    """Every package that the sources import is a declared dependency, so that a plain installation has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", text)[0].lower() for text in project["dependencies"]}
    packages = packages_distributions()
    foreign = set().union(*(imported(ROOT / "src/daoli" / source) for source in SOURCES))
    foreign -= {*sys.stdlib_module_names, "daoli", "pydantic_core"}  # the last comes with pydantic
    known = {name: {each.lower().replace("_", "-") for each in packages.get(name, ())} for name in foreign}
    missing = {name for name, distributions in known.items() if not declared & distributions}
    assert missing == set()
