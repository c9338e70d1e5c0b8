"""The default store: one SQLite file in the state folder.

A write-ahead log with ``synchronous=FULL``: a commit is on the disk before it returns. The folder is locked, so that
the watch needs to know this process's commits only. SQLite runs in aiosqlite's thread; a commit, once begun, is
finished even if its caller is cancelled, so that a transaction is never left open.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import aiosqlite

from daoli.store.base import Applied, Change, Entry, Snapshot, StateUnusable, StoreUnavailable, check, plan
from daoli.store.history import HISTORY_CHANGES, History
from daoli.store.lock import StateLock

DATABASE: Final = "daoli.db"
APPLICATION_ID: Final = 0x0DA0_1101
"""Marks the file as ours (SQLite's file header, offset 68)."""
SCHEMA_VERSION: Final = 1
"""SQLite's user_version; raise it with every change that an older daoli would misread."""
PAST_KEYS: Final = "\x7f"
"""Sorts after every character that a key may have."""

SCHEMA: Final = (
    "CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE store (revision INTEGER NOT NULL) STRICT",
    "INSERT INTO store VALUES (0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class SqliteStore:
    """Entries in a table; made by `open`."""

    def __init__(self, database: aiosqlite.Connection, lock: StateLock, history: History) -> None:
        self._database = database
        self._state_lock = lock
        self._history = history
        self._turn = asyncio.Lock()
        self._commits: set[asyncio.Task[int]] = set()
        self._closed = False

    @classmethod
    async def open(cls, state: Path, history: int = HISTORY_CHANGES) -> SqliteStore:
        """Open the store in a state folder, which is made if it is missing.

        Raises:
            StateLocked: another controller uses the folder.
            StateUnusable: the folder or the file in it cannot be used.
        """
        lock = _lock(state)
        path = state / DATABASE
        try:
            revision = await asyncio.to_thread(_prepare, path)
            with _refusals(path):
                database = await aiosqlite.connect(path, isolation_level=None)
                await database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            lock.release()
            raise
        return cls(database, lock, History(revision, history))

    async def read(self, prefix: str = "") -> Snapshot:
        """See `Store.read`."""
        async with self._turn:
            self._check_open()
            with _failures():
                rows = await self._database.execute_fetchall(
                    "SELECT key, value, revision FROM entries WHERE key >= ? AND key < ? ORDER BY key",
                    (prefix, prefix + PAST_KEYS),
                )
            return Snapshot(tuple(Entry(*row) for row in rows), self._history.revision)

    async def commit(self, changes: Sequence[Change]) -> int:
        """See `Store.commit`."""
        check(changes)
        task = asyncio.create_task(self._commit(tuple(changes)))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return await asyncio.shield(task)

    def watch(self, since: int) -> AsyncIterator[Applied]:
        """See `Store.watch`."""
        return self._history.watch(since)

    async def close(self) -> None:
        """See `Store.close`."""
        async with self._turn:
            if self._closed:
                return
            self._closed = True
            self._history.close()
            try:
                await self._database.close()
            finally:
                self._state_lock.release()

    async def _commit(self, changes: tuple[Change, ...]) -> int:
        async with self._turn:
            self._check_open()
            with _failures():
                applied = await self._transaction(changes)
            if applied.changes:
                self._history.append(applied)
            return applied.revision

    async def _transaction(self, changes: tuple[Change, ...]) -> Applied:
        await self._database.execute("BEGIN IMMEDIATE")
        try:
            await self._recover()
            applied = plan(changes, await self._revisions(changes), self._history.revision)
            puts = [change for change in applied.changes if change[1] is not None]
            deletions = [(key,) for key, value, _ in applied.changes if value is None]
            await self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", puts)
            await self._database.executemany("DELETE FROM entries WHERE key = ?", deletions)
            await self._database.execute("UPDATE store SET revision = ?", (applied.revision,))
            await self._database.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself; a second time would be an error.
            if self._database.in_transaction:
                await self._database.execute("ROLLBACK")
            raise
        return applied

    async def _recover(self) -> None:
        """Find a commit that the disk has although it was reported as failed; those who watch must read it."""
        ((revision,),) = await self._database.execute_fetchall("SELECT revision FROM store")
        if revision != self._history.revision:
            self._history.restart(revision)

    async def _revisions(self, changes: tuple[Change, ...]) -> dict[str, int]:
        keys = json.dumps([change.key for change in changes])
        rows = await self._database.execute_fetchall(
            "SELECT key, revision FROM entries WHERE key IN (SELECT value FROM json_each(?))", (keys,)
        )
        return {key: revision for key, revision in rows}  # noqa: C416 - a row is not a pair to mypy

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")


def _lock(state: Path) -> StateLock:
    with _refusals(state):
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return StateLock(state)


def _prepare(path: Path) -> int:
    """Make or check the database, and return the store's revision. Runs in a thread."""
    with _refusals(path), closing(sqlite3.connect(path, isolation_level=None)) as database:
        empty = not _number(database, "SELECT count(*) FROM sqlite_schema")
        if not empty and _number(database, "PRAGMA application_id") != APPLICATION_ID:
            raise StateUnusable(path, "this is another program's database")
        version = _number(database, "PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise StateUnusable(path, f"written by a newer daoli (schema {version}; this one knows {SCHEMA_VERSION})")
        database.execute("PRAGMA journal_mode = WAL")
        if empty:
            _create(database, path.parent)
        (health,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise StateUnusable(path, f"the file is damaged: {health}")
        return _number(database, "SELECT revision FROM store")


def _create(database: sqlite3.Connection, folder: Path) -> None:
    database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        database.execute(statement)
    database.execute("COMMIT")
    # SQLite makes the name of its log as durable as the content, but not the database's own.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Translate what goes wrong while opening."""
    try:
        yield
    except OSError as error:
        raise StateUnusable(path, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        raise StateUnusable(path, str(error)) from error


@contextmanager
def _failures() -> Iterator[None]:
    """Translate what goes wrong while reading and writing."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the state database failed: {error}") from error
