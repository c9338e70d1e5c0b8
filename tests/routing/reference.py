"""Policy as its text says it, plain and slow: every rule is asked about every packet. No code of `daoli.routing` runs.

A rule says whether its source may *open* a conversation with its destination; answers to an allowed conversation are
allowed. The matching rule of the highest priority decides; between equals a denial. Where none matches: the same
network, or two networks of one group, allow; the outside is allowed unless the network is internal; else deny.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from daoli.routing.model import Endpoint
from daoli.routing.rules import Kind, Rule, Selector


class End(NamedTuple):
    """An address, and the endpoint that has it; None outside."""

    ipv4: bytes
    endpoint: Endpoint | None = None


class Sort(Enum):
    """What a packet does in a conversation, as far as it can be seen."""

    OPENS = "opens"
    """A TCP SYN without ACK, an ICMP request, what hides whether it is; UDP and others of no known conversation."""
    ANSWERS = "answers"
    """An ICMP reply."""
    EITHER = "either"
    """The rest of TCP; UDP and other protocols in a conversation that one side has opened before."""


class Sent(NamedTuple):
    """A packet; ports are None where there are none, or none to be seen."""

    protocol: int
    sort: Sort
    source_port: int | None = None
    destination_port: int | None = None


@dataclass
class Reference:
    """Networks (and whether each is internal), groups and rules."""

    networks: dict[str, bool] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)

    def passes(self, source: End, destination: End, sent: Sent) -> bool:
        """Tell whether a packet may pass."""
        opened = self.may_open(source, destination, sent.protocol, sent.destination_port)[0]
        answers = self.may_open(destination, source, sent.protocol, sent.source_port)[0]
        return {Sort.OPENS: opened, Sort.ANSWERS: answers, Sort.EITHER: opened or answers}[sent.sort]

    def may_open(self, source: End, destination: End, protocol: int, port: int | None) -> tuple[bool, str | None]:
        """Tell whether a conversation may be opened, and which rule decides; None if a default does."""
        matching = [rule for rule in self.rules.values() if self._matches(rule, source, destination, protocol, port)]
        if not matching:
            return self._default(source, destination), None
        highest = max(rule.priority for rule in matching)
        deciding = sorted((rule for rule in matching if rule.priority == highest), key=lambda rule: rule.id)
        for rule in deciding:
            if not rule.allow:
                return False, rule.id
        return True, deciding[0].id

    def _matches(self, rule: Rule, source: End, destination: End, protocol: int, port: int | None) -> bool:
        if rule.protocol is not None and rule.protocol != protocol:
            return False
        if rule.ports and port is None:
            if rule.allow:
                return False  # it may be another port
        elif rule.ports and port not in set(_ports(rule)):
            return False
        if self.selects(rule.source, source) and self.selects(rule.destination, destination):
            return True
        return rule.both_ways and self.selects(rule.source, destination) and self.selects(rule.destination, source)

    def selects(self, selector: Selector, end: End) -> bool:
        """Tell whether a selector matches an end."""
        endpoint, value = end.endpoint, selector.value
        if selector.kind is Kind.ANY:
            return True
        if selector.kind is Kind.CIDR:
            return IPv4Address(end.ipv4) in IPv4Network(value)
        if endpoint is None:
            return False
        if selector.kind is Kind.ENDPOINT:
            return value in (endpoint.id, endpoint.name)
        if selector.kind is Kind.NETWORK:
            return value == endpoint.network
        if selector.kind is Kind.GROUP:
            return value in self.groups and endpoint.network in self.groups[value]
        return value in [f"{key}={text}" for key, text in endpoint.labels.items()]

    def _default(self, source: End, destination: End) -> bool:
        inside = [end.endpoint.network for end in (source, destination) if end.endpoint is not None]
        if len(inside) < 2:
            return not any(self.networks[name] for name in inside)
        one, other = inside
        return one == other or any(one in networks and other in networks for networks in self.groups.values())


def _ports(rule: Rule) -> Iterator[int | None]:
    for low, high in rule.ports:
        yield from range(low, high + 1)
