"""Published ports of hosts' own addresses, and whom they lead to: a way between containers that policy sees too.

Whoever comes by such a port comes to the container from its host's address: the host translates both ends. So what a
container says to a host's port is judged as if it were said to the container behind, before it gets to the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from daoli.routing.model import Endpoint, Host, Lead, Published, ipv4_text

K = TypeVar("K")
V = TypeVar("V")


class Door(NamedTuple):
    """A port of a host, and the endpoint behind it."""

    port: int
    endpoint: Endpoint
    target_port: int


class Doors:
    """Ports that endpoints publish on their own hosts, and those that lead to a container from one host or from all."""

    def __init__(self) -> None:
        self.hosts: dict[bytes, Host] = {}
        """By address."""
        self._own: dict[tuple[str, int], dict[int, dict[str, tuple[Endpoint, Published]]]] = {}
        """By host and protocol, then by port and endpoint."""
        self._leads: dict[int, dict[int, dict[str, Lead]]] = {}
        """By protocol, then by port and id."""
        self._known: dict[str, Lead] = {}
        self._by_container: dict[str, dict[str, Endpoint]] = {}
        self._led_to: Counter[str] = Counter()
        """How many leads name a container."""

    def put_host(self, host: Host) -> None:
        """Add a host."""
        self.hosts[host.address] = host

    def remove_host(self, host: Host) -> None:
        """Remove a host, unless another has its address by now."""
        if (known := self.hosts.get(host.address)) is not None and known.name == host.name:
            del self.hosts[host.address]

    def put_endpoint(self, endpoint: Endpoint) -> None:
        """Add an endpoint."""
        if endpoint.container is not None:
            self._by_container.setdefault(endpoint.container, {})[endpoint.id] = endpoint
        for published in endpoint.published:
            ports = self._own.setdefault((endpoint.host, published.protocol), {})
            ports.setdefault(published.port, {})[endpoint.id] = (endpoint, published)

    def remove_endpoint(self, endpoint: Endpoint) -> None:
        """Remove an endpoint, as it was put."""
        if endpoint.container is not None:
            _drop(self._by_container, endpoint.container, endpoint.id)
        for published in endpoint.published:
            key = (endpoint.host, published.protocol)
            if (ports := self._own.get(key)) is not None and published.port in ports:
                _drop(ports, published.port, endpoint.id)
                if not ports:
                    del self._own[key]

    def put_lead(self, lead: Lead) -> None:
        """Add a port that leads to a container, or replace the one of that id."""
        if lead.id in self._known:
            self.remove_lead(lead.id)
        self._known[lead.id] = lead
        self._leads.setdefault(lead.published.protocol, {}).setdefault(lead.published.port, {})[lead.id] = lead
        self._led_to[lead.container] += 1

    def remove_lead(self, lead_id: str) -> None:
        """Remove one; an unknown id is a KeyError."""
        lead = self._known.pop(lead_id)
        protocol, port = lead.published[:2]
        _drop(self._leads[protocol], port, lead.id)
        if not self._leads[protocol]:
            del self._leads[protocol]
        self._led_to[lead.container] -= 1
        if not self._led_to[lead.container]:
            del self._led_to[lead.container]

    def concern(self, endpoint: Endpoint) -> bool:
        """Tell whether a port leads to an endpoint, or could."""
        return bool(endpoint.published) or endpoint.container in self._led_to

    def at(self, host: Host, protocol: int, port: int | None) -> Iterator[Door]:
        """Find what is behind a port of a host's address, one at most; without a port, behind all of the protocol."""
        own, leads = self._own.get((host.name, protocol), {}), self._leads.get(protocol, {})
        for number in sorted(own.keys() | leads.keys()) if port is None else (port,):
            door = _own_door(host, own.get(number, {})) or self._led(host, leads.get(number, {}).values())
            if door is not None:
                yield door

    def _led(self, host: Host, leads: Iterable[Lead]) -> Door | None:
        for lead in leads:
            if lead.host not in (None, host.name) or not _holds(lead.published, host):
                continue
            candidates = [
                endpoint
                for endpoint in self._by_container.get(lead.container, {}).values()
                if lead.network in (None, endpoint.network)
            ]
            if candidates:  # the choice of the host's agent among several networks
                found = min(candidates, key=lambda each: (each.network, ipv4_text(each.ipv4)))
                return Door(lead.published.port, found, lead.published.target_port)
        return None


def _own_door(host: Host, published: Mapping[str, tuple[Endpoint, Published]]) -> Door | None:
    for endpoint, each in published.values():
        if _holds(each, host):
            return Door(each.port, endpoint, each.target_port)
    return None


def _holds(published: Published, host: Host) -> bool:
    return published.address in (b"", host.address)


def _drop(index: dict[K, dict[str, V]], key: K, name: str) -> None:
    members = index.get(key, {})
    members.pop(name, None)
    if not members:
        index.pop(key, None)
