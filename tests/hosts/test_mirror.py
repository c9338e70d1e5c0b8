"""The view stays consistent, and as near to the store as it may come, whoever writes there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from structlog.testing import capture_logs
from tests.hosts.records import commit, endpoint, entry, host, network, put

from daoli.hosts.errors import Clash, Invalid
from daoli.hosts.mirror import Changed, Mirror
from daoli.hosts.spec import EndpointSpec, HostSpec, NetworkSpec, outside
from daoli.hosts.stored import host_key
from daoli.routing.view import PortInfo


def test_changed(mirror: Mirror) -> None:
    """A commit is told as the old and the new record of each that changed, and its revisions are kept."""
    put(mirror, endpoint(1), endpoint(2))
    changed = commit(mirror, entry(endpoint(1, host="h2")), ("endpoints/e2", None), entry(host(1)), entry(host(3)))
    moved = (endpoint(1).record(), endpoint(1, host="h2").record())
    assert changed == Changed(3, ((None, host(3).record()),), (), (moved, (endpoint(2).record(), None)))
    assert mirror.revisions == {"hosts/h1": 3, "hosts/h2": 1, "hosts/h3": 3, "networks/n1": 1, "endpoints/e1": 3}
    assert (mirror.shown("hosts/h3"), mirror.shown("laws/1")) == (host(3).record(), None)


def test_host_in_place(mirror: Mirror) -> None:
    """A host whose dpid stays keeps its connection and its endpoints."""
    put(mirror, endpoint(1))
    mirror.view.set_ports(1, [PortInfo(7, "veth1", bytes(6)), PortInfo(8, "eth1", bytes(6))])
    assert put(mirror, host(1, uplink="eth1", address="192.0.2.99")).endpoints == ()
    assert mirror.view.switches[1].uplink == 8
    assert mirror.view.place_of("e1").port_no == 7


def test_rename_keeps_place(mirror: Mirror) -> None:
    """A new name, alias, label or container id leaves the endpoint's place, and so the routes to it, as they are."""
    put(mirror, endpoint(1))
    place = mirror.view.place_of("e1")
    put(mirror, endpoint(1, name="web", labels={"a": "b"}, container="a" * 64, aliases=("www",)))
    assert mirror.view.place_of("e1") is place
    assert mirror.view.endpoints["e1"].name == "web"


def test_freed_claims(mirror: Mirror) -> None:
    """What a host gave up, by a change or by leaving, another may take."""
    taker = host(3, dpid="0000000000000002", address="192.0.2.1").record()
    assert isinstance(mirror.fault(taker, set()), Clash)
    commit(mirror, entry(host(1, address="192.0.2.101")), (host_key("h2"), None))
    assert mirror.fault(taker, set()) is None


@pytest.mark.parametrize(
    ("fields", "field", "detail"),
    [
        ({"host": "h9"}, "host", "there is no host h9"),
        ({"network": "n9"}, "network", "there is no network n9"),
        ({"ipv4": "10.1.0.1"}, "ipv4", "10.1.0.1 is the gateway of network n1"),
        ({"ipv4": "10.1.0.0"}, "ipv4", outside(IPv4Address("10.1.0.0"), IPv4Network("10.1.0.0/16"))),
    ],
)
def test_misplaced(mirror: Mirror, fields: dict[str, str], field: str, detail: str) -> None:
    """What makes no sense where it is is told by field."""
    fault = mirror.fault(endpoint(2, **fields).record(), set())
    assert isinstance(fault, Invalid)
    assert (fault.field, fault.detail) == (field, detail)


def test_taken_by_name(mirror: Mirror) -> None:
    """An owner that has a name is called by it, with its host: ids are Docker's."""
    put(mirror, endpoint(1, name="web"))
    fault = mirror.fault(endpoint(2, mac=endpoint(1).mac).record(), set())
    assert str(fault).endswith("is taken by endpoint web on host h1")


@pytest.mark.parametrize(
    ("spec", "field", "detail", "owner"),
    [
        (endpoint(2, mac=endpoint(1).mac), "mac", "MAC 02:42:00:00:00:01 is taken by endpoint e1", "endpoints/e1"),
        (endpoint(2, port="eth0"), "port", "port eth0 of host h1 is taken by host h1", "hosts/h1"),
        (host(3, dpid=host(2).dpid), "dpid", "dpid 0000000000000002 is taken by host h2", "hosts/h2"),
        (
            network(2, subnet="10.0.0.0/8"),
            "subnet",
            "10.0.0.0/8 overlaps 10.1.0.0/16, which is network n1",
            "networks/n1",
        ),
    ],
)
def test_taken(
    mirror: Mirror, spec: HostSpec | NetworkSpec | EndpointSpec, field: str, detail: str, owner: str
) -> None:
    """What another has is told by field, with the owner's name, unless the owner is about to give it up."""
    put(mirror, endpoint(1))
    fault = mirror.fault(spec.record(), set())
    assert isinstance(fault, Clash)
    assert (fault.field, fault.detail) == (field, detail)
    assert mirror.fault(spec.record(), {owner}) is None


# -- by another hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"\xff\x00", b"[]", host(4).stored()])
def test_unreadable_entry(mirror: Mirror, value: bytes) -> None:
    """An entry that makes no sense is logged by key and passed over, and can be overwritten."""
    with capture_logs() as logs:
        assert commit(mirror, ("hosts/h3", value)) == Changed(2, (), (), ())
    assert [(entry["event"], entry["key"]) for entry in logs] == [("inventory_entry_unreadable", "hosts/h3")]
    assert mirror.revisions["hosts/h3"] == 2
    put(mirror, host(3))
    assert mirror.view.hosts["h3"] == host(3).record()


def test_keys_of_others(mirror: Mirror) -> None:
    """Keys that are not the inventory's are none of its business."""
    with capture_logs() as logs:
        assert commit(mirror, ("laws/1", b"?"), ("hosts", b"?")) == Changed(2, (), (), ())
    assert logs == []


def test_inconsistent_entry(mirror: Mirror) -> None:
    """What another hand made inconsistent is logged once and left out, until it fits."""
    lost = endpoint(1, host="h3")
    with capture_logs() as logs:
        put(mirror, lost)
        put(mirror, endpoint(2))
    assert [(entry["event"], entry["key"]) for entry in logs] == [("inventory_entry_left_out", "endpoints/e1")]
    assert list(mirror.view.endpoints) == ["e2"]
    put(mirror, host(3))
    assert mirror.view.endpoints["e1"] == lost.record()


@pytest.mark.parametrize("spec", [host(1), network(1)])
def test_owner_deleted(mirror: Mirror, spec: HostSpec | NetworkSpec) -> None:
    """Endpoints whose host or network disappears under them are out of the view until it comes back."""
    put(mirror, endpoint(1), endpoint(2))
    key, value = entry(spec)
    with capture_logs() as logs:
        commit(mirror, (key, None))
    assert not mirror.view.endpoints
    assert len(logs) == 2
    commit(mirror, (key, value))
    assert set(mirror.view.endpoints) == {"e1", "e2"}


def test_exchange(mirror: Mirror) -> None:
    """Two hosts may exchange machine, address and all in one commit, and keep their endpoints."""
    put(mirror, endpoint(1), endpoint(2, host="h2"))
    swapped = [host(2, name="h1"), host(1, name="h2")]
    put(mirror, *swapped)
    assert mirror.view.hosts == {spec.name: spec.record() for spec in swapped}
    assert (mirror.view.place_of("e1").dpid, mirror.view.place_of("e2").dpid) == (2, 1)


def test_uplink_taken(mirror: Mirror) -> None:
    """An endpoint whose port becomes its host's uplink is left out, and its neighbour is not."""
    put(mirror, endpoint(1), endpoint(2))
    with capture_logs() as logs:
        put(mirror, host(1, uplink="veth1"))
    assert [entry["key"] for entry in logs] == ["endpoints/e1"]
    assert mirror.view.hosts["h1"].uplink == "veth1"
    assert list(mirror.view.endpoints) == ["e2"]


def test_dpid_taken(mirror: Mirror) -> None:
    """A new host with the dpid of one that changes in the same commit is left out."""
    with capture_logs() as logs:
        put(mirror, host(1, name="h3"), host(1, site="s"))
    assert [entry["key"] for entry in logs] == ["hosts/h3"]
    assert mirror.view.switches[1].host == host(1, site="s").record()


def test_network_changed(mirror: Mirror) -> None:
    """A network whose gateway moves keeps its endpoints, but for the one that has that address."""
    put(mirror, endpoint(1), endpoint(2))
    with capture_logs() as logs:
        changed = put(mirror, network(1, gateway=endpoint(2).ipv4))
    assert [entry["key"] for entry in logs] == ["endpoints/e2"]
    assert changed.networks == ((network(1).record(), network(1, gateway=endpoint(2).ipv4).record()),)
    assert changed.endpoints == ((endpoint(2).record(), None),)
