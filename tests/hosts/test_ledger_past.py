"""The end of a ledger's file, read at the start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.hosts.test_ledger import closed, refused

from daoli.hosts.facts import Note
from daoli.hosts.ledger_file import line
from daoli.hosts.ledger_past import Past, recall


def write(path: Path, *notes: Note) -> None:
    path.write_bytes(b"".join(map(line, notes)))


def test_whole(tmp_path: Path) -> None:
    """Entries come back as they were noted, in their order."""
    notes = [refused(1), closed(2.5), refused(3)]
    write(tmp_path / "l", *notes)
    past = recall(tmp_path / "l", 0, 10)
    assert past.damaged == 0
    assert [(note.time, note.entry()) for note in past.notes] == [(note.time, note.entry()) for note in notes]


def test_newest(tmp_path: Path) -> None:
    """Of more than are wanted the newest are read, over the bounds of the pieces that a file is read in."""
    write(tmp_path / "l", *(refused(at) for at in range(1000)))
    assert [note.time for note in recall(tmp_path / "l", 0, 700).notes] == [float(at) for at in range(300, 1000)]


@pytest.mark.parametrize(("files", "times"), [(0, [5]), (1, [3, 4, 5]), (2, [2, 3, 4, 5]), (9, [2, 3, 4, 5])])
def test_closed_files(files: int, times: list[float], tmp_path: Path) -> None:
    """Where the file has too few those closed before it are read, as many as there may be; one behind a gap is not."""
    for name, found in (("l", [5]), ("l.1", [3, 4]), ("l.2", [2]), ("l.4", [1])):
        write(tmp_path / name, *map(refused, found))
    assert [note.time for note in recall(tmp_path / "l", files, 10).notes] == times


def test_no_file(tmp_path: Path) -> None:
    """Where there is no file yet there is nothing."""
    assert recall(tmp_path / "l", 9, 10) == Past([])


GOOD = json.loads(line(refused(7)))


@pytest.mark.parametrize(
    "damaged",
    [
        b"\xff\x00",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"x" * 300_000,
        line(refused(1))[:60],
        json.dumps(GOOD | {"kind": "other"}).encode(),
        json.dumps(GOOD | {"time": "soon"}).encode(),
        json.dumps(GOOD | {"time": "2030-01-01T00:00:00"}).encode(),
        json.dumps(GOOD | {"packets": "many"}).encode(),
        json.dumps(GOOD | {"source_address": "here"}).encode(),
        json.dumps(GOOD | {"protocol": "300"}).encode(),
        json.dumps(GOOD | {"protocol": "sctp"}).encode(),
    ],
)
def test_damaged(damaged: bytes, tmp_path: Path) -> None:
    """A line that is no entry is skipped and counted; one that tells of dropped entries is none, and not damaged."""
    dropped = b'{"kind": "dropped", "time": "2030-01-01T00:00:00.000Z", "count": 3}\n'
    (tmp_path / "l").write_bytes(line(refused(1)) + damaged + b"\n" + dropped + line(refused(2)))
    past = recall(tmp_path / "l", 0, 10)
    assert ([note.time for note in past.notes], past.damaged) == ([1.0, 2.0], 1)
