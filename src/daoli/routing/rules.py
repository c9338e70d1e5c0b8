"""Rules as the routing core knows them: who may open what with whom, with which priority. Records, and what they match.

A rule says whether its source may *open* a conversation with its destination; answers to an allowed conversation are
allowed, which is `policy`'s to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network
from typing import Final, NamedTuple

DEFAULT_PRIORITY: Final = 100


class Kind(StrEnum):
    """What a selector goes by."""

    ANY = "any"
    ENDPOINT = "endpoint"
    """An endpoint's id, or its name: all endpoints so called."""
    NETWORK = "network"
    GROUP = "group"
    LABEL = "label"
    """``key=value``."""
    CIDR = "cidr"
    """Addresses, of endpoints and outside."""


class Selector(NamedTuple):
    """One side of a rule. For a CIDR the value is its canonical text."""

    kind: Kind = Kind.ANY
    value: str = ""


ANYTHING: Final = Selector()


@dataclass(frozen=True, slots=True)
class Group:
    """Networks whose endpoints may talk to each other where no rule says otherwise."""

    name: str
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Allow or deny between two selectors. Between rules of the same priority a denial wins."""

    id: str
    allow: bool
    source: Selector = ANYTHING
    destination: Selector = ANYTHING
    priority: int = DEFAULT_PRIORITY
    """0 to 65535; the highest decides."""
    protocol: int | None = None
    """IP protocol number; None for all."""
    ports: tuple[tuple[int, int], ...] = ()
    """Ranges of destination ports, both ends included; empty for all. Only with TCP or UDP."""
    both_ways: bool = False
    """Whether it also holds with source and destination exchanged."""
    until: float | None = None
    """When it ends, in seconds since 1970."""
    comment: str = ""

    def covers(self, protocol: int, port: int | None) -> bool:
        """Tell whether it speaks of a protocol and a destination port.

        None is a port that is not to be seen, as in fragments: it may be any, so a denial of some speaks of it, and
        an allowance of some does not.
        """
        if self.protocol is None:
            return True
        if protocol != self.protocol:
            return False
        if not self.ports:
            return True
        return not self.allow if port is None else any(low <= port <= high for low, high in self.ports)

    @property
    def whole(self) -> bool:
        """Whether it speaks of every protocol and port."""
        return self.protocol is None


def network_of(selector: Selector) -> IPv4Network:
    """Read a CIDR selector's addresses."""
    return IPv4Network(selector.value)


def length_of(selector: Selector) -> int:
    """Read a CIDR selector's prefix length."""
    return int(selector.value.partition("/")[2])
