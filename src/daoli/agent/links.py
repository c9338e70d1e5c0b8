"""Network interfaces, routes and kernel switches of this host: by `ip`, by ioctl and by /proc/sys."""

from __future__ import annotations

import array
import fcntl
import json
import re
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final, Self

from daoli.agent.commands import CommandError, run

DOCKER_BRIDGE: Final = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")
"""What Docker calls its bridges, unless a person says otherwise."""
_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_STXCSUM: Final = 0x17
_SYSCTL: Final = Path("/proc/sys")


class LinkError(Exception):
    """The kernel did not do it; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface as `ip -details address` shows it."""

    name: str
    mac: str
    mtu: int
    up: bool
    """As administered; a cable need not be in."""
    arp: bool = True
    """Whether the kernel speaks ARP on it."""
    kind: str = ""
    """``veth``, ``macvlan``, ``bridge``, …; empty for hardware."""
    parent: str = ""
    """Of a macvlan or vlan: the interface that it is on."""
    mode: str = ""
    """Of a macvlan."""
    master: str = ""
    addresses: tuple[str, ...] = ()
    """IPv4 addresses with prefix lengths."""
    carrier: bool = True
    """False where it is up, and nothing is at the other end."""
    ethernet: bool = True
    promiscuous: bool = False
    """Whether a program takes all that comes in, as Open vSwitch does of the ports that it has open."""

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> Self:
        """Read one entry of the JSON of ip."""
        info = shown.get("linkinfo", {})
        return cls(
            name=shown["ifname"],
            mac=shown.get("address", ""),
            mtu=shown["mtu"],
            up="UP" in shown["flags"],
            arp="NOARP" not in shown["flags"],
            kind=info.get("info_kind", ""),
            parent=shown.get("link", "") or "",
            mode=info.get("info_data", {}).get("mode", ""),
            master=shown.get("master", ""),
            addresses=tuple(
                f"{entry['local']}/{entry['prefixlen']}"
                for entry in shown.get("addr_info", ())
                if entry.get("family") == "inet"
            ),
            carrier="NO-CARRIER" not in shown["flags"],
            ethernet=shown.get("link_type", "ether") == "ether",
            promiscuous=shown.get("promiscuity", 0) > 0,
        )


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an address."""

    nic: str
    source: str
    """Our own address on that way."""


async def ip(*words: str) -> str:
    """Run ip; LinkError with what it said."""
    try:
        return await run("ip", *words)
    except CommandError as error:
        raise LinkError(str(error)) from error


async def links() -> dict[str, Link]:
    """Give all interfaces of this host by name."""
    shown = json.loads(await ip("-json", "-details", "address", "show"))
    return {entry["ifname"]: Link.of(entry) for entry in shown}


async def link(name: str) -> Link:
    """Give one interface; LinkError if there is none of that name."""
    return Link.of(json.loads(await ip("-json", "-details", "address", "show", "dev", name))[0])


async def add_veth(name: str, peer: str, mac: str, mtu: int) -> None:
    """Make a pair, `name` up for the bridge and `peer` for a container, without checksum offload.

    Open vSwitch in user space would pass on segments whose checksum nobody filled in.
    """
    size = ("mtu", str(mtu))
    await ip("link", "add", name, *size, "type", "veth", "peer", "name", peer, "address", mac, *size)
    try:
        silence(name)
        tx_checksum_off(peer)
        await ip("link", "set", name, "up")
    except BaseException:  # undone whatever ends it, a cancellation too, and raised again
        await delete(name)
        raise


async def add_macvlan(name: str, nic: str, mac: str) -> None:
    """Make a second Ethernet address on a NIC, which keeps its own and all its IP addresses."""
    # Mode passthru would take the host's own address off the network.
    await ip("link", "add", "link", nic, "name", name, "address", mac, "type", "macvlan", "mode", "private")
    # The kernel would else answer for the host's own addresses here too, with this MAC.
    await ip("link", "set", name, "arp", "off")


async def delete(name: str) -> bool:
    """Delete an interface; say whether it was there."""
    try:
        await ip("link", "delete", name)
    except LinkError as error:
        if "Cannot find device" in str(error) or "No such device" in str(error):
            return False
        raise
    return True


@dataclass(frozen=True, slots=True)
class Way:
    """A route of this host's table."""

    to: IPv4Network
    nic: str
    gateway: bool
    """Whether a router is asked to pass on, or else what is there is reached at once."""


async def ways() -> list[Way]:
    """Give this host's IPv4 routes that lead by one interface, without the default one."""
    shown = json.loads(await ip("-json", "-4", "route", "show") or "[]")
    return [
        Way(IPv4Network(entry["dst"]), entry["dev"], gateway="gateway" in entry or "via" in entry)
        for entry in shown
        if entry["dst"] != "default" and "dev" in entry
    ]


async def route_to(address: str) -> Route:
    """Find the way to an address; LinkError if there is none."""
    found = json.loads(await ip("-json", "route", "get", address))[0]
    return Route(found["dev"], found.get("prefsrc", ""))


async def routes(nic: str) -> dict[str, str]:
    """Give the routes by an interface that its own addresses did not bring: destination -> preferred source."""
    shown = json.loads(await ip("-json", "-4", "route", "show", "dev", nic) or "[]")
    return {entry["dst"]: entry.get("prefsrc", "") for entry in shown if entry.get("protocol") != "kernel"}


def tx_checksum_off(name: str) -> None:
    """Have the kernel fill in checksums of what leaves by this interface, as `ethtool -K NAME tx off` does."""
    value = array.array("B", struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", name.encode(), value.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCETHTOOL, request)
    except OSError as error:
        raise LinkError(f"the checksum offload of {name} cannot be switched off: {error.strerror}") from error


def silence(name: str) -> bool:
    """Take IPv6 off an interface of the bridge, whose chatter would be punted; say whether anything changed."""
    path = _SYSCTL / "net/ipv6/conf" / name / "disable_ipv6"
    if not path.exists() or path.read_text().strip() == "1":
        return False
    path.write_text("1")
    return True


def sysctl(name: str) -> str:
    """Read a switch of the kernel, ``net.ipv4.ip_forward``; empty if there is none of that name."""
    try:
        return (_SYSCTL / name.replace(".", "/")).read_text().strip()
    except OSError:
        return ""


def set_sysctl(name: str, value: str) -> None:
    """Set a switch of the kernel; LinkError if it may not be."""
    try:
        (_SYSCTL / name.replace(".", "/")).write_text(value)
    except OSError as error:
        raise LinkError(f"sysctl {name} cannot be set to {value}: {error.strerror}") from error
