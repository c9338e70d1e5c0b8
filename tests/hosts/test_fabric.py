"""The fabric between datapaths that say what they are told to say, and an inventory that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any, cast

import pytest

from daoli.datapath import Datapath, DatapathError, Disconnected
from daoli.hosts.events import EventHub
from daoli.hosts.fabric import Fabric
from daoli.hosts.mirror import Changed
from daoli.ofproto import (
    EchoReply,
    Error,
    FlowMod,
    FlowModCommand,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    Match,
    Message,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortReason,
    PortStatus,
    SetAsync,
    decode,
)
from daoli.ofproto.shapes import Punt
from daoli.routing.flows import MAGIC, MAGIC_MASK, Cookie, Ended, Kind, static_flows
from daoli.routing.model import ROUTER_MAC, Endpoint, Host, Network
from daoli.routing.packet import DEFAULT_TTL, IPV4, checksum
from daoli.routing.router import Router
from daoli.routing.view import View

UPLINK = 1
NO_BUFFER = 0xFFFFFFFF


def port(number: int, name: str, mac: bytes = bytes.fromhex("020000000001")) -> Port:
    return Port(number, mac, name, 0, 0, 0, 0, 0, 0, 0, 0)


def uplink(dpid: int) -> Port:
    return port(UPLINK, "up", bytes((2, 0xDD, 0, 0, 0, dpid)))


class FakeDatapath:
    """A datapath that keeps what it is sent, with a flow table that knows additions and deletions by cookie."""

    def __init__(self, dpid: int, ports: list[Port]) -> None:
        self.dpid = dpid
        self.peer = f"192.0.2.{dpid}:4000"
        self.connected_at = 0.0
        self.alive = True
        self.deaf = False
        self.ports = ports
        self.sent: list[Message] = []
        self.table: dict[Any, FlowMod] = {}
        self.closed_by: Exception | None = None

    def send(self, message: Message) -> None:
        self.write(message.encode())

    def write(self, packed: bytes) -> None:
        while packed:
            length = int.from_bytes(packed[2:4], "big")
            message = decode(packed[:length])
            packed = packed[length:]
            self.sent.append(message)
            if isinstance(message, FlowMod):
                self._modify(message)

    def _modify(self, flow: FlowMod) -> None:
        key = (flow.table_id, flow.priority, frozenset(flow.match))
        if flow.command == FlowModCommand.ADD:
            self.table[key] = flow
        elif flow.command == FlowModCommand.DELETE_STRICT:
            self.table.pop(key, None)
        else:
            gone = [k for k, f in self.table.items() if f.cookie & flow.cookie_mask == flow.cookie & flow.cookie_mask]
            for k in gone:
                del self.table[k]

    async def multipart(self, request: Message, reply: type[Message], **_: Any) -> AsyncIterator[Message]:
        if not self.alive:
            raise Disconnected(self.peer)
        if isinstance(request, FlowStatsRequest):
            yield FlowStatsReply(tuple(map(self._stats, self.table.values())))
        else:
            yield PortDescReply(tuple(self.ports))

    @staticmethod
    def _stats(flow: FlowMod) -> FlowStats:
        return FlowStats(
            table_id=flow.table_id,
            duration_sec=1,
            duration_nsec=0,
            priority=flow.priority,
            idle_timeout=flow.idle_timeout,
            hard_timeout=flow.hard_timeout,
            flags=flow.flags,
            cookie=flow.cookie,
            packet_count=7,
            byte_count=700,
            match=flow.match,
            instructions=flow.instructions,
        )

    async def barrier(self, **_: Any) -> None:
        if self.deaf:
            raise TimeoutError
        if not self.alive:
            raise Disconnected(self.peer)

    def close(self, failure: Exception | None = None) -> None:
        self.alive = False
        self.closed_by = failure

    @property
    def routes(self) -> list[FlowMod]:
        return [flow for flow in self.table.values() if self.kind(flow) == Kind.PAIR]

    @property
    def static(self) -> list[FlowMod]:
        return [flow for flow in self.table.values() if self.kind(flow) == Kind.STATIC]

    @staticmethod
    def kind(flow: FlowMod) -> int | None:
        cookie = Cookie.parse(flow.cookie)
        return cookie.kind if cookie else None

    @property
    def emitted(self) -> list[PacketOut]:
        return [message for message in self.sent if isinstance(message, PacketOut)]


class Rig:
    """A fabric with two hosts and an endpoint on each; `now` is the clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.view = View()
        self.events = EventHub(clock=lambda: self.now)
        self.fabric = Fabric(self.view, Router(self.view), self.events, lambda: self.now)
        self.revision = 0
        self.network = Network("n", IPv4Network("10.1.0.0/24"), bytes((10, 1, 0, 1)))
        self.hosts = {n: Host(f"h{n}", n, bytes((192, 0, 2, n)), "up") for n in (1, 2)}
        self.endpoints = {
            n: Endpoint(
                f"e{n}", f"e{n}", f"h{n}", "n", bytes((2, 0x42, 0, 0, 0, n)), bytes((10, 1, 0, 10 + n)), f"p{n}"
            )
            for n in (1, 2)
        }
        self.datapaths = {n: FakeDatapath(n, [uplink(n), port(10 + n, f"p{n}")]) for n in (1, 2)}

    def post(self, *records: Host | Network | Endpoint) -> None:
        """Put records into the view and tell the fabric, as the inventory does."""
        hosts, networks, endpoints = [], [], []
        for record in records:
            if isinstance(record, Host):
                hosts.append((self.view.hosts.get(record.name), record))
                self.view.put_host(record)
            elif isinstance(record, Network):
                networks.append((self.view.networks.get(record.name), record))
                self.view.put_network(record)
            else:
                endpoints.append((self.view.endpoints.get(record.id), record))
                self.view.put_endpoint(record)
        self.revision += 1
        self.fabric.changed(Changed(self.revision, tuple(hosts), tuple(networks), tuple(endpoints)))

    def remove(self, *records: Host | Endpoint) -> None:
        for record in records:
            if isinstance(record, Endpoint):
                self.view.remove_endpoint(record.id)
        for record in records:
            if isinstance(record, Host):
                self.view.remove_host(record.name)
        hosts = tuple((record, None) for record in records if isinstance(record, Host))
        endpoints = tuple((record, None) for record in records if isinstance(record, Endpoint))
        self.revision += 1
        self.fabric.changed(Changed(self.revision, hosts, (), endpoints))

    async def connect(self, *dpids: int) -> None:
        for dpid in dpids:
            self.fabric.connected(cast("Datapath", self.datapaths[dpid]))
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until the fabric has nothing under way."""
        while tasks := list(self.fabric._tasks):
            await asyncio.wait(tasks, timeout=5)

    async def ready(self) -> None:
        self.post(self.network, *self.hosts.values(), *self.endpoints.values())
        await self.connect(1, 2)

    def frame(self, source: int, destination: int, ttl: int = DEFAULT_TTL) -> bytes:
        a, b = self.endpoints[source], self.endpoints[destination]
        head = bytes((0x45, 0, 0, 28, 0, 1, 0, 0, ttl, 17, 0, 0)) + a.ipv4 + b.ipv4
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
        return ROUTER_MAC + a.mac + IPV4.to_bytes(2, "big") + head + bytes((0, 9, 0, 9, 0, 8, 0, 0))

    def punt(self, source: int, destination: int) -> None:
        frame = self.frame(source, destination)
        message = Punt(0, NO_BUFFER, len(frame), 0, 0, 0, 10 + source, frame)
        self.fabric.received(cast("Datapath", self.datapaths[source]), message)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.fabric.close()


async def test_settling_installs_the_static_flows(rig: Rig) -> None:
    """A registered datapath that connects is asked for all async messages and gets its static flows, no more."""
    await rig.ready()
    datapath = rig.datapaths[1]
    assert isinstance(datapath.sent[0], SetAsync)
    assert len(datapath.static) == len(datapath.table) == len(static_flows(UPLINK, uplink(1).hw_addr))
    assert rig.fabric.host_status("h1").connected
    assert rig.fabric.host_status("h1").problems == ()


async def test_settling_again_changes_nothing(rig: Rig) -> None:
    """A datapath that comes back with the right flows is sent no flow_mod."""
    await rig.ready()
    rig.punt(1, 2)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), None)
    rig.datapaths[1].sent.clear()
    await rig.connect(1)
    assert not any(isinstance(message, FlowMod) for message in rig.datapaths[1].sent)


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


async def test_hosts_that_cannot_confirm_are_named(rig: Rig) -> None:
    """A datapath that does not answer the barrier, or is away, is reported by its host's name."""
    await rig.ready()
    rig.punt(1, 2)
    rig.datapaths[1].deaf = True
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    rig.remove(rig.endpoints[2])
    assert (await rig.fabric.confirmed(rig.revision)).unconfirmed == ("h1", "h2")


async def test_a_change_that_cuts_nothing_is_confirmed_at_once(rig: Rig) -> None:
    """A revision that cut no route has an empty report."""
    await rig.ready()
    rig.post(replace(rig.endpoints[1], labels={"a": "b"}))
    assert await rig.fabric.confirmed(rig.revision) == await rig.fabric.confirmed(999)


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
    said = rig.fabric.explain(rig.endpoints[1], rig.endpoints[2])
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


async def test_uplink_with_another_mac_cuts_what_led_by_it(rig: Rig) -> None:
    """When an uplink changes, routes by it go and the static guard is for the new MAC."""
    await rig.ready()
    rig.punt(1, 2)
    changed = port(UPLINK, "up", bytes.fromhex("02dd000000ff"))
    rig.datapaths[2].ports = [changed, port(12, "p2")]
    rig.fabric.received(cast("Datapath", rig.datapaths[2]), PortStatus(PortReason.MODIFY, changed))
    await rig.quiet()
    assert [rig.datapaths[n].routes for n in (1, 2)] == [[], []]
    assert any(flow.match.get("eth_dst") == changed.hw_addr for flow in rig.datapaths[2].static)
    assert not any(flow.match.get("eth_dst") == uplink(2).hw_addr for flow in rig.datapaths[2].static)


async def test_drop_flows_are_lifted_when_the_world_changes(rig: Rig) -> None:
    """A refusal is dropped for a while, but not beyond the change that makes it wrong."""
    rig.post(rig.network, *rig.hosts.values(), rig.endpoints[1])
    await rig.connect(1, 2)
    rig.punt(1, 2)
    denied = [f for f in rig.datapaths[1].table.values() if FakeDatapath.kind(f) == Kind.DENY]
    assert len(denied) == 1
    rig.post(rig.endpoints[2])
    assert not [f for f in rig.datapaths[1].table.values() if FakeDatapath.kind(f) == Kind.DENY]


async def test_route_counters_come_from_the_sources(rig: Rig) -> None:
    """GET /routes sums what the source flows of either direction counted; a host that is away counts None."""
    await rig.ready()
    rig.punt(1, 2)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.bytes, route.packets_back, route.bytes_back) == (7, 700, 7, 700)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.packets_back) == (7, None)


async def test_explain_shows_the_flows_that_are_installed(rig: Rig) -> None:
    """The flows of an explanation are, but for the cookie, those that a first packet brings."""
    await rig.ready()
    said = rig.fabric.explain(rig.endpoints[1], rig.endpoints[2], "tcp", 80)
    rig.punt(1, 2)
    installed = {(f"h{n}", str(flow).partition("table=")[2]) for n in (1, 2) for flow in rig.datapaths[n].routes}
    assert {(planned.host, planned.flow.partition("table=")[2]) for planned in said.flows} == installed
    assert (said.path, said.live_route) == (("h1", "h2"), None)
    assert rig.fabric.explain(rig.endpoints[2], rig.endpoints[1]).live_route is not None


async def test_events_tell_of_routes_and_refusals(rig: Rig) -> None:
    """Whoever listens hears of a route opened, of a refusal with its reason, and of a host that left."""
    await rig.ready()
    async with rig.events.subscribe() as subscription:
        rig.punt(1, 2)
        opened = await anext(subscription)
        rig.remove(rig.endpoints[2])
        rig.punt(1, 2)
        rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), DatapathError("cut"))
        told = [opened]
        while told[-1].kind != "host.disconnected":
            told.append(await anext(subscription))
    by_kind = {event.kind: event.fields for event in told}
    assert by_kind["route.opened"]["source"] == "e1"
    assert by_kind["route.closed"]["why"] == "inventory changed"
    assert by_kind["packet.refused"]["reason"] == "no endpoint of n has this address"
    assert by_kind["endpoint.removed"] == {"endpoint": "e2"}
    assert by_kind["host.disconnected"]["reason"] == "cut"


async def test_switch_errors_and_strange_messages_are_counted(rig: Rig) -> None:
    """An error message or one that nobody asked for is counted, and nothing else happens."""
    await rig.ready()
    datapath = cast("Datapath", rig.datapaths[1])
    rig.fabric.received(datapath, Error(5, 1, b""))
    rig.fabric.received(datapath, EchoReply(b""))
    counters = rig.fabric.counters
    assert (counters["switch_errors_total"], counters["unexpected_messages_total"]) == (1, 1)


async def test_failure_while_settling_ends_that_connection_only(rig: Rig) -> None:
    """A datapath that does not answer while it settles is closed; another is not touched."""
    rig.datapaths[1].deaf = True
    await rig.ready()
    assert not rig.datapaths[1].alive
    assert rig.datapaths[2].alive
    assert not rig.fabric.host_status("h1").connected


async def test_restarted_controller_adopts_the_routes(rig: Rig) -> None:
    """A fabric that knows nothing takes over the flows that it finds, and sends no flow_mod."""
    await rig.ready()
    rig.punt(1, 2)
    second = Rig()
    second.datapaths = rig.datapaths
    for datapath in rig.datapaths.values():
        datapath.sent.clear()
    await second.ready()
    assert [r.source for r in await second.fabric.routes()] == ["e1"]
    assert not any(isinstance(m, FlowMod) for d in rig.datapaths.values() for m in d.sent)
    await second.fabric.close()


async def test_not_ready_before_listening(rig: Rig) -> None:
    """Readyz is told why until datapaths can connect."""
    assert rig.fabric.ready() is not None
    rig.fabric.start()
    assert rig.fabric.ready() is None
