"""Questions about a datapath, and answers that may come in several messages (7.3.5).

A new one is a class with `@multipart_request(...)` or `@multipart_reply(...)`; a type without a class is an
`UnknownMultipartRequest` or `UnknownMultipartReply`. Every answer but the last has the flag MORE; putting the parts
together is the connection's task.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, ClassVar, TypeVar

from construct import Int8ub, Int16ub, Int32ub, Padding

from daoli.ofproto.constants import TABLE_ALL, GroupNo, MessageType, MultipartFlags, MultipartType, PortNo
from daoli.ofproto.errors import check_bytes, check_number
from daoli.ofproto.instructions import INSTRUCTIONS, Instruction
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import Message, message
from daoli.ofproto.number_text import counter_text, duration_text, port_text
from daoli.ofproto.ports import Port
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import flow_text, selection_text, value_text
from daoli.ofproto.wire import U16, U32, U64, Many, Reader, Sized, Text

_HEAD = struct.Struct("!HH4x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Multipart(Message):
    """Base of requests and replies: a head of type, flags and padding, then the body."""

    KIND: ClassVar[int]
    flags: int = 0

    def kind_number(self) -> int:
        """Give the multipart type that goes into the head."""
        return self.KIND

    def body_bytes(self) -> bytes:
        """Give the head and the body."""
        numbers: tuple[tuple[str, object], ...] = (("kind", self.kind_number()), ("flags", self.flags))
        for field, value in numbers:
            if not isinstance(value, int) or not 0 <= value <= 0xFFFF:
                check_number(f"{type(self).__name__}.{field}", value, 16)
        return _HEAD.pack(self.kind_number(), self.flags) + self.part_bytes()

    def part_bytes(self) -> bytes:
        """Give the body."""
        return self.wire.write(self)

    @classmethod
    def read_part(cls, reader: Reader, flags: int, xid: int, version: int) -> "Multipart":
        """Take the body of a message of this class."""
        return cls(*cls.wire.values(reader), flags=flags, xid=xid, version=version)

    def remark(self) -> str:
        """Give the flags, if there are any: that more parts follow, and what has no name."""
        if not self.flags:
            return ""
        more = "[more]" if self.flags & MultipartFlags.MORE else ""
        rest = self.flags & ~MultipartFlags.MORE
        return f"flags={more}{f'[***unknown flags {rest:#06x}***]' if rest else ''} "

    def detail(self) -> str:
        """Say what is in the message."""
        return Message.detail(self).removeprefix(f"flags={self.flags}").lstrip()

    def title(self) -> str:
        """Name the message and what it is about."""
        kind = self.kind_number()
        about = MultipartType(kind).name if kind in list(MultipartType) else str(kind)
        return f"{MessageType(self.TYPE).name} {about}"


REQUESTS: dict[int, type[Multipart]] = {}
"""The class of each type of request; filled as this module is imported, and not changed after."""

REPLIES: dict[int, type[Multipart]] = {}
"""The class of each type of reply."""

P = TypeVar("P", bound=Multipart)


def _register(
    classes: dict[int, type[Multipart]], type_: MessageType, kind: MultipartType, clause: str
) -> Callable[[type[P]], type[P]]:
    def declare(cls: type[P]) -> type[P]:
        if kind in classes:
            raise TypeError(f"{kind!r} is both {classes[kind].__name__} and {cls.__name__}")
        cls.TYPE, cls.KIND = type_, kind
        classes[kind] = wired(clause)(cls)
        return cls

    return declare


def multipart_request(kind: MultipartType, clause: str) -> Callable[[type[P]], type[P]]:
    """Make a dataclass the request of that type."""
    return _register(REQUESTS, MessageType.MULTIPART_REQUEST, kind, clause)


def multipart_reply(kind: MultipartType, clause: str) -> Callable[[type[P]], type[P]]:
    """Make a dataclass the reply of that type."""
    return _register(REPLIES, MessageType.MULTIPART_REPLY, kind, clause)


@dataclass(frozen=True, slots=True)
class _UnknownMultipart(Multipart):
    """What has no class; the body is what follows the head."""

    CLASSES: ClassVar[dict[int, type[Multipart]]]
    kind: int
    body: bytes = b""

    def kind_number(self) -> int:
        """Give the multipart type that it came with."""
        return self.kind

    def part_bytes(self) -> bytes:
        """Give the body that it came with."""
        check_bytes(f"{type(self).__name__}.body", self.body)
        return self.body

    @classmethod
    def read(cls, reader: Reader, xid: int, version: int) -> Message:
        """Take any message of this type: by the class that its head names, or as unknown."""
        kind, flags = _HEAD.unpack_from(reader.data, reader.claim(_HEAD.size, "a multipart head", "7.3.5"))
        known = cls.CLASSES.get(kind)
        if known is None:
            return cls(kind, reader.read(), flags=flags, xid=xid, version=version)
        return known.read_part(reader, flags, xid, version)


@message(MessageType.MULTIPART_REQUEST, "7.3.5")
@dataclass(frozen=True, slots=True)
class UnknownMultipartRequest(_UnknownMultipart):
    """A request that has no class."""

    CLASSES = REQUESTS


@message(MessageType.MULTIPART_REPLY, "7.3.5")
@dataclass(frozen=True, slots=True)
class UnknownMultipartReply(_UnknownMultipart):
    """A reply that has no class."""

    CLASSES = REPLIES


@multipart_request(MultipartType.DESC, "7.3.5.1")
@dataclass(frozen=True, slots=True)
class DescRequest(Multipart):
    """Ask what the datapath is made of."""


@multipart_reply(MultipartType.DESC, "7.3.5.1")
@dataclass(frozen=True, slots=True)
class DescReply(Multipart):
    """What the datapath is made of, for people."""

    mfr_desc: Annotated[str, Text(256)] = ""
    hw_desc: Annotated[str, Text(256)] = ""
    sw_desc: Annotated[str, Text(256)] = ""
    serial_num: Annotated[str, Text(32)] = ""
    dp_desc: Annotated[str, Text(256)] = ""

    def detail(self) -> str:
        """Show each on a line."""
        return (
            f"\n  Manufacturer: {value_text('', self.mfr_desc)}"
            f"\n  Hardware: {value_text('', self.hw_desc)}"
            f"\n  Software: {value_text('', self.sw_desc)}"
            f"\n  Serial Num: {value_text('', self.serial_num)}"
            f"\n  DP Description: {value_text('', self.dp_desc)}"
        )


@multipart_request(MultipartType.FLOW, "7.3.5.2")
@dataclass(frozen=True, slots=True)
class FlowStatsRequest(Multipart):
    """Ask for the flows that a match, a cookie and an output select; as it stands, all of them."""

    table_id: Annotated[int, Int8ub, Padding(3)] = TABLE_ALL
    out_port: U32 = PortNo.ANY
    out_group: Annotated[int, Int32ub, Padding(4)] = GroupNo.ANY
    cookie: U64 = 0
    cookie_mask: U64 = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET

    def detail(self) -> str:
        """Say which flows are meant."""
        return selection_text(self.table_id, self.out_port, self.out_group, self.cookie, self.cookie_mask, self.match)


@wired("7.3.5.2")
@dataclass(frozen=True, slots=True)
class FlowStats(Structure):
    """One flow and its counters."""

    table_id: Annotated[int, Int8ub, Padding(1)] = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0
    priority: U16 = 0x8000
    idle_timeout: U16 = 0
    hard_timeout: U16 = 0
    flags: Annotated[int, Int16ub, Padding(4)] = 0
    cookie: U64 = 0
    packet_count: U64 = 0
    byte_count: U64 = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET
    instructions: Annotated[tuple[Instruction, ...], INSTRUCTIONS] = ()

    def text(self, *, counters: bool = True) -> str:
        """Give the flow as `ovs-ofctl dump-flows` does, or without counters as with `--no-stats`."""
        duration = f"duration={duration_text(self.duration_sec, self.duration_nsec)}, "
        counted = f"n_packets={self.packet_count}, n_bytes={self.byte_count}, "
        return flow_text(
            self.table_id,
            self.priority,
            self.cookie,
            self.idle_timeout,
            self.hard_timeout,
            self.flags,
            self.match,
            self.instructions,
            duration=duration if counters else "",
            counters=counted if counters else "",
        )

    def __str__(self) -> str:
        return self.text()


@multipart_reply(MultipartType.FLOW, "7.3.5.2")
@dataclass(frozen=True, slots=True)
class FlowStatsReply(Multipart):
    """Flows and their counters."""

    flows: Annotated[tuple[FlowStats, ...], Many(Sized(FlowStats.wire, "7.3.5.2"))] = ()

    def detail(self) -> str:
        """Show a flow on each line."""
        return "".join(f"\n  {flow}" for flow in self.flows)


@multipart_request(MultipartType.AGGREGATE, "7.3.5.3")
@dataclass(frozen=True, slots=True)
class AggregateStatsRequest(Multipart):
    """Ask for the sums of the flows that are selected as in a FlowStatsRequest."""

    table_id: Annotated[int, Int8ub, Padding(3)] = TABLE_ALL
    out_port: U32 = PortNo.ANY
    out_group: Annotated[int, Int32ub, Padding(4)] = GroupNo.ANY
    cookie: U64 = 0
    cookie_mask: U64 = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET

    def detail(self) -> str:
        """Say which flows are meant."""
        return selection_text(self.table_id, self.out_port, self.out_group, self.cookie, self.cookie_mask, self.match)


@multipart_reply(MultipartType.AGGREGATE, "7.3.5.3")
@dataclass(frozen=True, slots=True)
class AggregateStatsReply(Multipart):
    """The sums of the selected flows."""

    packet_count: U64 = 0
    byte_count: U64 = 0
    flow_count: Annotated[int, Int32ub, Padding(4)] = 0


@multipart_request(MultipartType.TABLE, "7.3.5.4")
@dataclass(frozen=True, slots=True)
class TableStatsRequest(Multipart):
    """Ask for the counters of every table."""


@wired("7.3.5.4")
@dataclass(frozen=True, slots=True)
class TableStats(Structure):
    """One table's counters."""

    table_id: Annotated[int, Int8ub, Padding(3)] = 0
    active_count: U32 = 0
    lookup_count: U64 = 0
    matched_count: U64 = 0

    def __str__(self) -> str:
        return f"table {self.table_id}:\n    {self.counters()}"

    def counters(self) -> str:
        """Give the counters alone."""
        return f"active={self.active_count}, lookup={self.lookup_count}, matched={self.matched_count}"


@multipart_reply(MultipartType.TABLE, "7.3.5.4")
@dataclass(frozen=True, slots=True)
class TableStatsReply(Multipart):
    """The counters of tables."""

    tables: Annotated[tuple[TableStats, ...], Many(TableStats.wire)] = ()

    def detail(self) -> str:
        """Show each table; tables with the counters of the one before share a line."""
        lines = []
        for _, run in groupby(enumerate(self.tables), lambda item: (item[1].table_id - item[0], item[1].counters())):
            first, *same = [table for _, table in run]
            lines.append(f"\n  {first}")
            if same:
                ids = f"{same[0].table_id}" if len(same) == 1 else f"{same[0].table_id}...{same[-1].table_id}"
                lines.append(f"\n  table{'s' if len(same) > 1 else ''} {ids}: ditto")
        return "".join(lines)


@multipart_request(MultipartType.PORT_STATS, "7.3.5.6")
@dataclass(frozen=True, slots=True)
class PortStatsRequest(Multipart):
    """Ask for the counters of a port, or of all of them."""

    port_no: Annotated[int, Int32ub, Padding(4)] = PortNo.ANY


@wired("7.3.5.6")
@dataclass(frozen=True, slots=True)
class PortStats(Structure):
    """One port's counters; all ones is a counter that the datapath lacks."""

    port_no: Annotated[int, Int32ub, Padding(4)] = 0
    rx_packets: U64 = 0
    tx_packets: U64 = 0
    rx_bytes: U64 = 0
    tx_bytes: U64 = 0
    rx_dropped: U64 = 0
    tx_dropped: U64 = 0
    rx_errors: U64 = 0
    tx_errors: U64 = 0
    rx_frame_err: U64 = 0
    rx_over_err: U64 = 0
    rx_crc_err: U64 = 0
    collisions: U64 = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0

    def __str__(self) -> str:
        received = {
            "pkts": self.rx_packets,
            "bytes": self.rx_bytes,
            "drop": self.rx_dropped,
            "errs": self.rx_errors,
            "frame": self.rx_frame_err,
            "over": self.rx_over_err,
            "crc": self.rx_crc_err,
        }
        sent = {
            "pkts": self.tx_packets,
            "bytes": self.tx_bytes,
            "drop": self.tx_dropped,
            "errs": self.tx_errors,
            "coll": self.collisions,
        }
        rx, tx = (
            ", ".join(f"{name}={counter_text(value)}" for name, value in counters.items())
            for counters in (received, sent)
        )
        duration = duration_text(self.duration_sec, self.duration_nsec)
        lived = "" if duration == "?" else f"\n  duration={duration}"
        return f"port {port_text(self.port_no):>2}: rx {rx}\n  tx {tx}{lived}"


@multipart_reply(MultipartType.PORT_STATS, "7.3.5.6")
@dataclass(frozen=True, slots=True)
class PortStatsReply(Multipart):
    """The counters of ports."""

    ports: Annotated[tuple[PortStats, ...], Many(PortStats.wire)] = ()

    def detail(self) -> str:
        """Show a port on three lines."""
        return f"{len(self.ports)} ports" + "".join(f"\n  {port}" for port in self.ports)


@multipart_request(MultipartType.PORT_DESC, "7.3.5.7")
@dataclass(frozen=True, slots=True)
class PortDescRequest(Multipart):
    """Ask for all ports."""

    def detail(self) -> str:
        """Say so; OpenFlow 1.5 can ask for one."""
        return "port=ANY"


@multipart_reply(MultipartType.PORT_DESC, "7.3.5.7")
@dataclass(frozen=True, slots=True)
class PortDescReply(Multipart):
    """The datapath's ports."""

    ports: Annotated[tuple[Port, ...], Many(Port.wire)] = ()

    def detail(self) -> str:
        """Show the ports by number, over some lines each."""
        return "".join(f"\n  {port}" for port in sorted(self.ports, key=lambda port: port.port_no))
