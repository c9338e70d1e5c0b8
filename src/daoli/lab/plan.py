"""Who gets which name, number and address in a lab; pure, so that a plan can be tested and stored.

Every number follows from the host's: host N has datapath id N, management address 10.254.0.N, and MACs that end in N.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Self

from daoli.lab.errors import UsageError

MAX_HOSTS = 200
"""Hosts share the management /24 with the controller, and keep clear of its last addresses."""

MAX_ENDPOINTS = 250
"""Per host; 200 x 250 still fit one /16."""

MAX_NETWORKS = 200
"""Networks are 10.1.0.0 … 10.200.0.0; 10.254.0.0 is the management segment."""

SMALL_NETWORK = 200
"""Endpoints up to which networks are a /24; more make them a /16."""

FIRST_ADDRESS = 10
"""Endpoints are numbered from .10 up; .1 is the gateway."""

MANAGEMENT = IPv4Network("10.254.0.0/24")
CONTROLLER_ADDRESS = "10.254.0.250"
OUTSIDE_ADDRESS = "10.254.0.251"
"""Of a machine without daoli on the management segment: the way to the world for a lab's Docker hosts."""

DEFAULT_TARGET = f"tcp:{CONTROLLER_ADDRESS}:6653"

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}")
"""Names of labs and endpoints: safe as a folder, in an argument and in a host name."""

TARGET = re.compile(r"(tcp|ssl):[^\s:]+(:\d{1,5})?")


def check_name(name: str, of: str) -> str:
    """Return the name, or refuse it."""
    if not NAME.fullmatch(name):
        raise UsageError(f"bad {of} name {name!r}: lower-case letters, digits, '_', '.', '-', at most 31 characters")
    return name


def _mac(kind: int, number: int) -> str:
    return f"02:dd:00:{kind:02x}:{number >> 8:02x}:{number & 0xFF:02x}"


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """An IPv4 subnet that containers live in."""

    name: str
    subnet: str
    gateway: str

    @property
    def prefix(self) -> int:
        """Length of the subnet's prefix in bits."""
        return IPv4Network(self.subnet).prefixlen

    def body(self) -> dict[str, str]:
        """The body for POST /networks."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HostPlan:
    """A virtual Docker host: ``h`` and its number."""

    number: int

    @property
    def name(self) -> str:
        """Its place and its host name."""
        return f"h{self.number}"

    @property
    def dpid(self) -> str:
        """Datapath id, 16 hex digits."""
        return f"{self.number:016x}"

    @property
    def address(self) -> str:
        """IPv4 address of eth0, the management NIC."""
        return str(MANAGEMENT[self.number])

    @property
    def bridge_mac(self) -> str:
        """MAC of bridge ``daoli`` (its LOCAL port)."""
        return _mac(0, self.number)

    @property
    def uplink_mac(self) -> str:
        """MAC of eth1, OpenFlow port 1, which has no address."""
        return _mac(1, self.number)

    @property
    def management_mac(self) -> str:
        """MAC of eth0."""
        return _mac(2, self.number)

    def body(self) -> dict[str, str]:
        """The body for POST /hosts."""
        return {"name": self.name, "dpid": self.dpid, "address": self.address, "uplink": "eth1"}


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """A container interface: a network namespace on a host, and the veth that leads into it."""

    host: str
    name: str
    network: str
    ipv4: str
    mac: str

    @classmethod
    def at(cls, host: str, name: str, network: str, ipv4: str, mac: str | None = None) -> Self:
        """Plan one with the MAC that Docker would give to this address."""
        return cls(host, check_name(name, "endpoint"), network, ipv4, mac or docker_mac(ipv4))

    @property
    def id(self) -> str:
        """Unique in the lab, also when two hosts have an endpoint of the same name."""
        return f"{self.host}-{self.name}"

    @property
    def place(self) -> str:
        """How the command line names it."""
        return f"{self.host}/{self.name}"

    @property
    def port(self) -> str:
        """Name of its OVS port: ``dl`` and 12 hex digits."""
        return "dl" + hashlib.sha256(self.id.encode()).hexdigest()[:12]

    def body(self) -> dict[str, str]:
        """The body for POST /endpoints."""
        own = {"id": self.id, "name": self.id, "host": self.host, "network": self.network}
        return {**own, "mac": self.mac, "ipv4": self.ipv4, "port": self.port}


def docker_mac(ipv4: str) -> str:
    """02:42 and the four bytes of the address."""
    return ":".join(f"{byte:02x}" for byte in b"\x02\x42" + IPv4Address(ipv4).packed)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that ``up`` builds; endpoints that are added later are not in it."""

    hosts: tuple[HostPlan, ...]
    networks: tuple[NetworkPlan, ...]
    endpoints: tuple[EndpointPlan, ...]
    controller: str
    """Targets of the bridges' controller connections, separated by blanks; empty for none."""

    docker: bool = False
    """Whether the hosts run Docker engines, whose containers take the place of endpoints."""

    @classmethod
    def of(cls, hosts: int = 2, endpoints: int = 2, networks: int = 1, controller: str = DEFAULT_TARGET) -> Self:
        """Number hosts, networks and endpoints (``endpoints`` per host, spread over the networks in turn)."""
        _check("hosts", hosts, 1, MAX_HOSTS)
        _check("endpoints", endpoints, 0, MAX_ENDPOINTS)
        _check("networks", networks, 1, MAX_NETWORKS)
        for target in controller.split():
            if not TARGET.fullmatch(target):
                raise UsageError(f"bad controller {target!r}: say tcp:ADDRESS:PORT or ssl:ADDRESS:PORT")
        size = 24 if hosts * endpoints <= SMALL_NETWORK else 16
        nets = tuple(NetworkPlan(f"dnet{k}", f"10.{k}.0.0/{size}", f"10.{k}.0.1") for k in range(1, networks + 1))
        all_hosts = tuple(HostPlan(number) for number in range(1, hosts + 1))
        places = [(host.name, f"c{c}") for host in all_hosts for c in range(1, endpoints + 1)]
        spread = [
            EndpointPlan.at(host, name, net.name, str(IPv4Network(net.subnet)[FIRST_ADDRESS + index // networks]))
            for index, (host, name) in enumerate(places)
            for net in [nets[index % networks]]
        ]
        return cls(all_hosts, nets, tuple(spread), controller)

    @classmethod
    def of_docker(cls, hosts: int) -> Self:
        """Number Docker hosts; containers, networks and the way to the controller are the agents' business."""
        return replace(cls.of(hosts, endpoints=0, controller=""), networks=(), docker=True)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read back ``asdict(plan)``; KeyError or TypeError when it is something else."""
        return cls(
            hosts=tuple(HostPlan(**host) for host in data["hosts"]),
            networks=tuple(NetworkPlan(**network) for network in data["networks"]),
            endpoints=tuple(EndpointPlan(**endpoint) for endpoint in data["endpoints"]),
            controller=str(data["controller"]),
            docker=bool(data["docker"]),
        )

    def network(self, name: str) -> NetworkPlan:
        """The network of that name, or a refusal that lists them."""
        for network in self.networks:
            if network.name == name:
                return network
        raise UsageError(f"no network {name!r}; there are: {', '.join(n.name for n in self.networks)}")


def free_address(network: NetworkPlan, used: set[str]) -> str:
    """The lowest address from .10 up that nobody has."""
    for address in list(IPv4Network(network.subnet).hosts())[FIRST_ADDRESS - 1 :]:
        if str(address) not in used:
            return str(address)
    raise UsageError(f"network {network.name} ({network.subnet}) is full")


def _check(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageError(f"bad number of {what} {value}: {low} to {high} are possible")
