"""Rules and groups as plans: what names something unknown is refused, unless that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daoli.hosts.errors import Clash, Invalid, NotFound
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.rule import GroupSpec, RuleSpec, SelectorSpec
from daoli.hosts.stored import Record, key_of
from daoli.routing.model import Endpoint
from daoli.routing.policy import Policy, Subject
from daoli.routing.rules import Kind, Selector


def plan_rule(mirror: Mirror, rule: RuleSpec, *, allow_unknown: bool) -> Plan:
    """Make a rule; Clash where another has its id, Invalid where it names something that there is not."""
    old = mirror.rules.get(rule.id)
    if old == rule:
        return Plan({})
    if old is not None:
        raise Clash(f"rule {rule.id} says something else; remove it first", "id")
    if not allow_unknown:
        for side in ("source", "destination"):
            if (fault := _unknown(mirror, getattr(rule, side), side)) is not None:
                raise fault
    return Plan({key_of(rule): rule}, created=True)


def _unknown(mirror: Mirror, selector: SelectorSpec, side: str) -> Invalid | None:
    kind, name = selector.record()
    view = mirror.view
    known = {
        Kind.ENDPOINT: lambda: name in view.endpoints or any(e.name == name for e in view.endpoints.values()),
        Kind.NETWORK: lambda: name in view.networks,
        Kind.GROUP: lambda: name in mirror.groups,
    }
    if kind not in known or known[kind]():
        return None
    why = f"there is no {kind.value} {name}; ?allow_unknown=true makes the rule all the same"
    return Invalid(why, f"{side}.{kind.value}")


def find_rule(mirror: Mirror, rule_id: str) -> RuleSpec:
    """Find a rule by its id, or by the beginning of only one."""
    if (found := mirror.rules.get(rule_id)) is not None:
        return found
    candidates = [rule for key, rule in mirror.rules.items() if key.startswith(rule_id)]
    if len(candidates) != 1:
        raise NotFound(f"there is no rule {rule_id}" if not candidates else f"several rules begin with {rule_id}")
    return candidates[0]


def plan_rule_removal(mirror: Mirror, rule_id: str) -> Plan:
    """Remove a rule."""
    return Plan({key_of(find_rule(mirror, rule_id)): None})


def plan_expiry(mirror: Mirror, now: float) -> Plan:
    """Remove the rules whose time has come."""
    over = [rule for rule in mirror.rules.values() if (until := rule.record().until) is not None and until <= now]
    changes: dict[str, Record | None] = dict.fromkeys(map(key_of, over))
    return Plan(changes)


def next_expiry(mirror: Mirror) -> float | None:
    """Tell when the next rule ends, in seconds since 1970."""
    times = [until for rule in mirror.rules.values() if (until := rule.record().until) is not None]
    return min(times, default=None)


def plan_group(mirror: Mirror, group: GroupSpec, *, allow_unknown: bool) -> Plan:
    """Make a group, or change its networks."""
    old = mirror.groups.get(group.name)
    if old == group:
        return Plan({})
    if not allow_unknown:
        for index, network in enumerate(group.networks):
            if network not in mirror.view.networks:
                why = f"there is no network {network}; ?allow_unknown=true makes the group all the same"
                raise Invalid(why, f"networks[{index}]")
    return Plan({key_of(group): group}, created=old is None)


def find_group(mirror: Mirror, name: str) -> GroupSpec:
    """Find a group by its name."""
    if (found := mirror.groups.get(name)) is None:
        raise NotFound(f"there is no group {name}")
    return found


def plan_group_removal(mirror: Mirror, name: str) -> Plan:
    """Remove a group; rules that name it match nothing from then on."""
    return Plan({key_of(find_group(mirror, name)): None})


def matching(policy: Policy, endpoints: Mapping[str, Endpoint], selector: Selector) -> Iterator[Endpoint]:
    """List the endpoints that a selector matches now."""
    for endpoint in endpoints.values():
        if selector in set(policy.keys(Subject(endpoint.ipv4, endpoint))):
            yield endpoint
