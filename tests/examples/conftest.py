"""Makes the helpers of these tests importable however pytest is started, and builds a lab for all of them."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from daoli.lab import Lab


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts with two endpoints each, whose switches look for a controller once a second at least."""
    if os.geteuid() or not shutil.which("ovs-vswitchd"):
        pytest.skip("NEEDS ROOT AND OPEN VSWITCH: make test, as root, installs it")
    with Lab.create(state_dir=tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def examples_lab(session_lab: Lab) -> Lab:
    """Lend the lab, its flow tables empty whatever the test before left there."""
    for host in session_lab.hosts.values():
        host.ofctl("del-flows", "daoli")
    return session_lab
