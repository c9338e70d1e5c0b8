"""Open vSwitch's own actions: experimenter actions of Nicira (its nicira-ext.h and ofp-actions.c).

A subtype without a class stays an `UnknownAction`. A field argument (`src`, `dst`) is an OXM header of 4 bytes, or for
an experimenter's field that and the experimenter's id: `Field.reference` has both. An offset and a number of bits in 16
(`ofs_nbits`) are offset << 6 | (bits - 1). Open vSwitch speaks some of these in OpenFlow 1.0 only, where 1.3 has an
action of its own; their names begin with Nicira.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

from construct import GreedyBytes, Int8ub, Int16ub, Int32ub, Int64ub, Padding

from daoli.ofproto.actions import ACTION, ACTIONS, Action
from daoli.ofproto.constants import CML_NO_BUFFER, NICIRA, ActionType, NiciraSubtype, OxmClass
from daoli.ofproto.errors import DecodeError
from daoli.ofproto.oxm import OXM, Oxm
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U8, U16, U32, U64, Fill, Many, Nested, Reader, Tally, Wire, depth_with

A = TypeVar("A", bound=Action)

_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")


def nicira_action(subtype: NiciraSubtype) -> Callable[[type[A]], type[A]]:
    """Make a dataclass Nicira's action of that subtype."""

    def declare(cls: type[A]) -> type[A]:
        key = ActionType.EXPERIMENTER.to_bytes(2, "big") + NICIRA.to_bytes(4, "big") + subtype.to_bytes(2, "big")
        ACTION.register(key, wired("7.2.5")(cls))
        return cls

    return declare


class Reference(Wire):
    """A field by its header, of 8 bytes for an experimenter's and 4 for others, padded to `room` bytes."""

    def __init__(self, room: int = 0) -> None:
        super().__init__()
        self.room = room

    def read(self, reader: Reader) -> int:
        """Take the header, the experimenter's id, and what is left of the room."""
        start = reader.claim(4, "the header of a field", "7.2.3.2")
        (number,) = _U32.unpack_from(reader.data, start)
        if number >> 16 == OxmClass.EXPERIMENTER:
            number = number << 32 | _U32.unpack_from(reader.data, reader.claim(4, "an experimenter's id", "7.2.3.2"))[0]
        if (left := start + self.room - reader.at) > 0:
            reader.pad(left, "what follows the header of a field", "7.2.3.2")
        return int(number)

    def write(self, value: Any) -> bytes:
        """Give the header, the experimenter's id if there is one, and zeros."""
        if not isinstance(value, int) or not 0 <= value < 1 << 64:
            raise ValueError("it is no header of a field")
        size = 8 if value >> 32 else 4
        data = value.to_bytes(size, "big")
        if (size == 8) != data.startswith(b"\xff\xff"):
            raise ValueError(f"{value:#x} is no header of a field")
        return data.ljust(self.room, b"\0")


REFERENCE = Reference()
FieldRef = Annotated[int, REFERENCE]
NESTED_ACTIONS = Nested(ACTIONS, "7.2.5")


# Moving bits


@nicira_action(NiciraSubtype.REG_MOVE)
@dataclass(frozen=True, slots=True)
class RegMove(Action):
    """Copy `n_bits` from bit `src_ofs` of one field to bit `dst_ofs` of another (NXAST_REG_MOVE)."""

    n_bits: U16
    src_ofs: U16
    dst_ofs: U16
    src: FieldRef
    dst: FieldRef


@nicira_action(NiciraSubtype.REG_LOAD)
@dataclass(frozen=True, slots=True)
class RegLoad(Action):
    """Write a value to some bits of a field (NXAST_REG_LOAD)."""

    ofs_nbits: U16
    dst: U32
    value: U64


@nicira_action(NiciraSubtype.REG_LOAD2)
@dataclass(frozen=True, slots=True)
class RegLoad2(Action):
    """Write the bits of a field that a mask has (NXAST_REG_LOAD2), in text a set_field."""

    oxm: Annotated[Oxm, OXM]


@nicira_action(NiciraSubtype.STACK_PUSH)
@dataclass(frozen=True, slots=True)
class StackPush(Action):
    """Put some bits of a field on the stack (NXAST_STACK_PUSH)."""

    ofs: U16
    field: FieldRef
    n_bits: U16


@nicira_action(NiciraSubtype.STACK_POP)
@dataclass(frozen=True, slots=True)
class StackPop(Action):
    """Take the top of the stack to some bits of a field (NXAST_STACK_POP)."""

    ofs: U16
    field: FieldRef
    n_bits: U16


@nicira_action(NiciraSubtype.CHECK_PKT_LARGER)
@dataclass(frozen=True, slots=True)
class CheckPktLarger(Action):
    """Set one bit of a field to whether the packet has more bytes than that (NXAST_CHECK_PKT_LARGER)."""

    pkt_len: U16
    ofs: U16
    dst: FieldRef


@nicira_action(NiciraSubtype.DELETE_FIELD)
@dataclass(frozen=True, slots=True)
class DeleteField(Action):
    """Take a field of variable length out of the packet (NXAST_DELETE_FIELD)."""

    field: Annotated[int, Reference(room=14)]


@nicira_action(NiciraSubtype.WRITE_METADATA)
@dataclass(frozen=True, slots=True)
class NiciraWriteMetadata(Action):
    """Set the bits of the metadata that the mask has (NXAST_WRITE_METADATA)."""

    metadata: Annotated[int, Padding(6), Int64ub]
    mask: U64


@nicira_action(NiciraSubtype.SET_TUNNEL)
@dataclass(frozen=True, slots=True)
class SetTunnel(Action):
    """Set the tunnel's id to a number of 32 bits (NXAST_SET_TUNNEL)."""

    tun_id: Annotated[int, Padding(2), Int32ub]


@nicira_action(NiciraSubtype.SET_TUNNEL64)
@dataclass(frozen=True, slots=True)
class SetTunnel64(Action):
    """Set the tunnel's id (NXAST_SET_TUNNEL64)."""

    tun_id: Annotated[int, Padding(6), Int64ub]


# Going elsewhere


@nicira_action(NiciraSubtype.RESUBMIT)
@dataclass(frozen=True, slots=True)
class Resubmit(Action):
    """Look the packet up again in this table as if from a port of 16 bits (NXAST_RESUBMIT)."""

    in_port: Annotated[int, Int16ub, Padding(4)]


@nicira_action(NiciraSubtype.RESUBMIT_TABLE)
@dataclass(frozen=True, slots=True)
class ResubmitTable(Action):
    """Look the packet up again (NXAST_RESUBMIT_TABLE), in a table (255: this one) as if from a port of 16 bits."""

    in_port: U16
    table_id: Annotated[int, Int8ub, Padding(3)]


@nicira_action(NiciraSubtype.RESUBMIT_TABLE_CT)
@dataclass(frozen=True, slots=True)
class ResubmitTableCt(Action):
    """Look the packet up again by the tuple that connection tracking saw first (NXAST_RESUBMIT_TABLE_CT)."""

    in_port: U16
    table_id: Annotated[int, Int8ub, Padding(3)]


@nicira_action(NiciraSubtype.OUTPUT_REG)
@dataclass(frozen=True, slots=True)
class OutputReg(Action):
    """Send the packet out of the port whose number is in some bits of a field (NXAST_OUTPUT_REG)."""

    ofs_nbits: U16
    src: U32
    max_len: Annotated[int, Int16ub, Padding(6)] = CML_NO_BUFFER


@nicira_action(NiciraSubtype.OUTPUT_REG2)
@dataclass(frozen=True, slots=True)
class OutputReg2(Action):
    """An OutputReg that has room for an experimenter's field (NXAST_OUTPUT_REG2)."""

    ofs_nbits: U16
    max_len: U16
    src: Annotated[int, Reference(room=10)]


@nicira_action(NiciraSubtype.OUTPUT_TRUNC)
@dataclass(frozen=True, slots=True)
class OutputTrunc(Action):
    """Send at most that many bytes of the packet out of a port of 16 bits (NXAST_OUTPUT_TRUNC)."""

    port: U16
    max_len: U32


@nicira_action(NiciraSubtype.CONTROLLER)
@dataclass(frozen=True, slots=True)
class Controller(Action):
    """Send the packet to the controllers of one id, for a reason (NXAST_CONTROLLER)."""

    max_len: U16 = CML_NO_BUFFER
    controller_id: U16 = 0
    reason: Annotated[int, Int8ub, Padding(1)] = 1


@nicira_action(NiciraSubtype.EXIT)
@dataclass(frozen=True, slots=True)
class Exit(Action):
    """Do nothing more with the packet (NXAST_EXIT)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@nicira_action(NiciraSubtype.CLONE)
@dataclass(frozen=True, slots=True)
class Clone(Action):
    """Do actions to a copy of the packet (NXAST_CLONE); EncodeError if they are nested deeper than `MAX_DEPTH`."""

    actions: Annotated[tuple[Action, ...], Padding(6), NESTED_ACTIONS]
    depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", depth_with("Clone.actions", self.actions))


@nicira_action(NiciraSubtype.CONJUNCTION)
@dataclass(frozen=True, slots=True)
class Conjunction(Action):
    """Fulfil one clause of a conjunctive match (NXAST_CONJUNCTION); the first clause is 0 here, 1 in text."""

    clause: U8
    n_clauses: U8
    id: U32


@nicira_action(NiciraSubtype.NOTE)
@dataclass(frozen=True, slots=True)
class Note(Action):
    """Bytes that mean nothing to the datapath (NXAST_NOTE): 6, or 8, 16, … more."""

    note: Annotated[bytes, Fill(10)]


@nicira_action(NiciraSubtype.SAMPLE)
@dataclass(frozen=True, slots=True)
class Sample(Action):
    """Sample one of 65536/probability packets for IPFIX (NXAST_SAMPLE)."""

    probability: U16
    collector_set_id: U32
    obs_domain_id: U32
    obs_point_id: U32


@nicira_action(NiciraSubtype.SAMPLE2)
@dataclass(frozen=True, slots=True)
class Sample2(Action):
    """A Sample that says by what port of 16 bits (NXAST_SAMPLE2)."""

    probability: U16
    collector_set_id: U32
    obs_domain_id: U32
    obs_point_id: U32
    sampling_port: U16
    direction: Annotated[int, Int8ub, Padding(5)] = 0


@nicira_action(NiciraSubtype.SAMPLE3)
@dataclass(frozen=True, slots=True)
class Sample3(Action):
    """A Sample2 that says whether on the way in (1) or out (2) (NXAST_SAMPLE3)."""

    probability: U16
    collector_set_id: U32
    obs_domain_id: U32
    obs_point_id: U32
    sampling_port: U16
    direction: Annotated[int, Int8ub, Padding(5)] = 0


# Queues, TTLs and MPLS


@nicira_action(NiciraSubtype.SET_QUEUE)
@dataclass(frozen=True, slots=True)
class NiciraSetQueue(Action):
    """Choose the queue of the port that the packet leaves by (NXAST_SET_QUEUE)."""

    queue_id: Annotated[int, Padding(2), Int32ub]


@nicira_action(NiciraSubtype.POP_QUEUE)
@dataclass(frozen=True, slots=True)
class PopQueue(Action):
    """Choose again the queue that was before a set_queue (NXAST_POP_QUEUE)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@nicira_action(NiciraSubtype.FIN_TIMEOUT)
@dataclass(frozen=True, slots=True)
class FinTimeout(Action):
    """Shorten the flow's timeouts once a FIN or RST was seen (NXAST_FIN_TIMEOUT); in seconds, 0 as they are."""

    fin_idle_timeout: U16
    fin_hard_timeout: Annotated[int, Int16ub, Padding(2)] = 0


@nicira_action(NiciraSubtype.DEC_TTL)
@dataclass(frozen=True, slots=True)
class NiciraDecTtl(Action):
    """Decrement the TTL of IPv4 or the hop limit of IPv6 (NXAST_DEC_TTL)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@nicira_action(NiciraSubtype.DEC_TTL_CNT_IDS)
@dataclass(frozen=True, slots=True)
class DecTtlCntIds(Action):
    """Decrement the TTL; where it ends, the packet goes to the controllers of these ids (NXAST_DEC_TTL_CNT_IDS)."""

    cnt_ids: Annotated[tuple[int, ...], Tally(4, "7.2.5")]


@nicira_action(NiciraSubtype.DEC_NSH_TTL)
@dataclass(frozen=True, slots=True)
class DecNshTtl(Action):
    """Decrement the TTL of a network service header (NXAST_DEC_NSH_TTL)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@nicira_action(NiciraSubtype.PUSH_MPLS)
@dataclass(frozen=True, slots=True)
class NiciraPushMpls(Action):
    """Add an MPLS label of that ethertype (NXAST_PUSH_MPLS)."""

    ethertype: Annotated[int, Int16ub, Padding(4)]


@nicira_action(NiciraSubtype.POP_MPLS)
@dataclass(frozen=True, slots=True)
class NiciraPopMpls(Action):
    """Take off the outer MPLS label; what is beneath has that ethertype (NXAST_POP_MPLS)."""

    ethertype: Annotated[int, Int16ub, Padding(4)]


@nicira_action(NiciraSubtype.SET_MPLS_TTL)
@dataclass(frozen=True, slots=True)
class NiciraSetMplsTtl(Action):
    """Set the TTL of the outermost MPLS label (NXAST_SET_MPLS_TTL)."""

    ttl: Annotated[int, Int8ub, Padding(5)]


@nicira_action(NiciraSubtype.DEC_MPLS_TTL)
@dataclass(frozen=True, slots=True)
class NiciraDecMplsTtl(Action):
    """Decrement the TTL of the outermost MPLS label (NXAST_DEC_MPLS_TTL)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@nicira_action(NiciraSubtype.SET_MPLS_LABEL)
@dataclass(frozen=True, slots=True)
class SetMplsLabel(Action):
    """Set the outermost MPLS label (NXAST_SET_MPLS_LABEL)."""

    label: Annotated[int, Padding(2), Int32ub]


@nicira_action(NiciraSubtype.SET_MPLS_TC)
@dataclass(frozen=True, slots=True)
class SetMplsTc(Action):
    """Set the traffic class of the outermost MPLS label (NXAST_SET_MPLS_TC)."""

    tc: Annotated[int, Int8ub, Padding(5)]


@nicira_action(NiciraSubtype.GROUP)
@dataclass(frozen=True, slots=True)
class NiciraGroup(Action):
    """Have a group process the packet (NXAST_GROUP)."""

    group_id: Annotated[int, Padding(2), Int32ub]


# Choosing by a hash


@nicira_action(NiciraSubtype.MULTIPATH)
@dataclass(frozen=True, slots=True)
class Multipath(Action):
    """Hash the packet to a number of 0 to `max_link` and write that to some bits of a field (NXAST_MULTIPATH)."""

    fields: U16
    basis: Annotated[int, Int16ub, Padding(2)]
    algorithm: U16
    max_link: U16
    arg: Annotated[int, Int32ub, Padding(2)]
    ofs_nbits: U16
    dst: U32


@dataclass(frozen=True, slots=True)
class Members:
    """The ports that a bundle chooses from; `dst` and `ofs_nbits` say where a bundle_load writes the choice."""

    ports: tuple[int, ...]
    ofs_nbits: int = 0
    dst: int = 0


class MembersWire(Wire):
    """A count, the destination, padding, and as many ports of 16 bits as were counted."""

    _head = struct.Struct("!HHI4x")

    def read(self, reader: Reader) -> Members:
        """Take all of it."""
        count, ofs_nbits, dst = self._head.unpack_from(reader.data, reader.claim(12, "the head of a bundle", "7.2.5"))
        at = reader.claim(2 * count, "the members of a bundle", "7.2.5")
        return Members(struct.unpack_from(f"!{count}H", reader.data, at), ofs_nbits, dst)

    def write(self, value: Members) -> bytes:
        """Give all of it."""
        head = self._head.pack(len(value.ports), value.ofs_nbits, value.dst)
        return head + struct.pack(f"!{len(value.ports)}H", *value.ports)


MEMBERS = MembersWire()
IN_PORT_16 = 0x0000_0002
"""NXM_OF_IN_PORT: the only kind of member that there is."""


@nicira_action(NiciraSubtype.BUNDLE)
@dataclass(frozen=True, slots=True)
class Bundle(Action):
    """Hash the packet to a member, and send it out there (NXAST_BUNDLE)."""

    algorithm: U16
    fields: U16
    basis: U16
    member_type: U32
    members: Annotated[Members, MEMBERS]


@nicira_action(NiciraSubtype.BUNDLE_LOAD)
@dataclass(frozen=True, slots=True)
class BundleLoad(Action):
    """Hash the packet to a member, and write its port to some bits of a field (NXAST_BUNDLE_LOAD)."""

    algorithm: U16
    fields: U16
    basis: U16
    member_type: U32
    members: Annotated[Members, MEMBERS]


# To the controller, with properties


class ControllerProperty(Structure):
    """Base of what a Controller2 says."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownControllerProperty(ControllerProperty):
    """A property that has no class."""

    kind: int
    body: bytes


CONTROLLER_PROPERTY = Tlv("a property of a controller action", UnknownControllerProperty, "7.2.5", counts_padding=False)


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToMaxLen(ControllerProperty):
    """Send at most that many bytes."""

    max_len: Annotated[int, Int16ub, Padding(2)]


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToController(ControllerProperty):
    """Send to the controllers of that id."""

    controller_id: Annotated[int, Int16ub, Padding(2)]


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToReason(ControllerProperty):
    """Say why."""

    reason: U8


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToUserdata(ControllerProperty):
    """Hand these bytes back."""

    userdata: Annotated[bytes, GreedyBytes]


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToPause(ControllerProperty):
    """Stop here until a resume."""


@wired("7.2.5")
@dataclass(frozen=True, slots=True)
class ToMeter(ControllerProperty):
    """Have a meter limit it."""

    meter_id: U32


for _kind, _cls in enumerate((ToMaxLen, ToController, ToReason, ToUserdata, ToPause, ToMeter)):
    CONTROLLER_PROPERTY.register(_kind.to_bytes(2, "big"), _cls)


@nicira_action(NiciraSubtype.CONTROLLER2)
@dataclass(frozen=True, slots=True)
class Controller2(Action):
    """Send the packet to controllers, as the properties say (NXAST_CONTROLLER2)."""

    properties: Annotated[tuple[ControllerProperty, ...], Padding(6), Many(CONTROLLER_PROPERTY)] = ()


# Encapsulation


@dataclass(frozen=True, slots=True)
class EdProperty:
    """A property of an Encap or Decap: who defines it, which it is, and its bytes (ofp_ed_prop_header)."""

    prop_class: int
    kind: int
    data: bytes


class EdPropertyWire(Wire):
    """A class, a kind and a length of 8 bits that counts these, then the data, padded to 8 bytes."""

    _head = struct.Struct("!HBB")

    def read(self, reader: Reader) -> EdProperty:
        """Take a property and its padding."""
        start = reader.claim(4, "the head of a property", "7.2.5")
        prop_class, kind, length = self._head.unpack_from(reader.data, start)
        if length < self._head.size:
            raise DecodeError(start + 3, f"a property with a length of {length}", "7.2.5")
        at = reader.claim(length - 4, "a property", "7.2.5")
        reader.pad(-length % 8, "the padding of a property", "7.2.5")
        return EdProperty(prop_class, kind, reader.data[at : start + length])

    def write(self, value: EdProperty) -> bytes:
        """Give a property and its padding."""
        length = 4 + len(value.data)
        return self._head.pack(value.prop_class, value.kind, length) + value.data + bytes(-length % 8)


ED_PROPERTIES = Many(EdPropertyWire())


@nicira_action(NiciraSubtype.ENCAP)
@dataclass(frozen=True, slots=True)
class Encap(Action):
    """Put the packet into another of that type: namespace << 16 | type (NXAST_ENCAP)."""

    header_size: U16
    new_packet_type: U32
    properties: Annotated[tuple[EdProperty, ...], ED_PROPERTIES] = ()


@nicira_action(NiciraSubtype.DECAP)
@dataclass(frozen=True, slots=True)
class Decap(Action):
    """Take the packet out of its outermost header; 0xfffe is the type that it has there (NXAST_DECAP)."""

    new_packet_type: Annotated[int, Padding(2), Int32ub] = 0xFFFE
    properties: Annotated[tuple[EdProperty, ...], ED_PROPERTIES] = ()
