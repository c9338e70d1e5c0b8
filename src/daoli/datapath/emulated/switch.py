"""The emulated switch: OpenFlow messages in and out, ports, and a clock that only `advance` moves.

    switch = EmulatedSwitch(dpid=1, ports=(1, 2))
    await switch.connect("127.0.0.1", 6653)
    switch.receive(1, frame)              # what comes out is in switch.sent, or goes to the controller
    switch.advance(30)                    # thirty seconds later: idle flows are gone, and the controller knows
    await switch.close()

A program without a controller may call `answer` instead of `connect`.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from daoli.datapath.emulated.packet import ETHERNET_HEADER, Packet
from daoli.datapath.emulated.pipeline import Pipeline, Punted, Sent
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.support import check, check_actions, check_match
from daoli.datapath.emulated.table import Ended, Entry, FlowTables
from daoli.datapath.emulated.wire import Wire
from daoli.datapath.errors import DatapathError
from daoli.ofproto import (
    NO_BUFFER,
    TABLE_ALL,
    AggregateStatsReply,
    AggregateStatsRequest,
    BadRequestCode,
    BarrierReply,
    BarrierRequest,
    Capabilities,
    ControllerRole,
    DescReply,
    DescRequest,
    EchoReply,
    EchoRequest,
    Error,
    ErrorType,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowRemovedMask,
    FlowStatsReply,
    FlowStatsRequest,
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    Match,
    Message,
    Multipart,
    MultipartFlags,
    PacketIn,
    PacketInMask,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
    PortNo,
    PortReason,
    PortStats,
    PortStatsReply,
    PortStatsRequest,
    PortStatus,
    PortStatusMask,
    RoleReply,
    RoleRequest,
    RoleRequestFailedCode,
    SetAsync,
    SetConfig,
    TableStats,
    TableStatsReply,
    TableStatsRequest,
    UnknownExperimenter,
)
from daoli.ofproto.experimenter import ExperimenterMessage

_PART: Final = 32 * 1024
"""Bytes at which an answer goes on in a further part (7.3.5)."""
_HALF: Final = 1 << 63

_NEWS: Final = SetAsync(
    (PacketInMask.NO_MATCH | PacketInMask.ACTION, 0),
    (sum(PortStatusMask), sum(PortStatusMask)),
    (sum(FlowRemovedMask), 0),
)
"""What a controller gets before it has said what it wants (6.1.2, 6.3.5)."""


class EmulatedSwitch:
    """A switch with flow tables and ports, and at most one controller at a time.

    It knows flow_mods with every command, the instructions but for METER, OUTPUT, SET_FIELD, the TTL and VLAN actions,
    packet_outs, the statistics of flows, tables and ports, roles and asynchronous masks. To all else it answers with
    the error message that says so. Packets are never buffered, and go to the controller whole.
    """

    def __init__(
        self,
        dpid: int,
        ports: Iterable[int | Port] = (),
        *,
        tables: int = 8,
        capacity: int = 100_000,
        on_output: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """`ports` are numbers or whole descriptions; a table holds `capacity` flows.

        `on_output` is called with the number of the port and the frame that leaves by it; without it they are kept in
        `sent`.
        """
        self.dpid = dpid
        self.ports = {port.port_no: port for port in map(_described, ports)}
        self.tables = FlowTables(tables, capacity)
        self.sent: list[Sent] = []
        """The frames that came out, in order; for a test to look at and clear."""
        self.now = 0.0
        """Seconds of the switch's own clock."""
        self.role = ControllerRole.EQUAL
        self.dropped = 0
        """Packet_ins that nobody got: no controller was there, or it did not read."""
        self._pipeline = Pipeline(self.tables, self.ports)
        self._on_output = on_output or (lambda port, frame: self.sent.append(Sent(port, frame)))
        self._counters = {number: PortStats(port_no=number) for number in self.ports}
        self._config = SetConfig()
        self._wanted = _NEWS
        self._generation: int | None = None
        self._wire: Wire | None = None

    def __repr__(self) -> str:
        return f"<EmulatedSwitch {self.dpid:016x}>"

    # -- the controller ------------------------------------------------------------------------------------------

    async def connect(self, host: str, port: int, *, ssl: tls.SSLContext | None = None) -> None:
        """Connect to a controller; ends when it knows the switch's features (6.3).

        OSError if nobody listens, `DatapathError` if the controller ends the connection or speaks another version.
        Masks and roles of an earlier connection are forgotten; flows stay.
        """
        await self.close()
        self.role, self._wanted, self._config, self._generation = ControllerRole.EQUAL, _NEWS, SetConfig(), None
        loop = asyncio.get_running_loop()
        _, self._wire = await loop.create_connection(lambda: Wire(self.answer), host, port, ssl=ssl)
        await asyncio.wait((self._wire.ready, self._wire.lost), return_when=asyncio.FIRST_COMPLETED)
        if not self._wire.ready.done():
            why = self._wire.failure or "without a word"
            raise DatapathError(f"{self!r}: {host}:{port} ended the connection: {why}")

    async def close(self) -> None:
        """End the connection, if there is one; flows stay."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.transport.close()
            await wire.lost

    @property
    def connected(self) -> bool:
        """Whether a controller is there."""
        return self._wire is not None and not self._wire.lost.done()

    async def disconnected(self) -> None:
        """Wait until the controller is gone."""
        if self._wire is not None:
            await asyncio.shield(self._wire.lost)

    # -- what happens to it --------------------------------------------------------------------------------------

    def receive(self, port: int, frame: bytes) -> None:
        """Let a frame in by a port; ValueError if there is no such port. One without an Ethernet header is dropped."""
        if port not in self.ports:
            raise ValueError(f"{self!r} has no port {port}")
        counters = self._counters[port]
        short = len(frame) < ETHERNET_HEADER
        self._counters[port] = _added(counters, rx_packets=1, rx_bytes=len(frame), rx_dropped=int(short))
        if not short:
            self._let_out(self._pipeline.receive(Packet(frame, port), self.now))

    def advance(self, seconds: float) -> None:
        """Let time pass: flows end whose timeout it is (5.5)."""
        self.now += seconds
        self._tell_ended(self.tables.expire(self.now))

    def add_port(self, port: int | Port) -> None:
        """Plug in a port, or change one, and tell the controller (7.4.3)."""
        described = _described(port)
        known = described.port_no in self.ports
        self.ports[described.port_no] = described
        self._counters.setdefault(described.port_no, PortStats(port_no=described.port_no))
        self._pipeline.ports.add(described.port_no)
        self._tell_port(PortReason.MODIFY if known else PortReason.ADD, described)

    def remove_port(self, number: int) -> None:
        """Pull out a port, and tell the controller; KeyError if there is none of that number."""
        described = self.ports.pop(number)
        del self._counters[number]
        self._pipeline.ports.discard(number)
        self._tell_port(PortReason.DELETE, described)

    # -- what it tells by itself (6.1.2) -------------------------------------------------------------------------

    def _tells(self, masks: tuple[int, int], reason: int) -> bool:
        return bool(masks[self.role == ControllerRole.SLAVE] >> reason & 1)

    def _tell(self, message: Message) -> None:
        if self._wire is not None:
            self._wire.send(message)

    def _tell_port(self, reason: PortReason, port: Port) -> None:
        if self._tells(self._wanted.port_status_mask, reason):
            self._tell(PortStatus(reason, port))

    def _tell_ended(self, ended: Iterable[Ended]) -> None:
        for end in ended:
            if end.is_told and self._tells(self._wanted.flow_removed_mask, end.reason):
                self._tell(end.message())

    def _let_out(self, effects: Iterable[Sent | Punted]) -> None:
        for effect in effects:
            if isinstance(effect, Punted):
                self._punt(effect)
                continue
            counters = self._counters[effect.port]
            self._counters[effect.port] = _added(counters, tx_packets=1, tx_bytes=len(effect.frame))
            self._on_output(effect.port, effect.frame)

    def _punt(self, punted: Punted) -> None:
        if not self._tells(self._wanted.packet_in_mask, punted.reason):
            return
        if self._wire is None or self._wire.clogged or not self.connected:
            self.dropped += 1
            return
        mod = punted.entry.mod if punted.entry else None
        fields = {"in_port": punted.in_port} | ({"metadata": punted.metadata} if punted.metadata else {})
        self._tell(
            PacketIn(
                buffer_id=NO_BUFFER,
                total_len=len(punted.frame),
                reason=punted.reason,
                table_id=mod.table_id if mod else 0,
                cookie=mod.cookie if mod else 0xFFFF_FFFF_FFFF_FFFF,
                match=Match(**fields),
                data=punted.frame,
            )
        )

    # -- what it is told -----------------------------------------------------------------------------------------

    def answer(self, message: Message) -> Iterator[Message]:
        """Do what a message says; give the answers, with its xid. Raises `Refused`."""
        for answer in self._answers(message):
            yield answer.with_xid(message.xid)

    def _answers(self, message: Message) -> Iterator[Message]:
        if self.role == ControllerRole.SLAVE and isinstance(message, FlowMod | PacketOut):
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.IS_SLAVE)
        match message:
            case FlowMod():
                self._flow_mod(message)
            case PacketOut():
                self._packet_out(message)
            case Multipart():
                yield from self._multipart(message)
            case RoleRequest(role, generation_id):
                yield self._role(role, generation_id)
            case UnknownExperimenter() | ExperimenterMessage():
                raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_EXPERIMENTER)
            case SetConfig():
                self._config = message
            case SetAsync():
                self._wanted = message
            case EchoReply() | Error() | Hello():
                pass
            case _:
                yield self._said(message)

    def _said(self, message: Message) -> Message:
        """Answer what changes nothing."""
        match message:
            case EchoRequest(data):
                return EchoReply(data)
            case BarrierRequest():
                return BarrierReply()
            case FeaturesRequest():
                offers = Capabilities.FLOW_STATS | Capabilities.TABLE_STATS | Capabilities.PORT_STATS
                return FeaturesReply(self.dpid, n_tables=len(self.tables), capabilities=offers)
            case GetConfigRequest():
                return GetConfigReply(self._config.flags, self._config.miss_send_len)
            case GetAsyncRequest():
                wanted = self._wanted
                return GetAsyncReply(wanted.packet_in_mask, wanted.port_status_mask, wanted.flow_removed_mask)
            case _:
                raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE)

    def _flow_mod(self, mod: FlowMod) -> None:
        check(mod, len(self.tables))
        if mod.buffer_id != NO_BUFFER:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BUFFER_UNKNOWN)
        self._tell_ended(self.tables.change(mod, self.now))

    def _packet_out(self, message: PacketOut) -> None:
        check_actions(message.actions, None)
        if message.buffer_id != NO_BUFFER:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BUFFER_UNKNOWN)
        if len(message.data) < ETHERNET_HEADER:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_PACKET)
        self._let_out(self._pipeline.execute(Packet(message.data, message.in_port), message.actions, self.now))

    def _role(self, role: int, generation_id: int) -> RoleReply:
        """Take a role (6.3.6): a generation is older if it is behind by less than half of all numbers."""
        if role not in list(ControllerRole):
            raise Refused(ErrorType.ROLE_REQUEST_FAILED, RoleRequestFailedCode.BAD_ROLE)
        if role in (ControllerRole.MASTER, ControllerRole.SLAVE):
            if self._generation is not None and (generation_id - self._generation) % (2 * _HALF) >= _HALF:
                raise Refused(ErrorType.ROLE_REQUEST_FAILED, RoleRequestFailedCode.STALE)
            self._generation = generation_id
        if role != ControllerRole.NOCHANGE:
            self.role = ControllerRole(role)
        return RoleReply(self.role, self._generation or 0)

    # -- what it is asked ----------------------------------------------------------------------------------------

    def _multipart(self, message: Multipart) -> Iterator[Message]:
        match message:
            case DescRequest():
                yield DescReply("daoli", "emulated", "daoli.datapath.emulated", "", f"{self.dpid:016x}")
            case FlowStatsRequest():
                flows = [entry.stats(self.now) for entry in self._selected(message)]
                yield from _parts(FlowStatsReply, flows)
            case AggregateStatsRequest():
                entries = list(self._selected(message))
                yield AggregateStatsReply(sum(e.packets for e in entries), sum(e.bytes for e in entries), len(entries))
            case TableStatsRequest():
                counts = zip(self.tables.lookups, self.tables.matched, strict=True)
                stats = [TableStats(n, len(self.tables[n]), *both) for n, both in enumerate(counts)]
                yield from _parts(TableStatsReply, stats)
            case PortStatsRequest(port_no):
                if port_no != PortNo.ANY and port_no not in self.ports:
                    raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_PORT)
                numbers = sorted(self.ports) if port_no == PortNo.ANY else [port_no]
                yield from _parts(PortStatsReply, [self._counters[number] for number in numbers])
            case PortDescRequest():
                yield from _parts(PortDescReply, [self.ports[number] for number in sorted(self.ports)])
            case _:
                raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_MULTIPART)

    def _selected(self, request: FlowStatsRequest | AggregateStatsRequest) -> Iterator[Entry]:
        check_match(request.match)
        if request.table_id >= len(self.tables) and request.table_id != TABLE_ALL:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TABLE_ID)
        return self.tables.select(
            request.table_id,
            request.match,
            request.cookie,
            request.cookie_mask,
            request.out_port,
            request.out_group,
        )


def _described(port: int | Port) -> Port:
    """Give a port's description: a number alone gets a name and a locally administered address."""
    if isinstance(port, Port):
        return port
    return Port(port, b"\x02\xee" + port.to_bytes(4, "big"), f"port{port}")


def _added(counters: PortStats, **more: int) -> PortStats:
    return replace(counters, **{name: getattr(counters, name) + n for name, n in more.items()})


def _parts(reply: type[Any], items: Sequence[Any]) -> Iterator[Message]:
    """Cut an answer into parts; every one but the last says that there are more (7.3.5)."""
    part: list[Any] = []
    size = 0
    for item in items:
        length = len(type(item).wire.write(item))
        if size + length > _PART:
            yield reply(tuple(part), flags=MultipartFlags.MORE)
            part, size = [], 0
        part.append(item)
        size += length
    yield reply(tuple(part))
