"""Labs for the tests that need real Open vSwitch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.labs import require_lab

from daoli.lab import Lab


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
