"""A lab and a controller for each module of end-to-end tests; each test takes away what it adds."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.rig import Rig, running


def require_lab() -> None:
    """Skip, and say so, where no lab can be built."""
    if os.geteuid() or not shutil.which("ovs-vswitchd"):
        pytest.skip("NEEDS ROOT AND OPEN VSWITCH: make test, as root, installs it")


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
