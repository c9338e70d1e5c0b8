"""The notes of what joining made."""

from __future__ import annotations

import json
from pathlib import Path

from daoli.agent.state import State, write_atomically


def test_notes_survive(tmp_path: Path) -> None:
    """A note is on the disk at once; the first one of a name stays, since it tells how things were before."""
    folder = tmp_path / "agent"
    state = State.load(folder)
    state.note("ip_forward", "0")
    state.note("ip_forward", "1")
    assert State.load(folder).joined == {"ip_forward": "0"}
    state.forget("ip_forward")
    state.forget("never")
    assert State.load(folder).joined == {}


def test_damage(tmp_path: Path) -> None:
    """A file that makes no sense is put aside, and the agent starts without notes."""
    for text in ("", "[]", "{}", '{"joined": 3}', "\xff"):
        (tmp_path / "state.json").write_text(text, encoding="latin-1")
        assert State.load(tmp_path).joined == {}
        assert not (tmp_path / "state.json").exists()
        assert (tmp_path / "state.damaged").read_text(encoding="latin-1") == text


def test_atomic(tmp_path: Path) -> None:
    """A write leaves the file and nothing else, in a folder that it makes."""
    path = tmp_path / "new" / "file"
    write_atomically(path, json.dumps([1]).encode())
    write_atomically(path, b"[2]")
    assert path.read_text() == "[2]"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]
