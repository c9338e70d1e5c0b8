"""Desired state, durable: one interface, several stores."""

from __future__ import annotations

from pathlib import Path

from daoli.store.base import StateLocked, StateUnusable, Store, StoreUnavailable
from daoli.store.memory import MemoryStore
from daoli.store.sqlite import SqliteStore

__all__ = ["StateLocked", "StateUnusable", "Store", "StoreUnavailable", "open_store"]


async def open_store(state: Path | None) -> Store:
    """Open the store in a state folder, or one in memory where there is none; errors as of `SqliteStore.open`."""
    return MemoryStore() if state is None else await SqliteStore.open(state)
