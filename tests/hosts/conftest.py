"""An inventory, and a mirror alone, with hosts h1 and h2 and network n1; makes these tests' helpers importable."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.hosts.records import following, host, network, put
from tests.hosts.rig import Rig

from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed, Mirror
from daoli.routing.view import View
from daoli.store.memory import MemoryStore


@pytest.fixture
def mirror() -> Mirror:
    """A mirror of hosts h1 and h2 and network n1."""
    mirror = Mirror(View())
    put(mirror, host(1), host(2), network())
    return mirror


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
async def inventory(store: MemoryStore) -> AsyncIterator[Inventory]:
    """An inventory that follows its store, with hosts h1 and h2 and network n1."""
    async with following(Inventory(store, View(), retry_seconds=0)) as inventory:
        await inventory.put_host(host(1))
        await inventory.put_host(host(2))
        await inventory.put_network(network())
        yield inventory


@pytest.fixture
def changes(inventory: Inventory) -> list[Changed]:
    """What the inventory tells its listeners."""
    told: list[Changed] = []
    inventory.subscribe(told.append)
    return told


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Give a fabric of two hosts, and end what it has under way."""
    rig = Rig()
    yield rig
    await rig.fabric.close()
