"""Questions, their ends, and what is judged of them."""

from __future__ import annotations

from ipaddress import IPv4Address

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tests.hosts.rig import Rig
from tests.routing.frames import ICMP, TCP, UDP
from tests.routing.rulebook import rules

from daoli.hosts.errors import Invalid, NotFound
from daoli.hosts.question import Question, ends, judged, probes
from daoli.routing.policy import Policy, Subject
from daoli.routing.rules import Rule

X = IPv4Address("198.51.100.7")


async def test_ends(rig: Rig) -> None:
    """Who is outside is reached by the other's host, or by the one that is said; a host's own address by itself."""
    await rig.ready()
    one, other = rig.endpoints[1], rig.endpoints[2]
    assert [end.switch.host.name for end in ends(rig.view, Question(one, other))] == ["h1", "h2"]
    assert [end.switch.host.name for end in ends(rig.view, Question(one, X))] == ["h1", "h1"]
    assert [end.switch.host.name for end in ends(rig.view, Question(X, other))] == ["h2", "h2"]
    assert [end.switch.host.name for end in ends(rig.view, Question(X, other, via="h1"))] == ["h1", "h2"]
    own = IPv4Address(rig.hosts[1].address)
    assert [end.switch.host.name for end in ends(rig.view, Question(own, other))] == ["h1", "h2"]


async def test_what_cannot_be_asked(rig: Rig) -> None:
    """Two that are outside, and a way in for what is inside, are refused with the field."""
    await rig.ready()
    one, other = rig.endpoints[1], rig.endpoints[2]
    for question, error, field in (
        (Question(X, X), Invalid, "destination"),
        (Question(one, other, via="h1"), Invalid, "via"),
        (Question(one, X, via="h1"), Invalid, "via"),
        (Question(X, one, via="h9"), NotFound, "via"),
    ):
        with pytest.raises(error) as fault:
            ends(rig.view, question)
        assert fault.value.field == field


EVERYTHING = [(protocol, port) for protocol in (TCP, UDP) for port in (None, 1, 22, 80, 443, 1023, 1024, 8000, 65535)]


@given(st.lists(rules(), max_size=5), st.sampled_from((None, TCP, UDP, ICMP)))
def test_probes_find_all_there_is(found: list[Rule], protocol: int | None) -> None:
    """Whatever part of everything is asked about, it is judged alike if all its packets are, and else depends."""
    policy = Policy({})
    for rule in found:
        policy.put_rule(rule)
    between = policy.between(Subject(X.packed), Subject(IPv4Address("203.0.113.9").packed))
    packets: list[tuple[int, int | None]] = [*EVERYTHING, (ICMP, None), (47, None)]
    asked = [packet for packet in packets if protocol in (None, packet[0])]
    verdicts = {between.forth.judge(*packet).allowed for packet in asked}
    judgement = judged(between, protocol, None)
    assert ({judgement.allowed} if judgement else {True, False}) == verdicts


def test_a_port_is_one_probe() -> None:
    """Of one port nothing else is looked at."""
    rule = Rule("r", allow=False, protocol=TCP, ports=((1, 9),))
    assert list(probes([rule], TCP, 80)) == [(TCP, 80)]
    assert list(probes([rule], ICMP, None)) == [(ICMP, None)]
