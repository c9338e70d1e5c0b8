"""The driver's parts around a network dnet1 that Docker and the fabric know."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.driver.parts import Parts


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """A driver with the network dnet1."""
    return Parts(tmp_path)
