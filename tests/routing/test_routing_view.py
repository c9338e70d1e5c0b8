"""The view: whichever half comes first, an endpoint is at the port that records and datapaths agree on."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.routing.world import Spot, endpoint, host, network

from daoli.routing.model import Endpoint, Host, Network
from daoli.routing.view import PortInfo, View

HOSTS = (0, 1, 2)
NAMES = ("p0", "p1", "p2", "up0", "up1")
NUMBERS = st.integers(1, 5)
HOST_NUMBERS = st.sampled_from(HOSTS)


def mac_of(number: int, name: str) -> bytes:
    """Give the MAC of a port."""
    return bytes((2, 0, 0, 0, number, NAMES.index(name)))


class ViewMachine(RuleBasedStateMachine):
    """Two writers in any order, and a model that keeps only what they wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.view = View()
        self.hosts: dict[str, Host] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.ports: dict[int, dict[str, PortInfo]] = {}  # of connected datapaths, by dpid
        self.networks = {f"n{number}": network(number) for number in range(2)}
        for record in self.networks.values():
            self.view.put_network(record)

    # -- the inventory's half

    @rule(number=HOST_NUMBERS, uplink=st.sampled_from(("up0", "up1")), moved=st.booleans())
    def put_host(self, number: int, uplink: str, *, moved: bool) -> None:
        """Add or change a host, perhaps with another datapath or uplink."""
        record = replace(host(number), uplink=uplink, dpid=host(number).dpid + (0x100 if moved else 0))
        old = self.hosts.get(record.name)
        if old is not None and old.dpid != record.dpid:
            self.ports.pop(old.dpid, None)
        self.hosts[record.name] = record
        self.view.put_host(record)

    @rule(number=HOST_NUMBERS)
    def remove_host(self, number: int) -> None:
        """Remove a host, after its endpoints."""
        name = host(number).name
        if name not in self.hosts:
            return
        for record in [record for record in self.endpoints.values() if record.host == name]:
            self.view.remove_endpoint(record.id)
            del self.endpoints[record.id]
        self.view.remove_host(name)
        self.ports.pop(self.hosts.pop(name).dpid, None)

    @precondition(lambda self: self.hosts)
    @rule(data=st.data(), number=st.integers(0, 5), port=st.sampled_from(NAMES[:3]), named=st.booleans())
    def put_endpoint(self, data: st.DataObject, number: int, port: str, *, named: bool) -> None:
        """Add, move or rename an endpoint; the port is one that no other endpoint of that host has."""
        name = data.draw(st.sampled_from(sorted(self.hosts)))
        if any((e.host, e.port) == (name, port) and e.id != f"e{number}" for e in self.endpoints.values()):
            return
        record = replace(endpoint(number, Spot(0)), host=name, port=port, name="named" if named else "")
        self.endpoints[record.id] = record
        self.view.put_endpoint(record)

    @precondition(lambda self: self.endpoints)
    @rule(data=st.data())
    def remove_endpoint(self, data: st.DataObject) -> None:
        """Remove an endpoint."""
        name = data.draw(st.sampled_from(sorted(self.endpoints)))
        del self.endpoints[name]
        self.view.remove_endpoint(name)

    @rule(number=st.integers(0, 1), gateway=st.integers(1, 3))
    def put_network(self, number: int, gateway: int) -> None:
        """Change a network's gateway."""
        record = replace(network(number), gateway=bytes((10, number, 0, gateway)))
        self.networks[record.name] = record
        self.view.put_network(record)

    # -- the fabric's half

    @precondition(lambda self: self.hosts)
    @rule(data=st.data(), names=st.lists(st.sampled_from(NAMES), unique=True), numbers=st.permutations(range(1, 6)))
    def set_ports(self, data: st.DataObject, names: list[str], numbers: list[int]) -> None:
        """Connect a datapath, or list its ports anew."""
        dpid = data.draw(st.sampled_from(sorted(record.dpid for record in self.hosts.values())))
        ports = [PortInfo(n, name, mac_of(n, name)) for name, n in zip(names, numbers, strict=False)]
        self.ports[dpid] = {port.name: port for port in ports}
        self.view.set_ports(dpid, ports)

    @precondition(lambda self: self.ports)
    @rule(data=st.data(), name=st.sampled_from(NAMES), number=NUMBERS)
    def put_port(self, data: st.DataObject, name: str, number: int) -> None:
        """Add, renumber or rename one port."""
        dpid = data.draw(st.sampled_from(sorted(self.ports)))
        port = PortInfo(number, name, mac_of(number, name))
        ports = self.ports[dpid]
        self.ports[dpid] = {key: old for key, old in ports.items() if old.number != number} | {name: port}
        self.view.put_port(dpid, port)

    @precondition(lambda self: self.ports)
    @rule(data=st.data(), name=st.sampled_from(NAMES), number=NUMBERS)
    def remove_port(self, data: st.DataObject, name: str, number: int) -> None:
        """Remove one port, or one that is not there, or that has another number by now."""
        dpid = data.draw(st.sampled_from(sorted(self.ports)))
        if name in self.ports[dpid] and self.ports[dpid][name].number == number:
            del self.ports[dpid][name]
        self.view.remove_port(dpid, name, number)

    @precondition(lambda self: self.ports)
    @rule(data=st.data())
    def disconnect(self, data: st.DataObject) -> None:
        """End a datapath's connection."""
        dpid = data.draw(st.sampled_from(sorted(self.ports)))
        del self.ports[dpid]
        self.view.disconnect(dpid)

    # -- what must hold

    @invariant()
    def places(self) -> None:
        """Each endpoint is where records and ports say, in every index, and nowhere else."""
        assert self.view.endpoints == self.endpoints
        assert set(self.view.by_ipv4) == {record.ipv4 for record in self.endpoints.values()}
        for record in self.endpoints.values():
            place = self.view.by_ipv4[record.ipv4]
            at = self.hosts[record.host]
            port = self.ports.get(at.dpid, {}).get(record.port)
            assert place is self.view.place_of(record.id)
            assert place is self.view.place_at(place.switch, record.port)
            assert (place.endpoint, place.mac, place.ipv4) == (record, record.mac, record.ipv4)
            assert (place.network, place.gateway) == (self.networks["n0"], self.networks["n0"].gateway)
            assert (place.dpid, place.switch) == (at.dpid, self.view.switches[at.dpid])
            assert place.port_no == (None if port is None else port.number)

    @invariant()
    def switches(self) -> None:
        """Each host has one switch; `by_port` is the exact inverse of the places' port numbers."""
        assert self.view.hosts == self.hosts
        assert set(self.view.switches) == {record.dpid for record in self.hosts.values()}
        for record in self.hosts.values():
            switch = self.view.switches[record.dpid]
            ports = self.ports.get(record.dpid, {})
            uplink = ports.get(record.uplink)
            assert (switch.host, switch.dpid, switch.connected) == (record, record.dpid, record.dpid in self.ports)
            assert switch.ports == ports
            assert switch.uplink == (uplink.number if uplink else None)
            assert uplink is None or switch.uplink_mac == uplink.mac
            here = [place for place in self.view.by_ipv4.values() if place.endpoint.host == record.name]
            assert switch.by_port == {place.port_no: place for place in here if place.port_no is not None}
            assert sorted(e.id for e in self.view.endpoints_of(record.name)) == sorted(p.endpoint.id for p in here)


ViewMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestView = ViewMachine.TestCase


def test_renamed_endpoint_keeps_its_place() -> None:
    """A new name or label leaves the place as it is, and with it the routes that lead there."""
    view = View()
    view.put_network(network(0))
    view.put_host(host(0))
    record = endpoint(0, Spot(0))
    view.put_endpoint(record)
    place = view.place_of("e0")
    view.put_endpoint(replace(record, name="other", labels={"a": "b"}))
    assert view.place_of("e0") is place
    assert place.endpoint.name == "other"
    view.put_endpoint(replace(record, mac=bytes(6)))
    assert view.place_of("e0") is not place


def test_network_of() -> None:
    """An address is found in the network whose subnet holds it, whatever the prefix lengths are."""
    view = View()
    small = Network("small", IPv4Network("10.0.1.0/28"), bytes((10, 0, 1, 1)))
    large = Network("large", IPv4Network("172.16.0.0/12"), bytes((172, 16, 0, 1)))
    other = Network("other", IPv4Network("10.0.1.16/28"), bytes((10, 0, 1, 17)))
    for record in (small, large, other):
        view.put_network(record)
    assert view.network_of(bytes((10, 0, 1, 15))) is small
    assert view.network_of(bytes((10, 0, 1, 16))) is other
    assert view.network_of(bytes((172, 31, 255, 255))) is large
    assert view.network_of(bytes((10, 0, 2, 1))) is None
    moved = replace(small, subnet=IPv4Network("10.0.2.0/24"))
    view.put_network(moved)
    assert view.network_of(bytes((10, 0, 2, 1))) is moved
    assert view.network_of(bytes((10, 0, 1, 15))) is None
    view.remove_network("large")
    view.remove_network("other")
    assert view.network_of(bytes((172, 16, 0, 2))) is view.network_of(bytes((10, 0, 1, 16))) is None


def test_network_changes_its_endpoints_gateway() -> None:
    """When a network's gateway changes, its endpoints are known by the new one and others are not touched."""
    view = View()
    view.put_host(host(0))
    for number in range(2):
        view.put_network(network(number))
        view.put_endpoint(endpoint(number, Spot(0, number)))
    view.put_network(replace(network(0), gateway=bytes((10, 0, 0, 254))))
    assert view.place_of("e0").gateway == bytes((10, 0, 0, 254))
    assert view.place_of("e1").gateway == network(1).gateway


def test_host_with_endpoints() -> None:
    """A host that still has endpoints is not to be removed."""
    view = View()
    view.put_network(network(0))
    view.put_host(host(0))
    view.put_endpoint(endpoint(0, Spot(0)))
    with pytest.raises(ValueError, match="still has endpoints"):
        view.remove_host("h0")


def test_unknown_endpoint() -> None:
    """Removing or finding what is not there is a KeyError."""
    with pytest.raises(KeyError):
        View().remove_endpoint("e0")
    with pytest.raises(KeyError):
        View().place_of("e0")
