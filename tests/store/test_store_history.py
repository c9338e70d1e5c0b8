"""The commits that watchers share."""

from __future__ import annotations

import asyncio

import pytest

from daoli.store.base import Applied, WatchLost
from daoli.store.history import History


def commit(revision: int, changes: int = 1) -> Applied:
    return Applied(revision, tuple((f"k{n}", b"", revision) for n in range(changes)))


async def test_bounded() -> None:
    """No more changes are kept than the limit, and who needs an older commit is told so."""
    history = History(0, limit=3)
    for revision in range(1, 6):
        history.append(commit(revision))
    with pytest.raises(WatchLost) as caught:
        await anext(history.watch(1))
    assert caught.value.since == 1
    assert (await anext(history.watch(2))).revision == 3


async def test_large_commit_is_kept() -> None:
    """The latest commit is kept even if it alone is over the limit."""
    history = History(0, limit=3)
    history.append(commit(1))
    history.append(commit(2, changes=10))
    assert len((await anext(history.watch(1))).changes) == 10


async def test_falls_behind() -> None:
    """A watcher that has kept up and then falls behind loses its watch, not a commit."""
    history = History(10, limit=2)
    watch = history.watch(10)
    history.append(commit(11))
    assert (await anext(watch)).revision == 11
    for revision in range(12, 16):
        history.append(commit(revision))
    with pytest.raises(WatchLost):
        await anext(watch)


async def test_restart() -> None:
    """After a restart watches from before are lost, also those that wait, and those from its revision go on."""
    history = History(0)
    waiting = asyncio.ensure_future(anext(history.watch(0)))
    await asyncio.sleep(0)
    history.restart(4)
    with pytest.raises(WatchLost):
        await waiting
    history.append(commit(5))
    assert (await anext(history.watch(4))).revision == 5


def test_no_gaps() -> None:
    """A commit that does not follow the last one is a bug, and is refused."""
    with pytest.raises(ValueError, match="does not follow"):
        History(3).append(commit(5))
