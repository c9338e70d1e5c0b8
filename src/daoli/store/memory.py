"""A store that forgets everything when the process ends: for tests, and for trying daoli without a state folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from daoli.store.base import Applied, Change, Entry, Snapshot, StoreUnavailable, check, plan
from daoli.store.history import HISTORY_CHANGES, History


class MemoryStore:
    """Entries in a dict. It never fails, so what differs from another store is that store's fault."""

    def __init__(self, history: int = HISTORY_CHANGES) -> None:
        self._entries: dict[str, Entry] = {}
        self._history = History(0, history)
        self._closed = False

    async def read(self, prefix: str = "") -> Snapshot:
        """See `Store.read`."""
        self._check_open()
        entries = sorted(entry for key, entry in self._entries.items() if key.startswith(prefix))
        return Snapshot(tuple(entries), self._history.revision)

    async def commit(self, changes: Sequence[Change]) -> int:
        """See `Store.commit`."""
        self._check_open()
        check(changes)
        current = {c.key: self._entries[c.key].revision for c in changes if c.key in self._entries}
        applied = plan(changes, current, self._history.revision)
        for key, value, revision in applied.changes:
            if value is None:
                del self._entries[key]
            else:
                self._entries[key] = Entry(key, value, revision)
        if applied.changes:
            self._history.append(applied)
        return applied.revision

    def watch(self, since: int) -> AsyncIterator[Applied]:
        """See `Store.watch`."""
        return self._history.watch(since)

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        self._history.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
