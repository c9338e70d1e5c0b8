"""Explanations are what then happens."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast

import pytest
from tests.hosts.rig import NO_BUFFER, Rig, port

from daoli.datapath import Datapath
from daoli.hosts.question import Question
from daoli.hosts.reports import PublishedPort
from daoli.ofproto import FlowMod, PortNo, PortReason, PortState, PortStatus, flow_text
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ROUTER_MAC, Network, Published
from daoli.routing.packet import TCP
from daoli.routing.pipeline import NAMES_PORT
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
    said = await rig.explain(rig.endpoints[1], rig.endpoints[2], "tcp", 80)
    rig.punt(1, 2)
    installed = {(f"h{n}", unmarked(text(flow))) for n in (1, 2) for flow in rig.datapaths[n].routes}
    assert {(planned.host, unmarked(planned.flow)) for planned in said.flows} == installed
    assert (said.path, said.live_route) == (("h1", "h2"), None)
    assert (await rig.explain(rig.endpoints[2], rig.endpoints[1])).live_route is not None


async def test_what_is_denied_is_explained_with_its_reason(rig: Rig) -> None:
    """Between two networks nothing is allowed, nothing is planned, and the default says why."""
    other = Network("m", IPv4Network("10.2.0.0/24"), bytes((10, 2, 0, 1)))
    await rig.ready()
    rig.post(other, replace(rig.endpoints[2], network="m", ipv4=bytes((10, 2, 0, 9))))
    said = await rig.explain(rig.endpoints[1], rig.view.endpoints["e2"])
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
    said = await rig.explain(rig.endpoints[1], near)
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
    said = await rig.explain(one, other, "tcp", 80)
    assert (said.allowed, said.rule, said.overridden, said.granularity) == (True, "yes", ("no",), "connection")
    assert [(each.id, each.applies) for each in said.rules] == [("yes", True), ("no", True)]
    assert not (await rig.explain(one, other, "tcp", 81)).allowed
    assert (await rig.explain(one, other, "tcp", 2000)).reason == "same network"
    assert (await rig.explain(one, other, "udp")).allowed
    for protocol in (None, "tcp"):
        depends = await rig.explain(one, other, protocol)
        assert (depends.allowed, depends.flows) == (False, ())
        assert depends.reason.startswith("it depends")
    assert (await rig.explain(other, one)).allowed


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 80), ("udp", 53), ("icmp", None)])
async def test_connections_are_planned(rig: Rig, protocol: str, port: int | None) -> None:
    """Where ports or direction decide, the flows of a connection are shown, both at both ends."""
    await rig.ready()
    rig.view.policy.put_rule(rule())
    said = await rig.explain(rig.endpoints[2], rig.endpoints[1], protocol, port)
    assert [flow.host for flow in said.flows] == ["h1", "h1", "h2", "h2"]
    assert all(protocol in flow.flow for flow in said.flows)
    assert sum("tcp_flags=+ack" in flow.flow for flow in said.flows) == (2 if protocol == "tcp" else 0)


# -- the outside

X = IPv4Address("198.51.100.7")


async def open_world(rig: Rig) -> None:
    """Make both hosts gateways, and settle them."""
    for n in (1, 2):
        rig.hosts[n] = replace(rig.hosts[n], gateway=True)
        rig.datapaths[n].ports.append(port(PortNo.LOCAL, "daoli", bytes((2, 0xEE, 0, 0, 0, n))))
    await rig.ready()


def send(rig: Rig, n: int, in_port: int, *ends: bytes) -> None:
    """Punt a UDP packet from port 49152 to port 9; `ends` are its source's MAC, its source and its destination."""
    eth_src, src, dst = ends
    data = (49152).to_bytes(2, "big") + bytes((0, 9, 0, 8, 0, 0))
    frame = ROUTER_MAC + eth_src + rig.frame(1, 2)[12:26] + src + dst + data
    rig.fabric.received(cast("Datapath", rig.datapaths[n]), Punt(0, NO_BUFFER, len(frame), 0, 0, 0, in_port, frame))


def live(rig: Rig) -> set[tuple[str, str]]:
    """Give the flows of routes that are installed."""
    return {(f"h{n}", unmarked(text(flow))) for n in (1, 2) for flow in rig.datapaths[n].live}


async def test_what_leaves(rig: Rig) -> None:
    """What leaves does so by its own host, and its flows are those that are then installed."""
    await open_world(rig)
    said = await rig.fabric.explain(Question(rig.endpoints[1], X))
    assert (said.source, said.destination, said.destination_address) == ("e1", None, str(X))
    assert (said.path, said.reason, said.granularity, said.names) == (("h1",), "outside, by a host", "pair", None)
    send(rig, 1, 11, rig.endpoints[1].mac, rig.endpoints[1].ipv4, X.packed)
    assert {(planned.host, unmarked(planned.flow)) for planned in said.flows} == live(rig)
    (route,) = (await rig.fabric.explain(Question(rig.endpoints[1], X))).routes
    assert (route.route.destination, [each.host for each in route.counters]) == (None, ["h1"])


@pytest.mark.parametrize(("via", "path", "granularity"), [(None, ("h2",), "pair"), ("h1", ("h1", "h2"), "connection")])
async def test_what_enters(rig: Rig, via: str | None, path: tuple[str, ...], granularity: str) -> None:
    """What enters does so by the destination's host, or the one that was said."""
    await open_world(rig)
    said = await rig.fabric.explain(Question(X, rig.endpoints[2], "udp", 9, via))
    assert (said.path, said.granularity, said.deliverable) == (path, granularity, True)
    n = int(path[0][1])
    send(rig, n, PortNo.LOCAL, bytes((2, 0xEE, 0, 0, 0, n)), X.packed, rig.endpoints[2].ipv4)
    assert {(planned.host, unmarked(planned.flow)) for planned in said.flows} == live(rig)


async def test_what_may_not_be_let_in(rig: Rig) -> None:
    """By a host with an agent only what is published enters for certain; else the doubt is told."""
    await open_world(rig)
    rig.view.put_port(2, PortInfo(9, NAMES_PORT, bytes(6)))
    question = Question(X, rig.endpoints[2], "tcp", 80)
    said = await rig.fabric.explain(question)
    assert (said.allowed, said.deliverable, said.published) == (True, None, ())
    assert said.problems[0].startswith("no published port that the controller knows leads there by host h2")
    assert said.flows
    port_80 = PublishedPort("p", None, None, "tcp", 8080, 80)
    said = await rig.fabric.explain(replace(question, published=(port_80,)))
    assert (said.deliverable, said.problems, said.published) == (True, (), (port_80,))


async def test_a_host_enters_by_itself(rig: Rig) -> None:
    """What has a host's own address comes from that host."""
    await open_world(rig)
    said = await rig.fabric.explain(Question(IPv4Address(rig.hosts[1].address), rig.endpoints[2]))
    assert (said.path, said.flows) == (("h1", "h2"), ())


async def test_rules_about_addresses_decide(rig: Rig) -> None:
    """A rule that names addresses outside decides, as do internal networks; who is no gateway lets nothing out."""
    await open_world(rig)
    rig.view.policy.put_rule(Rule("out", allow=False, destination=Selector(Kind.CIDR, "198.51.100.0/24")))
    said = await rig.fabric.explain(Question(rig.endpoints[1], X))
    assert (said.allowed, said.rule) == (False, "out")
    rig.post(replace(rig.network, internal=True))
    said = await rig.fabric.explain(Question(rig.endpoints[1], IPv4Address("203.0.113.1")))
    assert (said.allowed, said.reason) == (False, "internal network")


async def test_port_of_a_host_leads_to_a_denied_container(rig: Rig) -> None:
    """What is asked about a host's port is judged as for the container behind; so is what would have to change."""
    await open_world(rig)
    one, two = rig.endpoints[1], rig.endpoints[2]
    rig.post(replace(two, published=(Published(TCP, 8081, 80),)))
    rig.view.policy.put_rule(Rule("no", allow=False, destination=Selector(Kind.ENDPOINT, two.id)))
    at = IPv4Address(rig.hosts[2].address)
    said = await rig.fabric.explain(Question(one, at, "tcp", 8081, why_not=True))
    assert (said.allowed, said.rule, said.flows, said.granularity) == (False, "no", (), "connection")
    assert said.reason == "by published port 8081 of h2, which leads to e2: denied by rule no"
    assert said.why_not is not None
    assert said.why_not.said == "policy denies it: denied by rule no"
    assert said.why_not.remedies
    assert (await rig.fabric.explain(Question(one, at, "tcp", 22, why_not=True))).allowed
    assert (await rig.fabric.explain(Question(one, at))).reason.startswith("it depends")
    assert (await rig.fabric.explain(Question(one, at, "icmp"))).allowed


async def test_no_gateway(rig: Rig) -> None:
    """By a host that is no gateway nothing leaves."""
    await rig.ready()
    said = await rig.fabric.explain(Question(rig.endpoints[1], X))
    assert (said.allowed, said.deliverable) == (True, False)
    assert "host h1 is no gateway: nothing leaves or enters by it" in said.problems


async def test_both_ends_and_names_are_told(rig: Rig) -> None:
    """How things are at both ends, and whether the name resolves."""
    await rig.ready()
    said = await rig.explain(rig.endpoints[1], rig.endpoints[2])
    end = said.source_end
    assert end is not None
    assert (end.id, end.address, end.host, end.port, end.port_no, end.link) == ("e1", "10.1.0.11", "h1", "p1", 11, "up")
    assert (end.connected, end.settled, end.uplink, end.uplink_link, end.gateway) == (True, True, "up", "up", False)
    assert said.names is not None
    assert said.names.reason.startswith("no agent on host h1")
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), None)
    away = (await rig.explain(rig.endpoints[1], rig.endpoints[2])).names
    assert away is not None
    assert away.reason.startswith("host h1 is not connected")
    assert (await rig.explain(rig.endpoints[1], rig.endpoints[1])).names is None


async def test_port_that_goes_down_is_told(rig: Rig) -> None:
    """A port's link state is that which its datapath reported last."""
    await rig.ready()
    down = replace(port(12, "p2"), state=PortState.LINK_DOWN)
    rig.fabric.received(cast("Datapath", rig.datapaths[2]), PortStatus(PortReason.MODIFY, down))
    said = await rig.explain(rig.endpoints[1], rig.endpoints[2])
    assert (said.deliverable, said.problems) == (False, ("port p2 of e2 on host h2 is down",))
