"""Open vSwitch's actions of connection tracking: ct, ct_clear, and the nat within (its nicira-ext.h)."""

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from construct import Int8ub, Int16ub, Padding

from daoli.ofproto.actions import Action
from daoli.ofproto.addresses import accept_text
from daoli.ofproto.constants import TABLE_ALL, NiciraSubtype
from daoli.ofproto.errors import DecodeError
from daoli.ofproto.nicira import NESTED_ACTIONS, nicira_action
from daoli.ofproto.wire import U16, U32, Reader, Wire, depth_with

_U16 = struct.Struct("!H")


@nicira_action(NiciraSubtype.CT)
@dataclass(frozen=True, slots=True)
class Ct(Action):
    """Have connection tracking see the packet (NXAST_CT): flag 1 commits, 2 forces it.

    The zone is `zone`, or where `zone_src` names a field the bits of it that `zone` then has as ofs_nbits. The packet
    goes on in table `recirc_table` (255: nowhere). `alg` is the port of the helper's protocol. EncodeError if actions
    are nested deeper than `MAX_DEPTH`.
    """

    flags: U16 = 0
    zone_src: U32 = 0
    zone: U16 = 0
    recirc_table: Annotated[int, Int8ub, Padding(3)] = TABLE_ALL
    alg: U16 = 0
    actions: Annotated[tuple[Action, ...], NESTED_ACTIONS] = ()
    depth: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", depth_with("Ct.actions", self.actions))


@nicira_action(NiciraSubtype.CT_CLEAR)
@dataclass(frozen=True, slots=True)
class CtClear(Action):
    """Forget what connection tracking said of the packet (NXAST_CT_CLEAR)."""

    _pad: ClassVar[Annotated[None, Padding(6)]] = None


@dataclass(frozen=True, slots=True)
class NatRange:
    """The addresses and ports to translate to: from the lowest to the highest, None for what is left open.

    Addresses may be given as text.
    """

    ipv4_min: bytes | None = None
    ipv4_max: bytes | None = None
    ipv6_min: bytes | None = None
    ipv6_max: bytes | None = None
    proto_min: int | None = None
    proto_max: int | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            ipv4_min: bytes | str | None = None,
            ipv4_max: bytes | str | None = None,
            ipv6_min: bytes | str | None = None,
            ipv6_max: bytes | str | None = None,
            proto_min: int | None = None,
            proto_max: int | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        accept_text(self, "ipv4", "ipv4_min", "ipv4_max")
        accept_text(self, "ipv6", "ipv6_min", "ipv6_max")


class NatRangeWire(Wire):
    """A u16 whose bits say which of the six are there, and those."""

    _sizes = (4, 4, 16, 16, 2, 2)
    _first_number = 4

    def read(self, reader: Reader) -> NatRange:
        """Take what is there."""
        start = reader.claim(2, "what a range has", "7.2.5")
        (present,) = _U16.unpack_from(reader.data, start)
        if present >> len(self._sizes):
            raise DecodeError(start, f"a range that has {present:#x}", "7.2.5")
        values: list[Any] = [None] * len(self._sizes)
        for place, size in enumerate(self._sizes):
            if present >> place & 1:
                at = reader.claim(size, "the end of a range", "7.2.5")
                data = reader.data[at : at + size]
                values[place] = int.from_bytes(data, "big") if place >= self._first_number else data
        return NatRange(*values)

    def write(self, value: NatRange) -> bytes:
        """Give which are there, and those."""
        present, written = 0, b""
        ends = (value.ipv4_min, value.ipv4_max, value.ipv6_min, value.ipv6_max, value.proto_min, value.proto_max)
        for place, (size, end) in enumerate(zip(self._sizes, ends, strict=True)):
            if end is None:
                continue
            data = _U16.pack(end) if isinstance(end, int) else end
            if len(data) != size:
                raise ValueError(f"{end!r} is not {size} bytes")
            present |= 1 << place
            written += data
        return _U16.pack(present) + written


NAT_RANGE = NatRangeWire()


@nicira_action(NiciraSubtype.NAT)
@dataclass(frozen=True, slots=True)
class Nat(Action):
    """Translate addresses, within a Ct (NXAST_NAT): flag 1 of the source, 2 of the destination; 4, 8, 16 say how."""

    flags: Annotated[int, Padding(2), Int16ub] = 0
    range: Annotated[NatRange, NAT_RANGE] = NatRange()
