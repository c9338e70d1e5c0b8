"""What is asked for is in the store and in the view, once, whoever else writes there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address

import pytest
from structlog.testing import capture_logs
from tests.hosts.records import endpoint, following, host, listed, network, values

from daoli.hosts.errors import Clash, InUse, Invalid, NotFound
from daoli.hosts.inventory import ATTEMPTS, GUARD, Inventory, Written
from daoli.hosts.mirror import Changed
from daoli.hosts.plans import Difference
from daoli.hosts.stored import decode, host_key
from daoli.routing.view import View
from daoli.store.base import Applied, Change, Snapshot, StoreUnavailable, WatchLost
from daoli.store.memory import MemoryStore

# -- writing -----------------------------------------------------------------------------------------------------------


async def test_new_host(inventory: Inventory, changes: list[Changed], store: MemoryStore) -> None:
    """A new host is in the store and in the view, and the listeners know, before the call returns."""
    spec = host(3, site="north", docker="tcp://h3:2375", labels={"rack": "7"})
    written = await inventory.put_host(spec)
    assert written == Written(store._history.revision, changed=True, created=True)
    assert inventory.view.hosts["h3"] == inventory.host("h3") == spec.record()
    assert changes == [Changed(written.revision, ((None, spec.record()),), (), ())]
    assert [decode(*entry[:2]) for entry in (await store.read(host_key("h3"))).entries] == [spec.record()]


async def test_same_host(inventory: Inventory, changes: list[Changed]) -> None:
    """Posting what is already so changes nothing."""
    assert await inventory.put_host(host(1)) == Written(inventory.revision, changed=False)
    assert changes == []


async def test_update_host(inventory: Inventory, changes: list[Changed]) -> None:
    """A host may change all but its name and dpid; its endpoints stay."""
    await inventory.put_endpoint(endpoint(1))
    written = await inventory.put_host(host(1, uplink="eth1", address="192.0.2.99"))
    assert (written.changed, written.created) == (True, False)
    assert changes[-1].hosts == ((host(1).record(), host(1, uplink="eth1", address="192.0.2.99").record()),)
    assert changes[-1].endpoints == ()
    assert inventory.view.place_of("e1").switch.host == inventory.host("h1")


async def test_remove_host(inventory: Inventory, changes: list[Changed]) -> None:
    """A host leaves with its endpoints, in one commit."""
    await inventory.replace_endpoints("h1", [listed(1), listed(2)])
    await inventory.put_endpoint(endpoint(3, host="h2"))
    changes.clear()
    written = await inventory.remove_host("h1")
    assert written.endpoints == Difference(removed=("e1", "e2"))
    (changed,) = changes
    assert changed.hosts == ((host(1).record(), None),)
    assert {old.id for old, new in changed.endpoints if old and new is None} == {"e1", "e2"}
    assert list(inventory.view.endpoints) == ["e3"]


async def test_network(inventory: Inventory, changes: list[Changed]) -> None:
    """A network comes and, while it has no endpoints, goes."""
    assert (await inventory.put_network(network(2))).created
    assert inventory.network("n2") == network(2).record()
    assert not (await inventory.put_network(network(2))).changed
    await inventory.remove_network("n2")
    assert [change.networks for change in changes] == [((None, network(2).record()),), ((network(2).record(), None),)]


async def test_move_endpoint(inventory: Inventory, changes: list[Changed]) -> None:
    """An endpoint that is posted from another host moves there in one change."""
    assert (await inventory.put_endpoint(endpoint(1))).created
    written = await inventory.put_endpoint(endpoint(1, host="h2", port="eth9"))
    assert (written.created, written.endpoints) == (False, Difference(changed=("e1",)))
    assert changes[-1].endpoints == ((endpoint(1).record(), endpoint(1, host="h2", port="eth9").record()),)
    assert inventory.view.place_of("e1").dpid == 2
    assert not (await inventory.put_endpoint(endpoint(1, host="h2", port="eth9"))).changed


async def test_remove_endpoint(inventory: Inventory, changes: list[Changed]) -> None:
    """A removed endpoint is gone from store and view."""
    await inventory.put_endpoint(endpoint(1))
    assert (await inventory.remove_endpoint("e1")).endpoints == Difference(removed=("e1",))
    assert changes[-1].endpoints == ((endpoint(1).record(), None),)


async def test_replace_endpoints(inventory: Inventory, store: MemoryStore) -> None:
    """A list is applied as a difference: what is the same is not written, and one from another host moves here."""
    await inventory.put_endpoint(endpoint(9, host="h2"))
    first = await inventory.replace_endpoints("h1", [listed(1), listed(2), listed(3)])
    assert first.endpoints == Difference(added=("e1", "e2", "e3"))
    second = await inventory.replace_endpoints("h1", [listed(1), listed(2, port="veth22"), listed(9), listed(4)])
    assert second.endpoints == Difference(added=("e4",), changed=("e2", "e9"), removed=("e3",))
    revisions = {entry.key: entry.revision for entry in (await store.read("endpoints/")).entries}
    assert revisions == {"endpoints/e1": first.revision} | {
        f"endpoints/{name}": second.revision for name in ("e2", "e4", "e9")
    }
    assert {endpoint.id for endpoint in inventory.view.endpoints_of("h1")} == {"e1", "e2", "e4", "e9"}
    again = await inventory.replace_endpoints("h1", [listed(4), listed(9), listed(2, port="veth22"), listed(1)])
    assert again == Written(second.revision, changed=False)


async def test_swap(inventory: Inventory) -> None:
    """Endpoints may exchange addresses, MACs and ports within a list."""
    await inventory.replace_endpoints("h1", [listed(1), listed(2)])
    swapped = [listed(1, **values(2, id="e1")), listed(2, **values(1, id="e2"))]
    assert (await inventory.replace_endpoints("h1", swapped)).endpoints == Difference(changed=("e1", "e2"))
    assert {e.id: e for e in inventory.view.endpoints_of("h1")} == {s.id: s.at("h1").record() for s in swapped}
    assert inventory.view.by_ipv4[IPv4Address(values(1)["ipv4"]).packed].endpoint.id == "e2"


async def test_many(inventory: Inventory, changes: list[Changed]) -> None:
    """A thousand endpoints are one commit and one change."""
    written = await inventory.replace_endpoints("h1", [listed(n) for n in range(1000)])
    assert len(written.endpoints.added) == len(changes[0].endpoints) == len(inventory.view.endpoints) == 1000


async def test_refused(inventory: Inventory, store: MemoryStore, changes: list[Changed]) -> None:
    """What is refused writes nothing."""
    await inventory.put_endpoint(endpoint(1))
    before = await store.read()
    changes.clear()
    with pytest.raises(Clash):
        await inventory.put_host(host(3, address="192.0.2.1"))
    with pytest.raises(Clash):
        await inventory.put_network(network(2, subnet="10.1.7.0/24"))
    with pytest.raises(Clash):
        await inventory.put_endpoint(endpoint(2, mac=endpoint(1).mac))
    with pytest.raises(Invalid):
        await inventory.replace_endpoints("h1", [listed(1), listed(3), listed(2, network="n9")])
    with pytest.raises(InUse):
        await inventory.remove_network("n1")
    assert await store.read() == before
    assert changes == []


@pytest.mark.parametrize("name", ["h9", "", "h1/x"])
async def test_not_found(inventory: Inventory, name: str) -> None:
    """What is not there can be neither found, nor removed, nor given endpoints."""
    for find in (inventory.host, inventory.network, inventory.endpoint, inventory.find_endpoint):
        with pytest.raises(NotFound):
            find(name)
    for remove in (inventory.remove_host, inventory.remove_network, inventory.remove_endpoint):
        with pytest.raises(NotFound):
            await remove(name)
    with pytest.raises(NotFound):
        await inventory.replace_endpoints(name, [])


async def test_find_endpoint(inventory: Inventory) -> None:
    """An endpoint is found by id, address or name, in this order; a name that two have is refused with both."""
    await inventory.replace_endpoints("h1", [listed(1, name="web"), listed(2, name="e1"), listed(3, name="db")])
    await inventory.put_endpoint(endpoint(4, name="web", host="h2"))
    assert inventory.find_endpoint("e1").id == "e1"
    assert inventory.find_endpoint("db").id == "e3"
    assert inventory.find_endpoint(values(2)["ipv4"]).id == "e2"
    with pytest.raises(Invalid, match=r"e1 \(10\.1\.0\.3 on host h1\), e4") as ambiguous:
        inventory.find_endpoint("web", "source")
    assert ambiguous.value.field == "source"
    with pytest.raises(NotFound, match=r"10\.1\.0\.77") as absent:
        inventory.find_endpoint("10.1.0.77", "destination")
    assert absent.value.field == "destination"


# -- the store's side --------------------------------------------------------------------------------------------------


async def test_load(inventory: Inventory, store: MemoryStore) -> None:
    """A new process reads what another has written, tells it as one change, and goes on from there."""
    await inventory.put_endpoint(endpoint(1))
    second = Inventory(store, View())
    told: list[Changed] = []
    second.subscribe(told.append)
    await second.load()
    assert (second.revision, len(told)) == (inventory.revision, 1)
    assert second.view.endpoints == inventory.view.endpoints
    async with following(second):
        await second.remove_endpoint("e1")
        await inventory._reached(second.revision)
    assert not inventory.view.endpoints


async def test_two_writers(inventory: Inventory, store: MemoryStore) -> None:
    """Of two controllers that each see an address free only one gives it away."""
    async with following(Inventory(store, View())) as second:
        await second._reached(inventory.revision)
        outcomes = await asyncio.gather(
            inventory.put_endpoint(endpoint(1)),
            second.put_endpoint(endpoint(2, ipv4=endpoint(1).ipv4)),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Clash", "Written"]
        await second._reached(inventory.revision)
        assert second.view.endpoints == inventory.view.endpoints


async def test_always_too_late() -> None:
    """A write that other controllers forestall again and again is given up."""

    class Busy(MemoryStore):
        async def commit(self, changes: Sequence[Change]) -> int:
            await super().commit([Change(GUARD, b"")])
            return await super().commit(changes)

    busy = Busy()
    async with following(Inventory(busy, View())) as inventory:
        with pytest.raises(StoreUnavailable, match=str(ATTEMPTS)):
            await inventory.put_host(host(1))
    assert (await busy.read("hosts/")).entries == ()


class Troubled(MemoryStore):
    """A store whose watch fails as told."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []

    async def read(self, prefix: str = "") -> Snapshot:
        """Fail if that is next."""
        if self.failures and isinstance(self.failures[-1], StoreUnavailable):
            raise self.failures.pop()
        return await super().read(prefix)

    async def watch(self, since: int) -> AsyncIterator[Applied]:
        """Fail before each commit for which a failure is prepared."""
        async for applied in super().watch(since):
            if self.failures:
                raise self.failures.pop()
            yield applied


async def test_watch_troubles() -> None:
    """A lost watch is made good by reading anew, a store that is away by trying again, and the write returns."""
    store = Troubled()
    async with following(Inventory(store, View(), retry_seconds=0)) as inventory:
        await inventory.put_host(host(1))
        await inventory.put_host(host(2))
        told: list[Changed] = []
        inventory.subscribe(told.append)
        store.failures = [StoreUnavailable("away"), StoreUnavailable("away"), WatchLost(1)]
        with capture_logs() as logs:
            await inventory.remove_host("h2")
        assert [entry["event"] for entry in logs] == [
            "inventory_watch_lost",
            "inventory_store_unavailable",
            "inventory_store_unavailable",
        ]
        assert [change.hosts for change in told] == [((host(2).record(), None),)]
        await inventory.put_host(host(3))
        assert sorted(inventory.view.hosts) == ["h1", "h3"]


async def test_store_closed(inventory: Inventory, store: MemoryStore) -> None:
    """With a closed store reading goes on, and a write fails without effect."""
    await store.close()
    with pytest.raises(StoreUnavailable):
        await inventory.put_host(host(3))
    assert sorted(inventory.view.hosts) == ["h1", "h2"]


async def test_no_longer_followed() -> None:
    """A write that waits for a commit to come back fails when nobody follows the store any more."""
    inventory = Inventory(MemoryStore(), View())
    async with following(inventory):
        await inventory.put_host(host(1))
    with pytest.raises(StoreUnavailable, match="no longer follows"):
        await inventory.put_host(host(2))
