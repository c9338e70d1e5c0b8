"""What every test that builds a lab asks first."""

from __future__ import annotations

import os
import shutil

import pytest


def require_lab() -> None:
    """Skip, and say so, where no lab can be built."""
    if os.geteuid() or not shutil.which("ovs-vswitchd"):
        pytest.skip("NEEDS ROOT AND OPEN VSWITCH: make test, as root, installs it")
