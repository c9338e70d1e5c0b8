"""One controller per state folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daoli.store.base import StateLocked, StateUnusable
from daoli.store.lock import LOCK_FILE, StateLock


def test_second_is_refused(tmp_path: Path) -> None:
    """The second lock on a folder is refused with the process that holds the first; a released one is free."""
    lock = StateLock(tmp_path)
    with pytest.raises(StateLocked, match=f"process {os.getpid()}"):
        StateLock(tmp_path)
    lock.release()
    lock.release()
    StateLock(tmp_path).release()


def test_stale_file(tmp_path: Path) -> None:
    """A lock file that a killed process left behind, however long its text, is in nobody's way."""
    (tmp_path / LOCK_FILE).write_text("123456789\n")
    lock = StateLock(tmp_path)
    assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_no_file(tmp_path: Path) -> None:
    """A lock file that cannot be opened is an unusable state folder."""
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(StateUnusable, match="directory"):
        StateLock(tmp_path)
