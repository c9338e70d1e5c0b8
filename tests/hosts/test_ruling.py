"""What rules and groups come to: plans, what is refused, and what is only tried."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hosts.records import carry_out, endpoint, put

from daoli.hosts.errors import Clash, Invalid, NotFound
from daoli.hosts.mirror import Mirror
from daoli.hosts.rule import GroupSpec, RuleRequest, RuleSpec, SelectorSpec
from daoli.hosts.ruling import (
    check_until,
    find_group,
    find_rule,
    matches,
    next_expiry,
    plan_expiry,
    plan_group,
    plan_group_removal,
    plan_rule,
    plan_rule_removal,
    tried,
)


def rule(rule_id: str = "r1", **fields: Any) -> RuleSpec:
    return RuleRequest.model_validate({"action": "deny", **fields}).called(rule_id)


def make(mirror: Mirror, *rules: RuleSpec) -> None:
    for each in rules:
        assert carry_out(mirror, plan_rule(mirror, each, allow_unknown=True)).created


def test_a_rule_is_made_once(mirror: Mirror) -> None:
    """The same again is nothing to do; another under its id is a clash."""
    make(mirror, rule())
    assert plan_rule(mirror, rule(), allow_unknown=False).changes == {}
    with pytest.raises(Clash):
        plan_rule(mirror, rule(priority=5), allow_unknown=False)
    assert set(mirror.view.policy.rules) == {"r1"}


@pytest.mark.parametrize("kind", ["endpoint", "network", "group"])
def test_unknown_names(mirror: Mirror, kind: str) -> None:
    """Who names what there is not is told so, with the field, unless that is wanted."""
    with pytest.raises(Invalid) as fault:
        plan_rule(mirror, rule(destination={kind: "nobody"}), allow_unknown=False)
    assert fault.value.field == f"destination.{kind}"
    make(mirror, rule(destination={kind: "nobody"}))


def test_known_names(mirror: Mirror) -> None:
    """Endpoints are known by id and by name; labels and addresses are never unknown."""
    put(mirror, endpoint(1, name="web", labels={"app": "a"}))
    for selector in (
        {"endpoint": "e1"},
        {"endpoint": "web"},
        {"network": "n1"},
        {"label": "x=y"},
        {"cidr": "0.0.0.0/0"},
    ):
        assert plan_rule(mirror, rule(source=selector), allow_unknown=False).created
    for text, count in (("app=a", 1), ("app=b", 0)):
        assert matches(mirror, SelectorSpec(label=text)) == count


def test_rules_are_found_by_the_beginning(mirror: Mirror) -> None:
    """An id may be shortened as long as it is one's own."""
    make(mirror, rule("abc1"), rule("abd2"))
    assert find_rule(mirror, "abc").id == "abc1"
    assert find_rule(mirror, "abd2").id == "abd2"
    for text in ("ab", "x"):
        with pytest.raises(NotFound):
            find_rule(mirror, text)
    carry_out(mirror, plan_rule_removal(mirror, "abc"))
    assert set(mirror.rules) == set(mirror.view.policy.rules) == {"abd2"}


def test_expiry(mirror: Mirror) -> None:
    """The next that ends is known, and those that are over go together."""
    assert next_expiry(mirror) is None
    make(mirror, rule("a", until="1970-01-01T00:00:05Z"), rule("b", until="1970-01-01T00:00:09Z"), rule("c"))
    assert next_expiry(mirror) == 5.0
    assert plan_expiry(mirror, 4.9).changes == {}
    assert plan_expiry(mirror, 9.0).changes == {"rules/a": None, "rules/b": None}


def test_groups(mirror: Mirror) -> None:
    """A group is made, changed and removed, and names only networks that there are."""
    group = GroupSpec(name="g", networks=("n1",))
    assert carry_out(mirror, plan_group(mirror, group, allow_unknown=False)).created
    assert plan_group(mirror, group, allow_unknown=False).changes == {}
    other = GroupSpec(name="g", networks=("n1", "n9"))
    with pytest.raises(Invalid) as fault:
        plan_group(mirror, other, allow_unknown=False)
    assert fault.value.field == "networks[1]"
    assert not carry_out(mirror, plan_group(mirror, other, allow_unknown=True)).created
    assert find_group(mirror, "g") == other
    carry_out(mirror, plan_group_removal(mirror, "g"))
    with pytest.raises(NotFound):
        find_group(mirror, "g")


def test_tried(mirror: Mirror) -> None:
    """What is tried holds for a while, tells what it concerns, and leaves nothing behind."""
    make(mirror, rule("a"))
    carry_out(mirror, plan_group(mirror, GroupSpec(name="g", networks=("n1",)), allow_unknown=False))
    policy = mirror.view.policy
    before = dict(policy.rules), dict(policy.groups)
    changes = {
        "rules/a": None,
        "rules/b": rule("b"),
        "groups/g": None,
        "groups/h": GroupSpec(name="h", networks=("x",)),
    }
    with tried(policy, changes) as concern:
        assert (set(policy.rules), set(policy.groups)) == ({"b"}, {"h"})
        assert {each.id for each in concern.rules} == {"a", "b"}
        assert concern.networks == {"n1", "x"}
    assert (policy.rules, policy.groups) == before


def test_until() -> None:
    """A rule ends later than now, or not at all."""
    ends = rule(until="1970-01-01T00:00:10Z")
    for made, now in ((ends, 9.0), (rule(), 99.0)):
        check_until(made, now)
    with pytest.raises(Invalid, match="is over already") as caught:
        check_until(ends, 10.0, "rules[0].until")
    assert caught.value.field == "rules[0].until"
