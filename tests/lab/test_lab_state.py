"""The state folder: what is ours, what is readable, who may change it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daoli.lab import UsageError
from daoli.lab.state import Folder, write_atomically


def test_written_and_read(tmp_path: Path) -> None:
    """What was written last is read, and no draft remains."""
    folder = Folder("a", tmp_path)
    folder.create("marker")
    folder.write({"n": 1})
    folder.write({"n": 2})
    assert folder.read() == {"n": 2}
    assert folder.marker() == "marker"
    assert sorted(path.name for path in folder.path.iterdir()) == [".daoli-lab", "lab.json"]


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"1", b'{"plan"', b"\xff"]))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_is_none(tmp_path: Path, data: bytes) -> None:
    """Whatever stands in the state file, reading it gives a dict or nothing."""
    folder = Folder("a", tmp_path)
    folder.path.mkdir(exist_ok=True)
    (folder.path / "lab.json").write_bytes(data)
    assert folder.read() is None or isinstance(folder.read(), dict)


def test_missing_is_none(tmp_path: Path) -> None:
    """A folder that is not there has no state and no marker."""
    assert Folder("a", tmp_path).read() is None
    assert Folder("a", tmp_path).marker() == ""


def test_foreign_folder(tmp_path: Path) -> None:
    """A folder that has something in it, but nothing of a lab, is refused; an empty one is not."""
    folder = Folder("home", tmp_path)
    folder.path.mkdir()
    folder.check_ours()
    (folder.path / "diary").write_text("dear")
    with pytest.raises(UsageError, match="is not the folder of a lab"):
        folder.check_ours()
    (folder.path / ".daoli-lab").touch()
    folder.check_ours()


def test_lock_excludes(tmp_path: Path) -> None:
    """Only one holder at a time; the file is gone afterwards, and the next one gets the lock."""
    folder = Folder("a", tmp_path)
    with folder.locked() as first, Folder("a", tmp_path).locked() as second, Folder("b", tmp_path).locked() as other:
        assert (first, second, other) == (True, False, True)
    assert list(tmp_path.iterdir()) == []
    with folder.locked() as again:
        assert again


def test_below(tmp_path: Path) -> None:
    """Folders with a marker or a state are labs; others, and files, are not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.daoli-lab").touch()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/lab.json").touch()
    (tmp_path / "c").mkdir()
    (tmp_path / "d").touch()
    assert [folder.name for folder in Folder.below(tmp_path)] == ["a", "b"]
    assert Folder.below(tmp_path / "nowhere") == []


def test_write_replaces(tmp_path: Path) -> None:
    """A reader that opened the old file goes on reading the old text."""
    path = tmp_path / "f"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
