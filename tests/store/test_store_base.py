"""What every store promises, run over each of them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from daoli.store.base import (
    ABSENT,
    Applied,
    Change,
    Conflict,
    Entry,
    Snapshot,
    StateLocked,
    StateUnusable,
    Store,
    StoreError,
    StoreUnavailable,
    WatchLost,
    plan,
)


async def test_empty(store: Store) -> None:
    """A new store has no entries and is at revision 0."""
    assert await store.read() == Snapshot((), 0)


async def test_put_and_read(store: Store) -> None:
    """A committed value is read back with the revision of its commit, in the order of keys."""
    first = await store.commit([Change("b", b"1"), Change("a", b"2")])
    second = await store.commit([Change("b", b"3")])
    assert (first, second) == (1, 2)
    assert await store.read() == Snapshot((Entry("a", b"2", 1), Entry("b", b"3", 2)), 2)


async def test_read_prefix(store: Store) -> None:
    """A prefix selects exactly the keys that start with it, whatever characters it holds."""
    keys = ["a", "a%", "a/1", "a/2", "a/~~", "a0", "b/1"]
    await store.commit([Change(key, b"") for key in keys])
    for prefix in ["", "a", "a/", "a%", "a_", "b", "c"]:
        entries = (await store.read(prefix)).entries
        assert [entry.key for entry in entries] == [key for key in keys if key.startswith(prefix)]


async def test_delete(store: Store) -> None:
    """A deleted key is gone, and what was deleted can be made anew with a later revision."""
    await store.commit([Change("a", b"1")])
    await store.commit([Change("a", None, 1)])
    assert (await store.read()).entries == ()
    await store.commit([Change("a", b"2", ABSENT)])
    assert (await store.read()).entries == (Entry("a", b"2", 3),)


async def test_nothing_changed(store: Store) -> None:
    """A commit without effect does not take a revision."""
    await store.commit([Change("a", b"1")])
    assert await store.commit([]) == 1
    assert await store.commit([Change("x", None)]) == 1
    assert await store.commit([Change("x", None, ABSENT)]) == 1


@pytest.mark.parametrize(
    ("change", "expected", "actual"),
    [
        (Change("a", b"2", ABSENT), 0, 1),
        (Change("a", b"2", 7), 7, 1),
        (Change("a", None, 2), 2, 1),
        (Change("x", b"2", 1), 1, 0),
        (Change("x", None, 1), 1, 0),
    ],
)
async def test_conflict(store: Store, change: Change, expected: int, actual: int) -> None:
    """A commit with an expectation that does not hold changes nothing, and says what it met."""
    await store.commit([Change("a", b"1")])
    with pytest.raises(Conflict) as caught:
        await store.commit([Change("fresh", b"1"), change, Change("other", b"1")])
    assert (caught.value.key, caught.value.expected, caught.value.actual) == (change.key, expected, actual)
    assert await store.read() == Snapshot((Entry("a", b"1", 1),), 1)


@pytest.mark.parametrize("keys", [["a", "a"], [""], ["é"], ["a\n"], ["\x7f"]])
async def test_bad_keys(store: Store, keys: list[str]) -> None:
    """Keys are printable ASCII, each named once in a commit."""
    with pytest.raises(ValueError, match="key"):
        await store.commit([Change(key, b"") for key in keys])


async def test_race(store: Store) -> None:
    """Of commits that expect the same revision of a key exactly one wins."""
    await store.commit([Change("a", b"")])
    results = await asyncio.gather(
        *(store.commit([Change("a", b"%d" % n, 1)]) for n in range(10)), return_exceptions=True
    )
    assert [result for result in results if not isinstance(result, Conflict)] == [2]


async def test_watch_order(store: Store) -> None:
    """A watch yields every commit after its start, in order, with values, deletions and revisions."""
    await store.commit([Change("a", b"0")])
    watch = store.watch(1)
    await store.commit([Change("a", b"1"), Change("b", b"1")])
    await store.commit([Change("a", None), Change("never", None)])
    assert await anext(watch) == Applied(2, (("a", b"1", 2), ("b", b"1", 2)))
    assert await anext(watch) == Applied(3, (("a", None, 3),))


async def test_watch_waits(store: Store) -> None:
    """Several watches that have seen everything wake at the next commit."""
    watches = [asyncio.ensure_future(anext(store.watch(0))) for _ in range(3)]
    await asyncio.sleep(0)
    await store.commit([Change("a", b"1")])
    assert [applied.revision for applied in await asyncio.gather(*watches)] == [1, 1, 1]


async def test_watch_ends(store: Store) -> None:
    """Closing the store ends a watch after the last commit, and closing twice is fine."""
    watch = store.watch(0)
    await store.commit([Change("a", b"1")])
    await store.close()
    await store.close()
    assert [applied.revision async for applied in watch] == [1]


@pytest.mark.parametrize("since", [-1, 5])
async def test_watch_unknown_revision(store: Store, since: int) -> None:
    """A watch from a revision that the store never had is lost at once."""
    await store.commit([Change("a", b"1")])
    with pytest.raises(WatchLost):
        await anext(store.watch(since))


async def test_closed(store: Store) -> None:
    """A closed store refuses to read and write."""
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.commit([Change("a", b"1")])


async def test_large_commit(store: Store) -> None:
    """Thousands of changes are one commit, with binary values of any length."""
    changes = [Change(f"endpoints/{n:05}", bytes([n % 256]) * (n % 300), ABSENT) for n in range(5_000)]
    assert await store.commit(changes) == 1
    entries = (await store.read("endpoints/")).entries
    assert [(entry.key, entry.value) for entry in entries] == [(change.key, change.value) for change in changes]


async def test_read_while_writing(store: Store) -> None:
    """A snapshot's revision is that of its youngest entry, though commits go on meanwhile."""

    async def read_often() -> list[Snapshot]:
        return [await store.read() for _ in range(10)]

    async def write_often() -> None:
        for n in range(10):
            await store.commit([Change("a", b"%d" % n)])

    snapshots, _ = await asyncio.gather(read_often(), write_often())
    for snapshot in snapshots:
        assert max((entry.revision for entry in snapshot.entries), default=0) == snapshot.revision
    assert all(earlier.revision <= later.revision for earlier, later in pairwise(snapshots))


def test_plan_is_pure() -> None:
    """A plan leaves out deletions of what does not exist, and takes a revision only for the rest."""
    assert plan([Change("a", None), Change("b", b"1")], {"b": 4}, 8) == Applied(9, (("b", b"1", 9),))
    assert plan([Change("a", None)], {}, 8) == Applied(8, ())


def test_errors_are_store_errors() -> None:
    """One class covers whatever a store refuses, and a locked folder is an unusable one."""
    assert all(issubclass(kind, StoreError) for kind in (Conflict, StoreUnavailable, WatchLost, StateUnusable))
    assert issubclass(StateLocked, StateUnusable)
