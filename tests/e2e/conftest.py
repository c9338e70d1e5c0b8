"""A lab and a controller for each module of end-to-end tests; each test takes away what it adds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.rig import Rig, running
from tests.labs import require_lab


@pytest.fixture(scope="module")
def module_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two hosts with two networks and an endpoint on each; routes idle out after two seconds."""
    require_lab()
    root = tmp_path_factory.mktemp("labs")
    with running("--idle-timeout", "2", endpoints=2, networks=2, state_dir=root) as rig:
        yield rig


@pytest.fixture
def rig(module_rig: Rig) -> Iterator[Rig]:
    """Lend the module's rig; what the test added goes at the end."""
    try:
        yield module_rig
    finally:
        module_rig.clean()


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    """Yield a place for a lab of the test's own."""
    require_lab()
    path = tmp_path / "labs"
    path.mkdir()
    return path
