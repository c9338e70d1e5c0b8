"""The state folder of a lab: where it is, who may change it, and how it goes away.

Each lab has one folder below the root, `/run/daoli-lab` unless told otherwise. It holds a marker file, written first
and never without the folder being ours to delete; `lab.json`, written last, so that its presence says "built"; and a
folder per machine. A lock file beside it lets one process at a time build or take down.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from daoli.lab.errors import UsageError
from daoli.lab.plan import check_name

ROOT = Path("/run/daoli-lab")
DEFAULT_NAME = "lab"
MARKER = ".daoli-lab"
STATE = "lab.json"


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that readers see the old or the new text, never a part."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


class Folder:
    """One lab's state folder; it need not exist."""

    def __init__(self, name: str, root: Path | None = None) -> None:
        """Name it; UsageError for a name that is no safe folder name."""
        self.name = check_name(name, "lab")
        self.root = (root or ROOT).resolve()
        self.path = self.root / name

    @classmethod
    def below(cls, root: Path | None) -> list["Folder"]:
        """The folders that are marked as labs, or have the state of one."""
        root = root or ROOT
        entries = sorted(root.iterdir()) if root.is_dir() else []
        return [cls(entry.name, root) for entry in entries if (entry / MARKER).exists() or (entry / STATE).exists()]

    def create(self, marker: str) -> None:
        """Make the folder with its marker."""
        self.path.mkdir(parents=True)
        (self.path / MARKER).write_text(marker)

    def marker(self) -> str:
        """What ``create`` wrote; empty when it is lost."""
        try:
            return (self.path / MARKER).read_text()
        except (OSError, UnicodeDecodeError):
            return ""

    def write(self, state: Mapping[str, Any]) -> None:
        """Keep the lab's state: from now on it counts as built."""
        write_atomically(self.path / STATE, json.dumps(state, indent=1))

    def read(self) -> dict[str, Any] | None:
        """The state that was kept; None when there is none or it is damaged."""
        try:
            state = json.loads((self.path / STATE).read_text())
        except (OSError, ValueError):
            return None
        return state if isinstance(state, dict) else None

    def check_ours(self) -> None:
        """Refuse a folder that has something in it but not a lab's marker or state: it may be anybody's."""
        if not self.path.exists() or (self.path / MARKER).exists() or (self.path / STATE).exists():
            return
        if self.root != ROOT and any(self.path.iterdir()):
            raise UsageError(f"{self.path} is not the folder of a lab; remove it yourself if it may go")

    def remove(self) -> None:
        """Delete the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the lab's lock for the block if it is free; say whether it was."""
        path = self.root / f".{self.name}.lock"
        with _open_lock(path) as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its last holder deletes it; a deleted file locks nobody out.
                held = path.exists() and path.samefile(f"/proc/self/fd/{lock.fileno()}")
            except OSError:
                held = False
            try:
                yield held
            finally:
                if held:
                    path.unlink(missing_ok=True)
                    if self.root == ROOT:
                        with suppress(OSError):  # another lab is in it
                            self.root.rmdir()


def _open_lock(path: Path) -> TextIO:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return path.open("w")
        except FileNotFoundError:  # the root went with the last lab just now
            continue
