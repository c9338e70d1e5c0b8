"""Who may talk to whom, and why. Enforcement, `explain` and dry runs ask `Policy.between`, `judge` where that depends.

A decision costs what can match the two ends, not what there is: rules stand in an index by what their selectors name,
source first, and only the keys that both ends have are looked at. What was found for a pair is kept until rules change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

from daoli.routing.model import Endpoint, Network
from daoli.routing.rules import ANYTHING, Group, Kind, Rule, Selector, network_of

REMEMBERED: Final = 200_000
"""Pairs of ends whose rules are kept at hand; one takes some 200 bytes."""
_Identity = str | bytes
"""An endpoint's id, or an address outside."""
_BITS: Final = 32


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


class Subject(NamedTuple):
    """A party by itself, for questions that no packet asks."""

    ipv4: bytes
    endpoint: Endpoint | None = None


class Packet(NamedTuple):
    """What policy looks at in a packet; ports are None where the protocol has none, or none to see."""

    protocol: int
    source_port: int | None = None
    destination_port: int | None = None
    opens: bool = True
    """Whether it can only be the first of a conversation: a TCP SYN without ACK, an ICMP request."""


class Judgement(NamedTuple):
    """What policy says about one packet, or about everything between two ends."""

    allowed: bool
    reason: str
    rule: str | None = None
    """Id of the rule that decided; None where a default did."""
    overridden: tuple[str, ...] = ()
    """Ids of the rules that say otherwise, and lost."""
    answer: bool = False
    """Whether it is allowed as an answer to what the other end may open, and not by itself."""


SAME_NETWORK: Final = Judgement(allowed=True, reason="same network")
SAME_GROUP: Final = Judgement(allowed=True, reason="networks of one group")
DIFFERENT_NETWORKS: Final = Judgement(allowed=False, reason="different networks")
OUTSIDE: Final = Judgement(allowed=True, reason="outside, by a host")
INTERNAL: Final = Judgement(allowed=False, reason="internal network")


class Way(NamedTuple):
    """What holds for conversations that one end opens with the other."""

    rules: tuple[Rule, ...]
    """All that match the two ends, in the order in which they are asked."""
    default: Judgement
    uniform: bool | None
    """Whether everything is allowed (True) or denied (False) whatever its protocol and ports; None if that depends."""

    def judge(self, protocol: int, port: int | None) -> Judgement:
        """Decide about a protocol and a destination port, None where there is none."""
        return _first_of([rule for rule in self.rules if rule.covers(protocol, port)], self.default)


class Between(NamedTuple):
    """What holds between two ends, seen from one of them."""

    forth: Way
    back: Way
    whole: Judgement | None
    """The judgement on everything in both directions; None if it depends on direction, protocol or ports."""

    def reversed(self) -> Between:
        """See the same from the other end."""
        return Between(self.back, self.forth, _whole(self.back, self.forth))


class Policy:
    """Rules and groups, indexed. Whoever changes them says so by `put` and `remove`; nothing is judged by old ones."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        """`networks` are those there are, by name; a change of one is told by `forget`."""
        self._networks = networks
        self.rules: dict[str, Rule] = {}
        self.groups: dict[str, Group] = {}
        self.generation = 0
        """Counts changes."""
        self._index: dict[Selector, dict[Selector, list[Rule]]] = {}
        self._prefixes: dict[int, int] = {}
        """Length of the prefixes that CIDR selectors have, and how many selectors have it."""
        self._groups_of: dict[str, tuple[str, ...]] = {}
        self._known: dict[_Identity, dict[_Identity, Between]] = {}
        self._count_known = 0

    # -- changes -------------------------------------------------------------------------------------------------

    def put_rule(self, rule: Rule) -> None:
        """Add a rule, or replace the one of that id."""
        if rule.id in self.rules:
            self.remove_rule(rule.id)
        self.rules[rule.id] = rule
        for source, destination in _directions(rule):
            self._index.setdefault(source, {}).setdefault(destination, []).append(rule)
        for selector in (rule.source, rule.destination):
            self._count(selector, 1)
        self.forget()

    def remove_rule(self, rule_id: str) -> None:
        """Remove a rule; an unknown id is a KeyError."""
        rule = self.rules.pop(rule_id)
        for source, destination in _directions(rule):
            by_destination = self._index[source]
            by_destination[destination].remove(rule)
            if not by_destination[destination]:
                del by_destination[destination]
            if not by_destination:
                del self._index[source]
        for selector in (rule.source, rule.destination):
            self._count(selector, -1)
        self.forget()

    def put_group(self, group: Group) -> None:
        """Add a group, or replace the one of that name."""
        self.groups[group.name] = group
        self._regroup()

    def remove_group(self, name: str) -> None:
        """Remove a group; an unknown name is a KeyError."""
        del self.groups[name]
        self._regroup()

    def forget(self) -> None:
        """Note that rules, groups, or what endpoints are called or labelled, have changed."""
        self.generation += 1
        self._known.clear()
        self._count_known = 0

    def forget_endpoint(self, endpoint_id: str) -> None:
        """Note that one endpoint has gone, or is called or labelled otherwise."""
        peers = self._known.pop(endpoint_id, {})
        for peer in peers:
            self._known.get(peer, {}).pop(endpoint_id, None)

    def _regroup(self) -> None:
        found: dict[str, list[str]] = {}
        for name in sorted(self.groups):
            for network in self.groups[name].networks:
                found.setdefault(network, []).append(name)
        self._groups_of = {network: tuple(names) for network, names in found.items()}
        self.forget()

    def _count(self, selector: Selector, by: int) -> None:
        if selector.kind is Kind.CIDR:
            length = network_of(selector).prefixlen
            self._prefixes[length] = self._prefixes.get(length, 0) + by
            if not self._prefixes[length]:
                del self._prefixes[length]

    # -- questions -----------------------------------------------------------------------------------------------

    def groups_of(self, network: str) -> tuple[str, ...]:
        """List the groups that a network is in."""
        return self._groups_of.get(network, ())

    def keys(self, subject: Party) -> Iterator[Selector]:
        """List every selector that matches an end; those that no rule has are left out where that is cheap to see."""
        yield ANYTHING
        endpoint = subject.endpoint
        if endpoint is not None:
            yield Selector(Kind.ENDPOINT, endpoint.id)
            if endpoint.name != endpoint.id:
                yield Selector(Kind.ENDPOINT, endpoint.name)
            yield Selector(Kind.NETWORK, endpoint.network)
            for group in self.groups_of(endpoint.network):
                yield Selector(Kind.GROUP, group)
            for key, value in endpoint.labels.items():
                yield Selector(Kind.LABEL, f"{key}={value}")
        address = int.from_bytes(subject.ipv4, "big")
        for length in self._prefixes:
            shift = _BITS - length
            yield Selector(Kind.CIDR, _cidr(address >> shift << shift, length))

    def between(self, source: Party, destination: Party) -> Between:
        """Find what holds between two ends. This is on the way of every punted packet."""
        here, there = _identity(source), _identity(destination)
        peers = self._known.get(here)
        if peers is not None and (found := peers.get(there)) is not None:
            return found
        if self._count_known >= REMEMBERED:
            self._known.clear()
            self._count_known = 0
        forth, back = self._way(source, destination), self._way(destination, source)
        found = Between(forth, back, _whole(forth, back))
        self._known.setdefault(here, {})[there] = found
        self._known.setdefault(there, {})[here] = found.reversed()
        self._count_known += 2
        return found

    def _way(self, source: Party, destination: Party) -> Way:
        rules: dict[str, Rule] = {}
        if self._index:
            theirs = set(self.keys(destination))
            for ours in self.keys(source):
                for found in _both(self._index.get(ours, {}), theirs):
                    rules |= {rule.id: rule for rule in found}
        ordered = tuple(sorted(rules.values(), key=lambda rule: (-rule.priority, rule.allow, rule.id)))
        default = self._default(source, destination)
        return Way(ordered, default, _uniform(ordered, default))

    def _default(self, source: Party, destination: Party) -> Judgement:
        a, b = source.endpoint, destination.endpoint
        if a is None or b is None:
            inside = a or b
            network = self._networks.get(inside.network) if inside is not None else None
            return INTERNAL if network is not None and network.internal else OUTSIDE
        if a.network == b.network:
            return SAME_NETWORK
        common = set(self.groups_of(a.network)) & set(self.groups_of(b.network))
        return SAME_GROUP if common else DIFFERENT_NETWORKS


def judge(between: Between, packet: Packet) -> Judgement:
    """Decide about one packet.

    What does not surely open a conversation may be an answer, and is then judged as what it would answer: the same
    packet the other way round. So a conversation whose route has idled out resumes from either side.
    """
    own = between.forth.judge(packet.protocol, packet.destination_port)
    if own.allowed or packet.opens:
        return own
    other = between.back.judge(packet.protocol, packet.source_port)
    return other._replace(answer=True) if other.allowed else own


def _whole(forth: Way, back: Way) -> Judgement | None:
    if forth.uniform is None or forth.uniform is not back.uniform:
        return None
    return _first_of([rule for rule in forth.rules if rule.whole], forth.default)


def _first_of(matching: list[Rule], default: Judgement) -> Judgement:
    if not matching:
        return default
    first = matching[0]
    overridden = tuple(rule.id for rule in matching[1:] if rule.allow is not first.allow)
    word = "allowed" if first.allow else "denied"
    return Judgement(first.allow, f"{word} by rule {first.id}", first.id, overridden)


def _uniform(rules: Iterable[Rule], default: Judgement) -> bool | None:
    """Tell what becomes of everything, if it is the same for everything."""
    partial: set[bool] = set()
    for rule in rules:
        if rule.whole:
            return rule.allow if partial <= {rule.allow} else None
        partial.add(rule.allow)
    return default.allowed if partial <= {default.allowed} else None


def _directions(rule: Rule) -> Iterator[tuple[Selector, Selector]]:
    yield rule.source, rule.destination
    if rule.both_ways and rule.source != rule.destination:
        yield rule.destination, rule.source


def _both(by_destination: Mapping[Selector, list[Rule]], keys: set[Selector]) -> Iterator[list[Rule]]:
    """Give what stands at the keys that both have, walking the shorter of the two."""
    if len(by_destination) < len(keys):
        return (rules for key, rules in by_destination.items() if key in keys)
    return (by_destination[key] for key in keys if key in by_destination)


def _identity(subject: Party) -> _Identity:
    return subject.ipv4 if subject.endpoint is None else subject.endpoint.id


def _cidr(network: int, length: int) -> str:
    return f"{network >> 24}.{network >> 16 & 255}.{network >> 8 & 255}.{network & 255}/{length}"
