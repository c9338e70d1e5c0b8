"""``daolictl completion``."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, host

from daoli.cli.completion import SHELLS


@pytest.mark.parametrize("shell", SHELLS)
def test_script(shell: str, call: Run) -> None:
    """Each shell gets a script that asks daolictl."""
    said = call("completion", shell)
    assert said.code == 0
    assert f"_DAOLICTL_COMPLETE={shell}_complete" in said.out


def test_other_shell(call: Run) -> None:
    """Another shell is a wrong use."""
    assert call("completion", "tcsh").code == 2


def test_bash_completes_names(api: FakeApi) -> None:
    """What the script asks for is answered with the controller's names."""
    api.says("GET", "/hosts", {"hosts": [host("h1"), host("gate")], "unregistered": []})
    environment = {
        **os.environ,
        "DAOLI_CONTROLLER": api.url,
        "_DAOLICTL_COMPLETE": "bash_complete",
        "COMP_WORDS": "daolictl host show h",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", "daoli.cli"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("plain,h1\n", "")
