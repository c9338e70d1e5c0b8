"""Policy: the default, what rules say and why, and on random worlds the same as the plain reference says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP
from tests.routing.reference import End, Reference, Sent, Sort
from tests.routing.rulebook import CIDRS, GROUPINGS, GROUPS, LABELLINGS, NETWORKS, OUTSIDE, PACKETS, SELECTORS, rules
from tests.routing.world import Spot, endpoint, network

from daoli.routing import policy as policy_module
from daoli.routing.model import Endpoint
from daoli.routing.policy import (
    DIFFERENT_NETWORKS,
    INTERNAL,
    SAME_GROUP,
    SAME_NETWORK,
    Packet,
    Policy,
    Subject,
    judge,
)
from daoli.routing.policy import (
    OUTSIDE as BY_A_HOST,
)
from daoli.routing.rules import Group, Kind, Rule, Selector

A, B, C = endpoint(0, Spot(0)), endpoint(1, Spot(1)), endpoint(2, Spot(0, 1))
TO_C = Selector(Kind.ENDPOINT, "e2")


def party(of: Endpoint) -> Subject:
    """Give an endpoint as policy sees it."""
    return Subject(of.ipv4, of)


@pytest.fixture(name="policy")
def _policy() -> Policy:
    return Policy({name: network(number) for number, name in enumerate(NETWORKS)})


def test_same_network(policy: Policy) -> None:
    """Endpoints of one network may talk, on whatever hosts they are."""
    assert policy.between(party(A), party(B)).whole == SAME_NETWORK
    assert SAME_NETWORK.allowed
    assert SAME_NETWORK.rule is None


def test_different_networks(policy: Policy) -> None:
    """Endpoints of two networks may not, though they share a host."""
    assert policy.between(party(A), party(C)).whole == DIFFERENT_NETWORKS
    assert not DIFFERENT_NETWORKS.allowed


def test_group(policy: Policy) -> None:
    """Two networks of one group may talk, until one leaves it or the group goes."""
    policy.put_group(Group("g", ("n0", "n1", "n2")))
    assert policy.between(party(A), party(C)).whole == SAME_GROUP
    assert policy.groups_of("n0") == ("g",)
    policy.put_group(Group("g", ("n0",)))
    assert policy.between(party(A), party(C)).whole == DIFFERENT_NETWORKS
    policy.put_group(Group("g", ("n1", "n0")))
    policy.remove_group("g")
    assert policy.between(party(A), party(C)).whole == DIFFERENT_NETWORKS
    assert policy.groups_of("n0") == ()


def test_outside(policy: Policy) -> None:
    """What is outside is for hosts to let through, but for an internal network; a rule overrides both."""
    there = Subject(OUTSIDE[0])
    assert policy.between(party(A), there).whole == policy.between(there, party(A)).whole == BY_A_HOST
    policy._networks["n0"] = replace(network(0), internal=True)  # type: ignore[index]
    policy.forget_network("n0")
    assert policy.between(party(A), there).whole == INTERNAL
    policy.put_rule(Rule("r", allow=True, destination=Selector(Kind.CIDR, "198.51.100.0/24")))
    assert judge(policy.between(party(A), there), Packet(TCP, 40000, 80)).rule == "r"
    assert not judge(policy.between(party(A), Subject(OUTSIDE[1])), Packet(TCP, 40000, 80)).allowed


def test_who_may_open(policy: Policy) -> None:
    """A rule allows one side to open; the other may answer, and nothing that could open."""
    policy.put_rule(Rule("r", allow=True, destination=TO_C, protocol=TCP, ports=((5432, 5432),)))
    forth, back = policy.between(party(A), party(C)), policy.between(party(C), party(A))
    assert forth.whole is None
    assert forth.reversed() == back
    assert judge(forth, Packet(TCP, 40000, 5432)).rule == "r"
    assert not judge(forth, Packet(TCP, 40000, 5433)).allowed
    assert not judge(back, Packet(TCP, 5432, 40000)).allowed
    answer = judge(back, Packet(TCP, 5432, 40000, opens=False))
    assert (answer.allowed, answer.answer, answer.rule) == (True, True, "r")
    assert not judge(back, Packet(TCP, 5433, 40000, opens=False)).allowed


def test_replies_answer_only(policy: Policy) -> None:
    """An ICMP reply passes only where its request may, whatever its sender may open itself."""
    policy.put_rule(Rule("r", allow=True, destination=TO_C, protocol=ICMP))
    forth, back = policy.between(party(A), party(C)), policy.between(party(C), party(A))
    assert judge(forth, Packet(ICMP)).allowed
    assert not judge(forth, Packet(ICMP, opens=False, replies=True)).allowed
    assert not judge(back, Packet(ICMP)).allowed
    assert judge(back, Packet(ICMP, opens=False, replies=True)).allowed


def test_overridden(policy: Policy) -> None:
    """Higher priority decides, between equals a denial; those that lost are named, not those that agree."""
    for rule in (
        Rule("low", allow=True, priority=1),
        Rule("a", allow=True),
        Rule("b", allow=False),
        Rule("c", allow=False, protocol=TCP),
    ):
        policy.put_rule(rule)
    said = judge(policy.between(party(A), party(B)), Packet(UDP, 1, 2))
    assert (said.allowed, said.rule, said.overridden) == (False, "b", ("a", "low"))
    assert policy.between(party(A), party(B)).whole == said
    policy.put_rule(Rule("d", allow=True, priority=101))
    assert judge(policy.between(party(A), party(B)), Packet(UDP, 1, 2)).reason == "allowed by rule d"


def test_hidden_ports(policy: Policy) -> None:
    """What hides its ports is judged as if it had the worst."""
    policy.put_rule(Rule("no", allow=False, protocol=TCP, ports=((80, 80),)))
    assert not judge(policy.between(party(A), party(B)), Packet(TCP)).allowed
    assert judge(policy.between(party(A), party(B)), Packet(UDP)).allowed
    policy.put_rule(Rule("yes", allow=True, destination=TO_C, protocol=UDP, ports=((1, 65535),)))
    assert not judge(policy.between(party(A), party(C)), Packet(UDP)).allowed


def test_ends(policy: Policy) -> None:
    """When rules end is known by id, until they go."""
    policy.put_rule(Rule("r", allow=True, until=5.0))
    assert policy.ends == {"r": 5.0}
    policy.put_rule(Rule("r", allow=True))
    assert policy.ends == {}
    with pytest.raises(KeyError):
        policy.remove_rule("s")


def test_what_is_kept_is_bounded(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers without end do not fill the memory, and are judged rightly all the same."""
    monkeypatch.setattr(policy_module, "REMEMBERED", 5)
    for number in range(24):
        policy.put_rule(Rule(f"r{number}", allow=False, destination=Selector(Kind.CIDR, f"198.51.100.{number}/32")))
    for number in range(60):
        found = policy.between(party(A), Subject(bytes((198, 51, 100, number)))).whole
        assert (found is None) == (number < 24)
        assert len(policy._outside) <= 5
        assert len(policy._profiles) <= 7


def test_profiles_are_bounded(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that come and go give the same endpoints ever new profiles; the old ones do not pile up."""
    monkeypatch.setattr(policy_module, "SPARE", 5)
    for number in range(50):
        policy.put_rule(Rule("r", allow=number % 2 == 0, source=Selector(Kind.ENDPOINT, "e0"), destination=TO_C))
        assert judge(policy.between(party(A), party(C)), Packet(TCP, 1, 2)).allowed == (number % 2 == 0)
        assert len(policy._profiles) <= 2 * 2 + 5 + 2
        policy.remove_rule("r")


CHANGES = st.one_of(
    st.tuples(st.just("put_rule"), rules()),
    st.tuples(st.just("remove_rule"), st.integers(0, 8).map("r{}".format)),
    st.tuples(st.just("put_group"), GROUPINGS),
    st.tuples(st.just("remove_group"), st.sampled_from(GROUPS)),
    st.tuples(st.just("label"), st.tuples(st.integers(0, 3), LABELLINGS, st.sampled_from(("e", "web")))),
    st.tuples(st.just("internal"), st.tuples(st.sampled_from(NETWORKS), st.booleans())),
)


class Both:
    """A policy and the reference, told the same."""

    def __init__(self) -> None:
        self.networks = {name: network(number) for number, name in enumerate(NETWORKS)}
        self.policy = Policy(self.networks)
        self.reference = Reference(dict.fromkeys(NETWORKS, False))
        self.endpoints = [endpoint(n, Spot(0, n % 2)) for n in range(4)]

    def change(self, what: str, value: Any) -> None:
        """Tell both of a change; the removal of what is not there is none."""
        getattr(self, f"_{what}")(value)

    def _put_rule(self, rule: Rule) -> None:
        self.policy.put_rule(rule)
        self.reference.rules[rule.id] = rule

    def _remove_rule(self, rule_id: str) -> None:
        if self.reference.rules.pop(rule_id, None):
            self.policy.remove_rule(rule_id)

    def _put_group(self, group: Group) -> None:
        self.policy.put_group(group)
        self.reference.groups[group.name] = group.networks

    def _remove_group(self, name: str) -> None:
        if self.reference.groups.pop(name, None) is not None:
            self.policy.remove_group(name)

    def _label(self, change: tuple[int, dict[str, str], str]) -> None:
        number, labels, name = change
        old = self.endpoints[number]
        self.endpoints[number] = replace(old, labels=labels, name=old.id if name == "e" else name)
        self.policy.forget_endpoint(old.id)

    def _internal(self, change: tuple[str, bool]) -> None:
        name, internal = change
        self.networks[name] = replace(self.networks[name], internal=internal)
        self.reference.networks[name] = internal
        self.policy.forget_network(name)

    def ends(self) -> list[End]:
        """List all ends, inside and outside."""
        return [*(End(e.ipv4, e) for e in self.endpoints), *map(End, OUTSIDE)]


def packet(sent: Sent) -> Packet:
    """Give a packet as policy sees it."""
    opens, replies = sent.sort is Sort.OPENS, sent.sort is Sort.ANSWERS
    return Packet(sent.protocol, sent.source_port, sent.destination_port, opens=opens, replies=replies)


@settings(deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=12), st.lists(PACKETS, min_size=1, max_size=6))
def test_as_the_reference(changes: list[tuple[str, Any]], packets: list[Sent]) -> None:
    """Whatever changes, policy says of each packet what the reference says, and which rule decides."""
    both = Both()
    for what, value in changes:
        both.change(what, value)
        for source in both.ends():
            for destination in both.ends():
                if source.endpoint is destination.endpoint is None:
                    continue
                between = both.policy.between(Subject(*source), Subject(*destination))
                assert both.policy.between(Subject(*destination), Subject(*source)) == between.reversed()
                for sent in packets:
                    said = judge(between, packet(sent))
                    assert said.allowed == both.reference.passes(source, destination, sent)
                    assert between.whole is None or between.whole.allowed == said.allowed
                    if sent.sort is Sort.OPENS:
                        _, rule = both.reference.may_open(source, destination, sent.protocol, sent.destination_port)
                        assert said.rule == rule


@given(SELECTORS, st.integers(0, 3), LABELLINGS, GROUPINGS)
def test_matches(selector: Selector, number: int, labels: dict[str, str], group: Group) -> None:
    """A selector matches, in a rule or not, what the reference says."""
    both = Both()
    both.change("put_group", group)
    both.change("label", (number, labels, "web"))
    for end in both.ends():
        assert both.policy.matches(selector, Subject(*end)) == both.reference.selects(selector, end)


@pytest.mark.parametrize("labels", [{"a": "b=c"}, {"a=b": "c"}, {"": "a=b=c"}])
def test_labels_match_by_their_whole_text(labels: dict[str, str]) -> None:
    """A label is its key, an equals sign and its value, wherever else there is one."""
    both = Both()
    both.change("label", (0, labels, "e"))
    end = Subject(*next(end for end in both.ends() if end.endpoint is not None and end.endpoint.labels))
    for text in ("a=b=c", "=a=b=c", "a=b", "b=c"):
        selector = Selector(Kind.LABEL, text)
        wanted = text in {f"{key}={value}" for key, value in labels.items()}
        assert both.policy.matches(selector, end) == wanted
        both.policy.put_rule(Rule("r", allow=False, source=selector))
        other = Subject(bytes((8, 8, 8, 8)))
        assert both.policy.between(end, other).forth.judge(6, 80).allowed is not wanted


@given(rules())
def test_concerns(rule: Rule) -> None:
    """A rule concerns two ends wherever it changes what holds between them, and no others."""
    both = Both()
    ends = [Subject(*end) for end in both.ends()]
    before = [(a, b, both.policy.between(a, b)) for a in ends for b in ends]
    both.policy.put_rule(rule)
    for a, b, known in before:
        assert both.policy.concerns(rule)(a, b) or both.policy.between(a, b) == known


def test_cidrs_are_canonical() -> None:
    """The random rules have CIDRs as the API makes them."""
    assert all(Selector(Kind.CIDR, cidr).value == cidr for cidr in CIDRS)
