"""A fleet of emulated datapaths that load a controller with packet_ins, and check what it answers.

Every datapath is one TCP connection. The handshake and the controller's questions are answered from bytes made
beforehand, so that the fleet costs less than the controller it measures. Answers are timed as they come and verified
after the round: each setup must have produced its four flow_mods and its packet_out, for the right pair.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from daoli.ofproto import (
    BarrierReply,
    EchoReply,
    EchoRequest,
    FeaturesReply,
    FlowStatsReply,
    Hello,
    MessageType,
    MultipartType,
    Port,
    PortDescReply,
    decode,
)
from daoli.ofproto.shapes import PUNT
from daoli.routing.flows import ARRIVE, ENDED, FORWARD

UPLINK = 1
FIRST_PORT = 10
HEADER = 8
_ETHERNET_AND_IPV4 = struct.Struct("!6s6sHBBHHHBBH4s4s")
_SYN = struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 0x50, 0x02, 64240, 0, 0) + bytes(20)
_PAIR_AT = 14 + 12
"""Offset of the two IPv4 addresses in a frame."""
_NO_BUFFER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An emulated container port."""

    dpid: int
    port_no: int
    mac: bytes
    ipv4: bytes

    @property
    def port(self) -> str:
        """The name of its OVS port."""
        return f"p{self.port_no}"


def make_endpoints(dpid: int, count: int) -> list[Endpoint]:
    """Plan the endpoints of one datapath, all in 10.0.0.0/8."""
    endpoints = []
    for n in range(count):
        ipv4 = bytes((10, dpid >> 8 & 0xFF, dpid & 0xFF, n + 1))
        endpoints.append(Endpoint(dpid, FIRST_PORT + n, b"\x02\x42" + ipv4, ipv4))
    return endpoints


def uplink_mac(dpid: int) -> bytes:
    """Give a datapath's uplink a MAC of its own."""
    return b"\x02\xdd\x00\x01" + dpid.to_bytes(2, "big")


def syn(source: Endpoint, destination: Endpoint) -> bytes:
    """Build the first frame of a TCP connection."""
    size = 20 + len(_SYN)
    router = bytes.fromhex("02da011e0001")
    head = (router, source.mac, 0x0800, 0x45, 0, size, 1, 0x4000, 64, 6, 0, source.ipv4, destination.ipv4)
    words = struct.unpack("!10H", _ETHERNET_AND_IPV4.pack(*head)[14:])
    total = sum(words)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return _ETHERNET_AND_IPV4.pack(*head[:10], checksum, *head[11:]) + _SYN


@dataclass
class Round:
    """One timed round: its setups, each with the moment it was asked for, and what came back."""

    pending: dict[bytes, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    todo: dict[int, Iterator[tuple[bytes, bytes]]] = field(default_factory=dict)
    wanted: int = 0
    unexpected: int = 0
    started: float = 0.0
    ended: float = 0.0


class Datapath(asyncio.Protocol):
    """One emulated datapath."""

    def __init__(self, fleet: Fleet, dpid: int, endpoints: list[Endpoint]) -> None:
        self.fleet = fleet
        self.dpid = dpid
        self.endpoints = endpoints
        self.barriers = 0
        self.settled = asyncio.Event()
        self.echoed = asyncio.Event()
        self.flow_mods: list[bytes] = []
        self.transport: asyncio.Transport
        self._buffer = b""
        ports = [Port(UPLINK, uplink_mac(dpid), "up", 0, 0, 0, 0, 0, 0, 0, 0)]
        ports += [Port(e.port_no, e.mac, e.port, 0, 0, 0, 0, 0, 0, 0, 0) for e in endpoints]
        self._ports = PortDescReply(ports=tuple(ports))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self.transport.write(Hello.of((4,)).encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """End the benchmark: a controller that hangs up cannot be measured."""
        self.fleet.fail(f"the controller closed the connection of datapath {self.dpid}: {exc}")

    def data_received(self, data: bytes) -> None:
        """Walk the frames: packet_outs end a setup, flow_mods are kept for verification, questions are answered."""
        now = time.perf_counter()
        if self._buffer:
            data = self._buffer + data
        at, size = 0, len(data)
        while size - at >= HEADER:
            end = at + (data[at + 2] << 8 | data[at + 3])
            if end > size:
                break
            kind = data[at + 1]
            if kind == MessageType.FLOW_MOD:
                self.flow_mods.append(data[at:end])
            elif kind == MessageType.PACKET_OUT:
                self.fleet.emitted(data[at:end], now)
            else:
                self._answer(data[at:end], kind)
            at = end
        self._buffer = data[at:]

    def _answer(self, frame: bytes, kind: int) -> None:
        xid = int.from_bytes(frame[4:8], "big")
        if kind == MessageType.FEATURES_REQUEST:
            self.transport.write(FeaturesReply(self.dpid, 0, 254, 0, 0x4F, 0, xid=xid).encode())
        elif kind == MessageType.BARRIER_REQUEST:
            self.transport.write(BarrierReply(xid=xid).encode())
            self.settled.set()
        elif kind == MessageType.ECHO_REQUEST:
            self.transport.write(EchoReply(frame[8:], xid=xid).encode())
        elif kind == MessageType.ECHO_REPLY:
            self.echoed.set()
        elif kind == MessageType.MULTIPART_REQUEST:
            what = int.from_bytes(frame[8:10], "big")
            if what == MultipartType.PORT_DESC:
                self.transport.write(self._encoded_ports(xid))
            elif what == MultipartType.FLOW:
                self.transport.write(FlowStatsReply((), xid=xid).encode())
            else:
                self.fleet.fail(f"unexpected {decode(frame)}")

    def _encoded_ports(self, xid: int) -> bytes:
        data = self._ports.encode()
        return data[:4] + xid.to_bytes(4, "big") + data[8:]


class Fleet:
    """All emulated datapaths of one benchmark."""

    def __init__(self, datapaths: int, endpoints: int, seed: int = 1, *, bare: bool = False) -> None:
        """With `bare` the peer is no controller: it needs no handshake, and its flow_mods are not looked at."""
        self.bare = bare
        self.random = random.Random(seed)
        self.all = [Datapath(self, dpid, make_endpoints(dpid, endpoints)) for dpid in range(1, datapaths + 1)]
        self.by_ipv4 = {e.ipv4: e for datapath in self.all for e in datapath.endpoints}
        self._round = Round()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = False

    def fail(self, why: str) -> None:
        """Stop what is being waited for, with an error."""
        if not self._closing and not self._done.done():
            self._done.set_exception(RuntimeError(why))

    async def connect(self, host: str, port: int) -> None:
        """Connect all datapaths and wait until the controller has settled each."""
        loop = asyncio.get_running_loop()
        for datapath in self.all:
            await loop.create_connection(lambda datapath=datapath: datapath, host, port)  # type: ignore[misc]  # mypy infers no lambda with a default
        async with asyncio.timeout(60):
            for datapath in self.all if not self.bare else ():
                await datapath.settled.wait()
        self._forget_flow_mods()

    def close(self) -> None:
        """Hang up."""
        self._closing = True
        for datapath in self.all:
            datapath.transport.abort()

    # -- one round -----------------------------------------------------------------------------------------------

    async def run(self, setups: int, window: int, *, total_window: bool = False) -> Round:
        """Ask for `setups` cross-host routes, keeping `window` unanswered per datapath (or in all)."""
        self._forget_flow_mods()
        current = self._round = Round(wanted=setups)
        self._done = asyncio.get_running_loop().create_future()
        work = self._plan(setups)
        if total_window:
            shared = iter([item for items in work.values() for item in items])
            current.todo = dict.fromkeys(work, shared)
        else:
            current.todo = {dpid: iter(items) for dpid, items in work.items()}
        current.started = time.perf_counter()
        for datapath in self.all[:1] if total_window else self.all:
            for _ in range(window):
                self._ask(datapath.dpid)
        async with asyncio.timeout(120):
            await self._done
        if not self.bare:
            await self._echo()
            self._verify(current)
        return current

    def _plan(self, setups: int) -> dict[int, list[tuple[bytes, bytes]]]:
        """Choose distinct pairs of endpoints on different datapaths, shared out evenly over the sources."""
        work: dict[int, list[tuple[bytes, bytes]]] = {datapath.dpid: [] for datapath in self.all}
        seen: set[frozenset[bytes]] = set()
        count = len(self.all)
        possible = count * (count - 1) // 2 * len(self.all[0].endpoints) ** 2
        if setups > possible * 0.9:
            raise ValueError(f"{setups} setups need more than the {possible} pairs that there are")
        n = 0
        while n < setups:
            source = self.random.choice(self.all[n % count].endpoints)
            other = self.random.randrange(count - 1)
            destination = self.random.choice(self.all[other + (other >= n % count)].endpoints)
            key = frozenset((source.ipv4, destination.ipv4))
            if key in seen:
                continue
            seen.add(key)
            frame = syn(source, destination)
            packet_in = PUNT.pack(0, _NO_BUFFER, len(frame), 0, 0, 0, source.port_no, frame)
            work[source.dpid].append((source.ipv4 + destination.ipv4, packet_in))
            n += 1
        return work

    def _ask(self, dpid: int) -> None:
        item = next(self._round.todo[dpid], None)
        if item is None:
            return
        pair, packet_in = item
        source = self.by_ipv4[pair[:4]]
        self._round.pending[pair] = time.perf_counter()
        self.all[source.dpid - 1].transport.write(packet_in)

    def emitted(self, packet_out: bytes, now: float) -> None:
        """Take a packet_out: it ends the setup of the pair that its frame carries, and begins another."""
        current = self._round
        at = 24 + 16 + _PAIR_AT  # ofp_packet_out, one output action
        pair = packet_out[at : at + 8]
        asked = current.pending.pop(pair, None)
        if asked is None:
            current.unexpected += 1
            return
        current.latencies.append(now - asked)
        if len(current.latencies) == current.wanted:
            current.ended = now
            if not self._done.done():
                self._done.set_result(None)
        else:
            self._ask(self.by_ipv4[pair[:4]].dpid)

    async def _echo(self) -> None:
        """Wait until the controller has dealt with all that was sent, and all that it sent is here."""
        for datapath in self.all:
            datapath.echoed.clear()
            datapath.transport.write(EchoRequest().encode())
        async with asyncio.timeout(60):
            for datapath in self.all:
                await datapath.echoed.wait()

    def _verify(self, current: Round) -> None:
        """Each pair must have its two flows on either side, and nothing else may have come."""
        seen: Counter[tuple[int, bytes]] = Counter()
        for datapath in self.all:
            for packed in datapath.flow_mods:
                flow = FORWARD.unpack(packed, 0, len(packed)) or ARRIVE.unpack(packed, 0, len(packed))
                if flow is None:
                    raise RuntimeError(f"not a route's flow: {decode(packed)}")
                first, second = sorted((flow.ipv4_src, flow.ipv4_dst))
                seen[datapath.dpid, first + second] += 1
        if current.unexpected or set(seen.values()) != {2} or len(seen) != 2 * current.wanted:
            raise RuntimeError(
                f"wrong answers: {current.unexpected} strange packet_outs, flow_mods {Counter(seen.values())}"
            )

    def flow_mods(self) -> int:
        """Count the flow_mods since the round began."""
        return sum(len(datapath.flow_mods) for datapath in self.all)

    async def expire(self) -> None:
        """Let all routes of the last round idle out, as a switch would tell it."""
        for datapath in self.all:
            gone = [
                ENDED.pack(0, f.cookie, 0, 30, 0, 30, 1, 74, f.in_port, f.eth_src, f.ipv4_src, f.ipv4_dst)
                for packed in datapath.flow_mods
                if (f := FORWARD.unpack(packed, 0, len(packed))) is not None
            ]
            datapath.transport.write(b"".join(gone))
        await self._echo()
        self._forget_flow_mods()

    def _forget_flow_mods(self) -> None:
        for datapath in self.all:
            datapath.flow_mods.clear()
