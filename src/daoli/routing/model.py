"""What the controller knows, as immutable records. Addresses are the bytes of the wire; text is for REST and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Final, NamedTuple

ROUTER_MAC: Final = bytes.fromhex("02da011e0001")
"""The MAC of every host's router, the same everywhere, so that a container that moves needs no new ARP entry."""


@dataclass(frozen=True, slots=True)
class Host:
    """A Docker host: one datapath, one underlay address, one uplink."""

    name: str
    dpid: int
    address: bytes
    """Underlay IPv4 address, 4 bytes: the source of ICMP errors that this host's router sends as a later hop."""
    uplink: str
    """Name of the OVS port that leads to the shared Ethernet."""
    site: str = ""
    docker: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    gateway: bool = False
    """Whether the datapath's LOCAL port is its containers' way to the outside."""
    mtu: int = 1500
    """Bytes of IP that fit into a frame on its uplink."""
    subnets: Mapping[IPv4Network, str] = field(default_factory=dict, hash=False)
    """What it has of its own, by interface, and no network of ours may take."""


@dataclass(frozen=True, slots=True)
class Network:
    """An IPv4 subnet with a gateway address, the same on every host."""

    name: str
    subnet: IPv4Network
    gateway: bytes
    """4 bytes; no endpoint may have it."""
    internal: bool = False
    """Whether nothing goes out of it, or comes in, by a host."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    range: IPv4Network | None = None
    """Where addresses are leased from if nobody asks for one; None: from the whole subnet."""
    reserved: tuple[bytes, ...] = ()
    """Addresses of 4 bytes that are not leased."""


class Published(NamedTuple):
    """A port of a host that leads to a container's."""

    protocol: int
    """IP's number of it."""
    port: int
    target_port: int
    address: bytes = b""
    """The host's address that it holds for; empty for all of them."""


class Lead(NamedTuple):
    """A published port that leads to a container, wherever that is."""

    id: str
    host: str | None
    """None: a port of every host."""
    container: str
    """Docker's id."""
    network: str | None
    """By which the container is reached; None: any."""
    published: Published


CALLED: Final = ("name", "labels", "container", "aliases", "pending")
"""What an endpoint is called by, which has no say in how packets go to it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One container interface on one network."""

    id: str
    name: str
    host: str
    network: str
    mac: bytes
    ipv4: bytes
    port: str
    """Name of the OVS port; its number is known once the datapath reports a port of that name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    container: str | None = None
    """Docker's id of the container, 64 hex digits; it stays when the container starts anew."""
    aliases: tuple[str, ...] = ()
    """Other names of the container on this network."""
    pending: bool = False
    """Whether it is not known yet whose it is: its name and labels are still to come, and no policy speaks of it."""
    published: tuple[Published, ...] = ()
    """Ports of its own host that lead to it."""

    def same_way(self, other: Endpoint) -> bool:
        """Tell whether packets go to both alike: only what is said of it differs, and routes may stay."""
        said = {field: getattr(other, field) for field in (*CALLED, "published")}
        return replace(self, **said) == other


def mac_text(mac: bytes) -> str:
    """Render 6 bytes as ``02:da:01:1e:00:01``."""
    return mac.hex(":")


def ipv4_text(address: bytes) -> str:
    """Render 4 bytes as a dotted quad."""
    return ".".join(map(str, address))


def dpid_text(dpid: int) -> str:
    """Render a datapath id as its 16 hex digits."""
    return f"{dpid:016x}"
