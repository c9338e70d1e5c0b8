"""What is said when the machine cannot carry a lab."""

import os
from pathlib import Path

import pytest

from daoli.lab import UsageError
from daoli.lab.preflight import PACKAGES, check_programs, check_root


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root the lab is refused in one line."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="run it as root") as refusal:
        check_root()
    assert "\n" not in str(refusal.value)


def test_missing_programs(tmp_path: Path) -> None:
    """Missing programs are refused with the command that installs exactly their packages."""
    for package, programs in PACKAGES.items():
        for program in programs if package != "openvswitch-switch" else programs[1:]:
            (tmp_path / program).touch(mode=0o755)
    with pytest.raises(UsageError) as refusal:
        check_programs(str(tmp_path))
    assert str(refusal.value).endswith("apt-get install -y openvswitch-switch")


def test_missing_docker(tmp_path: Path) -> None:
    """Only a lab of Docker hosts needs Docker's packages."""
    for programs in PACKAGES.values():
        for program in programs:
            (tmp_path / program).touch(mode=0o755)
    with pytest.raises(UsageError, match=r"apt-get install -y docker\.io containerd runc iptables .*busybox-static"):
        check_programs(str(tmp_path), docker=True)


def test_all_there(tmp_path: Path) -> None:
    """Nothing is said when every program is found."""
    for programs in PACKAGES.values():
        for program in programs:
            (tmp_path / program).touch(mode=0o755)
    check_programs(str(tmp_path))
