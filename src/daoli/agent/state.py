"""What the agent must remember over its own restart, in one JSON file."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import structlog

log = structlog.get_logger(__name__)

FILE: Final = "state.json"


class State:
    """Four dicts of JSON values; who changes one saves it."""

    def __init__(self, folder: Path, content: Mapping[str, Any] | None = None) -> None:
        self.path = folder / FILE
        content = content or {}
        self.joined: dict[str, Any] = dict(content.get("joined", {}))
        """What joining made, for leaving; empty on a host that has not joined."""
        self.pools: dict[str, Any] = dict(content.get("pools", {}))
        """Address pools of Docker's networks, by pool id."""
        self.networks: dict[str, Any] = dict(content.get("networks", {}))
        """Docker's networks, by Docker's id."""
        self.endpoints: dict[str, Any] = dict(content.get("endpoints", {}))
        """Docker's endpoints, by Docker's id."""
        self._saving: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what is there. A file that makes no sense is put aside, and said so."""
        path = folder / FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder, content)
        except FileNotFoundError:
            return cls(folder)
        except (ValueError, TypeError, AttributeError) as error:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            log.warning("state_damaged", path=str(path), problem=str(error), kept=str(aside))
            return cls(folder)

    def save(self) -> None:
        """Write the file, wholly or not at all; OSError if it cannot be."""
        write_atomically(self.path, self._text())

    async def saved(self) -> None:
        """Return once what is here now is on the disk; one write serves all that wait. OSError if it cannot be."""
        if self._next is None:
            self._next = asyncio.create_task(self._save_after(self._saving), name="state")
        await asyncio.shield(self._next)

    async def _save_after(self, other: asyncio.Task[None] | None) -> None:
        if other is not None:
            await asyncio.wait([other])
        self._saving, self._next = self._next, None
        await asyncio.to_thread(write_atomically, self.path, self._text())

    def _text(self) -> bytes:
        parts = {name: getattr(self, name) for name in ("joined", "pools", "networks", "endpoints")}
        return json.dumps(parts, indent=1, sort_keys=True).encode()


def write_atomically(path: Path, text: bytes) -> None:
    """Replace a file so that readers, and a machine that loses power, have the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
