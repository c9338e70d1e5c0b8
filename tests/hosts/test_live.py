"""Live routes with their counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.hosts.rig import Rig

from daoli.datapath import Datapath
from daoli.hosts.live import SHOWN
from daoli.hosts.reports import HostCounts, RouteReport
from daoli.ofproto import FlowStatsReply, Message
from daoli.routing.packet import TCP
from daoli.routing.policy import SAME_NETWORK
from daoli.routing.routes import Connection


async def test_route_counters_come_from_the_sources(rig: Rig) -> None:
    """GET /routes sums what the source flows of either direction counted; a host that is away counts None."""
    await rig.ready()
    rig.punt(1, 2)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.bytes, route.packets_back, route.bytes_back) == (7, 700, 7, 700)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.packets_back) == (7, None)


async def live(rig: Rig, *traffic: str | int) -> tuple[list[tuple[RouteReport, list[HostCounts]]], int]:
    """Give the live routes that an explanation tells, and how many there are."""
    said = await rig.explain(rig.endpoints[1], rig.endpoints[2], *traffic)
    return [(each.route, list(each.counters)) for each in said.routes], said.routes_total


async def test_both_hosts_are_asked_about_the_route_alone(rig: Rig) -> None:
    """Both hosts tell what their flows of a route have counted in both directions; of others nothing is read."""
    await rig.ready()
    rig.punt(1, 2)
    before = [rig.datapaths[n].told for n in (1, 2)]
    ((route, counters),), total = await live(rig)
    assert (route.source, route.granularity, route.packets, route.packets_back, total) == ("e1", "pair", 7, 7, 1)
    assert counters == [HostCounts(f"h{n}", 7, 700, 7, 700) for n in (1, 2)]
    assert [rig.datapaths[n].told - told for n, told in zip((1, 2), before, strict=True)] == [2, 2]


async def test_flow_that_is_not_there_is_told(rig: Rig) -> None:
    """A direction whose flow is gone from a host counts null, and it is said."""
    await rig.ready()
    rig.punt(1, 2)
    table, mac = rig.datapaths[2].table, rig.endpoints[2].mac
    (gone,) = [key for key, flow in table.items() if flow.match.get("eth_src") == mac]
    del table[gone]
    ((_, (_, there)),), _ = await live(rig)
    assert (there.packets, there.packets_back) == (7, None)
    assert there.problem == "host h2 has no flow of what comes from 10.1.0.12"


async def test_host_that_is_away_is_told(rig: Rig) -> None:
    """A host that cannot be asked counts null, and it is said why."""
    await rig.ready()
    rig.punt(1, 2)
    rig.datapaths[1].alive = False
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    ((route, (here, there)),), _ = await live(rig)
    assert (route.packets, here.packets, there.packets) == (None, None, None)
    assert (here.problem, there.problem) == ("host h1 did not answer in time", "host h2 is not connected")


async def test_silent_host_is_not_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is connected and does not answer counts null once its time is over; the other's counters are told."""
    await rig.ready()
    rig.punt(1, 2)
    monkeypatch.setattr("daoli.hosts.live.LIVE_TIMEOUT", 0.05)

    async def multipart(*_: object, **__: object) -> AsyncIterator[Message]:
        await asyncio.Event().wait()
        yield FlowStatsReply()

    monkeypatch.setattr(rig.datapaths[2], "multipart", multipart)
    ((_, (here, there)),), _ = await live(rig)
    assert (here.packets, there.packets) == (7, None)
    assert there.problem == "host h2 did not answer in time"


@pytest.mark.parametrize(
    ("traffic", "ports"),
    [((), {80, 443}), (("tcp",), {80, 443}), (("tcp", 443), {443}), (("tcp", 22), set()), (("udp",), set())],
)
async def test_connections_that_match(rig: Rig, traffic: tuple[str | int, ...], ports: set[int]) -> None:
    """Of connections those are told that carry what was asked about, whoever is known to have opened them."""
    await rig.ready()
    one, other = (rig.view.place_of(name) for name in ("e1", "e2"))
    rig.fabric.router.routes.open(one, other, SAME_NETWORK, 1.0, Connection(TCP, 40000, 80))
    rig.fabric.router.routes.open(other, one, SAME_NETWORK, 2.0, Connection(TCP, 443, 40000))
    routes, total = await live(rig, *traffic)
    assert {p for r, _ in routes for p in (r.source_port, r.destination_port) if p is not None} - {40000} == ports
    assert total == len(routes) == len(ports)


async def test_many_routes_are_counted_and_the_newest_told(rig: Rig) -> None:
    """An explanation tells the newest few routes, and how many there are."""
    await rig.ready()
    one, other = (rig.view.place_of(name) for name in ("e1", "e2"))
    for n in range(SHOWN + 4):
        rig.fabric.router.routes.open(one, other, SAME_NETWORK, float(n), Connection(TCP, 40000 + n, 80))
    routes, total = await live(rig)
    assert (len(routes), total) == (SHOWN, SHOWN + 4)
    assert routes[0][0].source_port == 40000 + SHOWN + 3
