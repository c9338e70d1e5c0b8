"""The inventory as a stream of lines: all of it once, then each change; for agents, which keep a copy.

Between them are notes that belong to no copy, such as an inquiry. A reader ignores those that it does not know.
A line is encoded once, however many read. A reader who falls behind is cut off, and begins anew with all of it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed
from daoli.hosts.spec import Spec
from daoli.hosts.stored import key_of, spec_of

BACKLOG: Final = 4 * 2**20
"""Bytes that may wait for one reader: the changes of some ten thousand endpoints."""
HEARTBEAT: Final = 10.0
"""Seconds after which a reader hears that the controller is alive."""


class Feed:
    """Tells an inventory's changes to any number of readers."""

    def __init__(self, inventory: Inventory, *, backlog: int = BACKLOG, heartbeat: float = HEARTBEAT) -> None:
        self._inventory = inventory
        self._backlog = backlog
        self._heartbeat = heartbeat
        self._readers: set[Reader] = set()
        inventory.subscribe(self._changed)

    @property
    def readers(self) -> int:
        """How many read now."""
        return len(self._readers)

    def read(self, cut_off: Callable[[], None]) -> Reader:
        """Read from now on; `cut_off` is called when the reader has fallen too far behind."""
        return Reader(self, cut_off, self._backlog, self._heartbeat)

    def close(self) -> None:
        """Let all readers go."""
        for reader in tuple(self._readers):
            reader.close()

    def snapshot(self) -> bytes:
        """Tell all of it in one line."""
        records = {key: _value(spec_of(record)) for key, record in self._inventory.records().items()}
        return _line({"revision": self._inventory.revision, "snapshot": records})

    def sign_of_life(self) -> bytes:
        """Tell the revision alone."""
        return _line({"revision": self._inventory.revision})

    def tell(self, note: dict[str, Any]) -> None:
        """Tell those who read now something that is not kept."""
        self._offer({"revision": self._inventory.revision, **note})

    def _changed(self, changed: Changed) -> None:
        if not self._readers:
            return
        told: dict[str, Any] = {}
        for was, now in changed.pairs():
            if now is not None:
                told[key_of(now)] = _value(spec_of(now))
            elif was is not None:
                told[key_of(was)] = None
        self._offer({"revision": changed.revision, "changes": told})

    def _offer(self, value: dict[str, Any]) -> None:
        line = _line(value)
        for reader in tuple(self._readers):
            reader._offer(line)  # noqa: SLF001 - the other half of this class


class Reader:
    """An async context manager and iterator over lines; the iteration ends when the reader is closed or cut off."""

    def __init__(self, feed: Feed, cut_off: Callable[[], None], backlog: int, heartbeat: float) -> None:
        self._feed = feed
        self._cut_off = cut_off
        self._backlog = backlog
        self._heartbeat = heartbeat
        self._snapshot: bytes | None = None
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._closed = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._feed._readers.add(self)  # noqa: SLF001 - the other half of this class
        self._snapshot = self._feed.snapshot()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._snapshot is not None:
            line, self._snapshot = self._snapshot, None
            return line
        if not self._lines and not self._closed:
            self._news.clear()
            try:
                async with asyncio.timeout(self._heartbeat):
                    await self._news.wait()
            except TimeoutError:
                return self._feed.sign_of_life()
        if self._closed:
            raise StopAsyncIteration
        line = self._lines.popleft()
        self._waiting -= len(line)
        return line

    def close(self) -> None:
        """End the iteration at once; twice is fine."""
        self._closed = True
        self._feed._readers.discard(self)  # noqa: SLF001 - the other half of this class
        self._news.set()

    def _offer(self, line: bytes) -> None:
        if self._waiting + len(line) > self._backlog:
            self.close()
            self._cut_off()
            return
        self._lines.append(line)
        self._waiting += len(line)
        self._news.set()


def _value(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json")


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
