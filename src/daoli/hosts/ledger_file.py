"""The ledger's file: an entry a line, as JSON. Words are made in the event loop, a few at a time; a thread writes.

The file is opened anew when it has grown to its size: it becomes FILE.1, that FILE.2, and so on; the oldest goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from daoli.hosts.facts import Note, moment
from daoli.hosts.ledger import Ledger

log = structlog.get_logger(__name__)

_BATCH: Final = 1 << 18
"""Bytes that are written at once, if so many wait."""
_MODE: Final = 0o640
"""Who talks to whom is not for everybody."""
_PAUSE: Final = 1.0
"""Seconds until a file that could not be written is tried again."""


class LedgerFile:
    """Writes what a ledger notes, from `start` to `close`."""

    def __init__(self, ledger: Ledger, path: Path, size: int = 0, files: int = 1) -> None:
        """`size` in bytes is where a new file begins, never if 0; `files` are kept beside it. May raise OSError."""
        self._ledger = ledger
        self._path = path
        self._size = size
        self._files = files
        self._told = 0
        """How many of those dropped the file tells of."""
        self._failed = False
        self._file = self._open()
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    def start(self) -> None:
        """Begin to write what is noted, as it comes."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Write what is left, and close the file."""
        self._ending.set()
        self._ledger.news.set()
        if self._task is not None:
            await self._task
        self._file.close()

    async def _run(self) -> None:
        news, ending = self._ledger.news, self._ending
        while True:
            await news.wait()
            await self._write()
            if ending.is_set() and (self._failed or not news.is_set()):
                return
            if self._failed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), _PAUSE)

    async def _write(self) -> None:
        lines: list[bytes] = []
        size = 0
        while size < _BATCH and (notes := self._ledger.take()):
            lines += map(line, notes)
            size += sum(map(len, lines[-len(notes) :]))
            await asyncio.sleep(0)
        count, dropped = len(lines), self._ledger.dropped
        if dropped > self._told:
            lost = {"kind": "dropped", "time": moment(self._ledger.clock()), "count": dropped - self._told}
            lines.append(json.dumps(lost).encode() + b"\n")
        if not lines:
            return
        try:
            await asyncio.to_thread(self._append, b"".join(lines))
        except OSError as error:
            self._ledger.dropped += count
            self._ledger.problem = f"{self._path}: {error.strerror or error}"
            if not self._failed:
                log.error("ledger_not_written", file=str(self._path), error=str(error))  # noqa: TRY400 - it says all
            self._failed = True
        else:
            self._ledger.written += count
            self._told = dropped
            self._failed = False
            self._ledger.problem = None

    def _append(self, data: bytes) -> None:
        at = self._file.seek(0, os.SEEK_END)  # not where we left off: a failed write or somebody else may have cut it
        if self._size and at and at + len(data) > self._size:
            self._rotate()
            at = 0
        try:
            if self._file.write(data) != len(data):
                raise OSError("no space for a whole line")  # noqa: TRY301 - undone as any other
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(at)
            raise

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._files, 0, -1):
            older = self._named(number - 1)
            if older.exists():
                older.replace(self._named(number))
        if not self._files:
            self._path.unlink(missing_ok=True)
        self._file = self._open()

    def _named(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _open(self) -> BinaryIO:
        """Open the file to append; a line that a crash has cut off is ended."""
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE), "ab+", buffering=0)
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        return file


def line(note: Note) -> bytes:
    """Write a note as a line."""
    return json.dumps(note.entry().told()).encode() + b"\n"
