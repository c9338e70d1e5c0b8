"""Rules and groups as plans: what names something unknown is refused, unless that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from daoli.hosts.errors import Clash, Invalid, NotFound
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.rule import GroupSpec, RuleRequest, RuleSpec, SelectorSpec, moment
from daoli.hosts.stored import Record, key_of
from daoli.routing.policy import Policy
from daoli.routing.rules import Group, Kind, Rule


def plan_rule(mirror: Mirror, rule: RuleSpec, *, allow_unknown: bool, replace: bool = False) -> Plan:
    """Make a rule; Clash where another has its id and stays, Invalid where it names something that there is not."""
    old = mirror.rules.get(rule.id)
    if old == rule:
        return Plan({})
    if old is not None and not replace:
        raise Clash(f"rule {rule.id} says something else; PUT /rules/{rule.id} replaces it", "id")
    if not allow_unknown:
        for side in ("source", "destination"):
            if (fault := _unknown(mirror, getattr(rule, side), side)) is not None:
                raise fault
    return Plan({key_of(rule): rule}, created=old is None)


def _unknown(mirror: Mirror, selector: SelectorSpec, side: str) -> Invalid | None:
    kind, name = selector.record()
    known = {
        Kind.ENDPOINT: lambda: matches(mirror, selector) > 0,
        Kind.NETWORK: lambda: name in mirror.view.networks,
        Kind.GROUP: lambda: name in mirror.groups,
    }
    if kind not in known or known[kind]():
        return None
    why = f"there is no {kind.value} {name}; ?allow_unknown=true makes the rule all the same"
    return Invalid(why, f"{side}.{kind.value}")


def check_until(rule: RuleRequest, now: float, field: str = "until") -> None:
    """Refuse, by Invalid, a rule whose time is over, in seconds since 1970: it would be gone as soon as it is made."""
    if rule.until is not None and moment(rule.until) <= now:
        raise Invalid(f"{rule.until} is over already, by the controller's clock: such a rule does nothing", field)


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
    over = [mirror.rules[rule_id] for rule_id, until in mirror.view.policy.ends.items() if until <= now]
    return Plan(dict.fromkeys(map(key_of, over)))


def next_expiry(mirror: Mirror) -> float | None:
    """Tell when the next rule ends, in seconds since 1970."""
    return min(mirror.view.policy.ends.values(), default=None)


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


def matches(mirror: Mirror, selector: SelectorSpec) -> int:
    """Tell how many endpoints a selector matches now."""
    return mirror.view.census.count(selector.record(), mirror.view.policy.groups)


class Concern(NamedTuple):
    """What a change of policy may matter to."""

    rules: list[Rule]
    """Those that come or go."""
    networks: set[str]
    """Those whose groups change."""


@contextmanager
def tried(policy: Policy, changes: Mapping[str, Record | None]) -> Iterator[Concern]:
    """Have policy as it would be after some changes of rules and groups; meanwhile nothing may wait."""
    news = {key: spec.record() if isinstance(spec, RuleSpec | GroupSpec) else None for key, spec in changes.items()}
    olds = {key: _found(policy, key) for key in changes}
    both = [*news.values(), *olds.values()]
    for key, new in news.items():
        _set(policy, key, new)
    try:
        yield Concern(
            [rule for rule in both if isinstance(rule, Rule)],
            {network for group in both if isinstance(group, Group) for network in group.networks},
        )
    finally:
        for key, old in olds.items():
            _set(policy, key, old)


def _found(policy: Policy, key: str) -> Rule | Group | None:
    kind, _, name = key.partition("/")
    return policy.rules.get(name) if kind == "rules" else policy.groups.get(name)


def _set(policy: Policy, key: str, record: Rule | Group | None) -> None:
    if isinstance(record, Rule):
        policy.put_rule(record)
    elif isinstance(record, Group):
        policy.put_group(record)
    elif isinstance(old := _found(policy, key), Rule):
        policy.remove_rule(old.id)
    elif isinstance(old, Group):
        policy.remove_group(old.name)
