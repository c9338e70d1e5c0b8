"""The store in memory, beyond what all stores promise."""

from __future__ import annotations

import pytest

from daoli.store.base import Change, WatchLost
from daoli.store.memory import MemoryStore


async def test_history_limit() -> None:
    """The number of changes that a watcher may be behind can be set."""
    store = MemoryStore(history=2)
    for n in range(4):
        await store.commit([Change("a", b"%d" % n)])
    with pytest.raises(WatchLost):
        await anext(store.watch(1))
    assert (await anext(store.watch(2))).revision == 3
