"""The SQLite store, beyond what all stores promise: restarts, kills, broken files and full disks."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daoli.store.base import Change, Conflict, Entry, Snapshot, StateLocked, StateUnusable, StoreUnavailable, WatchLost
from daoli.store.memory import MemoryStore
from daoli.store.sqlite import DATABASE, SCHEMA_VERSION, SqliteStore

WRITER = """
import asyncio, sys
from pathlib import Path
from daoli.store.base import Change
from daoli.store.sqlite import SqliteStore

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]))
    for n in range(1_000_000):
        revision = await store.commit([Change(f"a/{n}", b"%d" % n), Change(f"b/{n}", b"%d" % n)])
        print(revision, flush=True)

asyncio.run(main())
"""
KILL_AFTER = 40

T = TypeVar("T")


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Yield an empty store in a folder of its own."""
    store = await SqliteStore.open(tmp_path)
    yield store
    await store.close()


async def reopen(store: SqliteStore, state: Path) -> SqliteStore:
    await store.close()
    return await SqliteStore.open(state)


async def test_restart(sqlite: SqliteStore, tmp_path: Path) -> None:
    """Entries and revisions outlive a restart; a watch from before it is lost, one from now on goes on."""
    await sqlite.commit([Change("a", b"1")])
    await sqlite.commit([Change("b", b"1")])
    await sqlite.commit([Change("b", None)])
    store = await reopen(sqlite, tmp_path)
    assert await store.read() == Snapshot((Entry("a", b"1", 1),), 3)
    with pytest.raises(WatchLost):
        await anext(store.watch(2))
    assert await store.commit([Change("b", b"2")]) == 4
    assert (await anext(store.watch(3))).revision == 4
    await store.close()


def test_kill(tmp_path: Path) -> None:
    """After kill -9 every acknowledged commit is there, and no half of one."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(KILL_AFTER)]
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]

    async def read() -> Snapshot:
        store = await SqliteStore.open(tmp_path)
        try:
            return await store.read()
        finally:
            await store.close()

    snapshot = asyncio.run(read())
    revisions = {entry.key: entry.revision for entry in snapshot.entries}
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert snapshot.revision >= acknowledged[-1]
    assert revisions == {f"{side}/{n}": n + 1 for n in range(snapshot.revision) for side in "ab"}


async def test_durability_settings(sqlite: SqliteStore) -> None:
    """The connection that writes has a write-ahead log and syncs it at every commit."""
    assert [tuple(row) for row in await sqlite._database.execute_fetchall("PRAGMA journal_mode")] == [("wal",)]
    assert [tuple(row) for row in await sqlite._database.execute_fetchall("PRAGMA synchronous")] == [(2,)]


async def test_makes_folder(tmp_path: Path) -> None:
    """A missing state folder is made, for its owner alone."""
    store = await SqliteStore.open(tmp_path / "var" / "daoli")
    assert (tmp_path / "var" / "daoli").stat().st_mode & 0o777 == 0o700
    await store.close()


async def test_locked(sqlite: SqliteStore, tmp_path: Path) -> None:
    """A second controller on the same folder is refused, and the first is not disturbed."""
    with pytest.raises(StateLocked, match="another controller"):
        await SqliteStore.open(tmp_path)
    assert await sqlite.commit([Change("a", b"1")]) == 1


async def test_folder_is_a_file(tmp_path: Path) -> None:
    """A state folder that is a file, or lies below one, is refused with the system's reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="exists"):
        await SqliteStore.open(tmp_path / "file")
    with pytest.raises(StateUnusable, match="Not a directory"):
        await SqliteStore.open(tmp_path / "file" / "below")


async def test_database_is_a_folder(tmp_path: Path) -> None:
    """A database that cannot be opened is refused, and the folder is not left locked."""
    (tmp_path / DATABASE).mkdir()
    with pytest.raises(StateUnusable, match="unable to open"):
        await SqliteStore.open(tmp_path)
    (tmp_path / DATABASE).rmdir()
    await (await SqliteStore.open(tmp_path)).close()


async def test_not_a_database(tmp_path: Path) -> None:
    """A file that SQLite does not know is refused and left as it is."""
    (tmp_path / DATABASE).write_bytes(b"not a database" * 100)
    with pytest.raises(StateUnusable, match="not a database"):
        await SqliteStore.open(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == b"not a database" * 100


async def test_foreign_database(tmp_path: Path) -> None:
    """Another program's database is refused and left as it is."""
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StateUnusable, match="another program"):
        await SqliteStore.open(tmp_path)


async def test_newer_schema(sqlite: SqliteStore, tmp_path: Path) -> None:
    """A file that a newer daoli has written is refused by version."""
    await sqlite.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StateUnusable, match=rf"newer daoli \(schema {SCHEMA_VERSION + 1}"):
        await SqliteStore.open(tmp_path)


async def test_damaged(sqlite: SqliteStore, tmp_path: Path) -> None:
    """A damaged file is refused when it is opened, not when an entry is missed."""
    await sqlite.commit([Change(f"k{n}", bytes(1000)) for n in range(100)])
    await sqlite.close()
    content = bytearray((tmp_path / DATABASE).read_bytes())
    content[4096 * 3 :] = b"\xa5" * (len(content) - 4096 * 3)
    (tmp_path / DATABASE).write_bytes(content)
    with pytest.raises(StateUnusable):
        await SqliteStore.open(tmp_path)


async def test_disk_full(sqlite: SqliteStore, tmp_path: Path) -> None:
    """A commit that finds the disk full leaves nothing behind, and the next one that fits succeeds."""
    await sqlite.commit([Change("a", b"1")])
    await sqlite._database.execute("PRAGMA max_page_count = 10")
    with pytest.raises(StoreUnavailable, match="full"):
        await sqlite.commit([Change("a", b"2"), *(Change(f"big/{n}", bytes(4000)) for n in range(50))])
    assert await sqlite.read() == Snapshot((Entry("a", b"1", 1),), 1)
    assert await sqlite.commit([Change("a", b"3", 1)]) == 2
    store = await reopen(sqlite, tmp_path)
    assert await store.read() == Snapshot((Entry("a", b"3", 2),), 2)
    await store.close()


async def test_read_fails(sqlite: SqliteStore) -> None:
    """A read that SQLite refuses is the store being unavailable."""
    await sqlite._database.execute("DROP TABLE entries")
    with pytest.raises(StoreUnavailable, match="no such table"):
        await sqlite.read()


async def test_failed_commit_that_happened(sqlite: SqliteStore) -> None:
    """Where the disk has a commit that was reported as failed, watches are lost and revisions go on from it."""
    watch = sqlite.watch(0)
    await sqlite._database.execute("UPDATE store SET revision = 5")
    assert await sqlite.commit([Change("a", b"1")]) == 6
    with pytest.raises(WatchLost):
        await anext(watch)


async def test_cancelled_commit(sqlite: SqliteStore) -> None:
    """A commit whose caller is cancelled is finished, and the next one finds no open transaction."""
    task = asyncio.ensure_future(sqlite.commit([Change("a", b"1")]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await sqlite.commit([Change("b", b"1")]) == 2
    assert [entry.key for entry in (await sqlite.read()).entries] == ["a", "b"]


KEYS = st.sampled_from(["a", "a/1", "a/2", "b"])
CHANGES = st.lists(
    st.builds(Change, KEYS, st.none() | st.binary(max_size=3), st.none() | st.integers(0, 6)),
    max_size=3,
    unique_by=lambda change: change.key,
)


class SameAsMemory(RuleBasedStateMachine):
    """Whatever is done to an SQLite store and to one in memory, they answer alike."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.memory = MemoryStore()
        self.sqlite = self.run(SqliteStore.open(Path(self.folder.name)))
        # What a restart may forget is not compared: only what was committed since.
        self.since = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end on the machine's own loop."""
        return self.loop.run_until_complete(work)

    @rule(changes=CHANGES)
    def commit(self, changes: list[Change]) -> None:
        """Commit the same changes to both."""
        outcomes: list[object] = []
        for store in (self.memory, self.sqlite):
            try:
                outcomes.append(self.run(store.commit(changes)))
            except Conflict as conflict:
                outcomes.append((conflict.key, conflict.expected, conflict.actual))
        assert outcomes[0] == outcomes[1]

    @rule()
    def restart(self) -> None:
        """Close and open the SQLite store."""
        self.sqlite = self.run(reopen(self.sqlite, Path(self.folder.name)))
        self.since = self.run(self.memory.read()).revision

    @invariant()
    def same_entries(self) -> None:
        """Both have the same entries at the same revisions."""
        for prefix in ("", "a/"):
            assert self.run(self.memory.read(prefix)) == self.run(self.sqlite.read(prefix))

    @invariant()
    def same_watch(self) -> None:
        """Both tell the same commits."""
        revision = self.run(self.memory.read()).revision
        watches = (self.memory.watch(self.since), self.sqlite.watch(self.since))
        for _ in range(revision - self.since):
            memory, sqlite = (self.run(_next(watch)) for watch in watches)
            assert memory == sqlite

    def teardown(self) -> None:
        """Let go of files and loop."""
        self.run(self.sqlite.close())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.folder.cleanup()


async def _next(watch: AsyncIterator[T]) -> T:
    return await anext(watch)


TestSameAsMemory = SameAsMemory.TestCase
TestSameAsMemory.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
