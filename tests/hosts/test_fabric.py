"""The fabric between datapaths that say what they are told to say, and an inventory that changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Network
from typing import cast

from tests.hosts.gateways import enter, leave, open_world, send
from tests.hosts.rig import NO_BUFFER, FakeDatapath, Rig, port, uplink

from daoli.datapath import Datapath, DatapathError
from daoli.ofproto import (
    EchoReply,
    Error,
    FlowMod,
    Match,
    PacketIn,
    PacketOut,
    PortNo,
    PortReason,
    PortStatus,
)
from daoli.routing.flows import Ended
from daoli.routing.model import Network, Published
from daoli.routing.packet import UDP
from daoli.routing.pipeline import MAGIC, MAGIC_MASK, Kind
from daoli.routing.rules import Kind as Naming
from daoli.routing.rules import Rule, Selector


async def test_unregistered_datapath_is_quarantined_until_posted(rig: Rig) -> None:
    """A datapath without a host is left alone and listed; posting its host settles it."""
    await rig.connect(1)
    assert rig.datapaths[1].sent == []
    assert [q.dpid for q in rig.fabric.quarantined()] == [1]
    rig.post(rig.hosts[1])
    await rig.quiet()
    assert rig.datapaths[1].static
    assert rig.fabric.quarantined() == []


async def test_punts_of_a_quarantined_datapath_are_ignored(rig: Rig) -> None:
    """What a datapath without a host punts leads to nothing."""
    await rig.connect(1)
    rig.punt(1, 2)
    assert rig.datapaths[1].sent == []


async def test_first_packet_opens_a_route_at_both_ends(rig: Rig) -> None:
    """A punt brings two flows to each host, and the packet out at the destination, behind its flows."""
    await rig.ready()
    rig.punt(1, 2)
    assert [len(rig.datapaths[n].routes) for n in (1, 2)] == [2, 2]
    assert rig.datapaths[1].emitted == []
    assert isinstance(rig.datapaths[2].sent[-1], PacketOut)
    assert rig.fabric.counters["routes_opened_total"] == 1


async def test_any_packet_in_with_a_port_is_a_punt(rig: Rig) -> None:
    """A packet_in with more match fields than the fast shape knows leads to the same."""
    await rig.ready()
    frame = rig.frame(1, 2)
    match = Match(in_port=11, metadata=1)
    message = PacketIn(NO_BUFFER, len(frame), 0, 0, 0, match, frame)
    rig.fabric.received(cast("Datapath", rig.datapaths[1]), message)
    assert len(rig.datapaths[2].routes) == 2
    rig.fabric.received(cast("Datapath", rig.datapaths[1]), replace(message, match=Match()))
    assert rig.fabric.counters["punts_total"] == 1


async def test_route_ends_when_both_directions_are_gone(rig: Rig) -> None:
    """flow_removed of one direction leaves the route, of both ends it."""
    await rig.ready()
    rig.punt(1, 2)
    for n, left in ((1, 1), (2, 0)):
        flow = next(f for f in rig.datapaths[n].routes if "eth_src" in f.match)
        gone = Ended(
            0, flow.cookie, 0, 30, 0, 30, 1, 98, 10 + n, *(flow.match[k] for k in ("eth_src", "ipv4_src", "ipv4_dst"))
        )
        rig.fabric.received(cast("Datapath", rig.datapaths[n]), gone)
        assert len(await rig.fabric.routes()) == left
    assert rig.fabric.counters["routes_closed_total"] == 1


async def test_removed_endpoint_takes_its_routes_along(rig: Rig) -> None:
    """Removing an endpoint deletes its flows on both hosts, and the report names the route."""
    await rig.ready()
    rig.punt(1, 2)
    rig.remove(rig.endpoints[2])
    assert [rig.datapaths[n].routes for n in (1, 2)] == [[], []]
    report = await rig.fabric.confirmed(rig.revision)
    assert [(route.source, route.destination) for route in report.routes] == [("e1", "e2")]
    assert report.unconfirmed == ()


async def test_labels_do_not_cut_routes(rig: Rig) -> None:
    """A changed name or label leaves the flows as they are; a changed port does not."""
    await rig.ready()
    rig.punt(1, 2)
    rig.post(replace(rig.endpoints[2], name="other", labels={"a": "b"}))
    assert len(rig.datapaths[2].routes) == 2
    rig.post(replace(rig.endpoints[2], port="elsewhere"))
    assert rig.datapaths[2].routes == []


async def test_removed_host_is_swept_and_quarantined(rig: Rig) -> None:
    """A host that leaves loses every flow of ours; its routes go at the other end too; it stays connected."""
    await rig.ready()
    rig.punt(1, 2)
    rig.remove(rig.endpoints[2], rig.hosts[2])
    assert rig.datapaths[2].table == {}
    assert rig.datapaths[1].routes == []
    sweep = rig.datapaths[2].sent[-1]
    assert isinstance(sweep, FlowMod)
    assert (sweep.cookie, sweep.cookie_mask) == (MAGIC << 48, MAGIC_MASK)
    assert [q.dpid for q in rig.fabric.quarantined()] == [2]


async def test_newer_connection_of_a_dpid_wins(rig: Rig) -> None:
    """When a datapath id connects twice the older connection is closed, and its end changes nothing."""
    await rig.ready()
    older = rig.datapaths[1]
    newer = rig.datapaths[1] = FakeDatapath(1, older.ports)
    await rig.connect(1)
    assert not older.alive
    assert isinstance(older.closed_by, DatapathError)
    rig.fabric.disconnected(cast("Datapath", older), None)
    rig.punt(1, 2)
    assert len(newer.routes) == 2


async def test_disconnected_host_is_unreachable_but_keeps_its_routes(rig: Rig) -> None:
    """While a datapath is away its routes live on, and no new one leads there."""
    await rig.ready()
    rig.punt(1, 2)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    assert len(rig.datapaths[1].routes) == 2
    said = await rig.explain(rig.endpoints[1], rig.endpoints[2])
    assert said.allowed
    assert not said.deliverable
    assert said.problems == ("host h2 is not connected",)
    assert rig.fabric.host_status("h2").problems[0].startswith("no datapath")


async def test_port_that_appears_makes_its_endpoint_reachable(rig: Rig) -> None:
    """A port_status that adds the port of a known endpoint opens the way."""
    rig.datapaths[2].ports = [uplink(2)]
    await rig.ready()
    rig.punt(1, 2)
    assert rig.datapaths[2].routes == []
    rig.fabric.received(cast("Datapath", rig.datapaths[2]), PortStatus(PortReason.ADD, port(12, "p2")))
    rig.punt(1, 2)
    assert len(rig.datapaths[2].routes) == 2


async def test_port_that_goes_takes_its_routes_along(rig: Rig) -> None:
    """A port_status that deletes an endpoint's port cuts its routes at both ends."""
    await rig.ready()
    rig.punt(1, 2)
    rig.fabric.received(cast("Datapath", rig.datapaths[2]), PortStatus(PortReason.DELETE, port(12, "p2")))
    assert [rig.datapaths[n].routes for n in (1, 2)] == [[], []]


async def test_drop_flows_are_lifted_when_the_world_changes(rig: Rig) -> None:
    """A refusal is dropped for a while, but not beyond the change that makes it wrong."""
    rig.post(rig.network, *rig.hosts.values(), rig.endpoints[1])
    await rig.connect(1, 2)
    rig.punt(1, 2)
    denied = [f for f in rig.datapaths[1].table.values() if FakeDatapath.kind(f) == Kind.DENY]
    assert len(denied) == 1
    rig.post(rig.endpoints[2])
    assert not [f for f in rig.datapaths[1].table.values() if FakeDatapath.kind(f) == Kind.DENY]


async def test_switch_errors_and_strange_messages_are_counted(rig: Rig) -> None:
    """An error message or one that nobody asked for is counted, and nothing else happens."""
    await rig.ready()
    datapath = cast("Datapath", rig.datapaths[1])
    rig.fabric.received(datapath, Error(5, 1, b""))
    rig.fabric.received(datapath, EchoReply(b""))
    counters = rig.fabric.counters
    assert (counters["switch_errors_total"], counters["unexpected_messages_total"]) == (1, 1)


async def test_not_ready_before_listening(rig: Rig) -> None:
    """Readyz is told why until datapaths can connect."""
    assert rig.fabric.ready() is not None
    rig.fabric.start()
    assert rig.fabric.ready() is None


# -- the outside


async def test_outside_routes_are_reported(rig: Rig) -> None:
    """Who is outside has an address and no id; a connection says its protocol and ports; events name them too."""
    await open_world(rig)
    async with rig.events.subscribe() as events:
        leave(rig, 1)
        enter(rig, 1, 2)
        told = [await anext(events) for _ in range(2)]
    assert [event.fields["destination_address"] for event in told] == ["198.51.100.7", "10.1.0.12"]
    assert [event.fields["source_address"] for event in told] == ["10.1.0.11", "198.51.100.7"]
    pair, connection = await rig.fabric.routes()
    assert (pair.source, pair.destination, pair.destination_address) == ("e1", None, "198.51.100.7")
    assert (pair.granularity, pair.protocol, pair.source_port, pair.packets) == ("pair", None, None, 7)
    assert (connection.source, connection.source_host, connection.destination) == (None, "h1", "e2")
    assert (connection.granularity, connection.protocol, connection.destination_port) == ("connection", "udp", 9)
    assert (connection.packets, connection.packets_back) == (7, 7)


async def test_outside_routes_are_cut(rig: Rig) -> None:
    """Routes to the outside go when the gateway, the openness of the network, or the address's being outside does."""
    await open_world(rig)
    changes = (
        replace(rig.hosts[1], gateway=False),
        replace(rig.network, internal=True),
        Network("x", IPv4Network("198.51.100.0/24"), bytes((198, 51, 100, 1))),
    )
    for change in changes:
        rig.post(rig.network, *rig.hosts.values())
        await rig.quiet()
        leave(rig, 1)
        enter(rig, 1, 2)
        assert len(rig.fabric.router.routes) == 2
        rig.post(change)
        await rig.quiet()
        assert len(rig.fabric.router.routes) == 0
        assert {len(rig.datapaths[n].live) for n in (1, 2)} == {0}


async def test_port_that_leads_to_a_denied_container_takes_its_routes_along(rig: Rig) -> None:
    """A route to a host's port is cut when that turns out to lead to a container that policy denies; others stay."""
    await open_world(rig)
    one, two = rig.endpoints[1], rig.endpoints[2]
    ends = (Selector(Naming.ENDPOINT, one.id), Selector(Naming.ENDPOINT, two.id))
    rig.view.policy.put_rule(Rule("r1", allow=False, source=ends[0], destination=ends[1]))
    for address in (rig.hosts[1].address, rig.hosts[2].address):
        send(rig, 1, 11, one.mac, one.ipv4, address)
    assert len(rig.fabric.router.routes) == 2
    rig.post(replace(two, published=(Published(UDP, 9, 80),)))
    await rig.quiet()
    [left] = rig.fabric.router.routes
    assert left.destination.ipv4 == rig.hosts[1].address


async def test_packet_is_held_back_when_its_connection_comes_in_elsewhere(rig: Rig) -> None:
    """It is sent behind the new flows once the switches have had time to forget the old ones."""
    rig.fabric.router.settings = replace(rig.fabric.router.settings, hold=0.0)
    await open_world(rig)
    enter(rig, 1, 2)
    sent = rig.datapaths[2].sent
    sent.clear()
    enter(rig, 2, 2)
    assert {type(message) for message in sent} == {FlowMod}
    asyncio.get_running_loop().call_later(0.0, (passed := asyncio.Event()).set)
    await passed.wait()
    assert isinstance(sent[-1], PacketOut)


async def test_local_mac_changes(rig: Rig) -> None:
    """When port LOCAL gets another MAC, the routes that lead by it are cut, and others are not."""
    await open_world(rig)
    leave(rig, 1)
    leave(rig, 2)
    rig.punt(1, 2)
    status = PortStatus(PortReason.MODIFY, port(PortNo.LOCAL, "daoli", bytes.fromhex("02ee00000099")))
    rig.fabric.received(cast("Datapath", rig.datapaths[1]), status)
    await rig.quiet()
    assert [route.outside.dpid if route.outside else None for route in rig.fabric.router.routes] == [2, None]
