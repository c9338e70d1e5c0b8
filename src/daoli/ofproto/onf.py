"""What later versions have and the ONF made experimenters' extensions of 1.3: bundles, flow monitors, copy_field.

Bundles are extension 230 (OpenFlow 1.4, 7.3.9), flow monitors 187, copy_field 320. A message in a bundle is a whole
message with its own header; a bundle in a bundle, which Open vSwitch refuses, bytes can say: its depth is bounded.
"""

import struct
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from construct import Int8ub, Int16ub, Int32ub, Padding

from daoli.ofproto.actions import ACTION, Action
from daoli.ofproto.async_text import FLOW_REMOVED, reason_text
from daoli.ofproto.constants import (
    ONF,
    TABLE_ALL,
    VERSION,
    ActionType,
    BundleControlType,
    BundleFlags,
    FlowMonitorFlags,
    MessageType,
    PortNo,
)
from daoli.ofproto.errors import DecodeError, EncodeError
from daoli.ofproto.experimenter import (
    ExperimenterMessage,
    ExperimenterMultipart,
    experimenter_message,
    experimenter_reply,
    experimenter_request,
)
from daoli.ofproto.instructions import INSTRUCTIONS, Instruction
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import ANY_VERSION, HEADER, MESSAGES, Message, UnknownMessage
from daoli.ofproto.nicira import FieldRef
from daoli.ofproto.number_text import flags_text, name_of, port_text
from daoli.ofproto.oxm_text import match_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import bits_text, instructions_text, nested, words
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U16, U32, U64, Many, Reader, Sized, Wire

_COPY_FIELD = 3200
_BUNDLE_CONTROL, _BUNDLE_ADD = 2300, 2301
_FLOW_MONITOR, _FLOW_MONITOR_PAUSED, _FLOW_MONITOR_RESUMED = 1870, 1871, 1872


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class CopyField(Action):
    """Copy `n_bits` from bit `src_ofs` of one field to bit `dst_ofs` of another."""

    n_bits: Annotated[int, Padding(2), Int16ub]
    src_ofs: U16
    dst_ofs: Annotated[int, Int16ub, Padding(2)]
    src: FieldRef
    dst: FieldRef


ACTION.register(
    ActionType.EXPERIMENTER.to_bytes(2, "big") + ONF.to_bytes(4, "big") + _COPY_FIELD.to_bytes(2, "big"), CopyField
)


@words(CopyField)
def _copy_field(action: CopyField) -> str:
    source = bits_text(action.src, action.src_ofs, action.n_bits)
    return f"move:{source}->{bits_text(action.dst, action.dst_ofs, action.n_bits)}"


# Bundles


@experimenter_message(ONF, _BUNDLE_CONTROL, "7.5.4")
@dataclass(frozen=True, slots=True)
class BundleControl(ExperimenterMessage):
    """Open, close, commit or discard a bundle, or the answer to one; flag 1 is for atomic, 2 for ordered."""

    bundle_id: U32
    type: U16
    flags: U16 = 0

    def detail(self) -> str:
        """Say what to do to which bundle."""
        step = name_of(BundleControlType, self.type)
        return f"\n  bundle_id={_bundle_text(self.bundle_id)} type={step} flags={_bundle_flags(self.flags)}"


def _bundle_text(bundle_id: int) -> str:
    """Write a bundle's id as Open vSwitch does: C's `%#x` has no prefix for zero."""
    return f"{bundle_id:#x}" if bundle_id else "0"


def _bundle_flags(flags: int) -> str:
    return flags_text(BundleFlags, flags).lower()


@dataclass(frozen=True, slots=True)
class BundleProperty(Structure):
    """A property of a bundle."""

    kind: int
    body: bytes


MAX_BUNDLES = 8
"""How many bundles a message may be in, each in the next."""

_BUNDLE_ADD_HEAD = 24
"""Bytes of a bundle add before its message, so that one in n bundles begins at n times that."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A message, and the properties that came with it; EncodeError if it is in more than `MAX_BUNDLES`."""

    message: Message
    properties: tuple[BundleProperty, ...] = ()
    depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        depth = 1
        if isinstance(self.message, BundleAdd) and isinstance(self.message.bundled, Bundled):
            depth += self.message.bundled.depth
        if depth > MAX_BUNDLES:
            raise EncodeError("Bundled.message", f"nested deeper than {MAX_BUNDLES}")
        object.__setattr__(self, "depth", depth)


class BundledWire(Wire):
    """A whole message; properties behind it begin at a multiple of 8 bytes."""

    _properties = Many(Tlv("a property of a bundle", BundleProperty, "7.5.4", counts_padding=False))

    def read(self, reader: Reader) -> Bundled:
        """Take the message, and the properties if anything is left."""
        start = reader.claim(HEADER.size, "a message in a bundle", "7.1.1")
        version, kind, length, xid = HEADER.unpack_from(reader.data, start)
        if length < HEADER.size:
            raise DecodeError(start + 2, f"a message in a bundle with a length of {length}", "7.1.1")
        if version != VERSION and kind not in ANY_VERSION:
            raise DecodeError(start, f"type {kind} in version {version}", "7.1.1")
        if start > MAX_BUNDLES * _BUNDLE_ADD_HEAD:
            raise DecodeError(start, f"nested deeper than {MAX_BUNDLES}", "7.5.4")
        inner = reader.window(length - HEADER.size, "a message in a bundle", "7.1.1")
        cls = MESSAGES.get(kind)
        if cls is None:
            message: Message = UnknownMessage(kind, inner.read(), xid=xid, version=version)
        else:
            message = cls.read(inner, xid, version)
        inner.finish("a message in a bundle", "7.1.1")
        if reader.at == reader.end:
            return Bundled(message)
        reader.pad(-length % 8, "the padding of a message in a bundle", "7.5.4")
        return Bundled(message, self._properties.read(reader))

    def write(self, value: Bundled) -> bytes:
        """Give the message, and the properties if there are any."""
        data = value.message.encode()
        return data + bytes(-len(data) % 8) + self._properties.write(value.properties) if value.properties else data


BUNDLED = BundledWire()


@experimenter_message(ONF, _BUNDLE_ADD, "7.5.4")
@dataclass(frozen=True, slots=True)
class BundleAdd(ExperimenterMessage):
    """Put a message into a bundle; its xid is this one's."""

    bundle_id: Annotated[int, Int32ub, Padding(2)]
    flags: U16
    bundled: Annotated[Bundled, BUNDLED]

    def detail(self) -> str:
        """Say which bundle, and show the message."""
        more = "".join(f"\n  property {said.kind}: {said.body.hex()}" for said in self.bundled.properties)
        about = self.bundled.message
        shown = f"\n  {about.encode().hex()}" if about.type_number() == MessageType.ERROR else nested(about)
        return f"\n  bundle_id={_bundle_text(self.bundle_id)} flags={_bundle_flags(self.flags)}{more}{shown}"


# Flow monitors


class Monitored(Wire):
    """A structure with a match, whose length without padding stands again, a u16 at byte `at`."""

    _length = struct.Struct("!H")

    def __init__(self, con: Wire, at: int, match_at: int, clause: str) -> None:
        super().__init__()
        self.con, self.at, self.match_at, self.clause = con, at, match_at, clause

    def read(self, reader: Reader) -> Any:
        """Take the structure; both lengths must be the same."""
        start = reader.at
        value = self.con.read(reader)
        data = reader.data
        if data[start + self.at : start + self.at + 2] != data[start + self.match_at + 2 : start + self.match_at + 4]:
            raise DecodeError(start + self.at, "a match with two lengths", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give the structure, the length put in."""
        data = self.con.write(value)
        return data[: self.at] + data[self.match_at + 2 : self.match_at + 4] + data[self.at + 2 :]


@wired("7.3.5.15")
@dataclass(frozen=True, slots=True)
class FlowMonitor(Structure):
    """What flows to watch, under an id; flags 1 to 32: initial, add, delete, modify, actions, own."""

    id: U32
    flags: Annotated[int, Int16ub, Padding(2)]
    out_port: U32 = PortNo.ANY
    table_id: Annotated[int, Int8ub, Padding(3)] = TABLE_ALL
    match: Annotated[Match, MATCH] = EVERY_PACKET

    def __str__(self) -> str:
        words = [f"id={self.id}", f"flags={flags_text(FlowMonitorFlags, self.flags).lower().replace(' ', ',')}"]
        words += [f"out_port={port_text(self.out_port)}"] if self.out_port != PortNo.ANY else []
        words += [f"table={self.table_id}"] if self.table_id != TABLE_ALL else []
        return " ".join((*words, *((match_text(self.match),) if len(self.match) else ())))


FLOW_MONITOR = Monitored(FlowMonitor.wire, 6, 16, "7.3.5.15")


@experimenter_request(ONF, _FLOW_MONITOR, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class FlowMonitorRequest(ExperimenterMultipart):
    """Ask to be told of changes to flows."""

    monitors: Annotated[tuple[FlowMonitor, ...], Many(FLOW_MONITOR)] = ()

    def detail(self) -> str:
        """Show a monitor on each line."""
        return "".join(f"\n  {monitor}" for monitor in self.monitors)


@wired("7.3.5.15")
@dataclass(frozen=True, slots=True)
class FlowUpdate(Structure):
    """A flow was added (event 0), deleted (1) or modified (2)."""

    EVENTS: ClassVar[range] = range(3)

    event: U16
    reason: U16 = 0
    priority: U16 = 0x8000
    idle_timeout: U16 = 0
    hard_timeout: Annotated[int, Int16ub, Padding(2)] = 0
    table_id: Annotated[int, Int8ub, Padding(1)] = 0
    cookie: U64 = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET
    instructions: Annotated[tuple[Instruction, ...], INSTRUCTIONS] = ()

    def __str__(self) -> str:
        name = ("ADDED", "DELETED", "MODIFIED")[self.event] if self.event in self.EVENTS else str(self.event)
        said = [f"event={name}", *((f"reason={reason_text(FLOW_REMOVED, self.reason)}",) if self.event == 1 else ())]
        said += [f"table={self.table_id}"]
        said += [f"idle_timeout={self.idle_timeout}"] if self.idle_timeout else []
        said += [f"hard_timeout={self.hard_timeout}"] if self.hard_timeout else []
        said += [f"cookie={self.cookie:#x}" if self.cookie else "cookie=0"]
        said += [matched] if (matched := match_text(self.match, self.priority)) else []
        return " ".join((*said, *((f"actions={instructions_text(self.instructions)}",) if self.instructions else ())))


@wired("7.3.5.15")
@dataclass(frozen=True, slots=True)
class FlowUpdateAbbrev(Structure):
    """This controller's own flow_mod of that xid was carried out."""

    EVENT: ClassVar[int] = 3

    update_xid: U32

    def __str__(self) -> str:
        return f"event=ABBREV xid={self.update_xid:#x}"


@dataclass(frozen=True, slots=True)
class UnknownFlowUpdate(Structure):
    """An event that has no class."""

    event: int
    body: bytes

    def __str__(self) -> str:
        return f"event={self.event} {self.body.hex()}"


class _Update(Wire):
    """An event of a u16, and what belongs to it."""

    _event = struct.Struct("!H")
    _full = Monitored(FlowUpdate.wire, 10, 22, "7.3.5.15")

    def read(self, reader: Reader) -> FlowUpdate | FlowUpdateAbbrev | UnknownFlowUpdate:
        start = reader.claim(2, "an event", "7.3.5.15")
        (event,) = self._event.unpack_from(reader.data, start)
        if event in FlowUpdate.EVENTS:
            reader.at = start
            full: FlowUpdate = self._full.read(reader)
            return full
        if event == FlowUpdateAbbrev.EVENT:
            abbrev: FlowUpdateAbbrev = FlowUpdateAbbrev.wire.read(reader)
            return abbrev
        return UnknownFlowUpdate(event, reader.read())

    def write(self, value: FlowUpdate | FlowUpdateAbbrev | UnknownFlowUpdate) -> bytes:
        match value:
            case FlowUpdate():
                if value.event not in FlowUpdate.EVENTS:
                    raise ValueError(f"{value.event} is no event of a FlowUpdate")
                return self._full.write(value)
            case FlowUpdateAbbrev():
                return self._event.pack(FlowUpdateAbbrev.EVENT) + value.wire.write(value)
        return self._event.pack(value.event) + value.body


FLOW_UPDATE = Sized(_Update(), "7.3.5.15")


@experimenter_reply(ONF, _FLOW_MONITOR, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class FlowMonitorReply(ExperimenterMultipart):
    """Changes to flows: at first those that are there, later without having been asked."""

    updates: Annotated[tuple[FlowUpdate | FlowUpdateAbbrev | UnknownFlowUpdate, ...], Many(FLOW_UPDATE)] = ()

    def detail(self) -> str:
        """Show an update on each line."""
        return "".join(f"\n  {update}" for update in self.updates)


@experimenter_message(ONF, _FLOW_MONITOR, "7.5.4")
@dataclass(frozen=True, slots=True)
class FlowMonitorCancel(ExperimenterMessage):
    """End a flow monitor."""

    id: U32


@experimenter_message(ONF, _FLOW_MONITOR_PAUSED, "7.5.4")
@dataclass(frozen=True, slots=True)
class FlowMonitorPaused(ExperimenterMessage):
    """Changes will not be told until the channel has room."""


@experimenter_message(ONF, _FLOW_MONITOR_RESUMED, "7.5.4")
@dataclass(frozen=True, slots=True)
class FlowMonitorResumed(ExperimenterMessage):
    """Changes are told again."""
