"""Datapaths that say what they are told to say, and a fabric of two hosts between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from typing import Any, cast

from daoli.datapath import Datapath, Disconnected
from daoli.hosts.events import EventHub
from daoli.hosts.fabric import Fabric
from daoli.hosts.mirror import Changed
from daoli.hosts.question import Question
from daoli.hosts.reports import Explanation
from daoli.ofproto import (
    FlowMod,
    FlowModCommand,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    Message,
    PacketOut,
    Port,
    PortDescReply,
    decode,
)
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ROUTER_MAC, Endpoint, Host, Network
from daoli.routing.packet import DEFAULT_TTL, IPV4, checksum
from daoli.routing.pipeline import Cookie, Kind
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
        self.told = 0
        """Flows that it has told of."""
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
            asked, mask = request.cookie, request.cookie_mask
            found = [flow for flow in self.table.values() if flow.cookie & mask == asked & mask]
            self.told += len(found)
            yield FlowStatsReply(tuple(map(self._stats, found)))
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
    def live(self) -> list[FlowMod]:
        """The flows of routes, of pairs and of connections."""
        return [flow for flow in self.table.values() if self.kind(flow) in (Kind.PAIR, Kind.CONNECTION)]

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

    async def explain(self, source: Endpoint, destination: Endpoint, *traffic: Any, **fields: Any) -> Explanation:
        """Ask the fabric about two endpoints."""
        return await self.fabric.explain(Question(source, destination, *traffic, **fields))

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
        while tasks := list(self.fabric._settling._tasks):
            await asyncio.wait(tasks, timeout=5)

    async def ready(self) -> None:
        self.post(self.network, *self.hosts.values(), *self.endpoints.values())
        await self.connect(1, 2)

    def frame(self, source: int, destination: int, ttl: int = DEFAULT_TTL) -> bytes:
        a, b = self.endpoints[source], self.endpoints[destination]
        head = bytes((0x45, 0, 0, 28, 0, 1, 0, 0, ttl, 17, 0, 0)) + a.ipv4 + b.ipv4
        head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
        return ROUTER_MAC + a.mac + IPV4.to_bytes(2, "big") + head + bytes((0, 9, 0, 9, 0, 8, 0, 0))

    def punt(self, source: int, destination: int, ttl: int = DEFAULT_TTL) -> None:
        frame = self.frame(source, destination, ttl)
        message = Punt(0, NO_BUFFER, len(frame), 0, 0, 0, 10 + source, frame)
        self.fabric.received(cast("Datapath", self.datapaths[source]), message)
