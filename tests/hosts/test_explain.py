"""Explanations are what then happens."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from tests.hosts.rig import Rig

from daoli.hosts.explain import explain
from daoli.ofproto import FlowMod, flow_text
from daoli.routing.model import Network
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
