"""Open vSwitch's learn action: flows that a packet adds by itself (its nicira-ext.h)."""

import struct
from dataclasses import dataclass
from typing import Annotated, ClassVar

from construct import Int8ub, Padding

from daoli.ofproto.actions import Action
from daoli.ofproto.constants import NiciraSubtype
from daoli.ofproto.errors import DecodeError, EncodeError, check_number, shown
from daoli.ofproto.nicira import REFERENCE, nicira_action
from daoli.ofproto.wire import U16, U32, U64, Reader, Wire, check_items

_U16 = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Bits:
    """Some bits of a field, from bit `ofs` on; how many is said elsewhere."""

    field: int
    ofs: int = 0


@dataclass(frozen=True, slots=True)
class LearnSpec:
    """One thing that a learned flow will have: bits of a field of this packet, or of a constant, and their use.

    It is matched on (`MATCH`), loaded (`LOAD`) to `dst`, or the port to send to (`OUTPUT`).
    """

    MATCH: ClassVar[int] = 0
    LOAD: ClassVar[int] = 1
    OUTPUT: ClassVar[int] = 2

    n_bits: int
    kind: int
    src: Bits | bytes
    dst: Bits | None = None


class LearnSpecs(Wire):
    """Specs to the end, or to one whose head is zero; the rest is padding."""

    _bits = 0x7FF
    _constant = 1 << 13
    _known = _constant | 3 << 11 | _bits

    def read(self, reader: Reader) -> tuple[LearnSpec, ...]:
        """Take the specs."""
        specs = []
        while reader.end - reader.at >= _U16.size:
            (head,) = _U16.unpack_from(reader.data, reader.at)
            if head == 0:
                break
            reader.at += _U16.size
            n_bits, kind = head & self._bits, head >> 11 & 3
            if head & ~self._known or n_bits == 0 or kind > LearnSpec.OUTPUT:
                raise DecodeError(reader.at - 2, f"a part {head:#06x} of a flow to learn", "7.2.5")
            src: Bits | bytes
            if head & self._constant:
                size = 2 * ((n_bits + 15) // 16)
                at = reader.claim(size, "a constant to learn", "7.2.5")
                src = reader.data[at : at + size]
            else:
                src = self._read_bits(reader)
            specs.append(LearnSpec(n_bits, kind, src, None if kind == LearnSpec.OUTPUT else self._read_bits(reader)))
        return tuple(specs)

    def _read_bits(self, reader: Reader) -> Bits:
        field = REFERENCE.read(reader)
        return Bits(field, _U16.unpack_from(reader.data, reader.claim(2, "an offset in a field", "7.2.5"))[0])

    def write(self, value: tuple[LearnSpec, ...]) -> bytes:
        """Give the specs."""
        check_items(value)
        return b"".join([self._write_one(spec) for spec in value])

    def _write_one(self, spec: LearnSpec) -> bytes:
        if not 0 < spec.n_bits <= self._bits or not 0 <= spec.kind <= LearnSpec.OUTPUT:
            raise ValueError(f"{spec!r} is no part of a flow to learn")
        if isinstance(spec.src, bytes) and len(spec.src) != 2 * ((spec.n_bits + 15) // 16):
            raise ValueError(f"{spec.src!r} does not hold {spec.n_bits} bits")
        if (spec.dst is None) != (spec.kind == LearnSpec.OUTPUT):
            raise ValueError(f"{spec!r} goes nowhere, or too far")
        head = _U16.pack(spec.n_bits | spec.kind << 11 | (self._constant if isinstance(spec.src, bytes) else 0))
        src = spec.src if isinstance(spec.src, bytes) else self._write_bits(spec.src)
        return head + src + (self._write_bits(spec.dst) if spec.dst else b"")

    def _write_bits(self, bits: Bits) -> bytes:
        return REFERENCE.write(bits.field) + _U16.pack(bits.ofs)


LEARN_SPECS = LearnSpecs()


@nicira_action(NiciraSubtype.LEARN)
@dataclass(frozen=True, slots=True)
class Learn(Action):
    """Add a flow that is made of this packet (NXAST_LEARN); flag 1 sends flow_removed, 2 deletes it with this flow."""

    idle_timeout: U16 = 0
    hard_timeout: U16 = 0
    priority: U16 = 0x8000
    cookie: U64 = 0
    flags: U16 = 0
    table_id: Annotated[int, Int8ub, Padding(1)] = 1
    fin_idle_timeout: U16 = 0
    fin_hard_timeout: U16 = 0
    specs: Annotated[tuple[LearnSpec, ...], LEARN_SPECS] = ()


class ResultWire(Wire):
    """The bit to write a result to: its offset, and the field, which is there only if the flags (12 before) say so."""

    flag = 4

    def read(self, reader: Reader) -> Bits | None:
        """Take the offset, and the field if there is one."""
        start = reader.claim(4, "where a result goes", "7.2.5")
        (ofs,) = _U16.unpack_from(reader.data, start)
        (flags,) = _U16.unpack_from(reader.data, start - 12)
        if not flags & self.flag:
            if ofs:
                raise DecodeError(start, "a result that goes nowhere", "7.2.5")
            return None
        return Bits(REFERENCE.read(reader), ofs)

    def write(self, value: Bits | None) -> bytes:
        """Give both."""
        return bytes(4) if value is None else _U16.pack(value.ofs) + bytes(2) + REFERENCE.write(value.field)


RESULT = ResultWire()


@nicira_action(NiciraSubtype.LEARN2)
@dataclass(frozen=True, slots=True)
class Learn2(Action):
    """A Learn with a limit to its flows (NXAST_LEARN2); flag 4 stands for a `result_dst`, set if a flow was added."""

    idle_timeout: U16 = 0
    hard_timeout: U16 = 0
    priority: U16 = 0x8000
    cookie: U64 = 0
    flags: U16 = 0
    table_id: Annotated[int, Int8ub, Padding(1)] = 1
    fin_idle_timeout: U16 = 0
    fin_hard_timeout: U16 = 0
    limit: U32 = 0
    result_dst: Annotated[Bits | None, RESULT] = None
    specs: Annotated[tuple[LearnSpec, ...], LEARN_SPECS] = ()

    def __post_init__(self) -> None:
        check_number("Learn2.flags", self.flags, 16)
        if not isinstance(self.result_dst, Bits | None):
            raise EncodeError("Learn2.result_dst", f"{shown(self.result_dst)} is no bits of a field")
        if bool(self.flags & ResultWire.flag) != (self.result_dst is not None):
            raise EncodeError("Learn2.flags", f"{self.flags:#x} with a result to {shown(self.result_dst)}")
