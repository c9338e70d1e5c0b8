"""What every test that builds a lab asks first."""

from __future__ import annotations

import os
import shutil

import pytest


def require_lab() -> None:
    """Skip, and say so, where no lab can be built."""
    if os.geteuid() or not all(map(shutil.which, ("ovs-vswitchd", "dockerd"))):
        pytest.skip("NEEDS ROOT, OPEN VSWITCH AND DOCKER: make test, as root, installs them")
