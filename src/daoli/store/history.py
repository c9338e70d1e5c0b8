"""The recent commits of a store in this process, shared by all its watchers, so that a slow watcher costs no memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from daoli.store.base import Applied, WatchLost

HISTORY_CHANGES: Final = 65_536
"""How many changes are kept: a few commits of the largest kind, which is a whole cluster's endpoints."""


class History:
    """The last commits up to `revision`, without gaps; the latest is always kept, however large."""

    def __init__(self, revision: int, limit: int = HISTORY_CHANGES) -> None:
        self.revision = revision
        self._limit = limit
        self._kept: deque[Applied] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._closed = False

    def append(self, applied: Applied) -> None:
        """Add the next commit and wake the watchers."""
        if applied.revision != self.revision + 1:
            raise ValueError(f"revision {applied.revision} does not follow {self.revision}")
        self.revision = applied.revision
        self._kept.append(applied)
        self._size += len(applied.changes)
        while self._size > self._limit and len(self._kept) > 1:
            self._size -= len(self._kept.popleft().changes)
        self._wake()

    def restart(self, revision: int) -> None:
        """Forget all commits: what happened up to `revision` is not known, and every watch is lost."""
        self.revision = revision
        self._kept.clear()
        self._size = 0
        self._wake()

    def close(self) -> None:
        """End every watch, once it has seen what is kept."""
        self._closed = True
        self._wake()

    async def watch(self, since: int) -> AsyncIterator[Applied]:
        """Follow the commits after `since`; WatchLost where they are no longer kept."""
        while True:
            while since != self.revision:
                applied = self._following(since)
                since = applied.revision
                yield applied
            if self._closed:
                return
            await self._news.wait()

    def _following(self, since: int) -> Applied:
        index = len(self._kept) - (self.revision - since)
        if not 0 <= index < len(self._kept):
            raise WatchLost(since)
        return self._kept[index]

    def _wake(self) -> None:
        # Those who wait hold the old event; whoever waits from now on waits for the next commit.
        news, self._news = self._news, asyncio.Event()
        news.set()
