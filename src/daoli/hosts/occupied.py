"""Where no new network may be: what hosts have of their own, and what is never a network of containers.

A network there would take it from the hosts, the way to the controller with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import Final, NamedTuple

from daoli.routing.model import Host

LINK_LOCAL: Final = IPv4Network("169.254.0.0/16")
"""No router forwards from or to it (RFC 3927, 7), and ours are routers."""
SHORTEST_PUBLIC_PREFIX: Final = 16
"""A larger network of public addresses would take a part of the Internet from its hosts."""


class Occupied(NamedTuple):
    """A subnet that a host has, and words on where it has it."""

    subnet: IPv4Network
    where: str
    field: str = "subnets"
    """Of the host, that says so."""

    def __str__(self) -> str:
        return f"{self.subnet}, {self.where}"


def occupied(hosts: Iterable[Host]) -> Iterator[Occupied]:
    """Walk what hosts have."""
    for host in hosts:
        for subnet, interface in host.subnets.items():
            yield Occupied(subnet, f"on {interface} of host {host.name}")
        yield Occupied(IPv4Network(host.address), f"the address of host {host.name}", "address")


def overlap(subnet: IPv4Network, places: Iterable[Occupied]) -> Occupied | None:
    """Find what a subnet overlaps; None where it is free."""
    return next((place for place in places if subnet.overlaps(place.subnet)), None)


def unfit(subnet: IPv4Network) -> str | None:
    """Tell why no network can have a subnet, whatever the hosts have."""
    if subnet.overlaps(LINK_LOCAL):
        return f"{subnet} overlaps {LINK_LOCAL}, which no router forwards"
    if subnet.prefixlen < SHORTEST_PUBLIC_PREFIX and not subnet.is_private:
        return f"{subnet} has public addresses, of which a network takes a /{SHORTEST_PUBLIC_PREFIX} at most"
    return None
