"""The ledger's file."""
# ruff: noqa: ASYNC110, ASYNC230, ASYNC240 - a thread writes, and the tests look at what it wrote

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.hosts.test_ledger import refused

from daoli.hosts.ledger import Ledger
from daoli.hosts.ledger_file import LedgerFile, line

FULL = Path("/dev/full")


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


async def wrote(*writers: LedgerFile) -> None:
    """Have all that waits written, and the file closed."""
    for writer in writers:
        writer.start()
        await writer.close()


async def test_lines(tmp_path: Path) -> None:
    """Each note is a line of JSON, in the order in which it came; the file is readable to its owner and group."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=500)
    for at in range(200):
        ledger.add(refused(at))
    await wrote(LedgerFile(ledger, path))
    lines = read(path)
    assert [entry["time"][14:19] for entry in lines[:61:60]] == ["00:00", "01:00"]
    assert (len(lines), ledger.written, ledger.dropped) == (200, 200, 0)
    assert path.stat().st_mode & 0o777 == 0o640


async def test_lines_are_written_as_they_come(tmp_path: Path) -> None:
    """A line is in the file soon after it was noted, not only at the end."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=10)
    writer = LedgerFile(ledger, path)
    writer.start()
    async with asyncio.timeout(10):
        for n in (1, 2):
            ledger.add(refused(n))
            while ledger.written < n:
                await asyncio.sleep(0)
            assert len(read(path)) == n
    await writer.close()


async def test_dropped(tmp_path: Path) -> None:
    """How much was dropped is a line of its own, once."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=2, clock=lambda: 0.0)
    for at in range(5):
        ledger.add(refused(at))
    await wrote(LedgerFile(ledger, path))
    assert read(path)[2:] == [{"kind": "dropped", "time": "1970-01-01T00:00:00.000Z", "count": 3}]


@pytest.mark.parametrize(("files", "names"), [(0, []), (1, [".1"]), (2, [".1", ".2"])])
async def test_rotation(files: int, names: list[str], tmp_path: Path) -> None:
    """A file that would be too long becomes FILE.1, that FILE.2, and the oldest goes."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=10)
    size = len(line(refused(1)))
    writer = LedgerFile(ledger, path, size, files)
    writer.start()
    for at in range(4):
        ledger.add(refused(at))
        while ledger.written <= at:
            await asyncio.sleep(0)
    await writer.close()
    assert sorted(tmp_path.iterdir()) == [path, *(Path(f"{path}{name}") for name in names)]
    assert [read(Path(f"{path}{name}"))[0]["time"][17:19] for name in ["", *names]] == ["03", "02", "01"][: files + 1]


async def test_a_line_that_was_cut_off_is_ended(tmp_path: Path) -> None:
    """After a crash the first new line is whole."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=10)
    path.write_text('{"kind": "rou')
    ledger.add(refused(1))
    await wrote(LedgerFile(ledger, path))
    assert path.read_text().startswith('{"kind": "rou\n{"kind": "packet.refused"')


async def test_half_a_write_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills in the middle of a line is left with whole lines, however often; the next ones follow those."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=10)
    writer = LedgerFile(ledger, path)
    left = [2]

    class HalfFull(io.FileIO):
        def write(self, data: Any) -> int:
            left[0] -= 1
            return super().write(data[: len(data) // 2] if left[0] >= 0 else data)

    writer._file.close()
    monkeypatch.setattr(writer, "_file", HalfFull(path, "ab+"))
    monkeypatch.setattr("daoli.hosts.ledger_file._PAUSE", 0.0)
    writer.start()
    for number in (1, 2):
        ledger.add(refused(number))
        while ledger.dropped < number:
            await asyncio.sleep(0)
        assert ledger.problem == f"{path}: no space for a whole line"
    ledger.add(refused(3))
    await writer.close()
    assert [entry.get("count") for entry in read(path)] == [None, 2]
    assert ledger.problem is None


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
async def test_a_full_disk_loses_lines_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is counted as dropped; when there is space again, a line tells of it."""
    path, ledger = tmp_path / "ledger.jsonl", Ledger(waiting=10)
    writer = LedgerFile(ledger, path)
    good, full = writer._file, FULL.open("ab", buffering=0)
    writer._file = full
    monkeypatch.setattr("daoli.hosts.ledger_file._PAUSE", 0.0)
    writer.start()
    ledger.add(refused(1))
    while not ledger.dropped:
        await asyncio.sleep(0)
    full.close()
    writer._file = good
    ledger.add(refused(2))
    await writer.close()
    assert [entry.get("count") for entry in read(path)] == [None, 1]
    assert (ledger.written, ledger.dropped) == (1, 1)


def test_a_file_that_cannot_be(tmp_path: Path) -> None:
    """A folder is no file; that is said at once."""
    with pytest.raises(IsADirectoryError):
        LedgerFile(Ledger(waiting=1), tmp_path)
