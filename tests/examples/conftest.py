"""A lab for the examples."""

from collections.abc import Iterator

import pytest
from tests.labs import require_lab

from daoli.lab import Lab


@pytest.fixture(scope="session")
def session_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two hosts with two endpoints each, whose switches look for a controller once a second at least."""
    require_lab()
    with Lab.create(state_dir=tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def examples_lab(session_lab: Lab) -> Lab:
    """Lend the lab, its flow tables empty whatever the test before left there."""
    for host in session_lab.hosts.values():
        host.ofctl("del-flows", "daoli")
    return session_lab
