"""How many endpoints a selector matches, without looking at each: counted as they come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from daoli.routing.model import Endpoint
from daoli.routing.rules import Group, Kind, Selector, network_of


class Census:
    """Counts endpoints by what a selector may name of them."""

    def __init__(self) -> None:
        self._counts: Counter[Selector] = Counter()
        self._addresses: set[bytes] = set()

    def add(self, endpoint: Endpoint) -> None:
        """Count an endpoint."""
        self._counts.update(_selectors(endpoint))
        self._addresses.add(endpoint.ipv4)

    def remove(self, endpoint: Endpoint) -> None:
        """Count an endpoint no more, by the record with which it was added."""
        for selector in _selectors(endpoint):
            self._counts[selector] -= 1
            if not self._counts[selector]:
                del self._counts[selector]
        self._addresses.discard(endpoint.ipv4)

    def count(self, selector: Selector, groups: Mapping[str, Group]) -> int:
        """Tell how many endpoints a selector matches."""
        match selector.kind:
            case Kind.ANY:
                return len(self._addresses)
            case Kind.GROUP:
                return self._of_networks(groups[selector.value].networks) if selector.value in groups else 0
            case Kind.CIDR:
                return self._within(selector)
            case _:
                return self._counts[selector]

    def _of_networks(self, networks: Iterable[str]) -> int:
        return sum(self._counts[Selector(Kind.NETWORK, network)] for network in set(networks))

    def _within(self, selector: Selector) -> int:
        cidr = network_of(selector)
        first, mask = int(cidr.network_address), int(cidr.netmask)
        return sum(int.from_bytes(address, "big") & mask == first for address in self._addresses)


def _selectors(endpoint: Endpoint) -> Iterator[Selector]:
    yield Selector(Kind.ENDPOINT, endpoint.id)
    if endpoint.name != endpoint.id:
        yield Selector(Kind.ENDPOINT, endpoint.name)
    yield Selector(Kind.NETWORK, endpoint.network)
    for key, value in endpoint.labels.items():
        yield Selector(Kind.LABEL, f"{key}={value}")
