"""Who is called what, on which network: kept up to date endpoint by endpoint, asked by DNS names. Pure.

A container sees what is on its own networks and nothing else, as on one host with Docker: names, aliases and short ids,
each also with the network's name behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from daoli.hosts.names import names_of
from daoli.hosts.spec import EndpointSpec

MANY = 2
TURNS = 4096
"""Names of several addresses whose turn is remembered."""


class Zone:
    """Names of all endpoints of the fabric."""

    def __init__(self) -> None:
        self._addresses: dict[str, dict[str, list[str]]] = {}
        """Network -> lower-case name -> IPv4 addresses."""
        self._names: dict[str, EndpointSpec] = {}
        """IPv4 address -> endpoint."""
        self._networks: dict[str, dict[str, int]] = {}
        """Container -> network -> how many of its endpoints are there."""
        self._turns: dict[str, int] = {}

    def changed(self, before: EndpointSpec | None, after: EndpointSpec | None) -> None:
        """Take a change of one endpoint; None before it came and after it went."""
        if before is not None:
            self._remove(before)
        if after is not None:
            self._add(after)

    def _add(self, endpoint: EndpointSpec) -> None:
        names = self._addresses.setdefault(endpoint.network, {})
        for name in names_of(endpoint):
            names.setdefault(name, []).append(endpoint.ipv4)
        self._names[endpoint.ipv4] = endpoint
        if endpoint.container is not None:
            networks = self._networks.setdefault(endpoint.container, {})
            networks[endpoint.network] = networks.get(endpoint.network, 0) + 1

    def _remove(self, endpoint: EndpointSpec) -> None:
        names = self._addresses.get(endpoint.network, {})
        for name in names_of(endpoint):
            if (addresses := names.get(name)) and endpoint.ipv4 in addresses:
                addresses.remove(endpoint.ipv4)
                if not addresses:
                    del names[name]
        if not names:
            self._addresses.pop(endpoint.network, None)
        if self._names.get(endpoint.ipv4) == endpoint:
            del self._names[endpoint.ipv4]
        if endpoint.container is not None and (networks := self._networks.get(endpoint.container)) is not None:
            networks[endpoint.network] -= 1
            if not networks[endpoint.network]:
                del networks[endpoint.network]
            if not networks:
                del self._networks[endpoint.container]

    def networks_of(self, endpoint: EndpointSpec) -> set[str]:
        """Name the networks that an endpoint's container is on."""
        mine = self._networks.get(endpoint.container or "", {})
        return {endpoint.network, *mine}

    def at(self, ipv4: str) -> EndpointSpec | None:
        """Find the endpoint with this address."""
        return self._names.get(ipv4)

    def addresses(self, name: str, networks: Iterable[str]) -> list[str]:
        """List the addresses of a name on some networks.

        `name` is lower case and has no final dot. An empty list means that nobody is called so there.
        """
        return [ipv4 for network in sorted(networks) for ipv4 in self._addresses.get(network, {}).get(name, ())]

    def rotated(self, name: str, addresses: list[str]) -> list[str]:
        """Begin with another of a name's addresses each time that this is called."""
        if len(addresses) < MANY:
            return addresses
        if len(self._turns) >= TURNS and name not in self._turns:
            self._turns.clear()
        at = self._turns[name] = (self._turns.get(name, 0) + 1) % len(addresses)
        return addresses[at:] + addresses[:at]

    def name_of(self, ipv4: str, networks: Iterable[str]) -> str | None:
        """Find the name of an address, if it is on one of these networks: ``web.dnet1``."""
        endpoint = self._names.get(ipv4)
        if endpoint is None or endpoint.name is None or endpoint.network not in networks:
            return None
        return f"{endpoint.name}.{endpoint.network}"


def reversed_address(name: str) -> str | None:
    """Read the address out of a name below in-addr.arpa (RFC 1035, 3.5); None if it is none."""
    labels = name.split(".")
    if len(labels) != len(("d", "c", "b", "a", "in-addr", "arpa")) or labels[4:] != ["in-addr", "arpa"]:
        return None
    try:
        return str(IPv4Address(".".join(reversed(labels[:4]))))
    except ValueError:
        return None
