"""What this host needs for itself: its subnets, and the way to the controller. No network of containers may take it.

The controller is told of it and refuses such networks, for all hosts. A network that gets past it, since it was there
before this was looked at, gets no route here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from daoli.agent import links
from daoli.agent.links import Link, Way
from daoli.agent.ovs import BRIDGE
from daoli.hosts.spec import OWN_SUBNETS, SHORTEST_PREFIX, UNUSABLE

LONGEST_AGGREGATE: Final = 16
"""A route by a gateway up to here, a company's 10.0.0.0/8, says whom to ask, and not that all of it is in use."""
_SINGLE: Final = 32

Own = Mapping[IPv4Network, str]
"""Subnets, each with the interface that it is on."""


async def survey(nic: str, controller: str) -> Own:
    """Look at this host's interfaces and routes; `controller` is its address, to which `nic` leads."""
    return own_subnets((await links.links()).values(), await links.ways(), nic, controller)


def own_subnets(found: Iterable[Link], ways: Iterable[Way], nic: str, controller: str) -> Own:
    """List what the host has of its own; what lies in another one of them is left out."""
    own: dict[IPv4Network, str] = {}
    for subnet, interface in sorted(_all(found, ways, nic, controller), key=lambda each: each[0].prefixlen):
        if len(own) < OWN_SUBNETS and not any(map(subnet.subnet_of, own)):
            own[subnet] = interface
    return own


def _all(found: Iterable[Link], ways: Iterable[Way], nic: str, controller: str) -> Iterator[tuple[IPv4Network, str]]:
    for link in found:
        for address in link.addresses:
            if _counts(network := IPv4Interface(address).network) and link.name != BRIDGE:
                yield network, link.name
    for way in ways:
        if _counts(way.to) and way.nic != BRIDGE and not (way.gateway and way.to.prefixlen <= LONGEST_AGGREGATE):
            yield way.to, way.nic
    with suppress(AddressValueError):  # it may be reached by IPv6
        if _counts(network := IPv4Network(IPv4Address(controller))):
            yield network, nic


def _counts(subnet: IPv4Network) -> bool:
    """Tell a subnet from a piece of the default route (VPNs make two halves of it), and from loopback."""
    return subnet.prefixlen >= SHORTEST_PREFIX and not any(map(subnet.overlaps, UNUSABLE))


def taken(subnet: IPv4Network, own: Own) -> IPv4Network | None:
    """Tell what a route to a subnet would take from this host; None where all that is its own stays reachable."""
    for each in own:
        if subnet.subnet_of(each) or (each.prefixlen == _SINGLE and each.subnet_of(subnet)):
            return each
    return None
