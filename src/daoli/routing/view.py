"""The world as a punted packet meets it: who is where, on which port, behind which uplink.

Two writers, each of its own half: `hosts.mirror` puts and removes records; `hosts.fabric` reports which datapaths
are connected and what ports they have. Both halves may come in any order: an endpoint has a port number once both are
known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from daoli.ofproto import PortNo
from daoli.routing.census import Census
from daoli.routing.doors import Doors
from daoli.routing.model import Endpoint, Host, Network
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.policy import Policy


class PortInfo(NamedTuple):
    """A port as the datapath reports it (OpenFlow 1.3.5, 7.2.1)."""

    number: int
    name: str
    mac: bytes
    up: bool = True
    """Whether both it and its link are."""


_NO_PORT: Final = PortInfo(0, "", bytes(6))


class Switch:
    """The live half of a host: what its connected datapath reports.

    `uplink` is None while that port is missing; `uplink_mac` is the last one known, since the host goes on to send by
    it while its datapath is not connected. `local_mac` is the MAC of port LOCAL, None while that is not known; `names`
    is the number of the port behind which the agent answers questions for names.
    """

    __slots__ = ("by_port", "connected", "dpid", "host", "local_mac", "names", "ports", "uplink", "uplink_mac")

    def __init__(self, host: Host) -> None:
        self.host = host
        self.dpid = host.dpid
        self.connected = False
        self.ports: dict[str, PortInfo] = {}
        self.by_port: dict[int, Place] = {}
        self.uplink: int | None = None
        self.uplink_mac = bytes(6)
        self.local_mac: bytes | None = None
        self.names: int | None = None


class Place:
    """Where an endpoint is now. `port_no` is None while its port is missing or its datapath away."""

    __slots__ = ("dpid", "endpoint", "gateway", "ipv4", "mac", "network", "port_no", "switch")

    def __init__(self, endpoint: Endpoint, network: Network, switch: Switch) -> None:
        self.endpoint = endpoint
        self.network = network
        self.switch = switch
        self.dpid = switch.dpid
        self.mac = endpoint.mac
        self.ipv4 = endpoint.ipv4
        self.gateway = network.gateway
        self.port_no: int | None = None


class Outside:
    """An address outside all networks, as one host's LOCAL port leads to it: the other end of a route's `Place`."""

    __slots__ = ("dpid", "gateway", "ipv4", "switch")

    endpoint: Final = None

    def __init__(self, switch: Switch, ipv4: bytes, gateway: bytes) -> None:
        """`gateway` is the address by which the router speaks to it: that of the network which it talks to."""
        self.switch = switch
        self.dpid = switch.dpid
        self.ipv4 = ipv4
        self.gateway = gateway

    @property
    def mac(self) -> bytes:
        """The MAC of port LOCAL; zeros while that is not known."""
        return self.switch.local_mac or bytes(6)

    @property
    def port_no(self) -> int | None:
        """LOCAL's number; None while its datapath is away."""
        return None if self.switch.local_mac is None else PortNo.LOCAL


End = Place | Outside
"""Where a route begins or ends."""


class View:
    """All records and their live halves, indexed by what a packet carries.

    Records must be consistent when they come in (the inventory checks): an endpoint's host and network exist, no
    address, MAC or port is taken twice.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}
        self.networks: dict[str, Network] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.switches: dict[int, Switch] = {}
        self.by_ipv4: dict[bytes, Place] = {}
        self.by_uplink: dict[bytes, Switch] = {}
        """Switches by the last known MAC of their uplinks."""
        self.policy = Policy(self.networks)
        self.census = Census()
        self.doors = Doors()
        self._by_host: dict[str, dict[str, Place]] = {}
        self._subnets: dict[int, dict[int, Network]] = {}

    # -- records: the inventory's half ---------------------------------------------------------------------------

    def put_host(self, host: Host) -> None:
        """Add a host, or replace the one of that name; its endpoints stay, its datapath may be another."""
        old = self.hosts.get(host.name)
        if old is not None:
            self.doors.remove_host(old)
        self.doors.put_host(host)
        self.hosts[host.name] = host
        places = self._by_host.setdefault(host.name, {})
        if old is not None and old.dpid == host.dpid:
            switch = self.switches[host.dpid]
            switch.host = host
        else:
            if old is not None:
                self._forget_switch(old.dpid)
            switch = self.switches[host.dpid] = Switch(host)
            for place in places.values():
                place.switch, place.dpid = switch, host.dpid
        self._resolve(switch)

    def remove_host(self, name: str) -> None:
        """Remove a host without endpoints (the inventory removes those first)."""
        host = self.hosts.pop(name)
        self.doors.remove_host(host)
        self._forget_switch(host.dpid)
        if self._by_host.pop(name):
            raise ValueError(f"host {name} still has endpoints")

    def _forget_switch(self, dpid: int) -> None:
        switch = self.switches.pop(dpid)
        self._forget_uplink(switch)

    def _forget_uplink(self, switch: Switch) -> None:
        if self.by_uplink.get(switch.uplink_mac) is switch:
            del self.by_uplink[switch.uplink_mac]

    def put_network(self, network: Network) -> None:
        """Add a network, or replace the one of that name."""
        if network.name in self.networks:
            self._forget_subnet(self.networks[network.name])
        self.networks[network.name] = network
        self.policy.forget_network(network.name)
        self._subnets.setdefault(int(network.subnet.netmask), {})[int(network.subnet.network_address)] = network
        for place in self.by_ipv4.values():
            if place.endpoint.network == network.name:
                place.network, place.gateway = network, network.gateway

    def remove_network(self, name: str) -> None:
        """Remove a network without endpoints."""
        self._forget_subnet(self.networks.pop(name))

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Add an endpoint, or replace the one of that id."""
        old = self.endpoints.get(endpoint.id)
        if old is not None:
            if endpoint.same_way(old):
                self.endpoints[endpoint.id] = endpoint
                self.census.remove(old)
                self.census.add(endpoint)
                self.doors.remove_endpoint(old)
                self.doors.put_endpoint(endpoint)
                self.policy.forget_endpoint(endpoint.id)
                self.by_ipv4[endpoint.ipv4].endpoint = endpoint  # the place stays, and the routes that lead there
                return
            self.remove_endpoint(endpoint.id)
        switch = self.switches[self.hosts[endpoint.host].dpid]
        place = Place(endpoint, self.networks[endpoint.network], switch)
        self.endpoints[endpoint.id] = endpoint
        self.census.add(endpoint)
        self.doors.put_endpoint(endpoint)
        self.by_ipv4[endpoint.ipv4] = place
        self._by_host[endpoint.host][endpoint.port] = place
        self._attach(place, switch.ports.get(endpoint.port))

    def remove_endpoint(self, endpoint_id: str) -> None:
        """Remove an endpoint; unknown ids are a KeyError."""
        endpoint = self.endpoints.pop(endpoint_id)
        self.census.remove(endpoint)
        self.doors.remove_endpoint(endpoint)
        self.policy.forget_endpoint(endpoint_id)
        place = self.by_ipv4.pop(endpoint.ipv4)
        del self._by_host[endpoint.host][endpoint.port]
        self._detach(place)

    def endpoints_of(self, host: str) -> Iterator[Endpoint]:
        """Walk the endpoints of one host."""
        return (place.endpoint for place in self._by_host[host].values())

    def place_of(self, endpoint_id: str) -> Place:
        """Find an endpoint's place by its id; a KeyError if there is no such endpoint."""
        return self.by_ipv4[self.endpoints[endpoint_id].ipv4]

    def place_at(self, switch: Switch, port: str) -> Place | None:
        """Find the endpoint that should be at a port, by the port's name, whether the port is there or not."""
        return self._by_host[switch.host.name].get(port)

    def network_of(self, ipv4: bytes) -> Network | None:
        """Find the network whose subnet holds an address, whether an endpoint has it or not."""
        value = int.from_bytes(ipv4, "big")
        for mask, networks in self._subnets.items():
            if found := networks.get(value & mask):
                return found
        return None

    def _forget_subnet(self, network: Network) -> None:
        same_mask = self._subnets[int(network.subnet.netmask)]
        del same_mask[int(network.subnet.network_address)]
        if not same_mask:
            del self._subnets[int(network.subnet.netmask)]

    # -- ports: the fabric's half --------------------------------------------------------------------------------

    def set_ports(self, dpid: int, ports: Iterable[PortInfo]) -> None:
        """Take a datapath's whole port list: it is connected."""
        switch = self.switches[dpid]
        switch.connected = True
        known, switch.ports = switch.ports, {port.name: port for port in ports}
        for name in known.keys() - switch.ports.keys():
            self._resolve_port(switch, name, known[name])
        self._resolve(switch)

    def put_port(self, dpid: int, port: PortInfo) -> None:
        """Take one added or changed port; a number that changed its name frees the old name."""
        switch = self.switches[dpid]
        for other in [p for p in switch.ports.values() if p.number == port.number and p.name != port.name]:
            self.remove_port(dpid, other.name, other.number)
        switch.ports[port.name] = port
        self._resolve_port(switch, port.name)

    def remove_port(self, dpid: int, name: str, number: int) -> None:
        """Forget one port. An unknown one is fine, as is one that has come back under another number meanwhile."""
        switch = self.switches[dpid]
        port = switch.ports.get(name)
        if port is not None and port.number == number:
            del switch.ports[name]
            self._resolve_port(switch, name, port)

    def disconnect(self, dpid: int) -> None:
        """Forget a datapath's ports: nothing can be installed there."""
        switch = self.switches[dpid]
        switch.connected = False
        known = switch.ports
        switch.ports = {}
        for name in known:
            self._resolve_port(switch, name, known[name])

    # -- the two halves meet -------------------------------------------------------------------------------------

    def _resolve(self, switch: Switch) -> None:
        for name in {*switch.ports, *self._by_host[switch.host.name], switch.host.uplink}:
            self._resolve_port(switch, name)

    def _resolve_port(self, switch: Switch, name: str, gone: PortInfo | None = None) -> None:
        port = switch.ports.get(name)
        if name == switch.host.uplink:
            switch.uplink = port.number if port else None
            if port is not None:
                self._forget_uplink(switch)
                switch.uplink_mac = port.mac
                self.by_uplink[port.mac] = switch
        if name == NAMES_PORT:
            switch.names = port.number if port else None
        if (port or gone or _NO_PORT).number == PortNo.LOCAL:
            switch.local_mac = port.mac if port else None
        place = self._by_host[switch.host.name].get(name)
        if place is not None:
            self._attach(place, port)

    def _attach(self, place: Place, port: PortInfo | None) -> None:
        self._detach(place)
        if port is not None:
            place.port_no = port.number
            place.switch.by_port[port.number] = place

    @staticmethod
    def _detach(place: Place) -> None:
        if place.port_no is not None and place.switch.by_port.get(place.port_no) is place:
            del place.switch.by_port[place.port_no]
        place.port_no = None
