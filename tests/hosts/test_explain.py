"""Explanations are what then happens."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from tests.hosts.rig import Rig

from daoli.hosts.explain import explain
from daoli.ofproto import FlowMod, flow_text
from daoli.routing.model import Network
from daoli.routing.rules import Kind, Rule, Selector
from daoli.routing.view import PortInfo


def unmarked(flow: str) -> str:
    """Give a flow's text without its cookie."""
    return flow.partition(", ")[2]


def text(flow: FlowMod) -> str:
    """Give the flow that a flow_mod adds."""
    timeouts = (flow.idle_timeout, flow.hard_timeout)
    return flow_text(flow.table_id, flow.priority, flow.cookie, *timeouts, flow.flags, flow.match, flow.instructions)


async def test_explain_shows_the_flows_that_are_installed(rig: Rig) -> None:
    """The flows of an explanation are, but for the cookie, those that a first packet brings."""
    await rig.ready()
    said = rig.fabric.explain(rig.endpoints[1], rig.endpoints[2], "tcp", 80)
    rig.punt(1, 2)
    installed = {(f"h{n}", unmarked(text(flow))) for n in (1, 2) for flow in rig.datapaths[n].routes}
    assert {(planned.host, unmarked(planned.flow)) for planned in said.flows} == installed
    assert (said.path, said.live_route) == (("h1", "h2"), None)
    assert rig.fabric.explain(rig.endpoints[2], rig.endpoints[1]).live_route is not None


async def test_what_is_denied_is_explained_with_its_reason(rig: Rig) -> None:
    """Between two networks nothing is allowed, nothing is planned, and the default says why."""
    other = Network("m", IPv4Network("10.2.0.0/24"), bytes((10, 2, 0, 1)))
    await rig.ready()
    rig.post(other, replace(rig.endpoints[2], network="m", ipv4=bytes((10, 2, 0, 9))))
    said = explain(rig.fabric.router, rig.endpoints[1], rig.view.endpoints["e2"])
    assert (said.allowed, said.deliverable, said.reason, said.rule) == (False, False, "different networks", None)
    assert said.flows == ()


async def test_within_a_host_the_path_is_that_host(rig: Rig) -> None:
    """Two endpoints of one host have a path of one, and two flows."""
    await rig.ready()
    near = replace(
        rig.endpoints[2], id="near", host="h1", ipv4=bytes((10, 1, 0, 99)), mac=bytes(5) + b"\x09", port="p3"
    )
    rig.post(near)
    rig.view.put_port(1, PortInfo(13, "p3", bytes(6)))
    said = explain(rig.fabric.router, rig.endpoints[1], near)
    assert (said.path, len(said.flows), said.problems) == (("h1",), 2, ())


def rule(**fields: Any) -> Rule:
    """Make a rule about what e1 opens with e2."""
    one, other = Selector(Kind.ENDPOINT, "e1"), Selector(Kind.ENDPOINT, "e2")
    found: dict[str, Any] = {"id": "r", "allow": False, "source": one, "destination": other}
    return Rule(**found | fields)


async def test_explain_names_the_rules(rig: Rig) -> None:
    """Who decided, who was overridden, and all that match are named; what depends is not answered for all."""
    await rig.ready()
    rig.view.policy.put_rule(rule(id="no", protocol=6, ports=((1, 1023),), comment="why"))
    rig.view.policy.put_rule(rule(id="yes", allow=True, protocol=6, ports=((80, 80),), priority=200))
    one, other = rig.endpoints[1], rig.endpoints[2]
    said = rig.fabric.explain(one, other, "tcp", 80)
    assert (said.allowed, said.rule, said.overridden, said.granularity) == (True, "yes", ("no",), "connection")
    assert [(each.id, each.applies) for each in said.rules] == [("yes", True), ("no", True)]
    assert not rig.fabric.explain(one, other, "tcp", 81).allowed
    assert rig.fabric.explain(one, other, "tcp", 2000).reason == "same network"
    assert rig.fabric.explain(one, other, "udp").allowed
    for protocol in (None, "tcp"):
        depends = rig.fabric.explain(one, other, protocol)
        assert (depends.allowed, depends.flows) == (False, ())
        assert depends.reason.startswith("it depends")
    assert rig.fabric.explain(other, one).allowed


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 80), ("udp", 53), ("icmp", None)])
async def test_connections_are_planned(rig: Rig, protocol: str, port: int | None) -> None:
    """Where ports or direction decide, the flows of a connection are shown, both at both ends."""
    await rig.ready()
    rig.view.policy.put_rule(rule())
    said = rig.fabric.explain(rig.endpoints[2], rig.endpoints[1], protocol, port)
    assert [flow.host for flow in said.flows] == ["h1", "h1", "h2", "h2"]
    assert all(protocol in flow.flow for flow in said.flows)
    assert sum("tcp_flags=+ack" in flow.flow for flow in said.flows) == (2 if protocol == "tcp" else 0)
