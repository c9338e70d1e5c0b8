"""What rules name: found from a party, and the same as trying each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.rulebook import CIDRS, LABELLINGS, OUTSIDE, SELECTORS
from tests.routing.world import Spot, endpoint

from daoli.routing.named import Names, matcher
from daoli.routing.policy import Profile, Subject
from daoli.routing.rules import ANYTHING, Kind, Rule, Selector

GROUPS_OF = {"n0": {"g0", "g1"}, "n1": {"g1"}}
ENDS = [endpoint(number, Spot(0, number % 2)) for number in range(4)]
ONE, OTHER = Selector(Kind.NETWORK, "n0"), Selector(Kind.NETWORK, "n1")


@given(st.lists(SELECTORS), st.sets(st.integers(0, 20)), LABELLINGS, st.sampled_from(("e0", "web")))
def test_found_as_by_trying_each(
    selectors: list[Selector], released: set[int], labels: dict[str, str], name: str
) -> None:
    """Whoever it is, it has those selectors that match it and count, however often they came and went."""
    names = Names(GROUPS_OF)
    for selector in selectors:
        names.take(selector)
    for number, selector in enumerate(selectors):
        if number in released:
            names.release(selector)
    left = {selector for number, selector in enumerate(selectors) if number not in released}
    assert {named.selector for named in names} == left | {ANYTHING}
    ends = [replace(end, labels=labels, name=name) for end in ENDS]
    for party in (*(Subject(end.ipv4, end) for end in ends), *map(Subject, OUTSIDE)):
        wanted = {selector for selector in left | {ANYTHING} if matcher(selector, GROUPS_OF)(party)}
        assert {named.selector for named in names.of(party)} == wanted


@pytest.mark.parametrize("selector", [ONE, Selector(Kind.LABEL, "a=b=c"), Selector(Kind.CIDR, CIDRS[1]), ANYTHING])
def test_counted(selector: Selector) -> None:
    """A selector is there as long as some side has it, and is one object so long."""
    names = Names({})
    kept = selector == ANYTHING
    first = names.take(selector)
    assert names.take(selector) is names[selector] is first
    names.release(selector)
    assert selector in names
    names.release(selector)
    assert (selector in names) is kept
    assert (names.take(selector) is first) is kept


def test_rules_by_both_sides() -> None:
    """A rule is found by its destination and source, and who has the source reaches the destination from then on."""
    names = Names(GROUPS_OF)
    one, other = names.take(ONE), names.take(OTHER)
    profile = Profile("n0", names.of(Subject(ENDS[0].ipv4, ENDS[0])), 1)
    rules = [Rule(name, allow=True, source=ONE, destination=OTHER) for name in ("r", "s")]
    for rule in rules:
        one.add(other, rule)
    assert profile.reach == {other}
    assert other.by_source == {one: {"r": rules[0], "s": rules[1]}}
    one.discard(other, rules[0])
    assert (one.reached, other.by_source) == ({other: 1}, {one: {"s": rules[1]}})
    one.discard(other, rules[1])
    assert (one.reached, other.by_source) == ({}, {})
