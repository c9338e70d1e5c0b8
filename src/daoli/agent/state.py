"""What joining made on this host, so that leaving can undo it, and only that: one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import structlog

log = structlog.get_logger(__name__)

FILE: Final = "state.json"


class State:
    """Notes about this host; a note is written before what it tells of is done."""

    def __init__(self, folder: Path, joined: Mapping[str, Any] | None = None) -> None:
        self.path = folder / FILE
        self.joined: dict[str, Any] = dict(joined or {})
        """Empty on a host that has not joined. See `join` for what is in it."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what is there. A file that makes no sense is put aside, and said so."""
        path = folder / FILE
        try:
            return cls(folder, json.loads(path.read_text(encoding="utf-8"))["joined"])
        except FileNotFoundError:
            return cls(folder)
        except (ValueError, TypeError, KeyError) as error:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            log.warning("state_damaged", path=str(path), problem=str(error), kept=str(aside))
            return cls(folder)

    def note(self, name: str, value: Any) -> None:
        """Note how something was before we touch it, unless it is noted; OSError if it cannot be."""
        if name not in self.joined:
            self.joined[name] = value
            self.save()

    def forget(self, name: str) -> None:
        """Drop a note: it is undone."""
        if self.joined.pop(name, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the file, wholly or not at all; OSError if it cannot be."""
        write_atomically(self.path, json.dumps({"joined": self.joined}, indent=1, sort_keys=True).encode())


def write_atomically(path: Path, text: bytes) -> None:
    """Replace a file so that readers, and a machine that loses power, have the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
