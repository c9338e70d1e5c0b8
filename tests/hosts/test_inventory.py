"""What may be in the inventory together, and that the view follows the store, whoever writes there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from structlog.testing import capture_logs

from daoli.hosts.inventory import (
    ATTEMPTS,
    GUARD,
    Changed,
    Clash,
    Difference,
    InUse,
    Invalid,
    Inventory,
    InventoryError,
    NotFound,
    Record,
    Written,
    decode,
    encode,
    endpoint_key,
    host_key,
    network_key,
)
from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkSpec
from daoli.routing.model import Endpoint, Host
from daoli.routing.view import PortInfo, View
from daoli.store.base import Applied, Change, Snapshot, StoreUnavailable, WatchLost
from daoli.store.memory import MemoryStore


def host(n: int, **fields: Any) -> HostSpec:
    return HostSpec(
        **{"name": f"h{n}", "dpid": f"{n:016x}", "address": f"192.0.2.{n}", "uplink": "eth0"} | fields,
    )


def network(n: int = 1, **fields: Any) -> NetworkSpec:
    return NetworkSpec(**{"name": f"n{n}", "subnet": f"10.{n}.0.0/16"} | fields)


def values(n: int, **fields: Any) -> dict[str, Any]:
    octets = f"{n // 250}.{n % 250 + 2}"
    mac = f"02:42:00:00:{n // 256:02x}:{n % 256:02x}"
    return {"id": f"e{n}", "network": "n1", "mac": mac, "ipv4": f"10.1.{octets}", "port": f"veth{n}"} | fields


def endpoint(n: int, **fields: Any) -> EndpointSpec:
    return EndpointSpec(**{"host": "h1"} | values(n, **fields))


def listed(n: int, **fields: Any) -> ListedEndpoint:
    return ListedEndpoint(**values(n, **fields))


@asynccontextmanager
async def following(inventory: Inventory) -> AsyncIterator[Inventory]:
    task = asyncio.ensure_future(inventory.run())
    try:
        yield inventory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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


# -- hosts -------------------------------------------------------------------------------------------------------------


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
    """A host may change all but its name and dpid; its connection and endpoints stay."""
    await inventory.put_endpoint(endpoint(1))
    inventory.view.set_ports(1, [PortInfo(7, "veth1", bytes(6)), PortInfo(8, "eth1", bytes(6))])
    written = await inventory.put_host(host(1, uplink="eth1", address="192.0.2.99"))
    assert (written.changed, written.created) == (True, False)
    assert changes[-1].hosts == ((host(1).record(), host(1, uplink="eth1", address="192.0.2.99").record()),)
    assert changes[-1].endpoints == ()
    assert inventory.view.switches[1].uplink == 8
    assert inventory.view.place_of("e1").port_no == 7


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (host(1, dpid="00000000000000ff"), "name", "another machine"),
        (host(3, dpid="0000000000000001"), "dpid", "host h1"),
        (host(3, address="192.0.2.1"), "address", "host h1"),
        (host(1, uplink="veth1"), "uplink", "endpoint e1"),
    ],
)
async def test_host_clash(inventory: Inventory, store: MemoryStore, spec: HostSpec, field: str, words: str) -> None:
    """A host that takes what another has is refused by field, with the owner's name, and nothing changes."""
    await inventory.put_endpoint(endpoint(1))
    before = await store.read()
    with pytest.raises(Clash, match=words) as caught:
        await inventory.put_host(spec)
    assert caught.value.field == field
    assert await store.read() == before


async def test_freed_claims(inventory: Inventory) -> None:
    """What a host gave up, by a change or by leaving, another may take."""
    await inventory.put_host(host(1, address="192.0.2.101"))
    await inventory.remove_host("h2")
    await inventory.put_host(host(3, dpid="0000000000000002", address="192.0.2.1"))
    assert sorted(inventory.view.hosts) == ["h1", "h3"]


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


# -- networks ----------------------------------------------------------------------------------------------------------


async def test_network_again(inventory: Inventory) -> None:
    """Posting a network again, with its gateway or without, changes nothing; with another gateway it is refused."""
    await inventory.put_network(network(2, gateway="10.2.0.254"))
    assert not (await inventory.put_network(network(2))).changed
    assert not (await inventory.put_network(network(2, gateway="10.2.0.254"))).changed
    with pytest.raises(Clash, match=r"10\.2\.0\.254") as caught:
        await inventory.put_network(network(2, gateway="10.2.0.1"))
    assert caught.value.field == "gateway"


@pytest.mark.parametrize(
    "spec", [network(1, subnet="10.9.0.0/16"), network(2, subnet="10.1.7.0/24"), network(2, subnet="10.0.0.0/8")]
)
async def test_network_clash(inventory: Inventory, spec: NetworkSpec) -> None:
    """A network keeps its subnet, and shares no address with another."""
    with pytest.raises(Clash, match="n1") as caught:
        await inventory.put_network(spec)
    assert caught.value.field == "subnet"


async def test_remove_network(inventory: Inventory) -> None:
    """A network with endpoints stays, and the error names some of them; an empty one goes."""
    await inventory.replace_endpoints("h1", [listed(n) for n in range(7)])
    with pytest.raises(InUse, match="e0, e1, e2, e3, e4 and 2 more"):
        await inventory.remove_network("n1")
    await inventory.replace_endpoints("h1", [])
    await inventory.remove_network("n1")
    assert not inventory.view.networks
    await inventory.put_network(network(2, subnet="10.1.0.0/24"))


# -- endpoints ---------------------------------------------------------------------------------------------------------


async def test_move_endpoint(inventory: Inventory, changes: list[Changed]) -> None:
    """An endpoint that is posted from another host moves there in one change."""
    assert (await inventory.put_endpoint(endpoint(1))).created
    written = await inventory.put_endpoint(endpoint(1, host="h2", port="eth9"))
    assert (written.created, written.endpoints) == (False, Difference(changed=("e1",)))
    assert changes[-1].endpoints == ((endpoint(1).record(), endpoint(1, host="h2", port="eth9").record()),)
    assert inventory.view.place_of("e1").dpid == 2
    assert not (await inventory.put_endpoint(endpoint(1, host="h2", port="eth9"))).changed


async def test_rename_keeps_place(inventory: Inventory) -> None:
    """A new name or label leaves the endpoint's place, and so the routes to it, as they are."""
    await inventory.put_endpoint(endpoint(1))
    place = inventory.view.place_of("e1")
    await inventory.put_endpoint(endpoint(1, name="web", labels={"a": "b"}))
    assert inventory.view.place_of("e1") is place
    assert inventory.find_endpoint("web").labels == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        (endpoint(2, host="h9"), Invalid, "host"),
        (endpoint(2, network="n9"), Invalid, "network"),
        (endpoint(2, ipv4="10.2.0.5"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.0.0"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.255.255"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.0.1"), Invalid, "ipv4"),
        (endpoint(2, ipv4=endpoint(1).ipv4), Clash, "ipv4"),
        (endpoint(2, mac=endpoint(1).mac), Clash, "mac"),
        (endpoint(2, port="veth1"), Clash, "port"),
        (endpoint(2, port="eth0"), Clash, "port"),
    ],
)
async def test_endpoint_refused(
    inventory: Inventory, store: MemoryStore, spec: EndpointSpec, error: type[InventoryError], field: str
) -> None:
    """An endpoint that cannot be there is refused by field, alone or in a list, and nothing changes."""
    await inventory.put_endpoint(endpoint(1))
    before = await store.read()
    with pytest.raises(error) as caught:
        await inventory.put_endpoint(spec)
    assert caught.value.field == field
    in_list = ListedEndpoint.model_validate(spec.model_dump())
    with pytest.raises((error, Invalid)) as caught:
        await inventory.replace_endpoints("h1", [listed(1), listed(3), in_list])
    assert caught.value.field == f"endpoints[2].{field}"
    assert await store.read() == before


@pytest.mark.parametrize("field", ["ipv4", "mac"])
async def test_list_clashes_with_another_host(inventory: Inventory, field: str) -> None:
    """An endpoint in a list cannot have what one on another host has."""
    await inventory.put_endpoint(endpoint(1, host="h2"))
    with pytest.raises(Clash, match="endpoint e1") as caught:
        await inventory.replace_endpoints("h1", [listed(2, **{field: values(1)[field]})])
    assert caught.value.field == f"endpoints[0].{field}"


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


@pytest.mark.parametrize("field", ["id", "ipv4", "mac", "port"])
async def test_twice_in_a_list(inventory: Inventory, field: str) -> None:
    """Two endpoints of a list cannot have one id, address, MAC or port."""
    with pytest.raises(Invalid, match=r"first at endpoints\[0\]") as caught:
        await inventory.replace_endpoints("h1", [listed(1), listed(2), listed(3, **{field: values(1)[field]})])
    assert caught.value.field == f"endpoints[2].{field}"


async def test_list_of_another_host(inventory: Inventory) -> None:
    """An endpoint in a host's list cannot say that it is on another."""
    with pytest.raises(Invalid, match="list of host h1") as caught:
        await inventory.replace_endpoints("h1", [listed(1, host="h2")])
    assert caught.value.field == "endpoints[0].host"


async def test_many(inventory: Inventory, changes: list[Changed]) -> None:
    """A thousand endpoints are one commit and one change."""
    written = await inventory.replace_endpoints("h1", [listed(n) for n in range(1000)])
    assert len(written.endpoints.added) == len(changes[0].endpoints) == len(inventory.view.endpoints) == 1000


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


async def test_remove_endpoint(inventory: Inventory, changes: list[Changed]) -> None:
    """A removed endpoint is gone from store and view."""
    await inventory.put_endpoint(endpoint(1))
    assert (await inventory.remove_endpoint("e1")).endpoints == Difference(removed=("e1",))
    assert changes[-1].endpoints == ((endpoint(1).record(), None),)


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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hosts/h3", b"\xff\x00"),
        ("hosts/h3", b"[]"),
        ("hosts/h3", host(4).stored()),
        ("endpoints/e1", b'{"id":"e1","later":1}'),
    ],
)
async def test_unreadable_entry(inventory: Inventory, store: MemoryStore, key: str, value: bytes) -> None:
    """An entry that makes no sense is logged by key and passed over, and can be overwritten."""
    with capture_logs() as logs:
        await inventory._reached(await store.commit([Change(key, value)]))
    assert [(entry["event"], entry["key"]) for entry in logs] == [("inventory_entry_unreadable", key)]
    assert (await inventory.put_host(host(3))).created
    assert (await inventory.put_endpoint(endpoint(1))).created


async def test_keys_of_others(inventory: Inventory, store: MemoryStore, changes: list[Changed]) -> None:
    """Keys that are not the inventory's are none of its business."""
    with capture_logs() as logs:
        await inventory._reached(await store.commit([Change("rules/1", b"?"), Change("hosts", b"?")]))
    assert (logs, changes) == ([], [])


async def test_inconsistent_entry(inventory: Inventory, store: MemoryStore) -> None:
    """What another hand made inconsistent is logged once and left out, until it fits."""
    lost = endpoint(1, host="h3").record()
    with capture_logs() as logs:
        await inventory._reached(await store.commit([Change(endpoint_key("e1"), encode(lost))]))
        await inventory.put_endpoint(endpoint(2))
    assert [(entry["event"], entry["key"]) for entry in logs] == [("inventory_entry_left_out", "endpoints/e1")]
    assert list(inventory.view.endpoints) == ["e2"]
    await inventory.put_host(host(3))
    assert inventory.endpoint("e1") == lost


async def test_host_deleted_by_another_hand(inventory: Inventory, store: MemoryStore) -> None:
    """Endpoints whose host or network disappears under them are out of the view until it comes back."""
    await inventory.replace_endpoints("h1", [listed(1), listed(2)])
    for key, back in ((host_key("h1"), host(1)), (network_key("n1"), network(1))):
        with capture_logs() as logs:
            await inventory._reached(await store.commit([Change(key, None)]))
        assert not inventory.view.endpoints
        assert len(logs) == 2
        await inventory._reached(await store.commit([Change(key, back.stored())]))
        assert set(inventory.view.endpoints) == {"e1", "e2"}


async def test_exchange_by_another_hand(inventory: Inventory, store: MemoryStore) -> None:
    """Two hosts may exchange machine, address and all in one commit, and keep their endpoints."""
    await inventory.put_endpoint(endpoint(1))
    await inventory.put_endpoint(endpoint(2, host="h2"))
    swapped = [host(2, name="h1"), host(1, name="h2")]
    await inventory._reached(await store.commit([Change(host_key(spec.name), spec.stored()) for spec in swapped]))
    assert inventory.view.hosts == {spec.name: spec.record() for spec in swapped}
    assert (inventory.view.place_of("e1").dpid, inventory.view.place_of("e2").dpid) == (2, 1)


async def test_uplink_taken_by_another_hand(inventory: Inventory, store: MemoryStore) -> None:
    """An endpoint whose port another hand makes its host's uplink is left out, and its neighbour is not."""
    await inventory.replace_endpoints("h1", [listed(1), listed(2)])
    with capture_logs() as logs:
        await inventory._reached(await store.commit([Change(host_key("h1"), host(1, uplink="veth1").stored())]))
    assert [entry["key"] for entry in logs] == ["endpoints/e1"]
    assert inventory.host("h1").uplink == "veth1"
    assert list(inventory.view.endpoints) == ["e2"]


async def test_dpid_taken_by_another_hand(inventory: Inventory, store: MemoryStore) -> None:
    """A new host with the dpid of one that changes in the same commit is left out."""
    commit = [Change(host_key("h3"), host(1, name="h3").stored()), Change(host_key("h1"), host(1, site="s").stored())]
    with capture_logs() as logs:
        await inventory._reached(await store.commit(commit))
    assert [entry["key"] for entry in logs] == ["hosts/h3"]
    assert inventory.view.switches[1].host == host(1, site="s").record()


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


# -- whatever is written -----------------------------------------------------------------------------------------------

NUMBERS = st.integers(1, 3)


class AnyHand(RuleBasedStateMachine):
    """The inventory's calls and another hand's commits, in any order: the view is consistent and near the store."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.inventory = Inventory(self.store, View())
        self.told: dict[str, Host | Endpoint] = {}
        self.inventory.subscribe(self.hear)
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(self.inventory.run())

    def hear(self, change: Changed) -> None:
        """Keep a copy of the view from what is told alone."""
        for old, new in (*change.hosts, *change.endpoints):
            known = old or new
            assert known is not None
            key = endpoint_key(known.id) if isinstance(known, Endpoint) else host_key(known.name)
            assert self.told.get(key) == old
            if new is None:
                del self.told[key]
            else:
                self.told[key] = new

    def attempt(self, *calls: Any) -> None:
        """Make calls of which some will be refused."""

        async def one_by_one() -> None:
            for call in calls:
                with suppress(InventoryError):
                    await call

        with capture_logs():
            self.loop.run_until_complete(one_by_one())

    @rule(n=NUMBERS, dpid=NUMBERS, uplink=st.sampled_from(["eth0", "veth1"]))
    def post_host(self, n: int, dpid: int, uplink: str) -> None:
        """Post a host."""
        self.attempt(self.inventory.put_host(host(n, dpid=f"{dpid:016x}", uplink=uplink)))

    @rule(n=NUMBERS)
    def post_network(self, n: int) -> None:
        """Post a network."""
        self.attempt(self.inventory.put_network(network(n)))

    @rule(n=NUMBERS, on=NUMBERS, net=NUMBERS, port=NUMBERS)
    def post_endpoint(self, n: int, on: int, net: int, port: int) -> None:
        """Post an endpoint."""
        spec = endpoint(n, host=f"h{on}", network=f"n{net}", ipv4=f"10.{net}.0.{port + 1}", port=f"veth{port}")
        self.attempt(self.inventory.put_endpoint(spec))

    @rule(n=NUMBERS)
    def remove(self, n: int) -> None:
        """Remove a host, then a network."""
        self.attempt(self.inventory.remove_host(f"h{n}"), self.inventory.remove_network(f"n{n}"))

    @rule(key=st.sampled_from(["hosts/h", "networks/n", "endpoints/e"]), n=NUMBERS, m=NUMBERS, delete=st.booleans())
    def other_hand(self, key: str, n: int, m: int, delete: bool) -> None:
        """Commit something past the inventory's checks."""
        records: dict[str, Record] = {
            "hosts/h": replace(host(m).record(), name=f"h{n}"),
            "networks/n": replace(network(m).record(), name=f"n{n}"),
            "endpoints/e": replace(endpoint(m, host=f"h{m}").record(), id=f"e{n}"),
        }
        self.attempt(self.both([Change(f"{key}{n}", None if delete else encode(records[key]))]))

    async def both(self, changes: list[Change]) -> None:
        """Commit, and wait until the inventory knows."""
        await self.inventory._reached(await self.store.commit(changes))

    @invariant()
    def consistent(self) -> None:
        """Every index of the view tells the same, and what listeners heard is what is there."""
        view = self.inventory.view
        assert self.told == {host_key(n): h for n, h in view.hosts.items()} | {
            endpoint_key(n): e for n, e in view.endpoints.items()
        }
        assert {dpid: switch.host for dpid, switch in view.switches.items()} == {h.dpid: h for h in view.hosts.values()}
        assert {place.endpoint.id: place.endpoint for place in view.by_ipv4.values()} == view.endpoints
        on_hosts = [endpoint for name in view.hosts for endpoint in view.endpoints_of(name)]
        assert sorted(e.id for e in on_hosts) == sorted(view.endpoints)
        assert len({e.mac for e in on_hosts}) == len(on_hosts)
        for place in view.by_ipv4.values():
            assert place.switch is view.switches[view.hosts[place.endpoint.host].dpid]
            assert place.network is view.networks[place.endpoint.network]
            assert place.endpoint.port != view.hosts[place.endpoint.host].uplink

    @invariant()
    def near_the_store(self) -> None:
        """What the store has is shown, or it is left out for a fault that it has now."""
        mirror = self.inventory._mirror
        for key, record in self.stored():
            shown = mirror.shown(key)
            assert shown == record or (shown is None and key in mirror._left_out)
            assert (mirror.fault(record, {key}) is None) == (shown is not None)
        assert set(mirror.revisions) == set(self.store._entries)

    def stored(self) -> Iterator[tuple[str, Any]]:
        """Walk what the store has."""
        for key, entry in self.store._entries.items():
            record = decode(key, entry.value)
            if record is not None:
                yield key, record

    def teardown(self) -> None:
        """End the task and the loop."""
        self.task.cancel()
        self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


TestAnyHand = AnyHand.TestCase
TestAnyHand.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
