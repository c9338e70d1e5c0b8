"""The bridge of this host, with all that leads to it: what it is to be, what is found, and the repair of what differs.

What is right is never touched, so that an agent that starts again costs no packet. The NIC's addresses are not ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Final

from daoli.agent import links
from daoli.agent.links import Link, LinkError
from daoli.agent.ovs import BRIDGE, Ovs, OvsError
from daoli.agent.own import Own, survey, taken
from daoli.agent.state import State

MACVLAN: Final = "dlup"
DNS_PORT: Final = "dldns"
UPLINK_NUMBER: Final = 1
DNS_NUMBER: Final = 2
"""OpenFlow port numbers that are asked for, so that they are the same after a repair."""
MAX_BACKOFF: Final = "1000"
"""Milliseconds between Open vSwitch's attempts to reach the controller, at most."""

Ports = Callable[[], Iterable[str]]
"""Gives the names of the ports that containers here have."""
Subnets = Callable[[], Mapping[str, str] | None]
"""Gives the subnet of each network of the fabric; None while they are not known."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bridge of this host is to be."""

    dpid: str
    """16 hex digits."""
    datapath_type: str
    """``system`` or ``netdev``."""
    target: str
    """Where Open vSwitch finds the controller."""
    nic: str
    """The interface that leads to the other hosts."""
    whole: bool
    """Whether that interface itself is the bridge's port, and not a macvlan on it."""
    address: str
    """This host's own, the source of what it sends to containers."""

    @property
    def uplink(self) -> str:
        """The name of the port that leads to the other hosts."""
        return self.nic if self.whole else MACVLAN

    @property
    def controller(self) -> str:
        """The controller's address."""
        return self.target.partition(":")[2].rpartition(":")[0]

    @property
    def local_mac(self) -> str:
        """LOCAL's MAC."""
        return derived_mac(f"local {self.dpid}")

    @property
    def uplink_mac(self) -> str:
        """The macvlan's MAC."""
        return derived_mac(f"uplink {self.dpid}")

    def bridge(self) -> dict[str, str]:
        """Give the columns of the Bridge row, as ovs-vsctl takes them."""
        return {
            "datapath_type": self.datapath_type,
            "fail_mode": "secure",
            "protocols": "OpenFlow13",
            "other_config:datapath-id": self.dpid,
            "other_config:hwaddr": self.local_mac,
            "other_config:disable-in-band": "true",
        }


def derived_mac(of: str) -> str:
    """Make a locally administered MAC; 06 keeps clear of the router's and Docker's, which begin with 02."""
    return (b"\x06" + hashlib.sha256(f"daoli {of}".encode()).digest()[:5]).hex(":")


class Bridge:
    """Repairs; `done` are sentences on what the last repair changed, `problems` on what it could not."""

    def __init__(self, wanted: Wanted, ovs: Ovs, state: State, ports: Ports, subnets: Subnets) -> None:
        self.wanted = wanted
        self.mtu = 1500
        """What fits into a frame on the uplink, as the last repair found it."""
        self.own: Own = {}
        """What the host has of its own, and no network may take, as the last repair found it."""
        self.done: list[str] = []
        self.problems: list[str] = []
        """What the last whole repair found; kept during the next one, for who asks then."""
        self._found: list[str] = []
        self._ovs = ovs
        self._state = state
        self._ports = ports
        self._subnets = subnets

    async def repair(self) -> None:
        """Look at everything, and change what is not as it is to be. It never raises."""
        self.done, self._found = [], []
        for step in (self._survey, self._uplink, self._switch, self._stack, self._forwarding, self._routes):
            try:
                await step()
            except (LinkError, OvsError, OSError) as error:
                self._found.append(str(error))
        self.problems = self._found

    async def measure(self) -> None:
        """Find out what the host has of its own, and the uplink's MTU, and touch nothing."""
        await self._survey()
        self.mtu = (await links.link(self.wanted.nic)).mtu

    async def _survey(self) -> None:
        self.own = await survey(self.wanted.nic, self.wanted.controller)

    # -- the way to the other hosts ------------------------------------------------------------------------------

    async def _uplink(self) -> None:
        found = await links.links()
        nic = found.get(self.wanted.nic)
        if nic is None:
            raise LinkError(f"{self.wanted.nic}, which leads to the other hosts, does not exist")
        self.mtu = nic.mtu
        if self.wanted.whole:
            if nic.addresses:
                raise LinkError(f"{nic.name} has the address {nic.addresses[0]}, and belongs to the bridge whole")
            ipv6 = links.sysctl(f"net.ipv6.conf.{nic.name}.disable_ipv6")
            self._state.note("uplink_port", {"name": nic.name, "up": nic.up, "disable_ipv6": ipv6})
        else:
            await self._macvlan(nic, found.get(MACVLAN))
        await self._up(self.wanted.uplink)

    async def _macvlan(self, nic: Link, found: Link | None) -> None:
        wanted = ("macvlan", nic.name, "private", self.wanted.uplink_mac)
        if found is not None and (found.kind, found.parent, found.mode, found.mac) != wanted:
            await links.delete(found.name)
            self.done.append(f"deleted {found.name}, which was not a macvlan of ours on {nic.name}")
            found = None
        if found is None:
            self._state.note("macvlan", MACVLAN)
            # Open vSwitch in user space keeps one that was deleted open for ever, once there is another of its name.
            await self._ovs.del_port(MACVLAN)
            await links.add_macvlan(MACVLAN, nic.name, self.wanted.uplink_mac)
            self.done.append(f"made {MACVLAN}, a macvlan on {nic.name}")
        if found is not None and found.mtu != nic.mtu:
            await links.ip("link", "set", MACVLAN, "mtu", str(nic.mtu))
            self.done.append(f"set the MTU of {MACVLAN} to {nic.mtu}")
        if found is not None and found.arp:
            await links.ip("link", "set", MACVLAN, "arp", "off")
            self.done.append(f"switched ARP off on {MACVLAN}")

    async def _up(self, name: str) -> None:
        if links.silence(name):
            self.done.append(f"switched IPv6 off on {name}")
        if not (await links.link(name)).up:
            await links.ip("link", "set", name, "up")
            self.done.append(f"set {name} up")

    # -- Open vSwitch --------------------------------------------------------------------------------------------

    async def _switch(self) -> None:
        columns = ("name", "datapath_type", "fail_mode", "protocols", "other_config", "controller")
        rows = await self._ovs.rows("Bridge", columns, BRIDGE)
        if not rows:
            self._state.note("bridge", "made")
            await self._ovs.run("add-br", BRIDGE, "--", "set", "bridge", BRIDGE, *_words(self.wanted.bridge()))
            self.done.append(f"made the bridge {BRIDGE}")
        else:
            if "bridge" not in self._state.joined:
                self._state.note("ports", sorted(await self._ovs.ports()))
            await self._correct(rows[0])
        await self._controller()
        await self._put_ports()

    async def _correct(self, row: Mapping[str, Any]) -> None:
        found = {name: _column(row, name) for name in self.wanted.bridge()}
        wrong = {name: value for name, value in self.wanted.bridge().items() if found[name] != value}
        if wrong:
            self._state.note("bridge", {name: found[name] for name in wrong})
            await self._ovs.run("set", "bridge", BRIDGE, *_words(wrong))
            self.done.append(f"set of the bridge {BRIDGE}: {', '.join(_words(wrong))}")

    async def _controller(self) -> None:
        targets = (await self._ovs.run("get-controller", BRIDGE, wait=False)).split()
        # The same target set again would make Open vSwitch connect anew.
        if targets != [self.wanted.target]:
            self._state.note("controllers", targets)
            words = ["set-controller", BRIDGE, self.wanted.target]
            await self._ovs.run(*words, "--", "set", "controller", BRIDGE, f"max_backoff={MAX_BACKOFF}")
            self.done.append(f"set the bridge's controller to {self.wanted.target}")

    async def _put_ports(self) -> None:
        columns = ("name", "error", "ofport", "mtu_request")
        interfaces = {row["name"]: row for row in await self._ovs.rows("Interface", columns)}
        on_bridge = await self._ovs.ports()
        there = await links.links()
        devices = [port for port in (self.wanted.uplink, *self._ports()) if port in there]
        right = {port for port in on_bridge & set(devices) if not _broken(interfaces.get(port, {}))}
        right -= await self._unopened({port for port in right if not there[port].promiscuous})
        for port in devices:
            if port in right:
                continue
            await self._ovs.del_port(port)
            options = {"ofport_request": UPLINK_NUMBER} if port == self.wanted.uplink else {}
            await self._ovs.add_port(port, **options)
            self.done.append(f"put {port} on the bridge")
        if DNS_PORT not in on_bridge:
            await self._ovs.add_port(DNS_PORT, type="internal", ofport_request=DNS_NUMBER)
            self.done.append(f"put {DNS_PORT} on the bridge")
        if interfaces.get(BRIDGE, {}).get("mtu_request") != self.mtu:
            # Else Open vSwitch lowers LOCAL's MTU to its smallest port's.
            await self._ovs.run("set", "interface", BRIDGE, f"mtu_request={self.mtu}")
            self.done.append(f"set the MTU of {BRIDGE} to {self.mtu}")

    async def _unopened(self, ports: set[str]) -> set[str]:
        """Give those of these that Open vSwitch does not have open: another link has the name now."""
        # Its column `ifindex` does not tell: Open vSwitch asks the kernel for it by name.
        if not ports:
            return set()
        await self._ovs.settle()  # it may be about to open them
        there = await links.links()
        return {port for port in ports if port in there and not there[port].promiscuous}

    # -- the host's own network stack ----------------------------------------------------------------------------

    async def _stack(self) -> None:
        for name in (BRIDGE, DNS_PORT):
            await self._up(name)

    async def _forwarding(self) -> None:
        if (before := links.sysctl("net.ipv4.ip_forward")) != "1":
            self._state.note("ip_forward", before)
            links.set_sysctl("net.ipv4.ip_forward", "1")
            self.done.append("switched IPv4 forwarding on")

    async def _routes(self) -> None:
        subnets = self._subnets()
        if subnets is None:
            return
        wanted = {str(IPv4Network(subnet)) for name, subnet in subnets.items() if self._leaves_ours(name, subnet)}
        found = await links.routes(BRIDGE)
        for subnet, source in found.items():
            if subnet not in wanted or source != self.wanted.address:
                await links.ip("route", "del", subnet, "dev", BRIDGE)
                self.done.append(f"removed the route to {subnet}")
        for subnet in sorted(wanted):
            if found.get(subnet) == self.wanted.address:
                continue
            try:  # add, never replace: a route of the host's own is not ours
                await links.ip("route", "add", subnet, "dev", BRIDGE, "src", self.wanted.address)
                self.done.append(f"made the route to {subnet}")
            except LinkError as error:
                self._found.append(f"this host cannot reach the network {subnet}: {error}")

    def _leaves_ours(self, name: str, subnet: str) -> bool:
        """Tell whether a route to a network leaves this host what is its own, and say it where it does not."""
        own = taken(IPv4Network(subnet), self.own)
        if own is not None:
            self._found.append(
                f"this host cannot reach the network {name}: a route to {subnet} would take {own}, on {self.own[own]}, "
                "from it; make the network anew with another subnet"
            )
        return own is None


def _words(columns: Mapping[str, str]) -> list[str]:
    # The quotes are for ovs-vsctl, which would take a colon for the end of a value.
    return [f'{name}="{value}"' for name, value in columns.items()]


def _column(row: Mapping[str, Any], name: str) -> str:
    column, _, key = name.partition(":")
    value = row[column]
    if key:
        value = value.get(key, "")
    if isinstance(value, list):
        value = ",".join(map(str, value))
    return "system" if name == "datapath_type" and not value else str(value)


def _broken(interface: Mapping[str, Any]) -> bool:
    """Whether Open vSwitch has the port but could not open the device."""
    return bool(interface.get("error")) or interface.get("ofport") == -1
