"""All groups and rules at once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.hosts.records import commit, endpoint, put

from daoli.hosts.errors import Invalid
from daoli.hosts.facts import Entry
from daoli.hosts.mirror import Mirror
from daoli.hosts.rule import GroupSpec, RuleSpec
from daoli.hosts.stored import key_of
from daoli.hosts.whole import Whole, plan_whole, replay

EMPTY = Whole([], [])


def group(name: str = "g", *networks: str) -> GroupSpec:
    return GroupSpec.model_validate({"name": name, "networks": networks or ("n1",)})


def rule(rule_id: str = "r", **fields: Any) -> RuleSpec:
    return RuleSpec.model_validate({"id": rule_id, "action": "deny", **fields})


def keep(mirror: Mirror, *records: GroupSpec | RuleSpec) -> None:
    """Put groups and rules into a mirror."""
    commit(mirror, *((key_of(record), record.model_dump_json().encode()) for record in records))


def test_difference(mirror: Mirror) -> None:
    """What is new comes, what is not wanted goes, what is the same is left alone."""
    keep(mirror, group("same"), group("old"), rule("same"), rule("other"))
    other = rule("other", priority=7)
    plan = plan_whole(mirror, Whole([group("same"), group("new")], [rule("same"), other]), allow_unknown=False)
    assert plan.changes == {"groups/old": None, "groups/new": group("new"), "rules/other": other}
    same = Whole([group("same"), group("old")], [rule("same"), rule("other")])
    assert plan_whole(mirror, same, allow_unknown=False).changes == {}


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Whole([group("g", "n1", "n9")], []), "groups[0].networks[1]"),
        (Whole([], [rule(), rule("s", source={"network": "n9"})]), "rules[1].source.network"),
        (Whole([], [rule(destination={"endpoint": "nobody"})]), "rules[0].destination.endpoint"),
        (Whole([], [rule(destination={"group": "g"})]), "rules[0].destination.group"),
    ],
)
def test_unknown(mirror: Mirror, wanted: Whole, field: str) -> None:
    """What names something that there is not is refused with its field, unless that is wanted, or was so."""
    with pytest.raises(Invalid) as refusal:
        plan_whole(mirror, wanted, allow_unknown=False)
    assert refusal.value.field == field
    keep(mirror, *wanted.groups, *wanted.rules)
    assert plan_whole(mirror, wanted, allow_unknown=False).changes == {}


def test_twice(mirror: Mirror) -> None:
    """Two rules of one id are refused."""
    with pytest.raises(Invalid) as refusal:
        plan_whole(mirror, Whole([], [rule(), rule(priority=1)]), allow_unknown=True)
    assert refusal.value.field == "rules[1]"


def test_a_group_of_the_same_policy_is_known(mirror: Mirror) -> None:
    """A rule may name a group that comes with it."""
    wanted = Whole([group()], [rule(source={"group": "g"})])
    assert len(plan_whole(mirror, wanted, allow_unknown=False).changes) == 2


def entry(kind: str = "route.opened", port: int | None = 80, **fields: Any) -> Entry:
    base = {"kind": kind, "time": "", "verdict": "allowed" if kind == "route.opened" else "denied", "reason": ""}
    ends = {"source": "e1", "destination": "e2", "protocol": "tcp", "source_port": 40000, "destination_port": port}
    return Entry(**{**base, **ends, **fields})


NO_80 = Whole([], [rule(destination={"endpoint": "e2"}, protocol="tcp", ports=[80])])


@pytest.mark.parametrize(
    ("entries", "judged", "changed"),
    [
        ([entry()], 1, [(True, False, 1)]),
        ([entry(), entry(source_port=40001)], 1, [(True, False, 2)]),
        ([entry(port=81)], 1, []),
        ([entry("packet.refused", 81)], 1, [(False, True, 1)]),
        ([entry("packet.refused")], 1, []),
        ([entry("packet.refused", verdict="spoofed"), entry("route.closed")], 0, []),
        ([entry(source=None, source_address="198.51.100.7")], 1, [(True, False, 1)]),
        ([entry(), entry("packet.refused")], 1, []),
    ],
)
def test_replay(mirror: Mirror, entries: list[Entry], judged: int, changed: list[tuple[bool, bool, int]]) -> None:
    """Each conversation is judged once, by what was said of it last, and told if that would be otherwise."""
    put(mirror, endpoint(1), endpoint(2))
    found = replay(mirror.view, NO_80.policy(mirror.view.networks), entries)
    assert (found.judged, found.left_out) == (judged, 0)
    assert [(c.was, c.allowed, c.count) for c in found.conversations] == changed


def test_answers_are_no_openings(mirror: Mirror) -> None:
    """A route that an answer opened again is judged as what it answered."""
    put(mirror, endpoint(1), endpoint(2))
    web = {"source": {"endpoint": "e1"}, "destination": {"endpoint": "e2"}, "protocol": "tcp", "ports": [80]}
    one_way = Whole([], [rule("all"), rule("web", action="allow", priority=999, **web)])
    answer = entry(source="e2", destination="e1", source_port=80, port=40000, answer=True)
    policy = one_way.policy(mirror.view.networks)
    assert not replay(mirror.view, policy, [answer]).conversations
    assert replay(mirror.view, policy, [dataclasses.replace(answer, answer=None)]).conversations


def test_ends_that_are_no_more(mirror: Mirror) -> None:
    """What cannot be judged any more is counted."""
    found = replay(mirror.view, EMPTY.policy(mirror.view.networks), [entry(), entry(protocol=None)])
    assert (found.judged, found.left_out) == (0, 2)
