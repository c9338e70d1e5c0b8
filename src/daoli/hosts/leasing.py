"""Who gets which address: leases as plans, many requests at once. Pure, but for the cursors.

An address is one host's: no two hosts lease it, and no host leases what another's endpoint has. While a container is
on its way from host to host, nobody can give up its addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from daoli.hosts.errors import Clash, Invalid, InventoryError, NotFound
from daoli.hosts.finding import find_host
from daoli.hosts.lease import Lease, LeaseRequest
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import HELD
from daoli.hosts.plans import Plan
from daoli.hosts.spec import outside
from daoli.hosts.stored import Record, key_of
from daoli.routing.model import Network, ipv4_text

Cursors = dict[IPv4Network, int]
"""The address given out last, by subnet."""


class Release(NamedTuple):
    """A host's wish to give an address back."""

    ipv4: str
    host: str


class Granted(NamedTuple):
    """A lease, and whether it is new."""

    lease: Lease
    created: bool


class Released(NamedTuple):
    """An address that was given back, or is kept for a container that moves."""

    ipv4: str
    kept_for: str | None
    """The id of the move."""


class LeaseDifference(NamedTuple):
    """What a host's list came to."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    """Addresses that the host cannot have, each with the reason."""


class Ledger:
    """The leases as they are and as they are about to be."""

    def __init__(self, mirror: Mirror, cursors: Cursors) -> None:
        self._mirror = mirror
        self._cursors = cursors
        self._after: dict[str, Lease | None] = {}
        self._held = {a.ipv4: move.id for move in mirror.moves.values() if move.state in HELD for a in move.addresses}

    def plan(self) -> Plan:
        """Give what is to be written."""
        changes: dict[str, Record | None] = {}
        for ipv4, lease in self._after.items():
            old = self._mirror.leases.get(ipv4)
            if lease is not None and lease != old:
                changes[key_of(lease)] = lease
            elif lease is None and old is not None:
                changes[key_of(old)] = None
        return Plan(changes)

    def grant(self, request: LeaseRequest) -> Granted:
        """Lease the address asked for, or the next one that is free."""
        if request.host not in self._mirror.view.hosts:
            raise Invalid(f"there is no host {request.host}", "host")
        network = self._network(request)
        ipv4 = request.ipv4 or self._next(network)
        if request.ipv4 is not None:
            self._check(ipv4, network, request.host)
        old = self._lease(ipv4)
        mac = request.mac or (old.mac if old else None)
        lease = Lease(ipv4=ipv4, network=network.name, host=request.host, mac=mac)
        self._after[ipv4] = lease
        return Granted(lease, created=old is None)

    def release(self, release: Release) -> Released:
        """Take an address back."""
        lease = self._lease(release.ipv4)
        if lease is None:
            raise NotFound(f"{release.ipv4} is not leased")
        if lease.host != release.host:
            raise Clash(f"{release.ipv4} is leased by {self._owner(lease)}", "host")
        kept_for = self._held.get(release.ipv4)
        if kept_for is None:
            self._after[release.ipv4] = None
        return Released(release.ipv4, kept_for)

    def replace(self, host: str, addresses: Iterable[str]) -> LeaseDifference:
        """Bring a host's leases to its list, as far as they are its own."""
        listed = dict.fromkeys(addresses)
        own = [lease.ipv4 for lease in self._mirror.leases.values() if lease.host == host]
        removed = [ipv4 for ipv4 in own if ipv4 not in listed and ipv4 not in self._held]
        self._after |= dict.fromkeys(removed)
        added, refused = [], []
        for ipv4 in listed:
            try:
                if self._take(host, ipv4):
                    added.append(ipv4)
            except InventoryError as error:
                refused.append((ipv4, error.detail))
        return LeaseDifference(tuple(added), tuple(removed), tuple(refused))

    def _take(self, host: str, ipv4: str) -> bool:
        network = self._mirror.view.network_of(IPv4Address(ipv4).packed)
        if network is None:
            raise Invalid(f"{ipv4} is in no network")
        return self.grant(LeaseRequest(host=host, network=network.name, ipv4=ipv4)).created

    def _network(self, request: LeaseRequest) -> Network:
        networks = self._mirror.view.networks
        if request.network is not None:
            network = networks.get(request.network)
            if network is None:
                raise Invalid(f"there is no network {request.network}", "network")
            if request.subnet is not None and IPv4Network(request.subnet) != network.subnet:
                raise Invalid(f"network {network.name} has the subnet {network.subnet}", "subnet")
            return network
        if request.subnet is None:
            raise Invalid("say the network or its subnet", "network")
        subnet = IPv4Network(request.subnet)
        network = self._mirror.view.network_of(subnet.network_address.packed)
        if network is None or network.subnet != subnet:
            raise Invalid(f"no network has the subnet {subnet}", "subnet")
        return network

    def _check(self, ipv4: str, network: Network, host: str) -> None:
        """Refuse an address that this host cannot have."""
        why = outside(IPv4Address(ipv4), network.subnet)
        if why:
            raise Invalid(why, "ipv4")
        packed = IPv4Address(ipv4).packed
        if packed == network.gateway:
            raise Invalid(f"{ipv4} is the gateway of network {network.name}", "ipv4")
        if packed in network.reserved:
            raise Clash(f"{ipv4} is reserved in network {network.name}", "ipv4")
        lease = self._lease(ipv4)
        if lease is not None and lease.host != host:
            raise Clash(f"{ipv4} is leased by {self._owner(lease)}", "ipv4")
        place = self._mirror.view.by_ipv4.get(packed)
        if place is not None and place.endpoint.host != host:
            raise Clash(f"{ipv4} is the address of {place.endpoint.name} on host {place.endpoint.host}", "ipv4")

    def _owner(self, lease: Lease) -> str:
        place = self._mirror.view.by_ipv4.get(IPv4Address(lease.ipv4).packed)
        called = f" for {place.endpoint.name}" if place is not None and place.endpoint.host == lease.host else ""
        moving = self._held.get(lease.ipv4)
        return f"host {lease.host}{called}" + (f" (a container on the move, {moving})" if moving else "")

    def _lease(self, ipv4: str) -> Lease | None:
        if ipv4 in self._after:
            return self._after[ipv4]
        return self._mirror.leases.get(ipv4)

    def _next(self, network: Network) -> str:
        part = network.range or network.subnet
        unusable = {network.gateway, *network.reserved}
        unusable |= {network.subnet.network_address.packed, network.subnet.broadcast_address.packed}
        for number in _round(part, self._cursor(network)):
            packed = number.to_bytes(4, "big")
            ipv4 = ipv4_text(packed)
            if packed not in unusable and packed not in self._mirror.view.by_ipv4 and self._lease(ipv4) is None:
                self._cursors[network.subnet] = number
                return ipv4
        raise Clash(f"all addresses of network {network.name} in {part} are taken", "network")

    def _cursor(self, network: Network) -> int:
        """Tell which address was given out last; in a new process, the highest that is leased."""
        if (last := self._cursors.get(network.subnet)) is not None:
            return last
        leased = (int(IPv4Address(e.ipv4)) for e in self._mirror.leases.values() if e.network == network.name)
        return max(leased, default=int(network.subnet.network_address))


def _round(part: IPv4Network, last: int) -> Iterator[int]:
    """Walk the addresses of a part once, beginning after `last`."""
    first, end = int(part.network_address), int(part.broadcast_address) + 1
    start = last + 1 if first <= last + 1 < end else first
    yield from range(start, end)
    yield from range(first, start)


def plan_leases(
    mirror: Mirror, requests: Sequence[LeaseRequest | Release], cursors: Cursors
) -> tuple[Plan, list[Granted | Released | Exception]]:
    """Meet as many requests as can be met, in their order; give one plan for all, and an answer or error to each."""
    ledger = Ledger(mirror, cursors)
    answers: list[Granted | Released | Exception] = []
    for request in requests:
        try:
            answers.append(ledger.release(request) if isinstance(request, Release) else ledger.grant(request))
        except InventoryError as error:
            answers.append(error)
    return ledger.plan(), answers


def plan_lease_list(
    mirror: Mirror, host: str, addresses: Iterable[str], cursors: Cursors
) -> tuple[Plan, LeaseDifference]:
    """Take the whole list of a host's leases."""
    find_host(mirror.view, host)
    ledger = Ledger(mirror, cursors)
    difference = ledger.replace(host, addresses)
    return ledger.plan(), difference
