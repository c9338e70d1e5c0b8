"""The pool that networks without a subnet of their own get one from."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from daoli.hosts.errors import Clash
from daoli.hosts.occupied import occupied

if TYPE_CHECKING:  # for the settings' sake this is imported by the agent, which would read all of OpenFlow with it
    from daoli.routing.view import View

DEFAULT_POOL: Final = IPv4Network("10.210.0.0/16")
SUBNET_PREFIX: Final = 24
"""Of the subnets taken from a pool: room for 253 containers."""


def free_subnet(view: View, pool: IPv4Network, draw: int) -> IPv4Network:
    """Take a free subnet of a pool, the first one from number `draw` on.

    Free is what overlaps no network and nothing that a host has of its own. A drawn one is less likely to be in use
    somewhere that the controller does not know.

    Raises:
        Clash: there is none.
    """
    count = 1 << (SUBNET_PREFIX - pool.prefixlen)
    taken = {network.subnet for network in view.networks.values()}
    taken |= {place.subnet for place in occupied(view.hosts.values())}
    for number in range(count):
        start = int(pool.network_address) + ((draw + number) % count << (32 - SUBNET_PREFIX))
        subnet = IPv4Network((start, SUBNET_PREFIX))
        if not any(map(subnet.overlaps, taken)):
            return subnet
    raise Clash(f"no /{SUBNET_PREFIX} of the pool {pool} is free; give a subnet", "subnet")
