"""Control groups of a lab, found by their name and removed from all hierarchies."""

from pathlib import Path

import pytest

from daoli.lab import cgroups


def test_parent() -> None:
    """The group's name follows from the lab's folder: labs of one name in two places do not share it."""
    one = cgroups.parent(Path("/run/daoli-lab/lab"))
    assert one == cgroups.parent(Path("/run/daoli-lab/lab"))
    assert one != cgroups.parent(Path("/tmp/lab"))  # noqa: S108  only a name
    assert one.startswith("/daoli-lab-")


def test_remove(tmp_path: Path) -> None:
    """A group goes with all below it, in the unified hierarchy and in those of version 1; its neighbours stay."""
    for group in ("mine/h1/c1", "mine/h2", "cpu/mine/h1", "memory/mine", "cpu/other/h1"):
        (tmp_path / group).mkdir(parents=True)
    assert cgroups.remove("/mine", tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        *("cpu", "cpu/other", "cpu/other/h1", "memory"),
    ]
    assert cgroups.remove("/mine", tmp_path)


def test_remove_one_host(tmp_path: Path) -> None:
    """A host's groups go without those of the others."""
    for group in ("cpu/mine/h1/c1", "cpu/mine/h2"):
        (tmp_path / group).mkdir(parents=True)
    assert cgroups.remove("/mine/h1", tmp_path)
    assert [path.name for path in (tmp_path / "cpu/mine").iterdir()] == ["h2"]


def test_nothing_there(tmp_path: Path) -> None:
    """A machine without control groups is no obstacle."""
    assert cgroups.remove("/mine", tmp_path / "none")


def test_members_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that does not become empty is told."""
    monkeypatch.setattr(cgroups, "REMOVE_TIMEOUT", 0.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/member").touch()
    assert not cgroups.remove("/mine", tmp_path)
