"""What rules name: each selector that some rule has is one object here, found from a party without trying them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Final, Protocol

from daoli.routing.rules import ANYTHING, Kind, Rule, Selector, length_of, network_of

if TYPE_CHECKING:
    from daoli.routing.model import Endpoint
    from daoli.routing.policy import Profile

_BITS: Final = 32
_NONE: Final[frozenset[str]] = frozenset()

GroupsOf = Mapping[str, AbstractSet[str]]
"""The groups of those networks that are in some, by name."""


class Party(Protocol):
    """One end of a conversation, as policy sees it; the ends of routes are such."""

    @property
    def ipv4(self) -> bytes:
        """Its address."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """The endpoint with this address; None for one outside all networks."""
        ...


class Named:
    """A selector that counts, and what goes by it. It equals itself alone, so that sets of these are quick."""

    __slots__ = ("by_source", "having", "reached", "selector", "sides")

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self.sides = 0
        """How many sides of rules name it."""
        self.by_source: dict[Named, dict[str, Rule]] = {}
        """The rules with this destination, by source."""
        self.reached: dict[Named, int] = {}
        """The destinations of the rules with this source, and how many have each."""
        self.having: list[Profile] = []
        """The profiles of whom it matches."""

    def add(self, destination: Named, rule: Rule) -> None:
        """Note a rule from here to a destination."""
        destination.by_source.setdefault(self, {})[rule.id] = rule
        self.reached[destination] = self.reached.get(destination, 0) + 1
        for profile in self.having:
            profile.reach.add(destination)

    def discard(self, destination: Named, rule: Rule) -> None:
        """Forget a rule from here to a destination."""
        rules = destination.by_source[self]
        del rules[rule.id]
        if not rules:
            del destination.by_source[self]
        self.reached[destination] -= 1
        if not self.reached[destination]:
            del self.reached[destination]


class Names:
    """The selectors that count. `anything` does, whether or not some rule has it."""

    def __init__(self, groups_of: GroupsOf) -> None:
        """`groups_of` is looked at, and not changed."""
        self._groups_of = groups_of
        self._all: dict[Selector, Named] = {}
        self._of_endpoints: dict[str, Named] = {}
        self._of_networks: dict[str, Named] = {}
        self._of_groups: dict[str, Named] = {}
        self._of_labels: dict[tuple[str, str], Named] = {}
        """By key and value."""
        self._of_addresses: dict[int, dict[int, Named]] = {}
        """By how many bits are not looked at, then by the others."""
        self.anything = self.take(ANYTHING)

    def __contains__(self, selector: Selector) -> bool:
        return selector in self._all

    def __getitem__(self, selector: Selector) -> Named:
        return self._all[selector]

    def __iter__(self) -> Iterator[Named]:
        return iter(self._all.values())

    def take(self, selector: Selector) -> Named:
        """Count one more side of a rule that has a selector."""
        named = self._all.get(selector)
        if named is None:
            named = self._all[selector] = Named(selector)
            self._enter(named)
        named.sides += 1
        return named

    def release(self, selector: Selector) -> None:
        """Count one side less; one that nobody has is not found any more."""
        named = self._all[selector]
        named.sides -= 1
        if not named.sides:
            del self._all[selector]
            self._leave(selector)

    def _enter(self, named: Named) -> None:
        kind, value = named.selector
        if kind is Kind.CIDR:
            shift, number = _address(named.selector)
            self._of_addresses.setdefault(shift, {})[number] = named
        elif kind is Kind.LABEL:
            self._of_labels |= dict.fromkeys(_labels(value), named)
        elif kind is not Kind.ANY:
            self._by_text(kind)[value] = named

    def _leave(self, selector: Selector) -> None:
        kind, value = selector
        if kind is Kind.CIDR:
            shift, number = _address(selector)
            del self._of_addresses[shift][number]
            if not self._of_addresses[shift]:
                del self._of_addresses[shift]
        elif kind is Kind.LABEL:
            for label in _labels(value):
                del self._of_labels[label]
        elif kind is not Kind.ANY:
            del self._by_text(kind)[value]

    def _by_text(self, kind: Kind) -> dict[str, Named]:
        return {
            Kind.ENDPOINT: self._of_endpoints,
            Kind.NETWORK: self._of_networks,
            Kind.GROUP: self._of_groups,
        }[kind]

    def of(self, party: Party) -> frozenset[Named]:
        """Find all that match an end, at the cost of what it has, not of what there is."""
        found: list[Named | None] = [self.anything]
        endpoint = party.endpoint
        if endpoint is not None:
            found += [
                self._of_endpoints.get(endpoint.id),
                self._of_endpoints.get(endpoint.name),
                self._of_networks.get(endpoint.network),
            ]
            found += [self._of_groups.get(group) for group in self._groups_of.get(endpoint.network, _NONE)]
            found += [self._of_labels.get(label) for label in endpoint.labels.items()]
        address = int.from_bytes(party.ipv4, "big")
        found += [by_number.get(address >> shift) for shift, by_number in self._of_addresses.items()]
        return frozenset(filter(None, found))


def matcher(selector: Selector, groups_of: GroupsOf) -> Callable[[Party], bool]:
    """Make what tells whether a selector matches an end, be it in a rule or not."""
    kind, value = selector
    if kind is Kind.ANY:
        return lambda _: True
    if kind is Kind.CIDR:
        shift, wanted = _address(selector)
        return lambda party: int.from_bytes(party.ipv4, "big") >> shift == wanted
    if kind is Kind.ENDPOINT:
        return lambda party: (end := party.endpoint) is not None and value in (end.id, end.name)
    if kind is Kind.NETWORK:
        return lambda party: (end := party.endpoint) is not None and end.network == value
    if kind is Kind.GROUP:
        return lambda party: (end := party.endpoint) is not None and value in groups_of.get(end.network, _NONE)
    labels = _labels(value)
    return lambda party: (end := party.endpoint) is not None and any(end.labels.get(k) == v for k, v in labels)


def _labels(text: str) -> list[tuple[str, str]]:
    """List the labels that a text means: a key may have ``=`` too, and so may a value."""
    return [(text[:at], text[at + 1 :]) for at, char in enumerate(text) if char == "="]


def _address(selector: Selector) -> tuple[int, int]:
    """Read of a CIDR how many bits are not looked at, and the others."""
    shift = _BITS - length_of(selector)
    return shift, int(network_of(selector).network_address) >> shift
