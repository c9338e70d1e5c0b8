"""What every store offers: entries by key, commits that happen as a whole or not at all, a watch in their order.

The semantics are those of an etcd cluster (a transaction with compares, a watch from a revision), so that one can stand
behind this interface: revisions belong to the store, each commit that changes something takes the next one, and an
entry carries the revision of the commit that wrote it. Nothing here knows what the values mean.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

ABSENT: Final = 0
"""The revision of a key that does not exist; real revisions start at 1."""


class Entry(NamedTuple):
    """A key, its value, and the revision of the commit that wrote it."""

    key: str
    value: bytes
    revision: int


class Snapshot(NamedTuple):
    """Entries in the order of their keys, as they were at one revision of the store."""

    entries: tuple[Entry, ...]
    revision: int


class Change(NamedTuple):
    """One key's part of a commit. A value of None deletes; `expect` None takes the key as it is."""

    key: str
    value: bytes | None
    expect: int | None = None
    """The revision that the key must be at, `ABSENT` for a key that must not exist."""


class Applied(NamedTuple):
    """A commit that happened. Deletions of keys that did not exist are left out."""

    revision: int
    changes: tuple[tuple[str, bytes | None, int], ...]
    """Key, value or None where deleted, and the revision of the commit."""


class StoreError(Exception):
    """What a store can say no with."""


class Conflict(StoreError):
    """A key was not at the revision that the commit expected; nothing was written."""

    def __init__(self, key: str, expected: int, actual: int) -> None:
        super().__init__(f"{key} is at revision {actual}, expected {expected}")
        self.key = key
        self.expected = expected
        self.actual = actual


class StoreUnavailable(StoreError):
    """The store cannot read or write now; whether a commit that was under way happened is shown by the next read."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WatchLost(StoreError):
    """The commits after a revision are no longer known one by one; read again."""

    def __init__(self, since: int) -> None:
        super().__init__(f"the commits after revision {since} are no longer kept")
        self.since = since


class StateUnusable(StoreError):
    """The state folder cannot be used; the text tells the operator why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class StateLocked(StateUnusable):
    """Another controller works on this state folder."""


class Store(Protocol):
    """Desired state, durable. Every method may be called from several tasks at once."""

    async def read(self, prefix: str = "") -> Snapshot:
        """Read the entries whose key starts with `prefix`."""
        ...

    async def commit(self, changes: Sequence[Change]) -> int:
        """Apply all changes or none; return the store's revision, which only grows if something changed.

        A commit that has returned survives the loss of the process and of power. A cancelled call may still commit.

        Raises:
            Conflict: a key is not at the revision expected.
            StoreUnavailable: nothing could be written.
            ValueError: the changes name a key twice, or a key that is not printable ASCII.
        """
        ...

    def watch(self, since: int) -> AsyncIterator[Applied]:
        """Follow every commit after revision `since`, one's own included, in order; the end is the store being closed.

        Raises:
            WatchLost: the watcher fell too far behind, or `since` is from before a restart.
            StoreUnavailable: the store cannot be followed now.
        """
        ...

    async def close(self) -> None:
        """End watches and let go of the state; twice is fine."""
        ...


def check(changes: Sequence[Change]) -> None:
    """Refuse what no store takes: a key named twice, or one that is empty or not printable ASCII."""
    keys = [change.key for change in changes]
    for key in keys:
        if not (key and key.isascii() and key.isprintable()):
            raise ValueError(f"{key!r} is not a key: keys are printable ASCII")
    if len(set(keys)) != len(keys):
        raise ValueError("a commit names each key once")


def plan(changes: Sequence[Change], current: Mapping[str, int], revision: int) -> Applied:
    """Work out what a commit does to a store at `revision` whose keys are at the revisions `current`.

    Raises:
        Conflict: the first change whose expectation does not hold.
    """
    for change in changes:
        actual = current.get(change.key, ABSENT)
        if change.expect is not None and change.expect != actual:
            raise Conflict(change.key, change.expect, actual)
    effective = [change for change in changes if change.value is not None or change.key in current]
    after = revision + 1 if effective else revision
    return Applied(after, tuple((change.key, change.value, after) for change in effective))
