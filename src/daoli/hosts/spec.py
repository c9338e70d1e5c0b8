"""Hosts, networks and endpoints as text: what the API takes and what the store keeps.

One declaration per thing serves request bodies, stored values and the API's description. It checks what can be checked
of one thing alone; what depends on others is the inventory's. Text is made canonical, so that equal things are equal.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from daoli.hosts.labels import LABEL_BYTES, MOST_LABELS, size_of
from daoli.routing.model import ROUTER_MAC, Endpoint, Host, Network, Published, dpid_text, ipv4_text, mac_text
from daoli.routing.packet import TCP, UDP

PORT_NAME_LENGTH: Final = 15
"""Linux's IFNAMSIZ without the final zero."""
SHORTEST_PREFIX: Final = 8
LONGEST_PREFIX: Final = 30
"""A gateway and one endpoint; a /31 has no room for the network and broadcast addresses."""
LABELS: Final = 64
LABEL_KEY_LENGTH: Final = 128
LABEL_VALUE_LENGTH: Final = 1024
SMALLEST_MTU: Final = 576
"""What every host of an IPv4 network must be able to take (RFC 791)."""
LARGEST_MTU: Final = 65535
RESERVED: Final = 256
"""How many addresses of a network may be kept from being leased."""
ALIASES: Final = 128
PUBLISHED: Final = 4096
"""How many ports of its host may lead to one endpoint."""
TRANSPORTS: Final = {"tcp": TCP, "udp": UDP}
"""IP's numbers of the protocols that have ports to be published."""
OWN_SUBNETS: Final = 256
"""How many subnets of its own a host may tell of."""
FAULTS_SHOWN: Final = 20
"""How many faults of one request are named; the rest would not help."""
FIELD_LENGTH: Final = 200
"""Where the name of a field at fault, which a client can make up, is cut off."""

UNUSABLE: Final = tuple(IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"))
"""This network, loopback, multicast and reserved (RFC 6890): no host, network or endpoint is there."""


def _dpid(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{16}", text, re.ASCII):
        raise ValueError("a dpid is 16 hex digits")
    if not int(text, 16):
        raise ValueError("a dpid is not zero")
    return text.lower()


def _address(text: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except AddressValueError as error:
        raise ValueError("an address is four numbers with dots, such as 192.0.2.1") from error
    for unusable in UNUSABLE:
        if address in unusable:
            raise ValueError(f"{text} is in {unusable}, where no host or container can be")
    return address


def _ipv4(text: str) -> str:
    return str(_address(text))


def _subnet(text: str) -> str:
    try:
        subnet = IPv4Network(text, strict=False)
    except ValueError as error:
        raise ValueError("a subnet is an address and a prefix length, such as 10.1.0.0/16") from error
    if "/" not in text or not SHORTEST_PREFIX <= subnet.prefixlen <= LONGEST_PREFIX:
        raise ValueError(f"a subnet's prefix length is from {SHORTEST_PREFIX} to {LONGEST_PREFIX}")
    if IPv4Address(text.partition("/")[0]) != subnet.network_address:
        raise ValueError(f"{text} has host bits set; its subnet is {subnet}")
    for unusable in UNUSABLE:
        if subnet.overlaps(unusable):
            raise ValueError(f"{text} overlaps {unusable}, where no container can be")
    return str(subnet)


def _own(subnets: dict[str, str]) -> dict[str, str]:
    for text, interface in subnets.items():
        try:
            subnet = IPv4Network(text)
        except ValueError as error:
            raise ValueError(f"{text} is not an address and a prefix length, such as 192.0.2.0/24") from error
        if subnet.prefixlen < SHORTEST_PREFIX or str(subnet) != text:
            raise ValueError(f"{text} is not a subnet with a prefix length of {SHORTEST_PREFIX} or more")
        if not 0 < len(interface) <= PORT_NAME_LENGTH:
            raise ValueError(f"{text} is on an interface, whose name has 1 to {PORT_NAME_LENGTH} characters")
    return subnets


def _mac(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", text, re.ASCII):
        raise ValueError("a MAC is six pairs of hex digits with colons, such as 02:42:0a:00:00:02")
    mac = bytes.fromhex(text.replace(":", ""))
    if mac[0] & 1:
        raise ValueError("a container's MAC is not a multicast address")
    if not any(mac):
        raise ValueError("a container's MAC is not zero")
    if mac == ROUTER_MAC:
        raise ValueError("this is the router's MAC, the same on every host")
    return mac_text(mac)


def _port(text: str) -> str:
    if not text.isascii() or not text.isprintable() or re.search(r"[\s/:]", text) or text in {".", ".."}:
        raise ValueError("a port name is printable ASCII without spaces, slashes and colons, as Linux has it")
    return text


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if not (0 < len(key) <= LABEL_KEY_LENGTH) or not key.isprintable() or re.search(r"[\s=]", key):
            raise ValueError(f"a label's key has 1 to {LABEL_KEY_LENGTH} printable characters, no space and no =")
        if len(value) > LABEL_VALUE_LENGTH:
            raise ValueError(f"a label's value has at most {LABEL_VALUE_LENGTH} characters")
    return labels


def _container_labels(labels: dict[str, str]) -> dict[str, str]:
    if size_of(labels) > LABEL_BYTES:
        raise ValueError(f"a container's labels have at most {LABEL_BYTES} bytes together")
    return labels


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


_DOTTED: Final = r"\d{1,3}(\.\d{1,3}){3}"

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""Names of hosts, networks and containers: Docker's grammar at the length of an RFC 1123 label."""
ContainerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$")]
"""Docker's grammar; tools that put names together make long ones. What is no DNS label is not found by name."""
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}$")]
ContainerId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$")]
"""An endpoint's id. Docker's have 64 hex digits."""
Engine = Annotated[str, StringConstraints(pattern=r"^(tcp|http|https|unix)://[!-~]{1,250}$")]
TransportPort = Annotated[int, Field(ge=1, le=65535)]
PortName = Annotated[str, Field(min_length=1, max_length=PORT_NAME_LENGTH), AfterValidator(_port)]
Labels = Annotated[dict[str, str], Field(max_length=LABELS), AfterValidator(_labels)]
ContainerLabels = Annotated[dict[str, str], Field(max_length=MOST_LABELS), AfterValidator(_container_labels)]
"""Whatever Docker takes for a label."""
Dpid = Annotated[str, AfterValidator(_dpid), _text(r"^[0-9A-Fa-f]{16}$", "00000000000000a1")]
Ipv4 = Annotated[str, AfterValidator(_ipv4), _text(f"^{_DOTTED}$", "10.1.0.2")]
Subnet = Annotated[str, AfterValidator(_subnet), _text(rf"^{_DOTTED}/\d{{1,2}}$", "10.1.0.0/16")]
OwnSubnets = Annotated[dict[str, str], Field(max_length=OWN_SUBNETS), AfterValidator(_own)]
Mac = Annotated[str, AfterValidator(_mac), _text(r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$", "02:42:0a:01:00:02")]


class Spec(BaseModel):
    """What all three have in common: no guessing of types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def stored(self) -> bytes:
        """Encode as the store keeps it: what has its default is left out."""
        return self.model_dump_json(exclude_defaults=True).encode()


class HostSpec(Spec):
    """A Docker host: one datapath, one underlay address, one uplink."""

    name: Name
    dpid: Dpid
    address: Ipv4
    uplink: PortName
    site: Name | None = None
    docker: Engine | None = None
    labels: Labels = Field(default_factory=dict)
    gateway: bool = False
    """Whether the datapath's LOCAL port is its containers' way to the outside."""
    mtu: int = Field(default=1500, ge=SMALLEST_MTU, le=LARGEST_MTU)
    """Bytes of IP that fit into a frame on its uplink."""
    subnets: OwnSubnets = Field(default_factory=dict)
    """What the host has of its own, and by which interface: no network may overlap it."""

    def record(self) -> Host:
        """Convert to what the routing core knows."""
        return Host(
            name=self.name,
            dpid=int(self.dpid, 16),
            address=IPv4Address(self.address).packed,
            uplink=self.uplink,
            site=self.site or "",
            docker=self.docker,
            labels=self.labels,
            gateway=self.gateway,
            mtu=self.mtu,
            subnets={IPv4Network(subnet): interface for subnet, interface in self.subnets.items()},
        )

    @classmethod
    def of(cls, host: Host) -> Self:
        """Convert back."""
        return cls(
            name=host.name,
            dpid=dpid_text(host.dpid),
            address=ipv4_text(host.address),
            uplink=host.uplink,
            site=host.site or None,
            docker=host.docker,
            labels=dict(host.labels),
            gateway=host.gateway,
            mtu=host.mtu,
            subnets={str(subnet): interface for subnet, interface in host.subnets.items()},
        )


class NetworkRequest(Spec):
    """A network to be made: without a subnet it gets one of the controller's pool."""

    name: Name
    subnet: Subnet | None = None
    gateway: Ipv4 | None = None
    """By default the subnet's first address."""
    internal: bool = False
    """Whether nothing goes out of it, or comes in, by a host."""
    labels: Labels = Field(default_factory=dict)
    range: Subnet | None = None
    """Where addresses are leased from if nobody asks for one; by default the whole subnet."""
    reserved: tuple[Ipv4, ...] = Field(default=(), max_length=RESERVED, strict=False)
    """Addresses that are not leased."""

    @field_validator("gateway")
    @classmethod
    def _gateway_inside(cls, gateway: str | None, info: ValidationInfo) -> str | None:
        if gateway is not None:
            _check_inside(gateway, info)
        return gateway

    @field_validator("reserved")
    @classmethod
    def _reserved_inside(cls, reserved: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for address in reserved:
            _check_inside(address, info)
        return tuple(sorted(set(reserved), key=IPv4Address))

    @field_validator("range")
    @classmethod
    def _range_inside(cls, part: str | None, info: ValidationInfo) -> str | None:
        subnet = None if part is None else _subnet_beside(info)
        if part is not None and subnet is not None and not IPv4Network(part).subnet_of(subnet):
            raise ValueError(f"{part} is not in {subnet}")
        return part

    def inside(self, subnet: IPv4Network) -> NetworkSpec:
        """Say which subnet it is to have."""
        return NetworkSpec.model_construct(**{**dict(self), "subnet": str(subnet)})


def _subnet_beside(info: ValidationInfo) -> IPv4Network | None:
    """Give the subnet that a field must fit; None for a faulty one, which is a fault of its own."""
    if "subnet" not in info.data:
        return None
    if info.data["subnet"] is None:
        raise ValueError("this needs the subnet too")
    return IPv4Network(info.data["subnet"])


def _check_inside(address: str, info: ValidationInfo) -> None:
    subnet = _subnet_beside(info)
    why = outside(IPv4Address(address), subnet) if subnet is not None else None
    if why:
        raise ValueError(why)


class NetworkSpec(NetworkRequest):
    """An IPv4 subnet with a gateway address, the same on every host."""

    subnet: Subnet

    def record(self) -> Network:
        """Convert to what the routing core knows."""
        subnet = IPv4Network(self.subnet)
        gateway = IPv4Address(self.gateway) if self.gateway else subnet.network_address + 1
        return Network(
            name=self.name,
            subnet=subnet,
            gateway=gateway.packed,
            internal=self.internal,
            labels=self.labels,
            range=IPv4Network(self.range) if self.range else None,
            reserved=tuple(IPv4Address(address).packed for address in self.reserved),
        )

    @classmethod
    def of(cls, network: Network) -> Self:
        """Convert back; the gateway is always told."""
        return cls(
            name=network.name,
            subnet=str(network.subnet),
            gateway=ipv4_text(network.gateway),
            internal=network.internal,
            labels=dict(network.labels),
            range=str(network.range) if network.range else None,
            reserved=tuple(map(ipv4_text, network.reserved)),
        )


class PublishedPort(Spec):
    """A port of an endpoint's host that leads to it, by `docker run -p`."""

    protocol: Literal["tcp", "udp"] = "tcp"
    port: TransportPort
    target_port: TransportPort
    address: Ipv4 | None = None
    """The host's address that it holds for; by default all of them."""

    def record(self) -> Published:
        """Convert to what the routing core knows."""
        address = IPv4Address(self.address).packed if self.address else b""
        return Published(TRANSPORTS[self.protocol], self.port, self.target_port, address)

    @classmethod
    def of(cls, published: Published) -> Self:
        """Convert back."""
        return cls(
            protocol="tcp" if published.protocol == TCP else "udp",
            port=published.port,
            target_port=published.target_port,
            address=ipv4_text(published.address) if published.address else None,
        )


class ListedEndpoint(Spec):
    """An endpoint in the list of one host, which need not be named again."""

    id: Id
    name: ContainerName | None = None
    """By default the id."""
    host: Name | None = None
    network: Name
    mac: Mac
    ipv4: Ipv4
    port: PortName
    labels: ContainerLabels = Field(default_factory=dict)
    container: ContainerId | None = None
    """Docker's id of the container."""
    aliases: tuple[Alias, ...] = Field(default=(), max_length=ALIASES, strict=False)
    """Other names of the container on this network."""
    pending: bool = False
    """Whether its container, with name and labels, is still to be told: until then nothing passes to or from it. What
    was told of this id before holds."""
    published: tuple[PublishedPort, ...] = Field(default=(), max_length=PUBLISHED, strict=False)
    """Ports of the host that lead to it."""

    def at(self, host: str) -> EndpointSpec:
        """Say which host's list this is from; a host of its own stays."""
        return EndpointSpec.model_construct(**{**dict(self), "host": self.host or host})


class EndpointSpec(ListedEndpoint):
    """One container interface on one network; `port` is the OVS port's name."""

    host: Name

    def record(self) -> Endpoint:
        """Convert to what the routing core knows."""
        return Endpoint(
            id=self.id,
            name=self.name or self.id,
            host=self.host,
            network=self.network,
            mac=bytes.fromhex(self.mac.replace(":", "")),
            ipv4=IPv4Address(self.ipv4).packed,
            port=self.port,
            labels=self.labels,
            container=self.container,
            aliases=self.aliases,
            pending=self.pending,
            published=tuple(port.record() for port in self.published),
        )

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """Convert back."""
        return cls(
            id=endpoint.id,
            name=endpoint.name if endpoint.name != endpoint.id else None,
            host=endpoint.host,
            network=endpoint.network,
            mac=mac_text(endpoint.mac),
            ipv4=ipv4_text(endpoint.ipv4),
            port=endpoint.port,
            labels=dict(endpoint.labels),
            container=endpoint.container,
            aliases=endpoint.aliases,
            pending=endpoint.pending,
            published=tuple(map(PublishedPort.of, endpoint.published)),
        )


def outside(address: IPv4Address, subnet: IPv4Network) -> str | None:
    """Tell why nobody can have an address in a subnet; None where somebody can."""
    if address not in subnet:
        return f"{address} is not in {subnet}"
    if address == subnet.network_address:
        return f"{address} is the network address of {subnet}"
    if address == subnet.broadcast_address:
        return f"{address} is the broadcast address of {subnet}"
    return None


class Fault(NamedTuple):
    """A field, as the path ``endpoints[3].mac`` (empty for the whole), and a sentence on what is wrong with it."""

    field: str
    detail: str


_SENTENCES: Final = {
    "missing": "this is required",
    "extra_forbidden": "this is not known here",
    "model_type": "this is not an object",
    "model_attributes_type": "this is not an object",
    "dict_type": "this is not an object",
    "list_type": "this is not a list",
    "string_type": "this is not a string",
}


def faults(error: ValidationError) -> list[Fault]:
    """Put pydantic's findings into our words."""
    found = error.errors(include_url=False, include_input=False)[:FAULTS_SHOWN]
    return [Fault(_path(entry["loc"]), _sentence(entry["type"], entry["msg"])) for entry in found]


def _path(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".")[:FIELD_LENGTH]


def _sentence(kind: str, message: str) -> str:
    return _SENTENCES.get(kind) or message.removeprefix("Value error, ")
