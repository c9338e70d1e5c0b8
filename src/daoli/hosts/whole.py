"""All groups and rules at once: as a plan, and tried on conversations that there have been."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import NamedTuple

from daoli.hosts.errors import Invalid
from daoli.hosts.facts import OPENED, REFUSED, Entry
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.rule import PROTOCOLS, GroupSpec, RuleSpec
from daoli.hosts.ruling import matches
from daoli.hosts.stored import Record, key_of
from daoli.routing.model import Network
from daoli.routing.policy import Packet, Policy, Subject, judge
from daoli.routing.rules import Kind
from daoli.routing.view import View


class Whole(NamedTuple):
    """A whole policy."""

    groups: Sequence[GroupSpec]
    rules: Sequence[RuleSpec]

    def policy(self, networks: Mapping[str, Network]) -> Policy:
        """Make what decides by it."""
        policy = Policy(networks)
        for group in self.groups:
            policy.put_group(group.record())
        for rule in self.rules:
            policy.put_rule(rule.record())
        return policy


def plan_whole(mirror: Mirror, wanted: Whole, *, allow_unknown: bool) -> Plan:
    """Have these groups and rules and no others; Invalid where something new names what there is not."""
    news: dict[str, Record] = {}
    places: list[tuple[Record, str]]
    places = [(group, f"groups[{n}]") for n, group in enumerate(wanted.groups)]
    for spec, where in [*places, *((rule, f"rules[{n}]") for n, rule in enumerate(wanted.rules))]:
        if news.setdefault(key_of(spec), spec) is not spec:
            raise Invalid(f"this is there twice: {key_of(spec)}", where)
    olds = _present(mirror)
    if not allow_unknown:
        check_known(mirror, wanted)
    changes: dict[str, Record | None] = {key: spec for key, spec in news.items() if olds.get(key) != spec}
    return Plan({**dict.fromkeys(olds.keys() - news.keys()), **changes})


def _present(mirror: Mirror) -> dict[str, Record]:
    specs: list[Record] = [*mirror.groups.values(), *mirror.rules.values()]
    return {key_of(spec): spec for spec in specs}


def check_known(mirror: Mirror, wanted: Whole) -> None:
    """Refuse, by Invalid, what is new and names what there is not."""
    olds = _present(mirror)
    networks, groups = mirror.view.networks, {group.name for group in wanted.groups}
    for index, group in enumerate(wanted.groups):
        for place, network in enumerate(group.networks):
            if network not in networks and olds.get(key_of(group)) != group:
                raise Invalid(_missing("network", network), f"groups[{index}].networks[{place}]")
    for index, rule in enumerate(wanted.rules):
        if olds.get(key_of(rule)) == rule:
            continue
        for side, selector in (("source", rule.source), ("destination", rule.destination)):
            kind, name = selector.record()
            unknown = {
                Kind.ENDPOINT: kind is Kind.ENDPOINT and not matches(mirror, selector),
                Kind.NETWORK: name not in networks,
                Kind.GROUP: name not in groups,
            }
            if unknown.get(kind):
                raise Invalid(_missing(kind.value, name), f"rules[{index}].{side}.{kind.value}")


def _missing(kind: str, name: str) -> str:
    return f"there is no {kind} {name}; ?allow_unknown=true takes it all the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A conversation that another policy would judge otherwise."""

    source: str | None
    """Endpoint ids, or null for who is outside."""
    destination: str | None
    source_name: str | None
    destination_name: str | None
    source_address: str | None
    destination_address: str | None
    protocol: str | None
    destination_port: int | None
    was: bool
    """Whether it was allowed, the last time."""
    allowed: bool
    """Whether it would be."""
    reason: str
    rule: str | None
    count: int = 1
    """How often it was begun, or refused."""


@dataclass
class Replay:
    """Conversations judged anew."""

    judged: int = 0
    left_out: int = 0
    """Those one of whose ends is no more."""
    conversations: list[Changed] = field(default_factory=list)


def replay(view: View, policy: Policy, entries: Iterable[Entry]) -> Replay:
    """Judge conversations by another policy, and list those whose verdict would change; the last of each counts."""
    found = Replay()
    last: dict[tuple[object, ...], tuple[Entry, int]] = {}
    for entry in entries:
        if entry.kind == OPENED or (entry.kind == REFUSED and entry.verdict == "denied"):
            ends = (entry.source or entry.source_address, entry.destination or entry.destination_address)
            key = (*ends, entry.protocol, entry.destination_port)
            last[key] = (entry, last[key][1] + 1 if key in last else 1)
    for entry, count in last.values():
        one, other = (_subject(view, entry, side) for side in ("source", "destination"))
        if one is None or other is None or entry.protocol is None:
            found.left_out += 1
            continue
        found.judged += 1
        if (changed := _judged(policy, entry, one, other)) is not None:
            found.conversations.append(replace(changed, count=count))
    return found


def _subject(view: View, entry: Entry, side: str) -> Subject | None:
    endpoint_id, address = getattr(entry, side), getattr(entry, f"{side}_address")
    if endpoint_id is None:
        return None if address is None else Subject(IPv4Address(address).packed)
    endpoint = view.endpoints.get(endpoint_id)
    return None if endpoint is None else Subject(endpoint.ipv4, endpoint)


def _judged(policy: Policy, entry: Entry, one: Subject, other: Subject) -> Changed | None:
    was = entry.kind == OPENED
    protocol = PROTOCOLS.get(entry.protocol or "") or int(entry.protocol or 0)
    packet = Packet(protocol, entry.source_port, entry.destination_port, opens=not entry.answer)
    judgement = judge(policy.between(one, other), packet)
    if judgement.allowed is was:
        return None
    return Changed(
        source=entry.source,
        destination=entry.destination,
        source_name=entry.source_name,
        destination_name=entry.destination_name,
        source_address=entry.source_address,
        destination_address=entry.destination_address,
        protocol=entry.protocol,
        destination_port=entry.destination_port,
        was=was,
        allowed=judgement.allowed,
        reason=judgement.reason,
        rule=judgement.rule,
    )
