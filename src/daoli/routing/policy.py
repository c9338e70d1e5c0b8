"""Who may talk to whom, and why. Enforcement, `explain` and dry runs ask `Policy.between`, `judge` where that depends.

A decision costs what can match the two ends, not what there is: rules stand in an index by what their selectors name,
source first, and only what matches both ends is looked at. What was found is kept for all ends of the same profile,
until a rule comes or goes that may concern them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from daoli.routing.model import Endpoint, Network
from daoli.routing.named import Named, Names, Party, matcher
from daoli.routing.rules import Group, Rule, Selector

REMEMBERED: Final = 50_000
"""Pairs of profiles, and addresses outside, that are kept at hand; a pair takes some 500 bytes."""
FRESH: Final = 16
"""Selectors that each profile is tried against before it is made anew."""
SPARE: Final = 1000
"""Profiles that may be kept for nobody, besides as many as are in use."""
_NO_PROTOCOL: Final = -1
_LAST_PORT: Final = 0xFFFF


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
    """Whether it may be the first of a conversation, and no answer: a TCP SYN without ACK, an ICMP request."""
    replies: bool = False
    """Whether it can only be an answer: an ICMP reply."""


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
_NONE: Final[frozenset[str]] = frozenset()


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


class Profile:
    """What policy sees in an end; ends that have the same are treated alike, so that there are few of them."""

    __slots__ = ("changed", "named", "network", "peers", "reach")

    def __init__(self, network: str | None, named: frozenset[Named], changed: int) -> None:
        self.network = network
        """None for what is outside."""
        self.named = named
        """The selectors of rules that match it."""
        self.reach: set[Named] = set()
        """The destinations of the rules whose source matches it; there may be some that no rule has any more."""
        self.changed = changed
        """The last generation in which something about it was new."""
        self.peers: dict[Profile, tuple[int, Between]] = {}
        """What holds between this and another, and since which generation that is known."""
        for each in named:
            each.having.append(self)
            self.reach.update(each.reached)


_BY_DEFAULT: Final = {
    default: Between(Way((), default, default.allowed), Way((), default, default.allowed), default)
    for default in (SAME_NETWORK, SAME_GROUP, DIFFERENT_NETWORKS, OUTSIDE, INTERNAL)
}
"""What holds between two ends of whom no rule speaks."""


class Policy:
    """Rules and groups, indexed. Whoever changes them says so by `put` and `remove`; nothing is judged by old ones."""

    def __init__(self, networks: Mapping[str, Network]) -> None:
        """`networks` are those there are, by name; a change of one is told by `forget_network`."""
        self._networks = networks
        self.rules: dict[str, Rule] = {}
        self.groups: dict[str, Group] = {}
        self.generation = 0
        """Counts changes."""
        self.ends: dict[str, float] = {}
        """When those rules end that do, by id, in seconds since 1970."""
        self._found: dict[tuple[Judgement, frozenset[str], frozenset[str]], Between] = {}
        """What follows from a default and the rules of either direction, until a rule comes or goes."""
        self._groups_of: dict[str, set[str]] = {}
        self._names = Names(self._groups_of)
        self._keyed = 0
        """The last generation in which another selector began to count, or all were looked at anew."""
        self._fresh: deque[tuple[int, Callable[[Party], bool]]] = deque()
        """What matches the selectors that began to count, and when; those of before are in all profiles."""
        self._renewed = 0
        """The last generation in which profiles became old whatever they have."""
        self._inside: dict[str, tuple[int, Profile]] = {}
        """Profiles by an endpoint's id, and since which generation they are known."""
        self._outside: dict[bytes, tuple[int, Profile]] = {}
        self._profiles: dict[tuple[str | None, frozenset[Named]], Profile] = {}
        self._pairs = 0

    # -- changes -------------------------------------------------------------------------------------------------

    def put_rule(self, rule: Rule) -> None:
        """Add a rule, or replace the one of that id."""
        if rule.id in self.rules:
            self.remove_rule(rule.id)
        self.rules[rule.id] = rule
        if rule.until is not None:
            self.ends[rule.id] = rule.until
        for selector in (rule.source, rule.destination):
            if selector not in self._names:
                self._introduce(selector)
            self._names.take(selector)
        for source, destination in self._directions(rule):
            source.add(destination, rule)
        self._touch(rule)

    def remove_rule(self, rule_id: str) -> None:
        """Remove a rule; an unknown id is a KeyError."""
        rule = self.rules.pop(rule_id)
        self.ends.pop(rule_id, None)
        for source, destination in self._directions(rule):
            source.discard(destination, rule)
        self._touch(rule)
        for selector in (rule.source, rule.destination):
            self._names.release(selector)

    def put_group(self, group: Group) -> None:
        """Add a group, or replace the one of that name."""
        if group.name in self.groups:
            self.remove_group(group.name)
        self.groups[group.name] = group
        for network in group.networks:
            self._groups_of.setdefault(network, set()).add(group.name)
        self._forget_networks(group.networks)

    def remove_group(self, name: str) -> None:
        """Remove a group; an unknown name is a KeyError."""
        group = self.groups.pop(name)
        for network in set(group.networks):
            self._groups_of[network].discard(name)
            if not self._groups_of[network]:
                del self._groups_of[network]
        self._forget_networks(group.networks)

    def forget_network(self, name: str) -> None:
        """Note that a network is not what it was."""
        self._forget_networks((name,))

    def forget_endpoint(self, endpoint_id: str) -> None:
        """Note that one endpoint has gone, or is called or labelled otherwise."""
        self._inside.pop(endpoint_id, None)

    def _introduce(self, selector: Selector) -> None:
        """Note that a selector counts from now on: who matches it has another profile."""
        self._keyed = self.generation + 1
        self._fresh.append((self._keyed, matcher(selector, self._groups_of)))
        if len(self._fresh) > FRESH:
            self._renewed = self._fresh.popleft()[0]

    def _touch(self, rule: Rule) -> None:
        """Note that a rule has come or gone: what is known of the pairs that it may concern is old."""
        self.generation += 1
        self._found.clear()
        for profile in min(self._names[rule.source].having, self._names[rule.destination].having, key=len):
            profile.changed = self.generation

    def _directions(self, rule: Rule) -> Iterator[tuple[Named, Named]]:
        source, destination = self._names[rule.source], self._names[rule.destination]
        yield source, destination
        if rule.both_ways and source is not destination:
            yield destination, source

    def _forget_networks(self, names: Iterable[str]) -> None:
        self.generation += 1
        self._keyed = self._renewed = self.generation
        self._found.clear()
        self._fresh.clear()
        concerned = set(names)
        for profile in self._profiles.values():
            if profile.network in concerned:
                profile.changed = self.generation

    # -- questions -----------------------------------------------------------------------------------------------

    def groups_of(self, network: str) -> tuple[str, ...]:
        """List the groups that a network is in."""
        return tuple(sorted(self._groups_of.get(network, ())))

    def matches(self, selector: Selector, party: Party) -> bool:
        """Tell whether a selector matches an end, be it in a rule or not."""
        return matcher(selector, self._groups_of)(party)

    def concerns(self, rule: Rule) -> Callable[[Party, Party], bool]:
        """Make what tells whether a rule may matter to a conversation of two ends, whoever opens it."""
        source, destination = (matcher(side, self._groups_of) for side in (rule.source, rule.destination))
        return lambda one, other: (source(one) and destination(other)) or (source(other) and destination(one))

    def between(self, source: Party, destination: Party) -> Between:
        """Find what holds between two ends. This is on the way of every punted packet."""
        here, there = self._profile(source), self._profile(destination)
        known = here.peers.get(there)
        if known is not None and known[0] >= here.changed and known[0] >= there.changed:
            return known[1]
        found = self._find(here, there)
        if known is None:
            if self._pairs >= REMEMBERED:
                self._forget_all()
            self._pairs += 1
        here.peers[there] = (self.generation, found)
        return found

    def _profile(self, party: Party) -> Profile:
        endpoint = party.endpoint
        known = self._outside.get(party.ipv4) if endpoint is None else self._inside.get(endpoint.id)
        if known is not None and known[0] >= self._keyed:
            return known[1]
        if known is not None and known[0] >= self._renewed and not self._is_new(party, known[0]):
            profile = known[1]
        else:
            profile = self._make_profile(party)
        if endpoint is not None:
            self._inside[endpoint.id] = (self.generation, profile)
        else:
            if len(self._outside) >= REMEMBERED:
                self._outside = {}
            self._outside[party.ipv4] = (self.generation, profile)
        return profile

    def _is_new(self, party: Party, since: int) -> bool:
        """Tell whether a selector that began to count since matches an end."""
        return any(began > since and matches(party) for began, matches in self._fresh)

    def _make_profile(self, party: Party) -> Profile:
        endpoint = party.endpoint
        key = None if endpoint is None else endpoint.network, self._names.of(party)
        profile = self._profiles.get(key)
        if profile is None:
            if len(self._profiles) > 2 * (len(self._inside) + len(self._outside)) + SPARE:
                self._forget_all()
            profile = self._profiles[key] = Profile(*key, self.generation)
        return profile

    def _forget_all(self) -> None:
        self._inside, self._outside, self._profiles, self._pairs = {}, {}, {}, 0
        self._found.clear()
        for named in self._names:
            named.having.clear()

    def _find(self, here: Profile, there: Profile) -> Between:
        default = self._default(here.network, there.network)
        if here.reach.isdisjoint(there.named) and there.reach.isdisjoint(here.named):
            return _BY_DEFAULT[default]
        rules, others = self._matching(here, there), self._matching(there, here)
        key = (default, frozenset(rules), frozenset(others))
        found = self._found.get(key)
        if found is None:
            forth, back = _way(rules, default), _way(others, default)
            found = self._found[key] = Between(forth, back, _whole(forth, back))
        return found

    def _matching(self, source: Profile, destination: Profile) -> dict[str, Rule]:
        """Collect the rules about what one opens with the other."""
        rules: dict[str, Rule] = {}
        for named in source.reach & destination.named:
            for own in named.by_source.keys() & source.named:
                rules |= named.by_source[own]
        return rules

    def _default(self, source: str | None, destination: str | None) -> Judgement:
        if source is None or destination is None:
            network = self._networks.get(source or destination or "")
            return INTERNAL if network is not None and network.internal else OUTSIDE
        if source == destination:
            return SAME_NETWORK
        common = self._groups_of.get(source, _NONE) & self._groups_of.get(destination, _NONE)
        return SAME_GROUP if common else DIFFERENT_NETWORKS


def _way(rules: Mapping[str, Rule], default: Judgement) -> Way:
    ordered = tuple(sorted(rules.values(), key=_deciding_order))
    return Way(ordered, default, _uniform(ordered, default))


def _deciding_order(rule: Rule) -> tuple[int, bool, str]:
    return -rule.priority, rule.allow, rule.id


def judge(between: Between, packet: Packet) -> Judgement:
    """Decide about one packet.

    What may be an answer is also judged as what it would answer: the same packet the other way round. So a conversation
    whose route has idled out resumes from either side.
    """
    own = between.forth.judge(packet.protocol, packet.destination_port)
    if packet.opens or (own.allowed and not packet.replies):
        return own
    other = between.back.judge(packet.protocol, packet.source_port)
    return other._replace(answer=True) if other.allowed or packet.replies else own


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


def _uniform(rules: Sequence[Rule], default: Judgement) -> bool | None:
    """Tell what becomes of everything, if it is the same for everything."""
    verdicts: set[bool] = set()
    for rule in rules:
        verdicts.add(rule.allow)
        if rule.whole:
            break
    else:
        verdicts.add(default.allowed)
    if len(verdicts) > 1:  # then some may still be in the shadow of others
        verdicts = set()
        for protocol, port in _probes(rules):
            found = next((rule for rule in rules if rule.covers(protocol, port)), None)
            verdicts.add(default.allowed if found is None else found.allow)
            if len(verdicts) > 1:
                return None
    return verdicts.pop()


def _probes(rules: Iterable[Rule]) -> Iterator[tuple[int, int | None]]:
    """Give a protocol and port of each kind that rules can tell from the others."""
    yield _NO_PROTOCOL, None
    for rule in rules:
        if rule.protocol is not None:
            yield rule.protocol, None
            yield rule.protocol, 1
            for low, high in rule.ports:
                yield rule.protocol, low
                if high < _LAST_PORT:
                    yield rule.protocol, high + 1
