"""A lab and a controller for each module of end-to-end tests; each test takes away what it adds."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.e2e.docker_rig import DockerRig
from tests.e2e.rig import Rig, running
from tests.labs import require_lab

from daoli.lab import DockerLab


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the ends of a Docker lab's logs with the test that failed on it."""
    report = yield
    labs = [used for used in getattr(item, "funcargs", {}).values() if isinstance(used, DockerLab)]
    if report.failed:
        report.sections += [(f"Logs of {lab.name}", lab.last_words()) for lab in labs]
    return report


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


@pytest.fixture(scope="module")
def docker_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three Docker hosts that have joined a controller; routes idle out after two seconds."""
    require_lab()
    root = tmp_path_factory.mktemp("labs")
    with DockerLab.up(hosts=3, controller_flags=("--idle-timeout", "2"), state_dir=root) as lab:
        yield lab


@pytest.fixture
def docker_rig(docker_lab: DockerLab) -> Iterator[DockerRig]:
    """Lend the module's Docker hosts; the containers and networks that the test made go at the end."""
    rig = DockerRig(docker_lab)
    try:
        yield rig
    finally:
        rig.clean()
