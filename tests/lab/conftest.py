"""Labs for the end-to-end tests: one that all share, and fresh ones for tests that break things."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.labs import require_lab

from daoli.lab import Lab
from daoli.lab.lab import names, remove_all


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts with two endpoints each and no controller, for tests that leave them as they were."""
    require_lab()
    with Lab.create(controller="", state_dir=tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Yield a place for labs; whatever way they came about, they go at the end, and nothing else may be left."""
    require_lab()
    root = tmp_path / "labs"
    root.mkdir()
    yield root
    remove_all(root)
    assert names(root) == []
    assert [path.name for path in root.iterdir()] == []


@pytest.fixture
def create(root: Path) -> Callable[..., Lab]:
    """Build labs there, without a controller unless told otherwise."""

    def build(name: str | None = None, **options: object) -> Lab:
        return Lab.create(name, **{"controller": "", "state_dir": root, **options})  # type: ignore[arg-type]

    return build
