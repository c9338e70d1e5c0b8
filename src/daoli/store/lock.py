"""One controller per state folder: a lock that the kernel lets go of, however the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from daoli.store.base import StateLocked, StateUnusable

LOCK_FILE: Final = "daoli.lock"


class StateLock:
    """The lock on a state folder, held from construction to `release`. The file stays; the lock on it counts."""

    def __init__(self, state: Path) -> None:
        path = state / LOCK_FILE
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateUnusable(path, error.strerror or str(error)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip()
            self.release()
            raise StateLocked(state, f"another controller uses it (process {holder or 'unknown'})") from error
        except OSError as error:
            self.release()
            raise StateUnusable(path, error.strerror or str(error)) from error

    def release(self) -> None:
        """Let another controller have the folder; twice is fine."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
