"""Open vSwitch's own messages: experimenter messages of Nicira (its nicira-ext.h).

Some serve OpenFlow 1.0, which lacks what 1.3 has a message of its own for: the role, the formats, the flow's table id.
Properties are padded to 8 bytes; one without a class is carried as it came.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from construct import GreedyBytes, Int8ub, Int16ub, Int64ub, Padding

from daoli.ofproto.async_text import KINDS, async_text, masks_text
from daoli.ofproto.constants import NICIRA, NO_BUFFER, NiciraMessage
from daoli.ofproto.errors import DecodeError, EncodeError, shown
from daoli.ofproto.experimenter import ExperimenterMessage, experimenter_message
from daoli.ofproto.handshake import Masks, role_text
from daoli.ofproto.match import EVERY_PACKET, Match
from daoli.ofproto.oxm import OXM, Oxm
from daoli.ofproto.packets import UNKNOWN_COOKIE, punted_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U8, U16, U32, U64, Many, Reader, Wire

E = TypeVar("E", bound=ExperimenterMessage)
S = TypeVar("S", bound=Structure)


def _nicira(number: NiciraMessage) -> Callable[[type[E]], type[E]]:
    return experimenter_message(NICIRA, number, "7.5.4")


# Who gets what


@_nicira(NiciraMessage.ROLE_REQUEST)
@dataclass(frozen=True, slots=True)
class NiciraRoleRequest(ExperimenterMessage):
    """Ask for a role: 0 is equal, 1 master, 2 slave."""

    role: U32

    def detail(self) -> str:
        """Name the role."""
        return role_text(self.role + 1)


@_nicira(NiciraMessage.ROLE_REPLY)
@dataclass(frozen=True, slots=True)
class NiciraRoleReply(ExperimenterMessage):
    """The role that the controller has now."""

    role: U32

    def detail(self) -> str:
        """Name the role."""
        return role_text(self.role + 1)


@_nicira(NiciraMessage.SET_CONTROLLER_ID)
@dataclass(frozen=True, slots=True)
class SetControllerId(ExperimenterMessage):
    """Say which id this controller has, to which a controller action may send."""

    controller_id: Annotated[int, Padding(6), Int16ub]

    def detail(self) -> str:
        """Give the id."""
        return f"id={self.controller_id}"


@_nicira(NiciraMessage.SET_ASYNC_CONFIG)
@dataclass(frozen=True, slots=True)
class NiciraSetAsync(ExperimenterMessage):
    """Choose which asynchronous messages to get, as SetAsync does."""

    packet_in_mask: Masks
    port_status_mask: Masks
    flow_removed_mask: Masks

    def detail(self) -> str:
        """Show the reasons for which each role gets each message."""
        return masks_text((self.packet_in_mask, self.port_status_mask, self.flow_removed_mask))


_MASK_SIZE = 4


@dataclass(frozen=True, slots=True)
class AsyncProperty(Structure):
    """What is wanted of one kind of message in one role: the body is a mask of reasons.

    `kind` is twice that of `async_text`, and one more for the master; of others the body is carried as it came.
    """

    kind: int
    body: bytes

    @property
    def known(self) -> bool:
        """Whether the kind has a meaning, and so a length."""
        return self.kind // 2 < KINDS


class _AsyncProperties(Tlv):
    """Properties whose body, where the kind is known, is a mask of 32 bits."""

    def read(self, reader: Reader) -> AsyncProperty:
        start = reader.at
        said: AsyncProperty = super().read(reader)
        if said.known and len(said.body) != _MASK_SIZE:
            raise DecodeError(start + 2, f"a mask of reasons of {len(said.body)} bytes", self.clause)
        return said

    def write(self, value: AsyncProperty) -> bytes:
        data = super().write(value)
        if value.known and len(value.body) != _MASK_SIZE:
            raise EncodeError("AsyncProperty.body", f"{shown(value.body)} is not a mask of {_MASK_SIZE} bytes")
        return data


ASYNC_PROPERTY = _AsyncProperties("what is wanted", AsyncProperty, "7.5.4", counts_padding=False)


@_nicira(NiciraMessage.SET_ASYNC_CONFIG2)
@dataclass(frozen=True, slots=True)
class NiciraSetAsync2(ExperimenterMessage):
    """Choose which asynchronous messages to get, as OpenFlow 1.4 does."""

    properties: Annotated[tuple[AsyncProperty, ...], Many(ASYNC_PROPERTY)] = ()

    def detail(self) -> str:
        """Show the reasons for which each role gets each message, and what is no mask of reasons."""
        masks: tuple[dict[int, int], dict[int, int]] = ({}, {})
        more = ""
        for said in self.properties:
            kind, primary = said.kind // 2, said.kind % 2
            if said.known:
                masks[1 - primary][kind] = int.from_bytes(said.body, "big")
            else:
                more += f"\n  property {said.kind}: {said.body.hex()}"
        return async_text(*masks) + more


# Formats of OpenFlow 1.0


@_nicira(NiciraMessage.SET_FLOW_FORMAT)
@dataclass(frozen=True, slots=True)
class SetFlowFormat(ExperimenterMessage):
    """Choose how flows are written: 0 as in OpenFlow 1.0, 2 with NXM."""

    format: U32


@_nicira(NiciraMessage.FLOW_MOD_TABLE_ID)
@dataclass(frozen=True, slots=True)
class FlowModTableId(ExperimenterMessage):
    """Have the upper half of a flow_mod's command be a table id."""

    set: Annotated[int, Int8ub, Padding(7)]

    def detail(self) -> str:
        """Say whether it is to be so."""
        return {0: "disable", 1: "enable"}.get(self.set, f"set={self.set}")


@_nicira(NiciraMessage.SET_PACKET_IN_FORMAT)
@dataclass(frozen=True, slots=True)
class SetPacketInFormat(ExperimenterMessage):
    """Choose how packets come in: 0 as OpenFlow has it, 1 as NiciraPacketIn, 2 as PacketIn2."""

    format: U32

    def detail(self) -> str:
        """Name the format."""
        names = ("standard", "nxt_packet_in", "nxt_packet_in2")
        return f"format={names[self.format] if self.format < len(names) else self.format}"


@_nicira(NiciraMessage.FLOW_AGE)
@dataclass(frozen=True, slots=True)
class FlowAge(ExperimenterMessage):
    """Ask that flow statistics tell how long a flow was idle."""


# Packets


class _NxmMatch(Wire):
    """A match of OpenFlow 1.0's extension: its length, padding, the fields, and padding to 8 bytes."""

    _head = struct.Struct("!H6x")
    _fields = Many(OXM)

    def read(self, reader: Reader) -> Match:
        (length,) = self._head.unpack_from(reader.data, reader.claim(8, "the length of a match", "7.5.4"))
        match = Match.of(self._fields.read(reader.window(length, "a match", "7.5.4")))
        reader.pad(-length % 8, "the padding of a match", "7.5.4")
        return match

    def write(self, value: Match) -> bytes:
        body = self._fields.write(value.oxms)
        return self._head.pack(len(body)) + body + bytes(-len(body) % 8)


NXM_MATCH = _NxmMatch()


@_nicira(NiciraMessage.PACKET_IN)
@dataclass(frozen=True, slots=True)
class NiciraPacketIn(ExperimenterMessage):
    """A packet handed to the controller, with its cookie and metadata."""

    buffer_id: U32 = NO_BUFFER
    total_len: U16 = 0
    reason: U8 = 0
    table_id: U8 = 0
    cookie: U64 = 0
    match: Annotated[Match, NXM_MATCH, Padding(2)] = EVERY_PACKET
    data: Annotated[bytes, GreedyBytes] = b""

    def detail(self) -> str:
        """Say where it came from, why, and what it is."""
        return punted_text(
            self.data, self.total_len, self.reason, self.table_id, self.cookie, self.match, self.buffer_id
        )


class PacketProperty(Structure):
    """Base of what a PacketIn2 or a Resume says."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownPacketProperty(PacketProperty):
    """A property that has no class."""

    kind: int
    body: bytes


PACKET_PROPERTY = Tlv("a property of a packet", UnknownPacketProperty, "7.5.4", counts_padding=False)


def _property(kind: int) -> Callable[[type[S]], type[S]]:
    def declare(cls: type[S]) -> type[S]:
        PACKET_PROPERTY.register(kind.to_bytes(2, "big"), wired("7.5.4")(cls))
        return cls

    return declare


@_property(0)
@dataclass(frozen=True, slots=True)
class PacketData(PacketProperty):
    """The packet, or the start of it."""

    data: Annotated[bytes, GreedyBytes]


@_property(1)
@dataclass(frozen=True, slots=True)
class PacketFullLen(PacketProperty):
    """How many bytes the packet has, where not all are here."""

    full_len: U32


@_property(2)
@dataclass(frozen=True, slots=True)
class PacketBufferId(PacketProperty):
    """Where the datapath keeps the packet."""

    buffer_id: U32


@_property(3)
@dataclass(frozen=True, slots=True)
class PacketTableId(PacketProperty):
    """The table that sent it."""

    table_id: U8


@_property(4)
@dataclass(frozen=True, slots=True)
class PacketCookie(PacketProperty):
    """The cookie of the flow that sent it."""

    cookie: Annotated[int, Padding(4), Int64ub]


@_property(5)
@dataclass(frozen=True, slots=True)
class PacketReason(PacketProperty):
    """Why it was sent."""

    reason: U8


@_property(6)
@dataclass(frozen=True, slots=True)
class PacketMetadata(PacketProperty):
    """The fields that belong to the packet but are not in it."""

    fields: Annotated[tuple[Oxm, ...], Many(OXM)]


@_property(7)
@dataclass(frozen=True, slots=True)
class PacketUserdata(PacketProperty):
    """What the action asked to hand back."""

    userdata: Annotated[bytes, GreedyBytes]


@_property(8)
@dataclass(frozen=True, slots=True)
class PacketContinuation(PacketProperty):
    """Where the datapath stopped; it is sent back as it came."""

    continuation: Annotated[bytes, GreedyBytes]


PACKET_PROPERTIES = Many(PACKET_PROPERTY)


def _packet_text(properties: tuple[PacketProperty, ...]) -> str:
    """Say of a packet what its properties do; of two of a kind the last one counts."""
    held: dict[type[PacketProperty], Any] = {}
    more = ""
    for said in properties:
        if isinstance(said, UnknownPacketProperty):
            more += f"\n  property {said.kind}: {said.body.hex()}"
        else:
            held[type(said)] = getattr(said, next(part.name for part in said.wire.parts if part.name))
    if userdata := held.get(PacketUserdata):
        more += f"\n  userdata={userdata.hex('.')}"
    if continuation := held.get(PacketContinuation):
        more += f"\n  continuation={continuation.hex()}"
    data = held.get(PacketData, b"")
    return punted_text(
        data,
        held.get(PacketFullLen, len(data)),
        held.get(PacketReason, 0),
        held.get(PacketTableId, 0),
        held.get(PacketCookie, UNKNOWN_COOKIE),
        Match.of(held.get(PacketMetadata, ())),
        held.get(PacketBufferId, NO_BUFFER),
        more,
    )


@_nicira(NiciraMessage.PACKET_IN2)
@dataclass(frozen=True, slots=True)
class PacketIn2(ExperimenterMessage):
    """A packet handed to the controller, as the properties say."""

    properties: Annotated[tuple[PacketProperty, ...], PACKET_PROPERTIES] = ()

    def detail(self) -> str:
        """Say where it came from, why, and what it is."""
        return _packet_text(self.properties)


@_nicira(NiciraMessage.RESUME)
@dataclass(frozen=True, slots=True)
class Resume(ExperimenterMessage):
    """Have the datapath go on with a packet where it paused."""

    properties: Annotated[tuple[PacketProperty, ...], PACKET_PROPERTIES] = ()

    def detail(self) -> str:
        """Say where it came from, why, and what it is."""
        return _packet_text(self.properties)


# Flow monitors


@_nicira(NiciraMessage.FLOW_MONITOR_CANCEL)
@dataclass(frozen=True, slots=True)
class NiciraFlowMonitorCancel(ExperimenterMessage):
    """End a flow monitor."""

    id: U32


@_nicira(NiciraMessage.FLOW_MONITOR_PAUSED)
@dataclass(frozen=True, slots=True)
class NiciraFlowMonitorPaused(ExperimenterMessage):
    """Changes of flows will not be told until the channel has room."""


@_nicira(NiciraMessage.FLOW_MONITOR_RESUMED)
@dataclass(frozen=True, slots=True)
class NiciraFlowMonitorResumed(ExperimenterMessage):
    """Changes of flows are told again."""


# Options of tunnels


@wired("7.5.4")
@dataclass(frozen=True, slots=True)
class TlvMap(Structure):
    """A tunnel option that becomes the field tun_metadata of a number."""

    option_class: U16
    option_type: U8
    option_len: U8
    index: Annotated[int, Int16ub, Padding(2)]


TLV_MAPS = Many(TlvMap.wire)


def _hex(number: int) -> str:
    return f"{number:#x}" if number else "0"


def _maps_text(maps: tuple[TlvMap, ...]) -> str:
    lines = [" class  type  length  match field", "------  ----  ------  --------------"]
    lines += [
        f"{_hex(said.option_class):>6}  {_hex(said.option_type):>4}  {said.option_len:>6}  tun_metadata{said.index}"
        for said in maps
    ]
    return "mapping table:" + "".join(f"\n  {line}" for line in lines)


@_nicira(NiciraMessage.TLV_TABLE_MOD)
@dataclass(frozen=True, slots=True)
class TlvTableMod(ExperimenterMessage):
    """Map tunnel options to fields (0), take maps away (1), or all of them (2)."""

    command: Annotated[int, Int16ub, Padding(6)]
    maps: Annotated[tuple[TlvMap, ...], TLV_MAPS] = ()

    def detail(self) -> str:
        """Name the command and show the maps."""
        commands = ("ADD", "DEL", "CLEAR")
        command = commands[self.command] if self.command < len(commands) else str(self.command)
        bare = command == "CLEAR" and not self.maps
        return f"\n  {command}" if bare else f"\n  {command} {_maps_text(self.maps)}"


@_nicira(NiciraMessage.TLV_TABLE_REQUEST)
@dataclass(frozen=True, slots=True)
class TlvTableRequest(ExperimenterMessage):
    """Ask for the maps."""


@_nicira(NiciraMessage.TLV_TABLE_REPLY)
@dataclass(frozen=True, slots=True)
class TlvTableReply(ExperimenterMessage):
    """The maps, and how many bytes and fields there can be."""

    max_option_space: U32
    max_fields: Annotated[int, Int16ub, Padding(10)]
    maps: Annotated[tuple[TlvMap, ...], TLV_MAPS] = ()

    def detail(self) -> str:
        """Show the room that there is, and the maps."""
        used = sum(said.option_len for said in self.maps)
        room = f"\n  max option space={self.max_option_space} max fields={self.max_fields}"
        return f"{room}\n  allocated option space={used}\n  {_maps_text(self.maps)}"
