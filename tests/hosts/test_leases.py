"""Leases in a store that keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.hosts.records import following, host, network

from daoli.hosts.errors import Clash, NotFound
from daoli.hosts.inventory import Inventory
from daoli.hosts.lease import LeaseRequest
from daoli.hosts.leases import Leases
from daoli.routing.view import View
from daoli.store.sqlite import SqliteStore


@asynccontextmanager
async def stored(state: Path) -> AsyncIterator[tuple[Inventory, Leases, SqliteStore]]:
    """Follow the store of a state folder, with two hosts and a network."""
    store = await SqliteStore.open(state)
    try:
        async with following(Inventory(store, View())) as inventory:
            await inventory.load()
            for spec in (host(1), host(2)):
                await inventory.put_host(spec)
            await inventory.put_network(network())
            yield inventory, Leases(inventory), store
    finally:
        await store.close()


def request(n: int) -> LeaseRequest:
    """Ask as host h1 or h2."""
    return LeaseRequest(host=f"h{n % 2 + 1}", subnet="10.1.0.0/16")


async def test_burst(tmp_path: Path) -> None:
    """Two hundred leases at once are two commits, and two hundred different addresses."""
    async with stored(tmp_path) as (inventory, leases, _):
        before = inventory.revision
        granted = await asyncio.gather(*(leases.grant(request(n)) for n in range(200)))
        assert len({g.lease.ipv4 for g in granted}) == 200
        assert inventory.revision - before <= 2


async def test_restart(tmp_path: Path) -> None:
    """Leases are there after a restart, with their owners, and are given to nobody else."""
    async with stored(tmp_path) as (_, leases, _):
        granted = await asyncio.gather(*(leases.grant(request(n)) for n in range(5)))
        await leases.release(granted[1].lease.ipv4, "h2")
    async with stored(tmp_path) as (_, leases, _):
        kept = [g.lease for g in granted if g is not granted[1]]
        assert sorted(map(str, leases.of())) == sorted(map(str, kept))
        assert [lease.host for lease in leases.of(host="h1", network="n1")] == ["h1", "h1", "h1"]
        assert (await leases.grant(request(0))).lease.ipv4 == "10.1.0.7"
        with pytest.raises(Clash, match="leased by host h1"):
            await leases.grant(LeaseRequest(host="h2", network="n1", ipv4=kept[0].ipv4))


async def test_list(tmp_path: Path) -> None:
    """A host's list is what it has from then on, and each address of it is told of."""
    async with stored(tmp_path) as (_, leases, _):
        difference = await leases.replace("h1", ["10.1.0.5", "10.1.0.1"])
        assert difference.added == ("10.1.0.5",)
        assert [ipv4 for ipv4, _ in difference.refused] == ["10.1.0.1"]
        assert (await leases.replace("h1", [])).removed == ("10.1.0.5",)


async def test_unknown(tmp_path: Path) -> None:
    """Leases of a host or a network that is not there are not an empty list."""
    async with stored(tmp_path) as (_, leases, _):
        for query in ({"host": "h9"}, {"network": "n9"}):
            with pytest.raises(NotFound):
                leases.of(**query)
