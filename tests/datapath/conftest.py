"""Makes the helpers of these tests importable however pytest is started, and builds a lab for those that need one."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from daoli.lab import Lab


def require_lab() -> None:
    """Skip, and say so, where no lab can be built."""
    if os.geteuid() or not shutil.which("ovs-vswitchd"):
        pytest.skip("NEEDS ROOT AND OPEN VSWITCH: make test, as root, installs it")


@pytest.fixture(scope="session")
def datapath_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One switch, which looks for a controller by TCP."""
    require_lab()
    with Lab.create(hosts=1, endpoints=0, state_dir=tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def tls_lab(tmp_path: Path) -> Iterator[Lab]:
    """One switch, which looks for a controller by TLS and has no certificate yet."""
    require_lab()
    with Lab.create(hosts=1, endpoints=0, controller="ssl:10.254.0.250:6653", state_dir=tmp_path) as lab:
        yield lab
