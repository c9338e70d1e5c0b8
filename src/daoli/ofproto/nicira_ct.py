"""Forgetting connections: Open vSwitch's messages that empty its connection tracker, or a part of it.

A connection has a tuple each way; of either, only what is to be the same need be given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from construct import Bytes, Int8ub, Int16ub, Padding

from daoli.ofproto.addresses import accept_text
from daoli.ofproto.constants import NICIRA, IpProto, NiciraMessage
from daoli.ofproto.experimenter import ExperimenterMessage, experimenter_message
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U8, Many

S = TypeVar("S", bound=Structure)


@experimenter_message(NICIRA, NiciraMessage.CT_FLUSH_ZONE, "7.5.4")
@dataclass(frozen=True, slots=True)
class CtFlushZone(ExperimenterMessage):
    """Forget the connections of a zone."""

    zone: Annotated[int, Padding(6), Int16ub]

    def detail(self) -> str:
        """Give the zone."""
        return f"zone_id={self.zone}"


# What a tuple holds


class CtPart(Structure):
    """Base of what a tuple of a connection holds; `WORD` is what it is called, and a part without one an address."""

    __slots__ = ()
    WORD: ClassVar[str] = ""

    def number(self) -> int:
        """Give the value as a number."""
        (value,) = (getattr(self, part.name) for part in self.wire.parts if part.name)
        return int.from_bytes(value, "big") if isinstance(value, bytes) else value


@dataclass(frozen=True, slots=True)
class UnknownCtPart(CtPart):
    """A part that has no class."""

    kind: int
    body: bytes


CT_PART = Tlv("a part of a connection's tuple", UnknownCtPart, "7.5.4", counts_padding=False)
CT_PARTS = Many(CT_PART)


def _kind(tlv: Tlv, kind: int) -> Callable[[type[S]], type[S]]:
    def declare(cls: type[S]) -> type[S]:
        tlv.register(kind.to_bytes(2, "big"), wired("7.5.4")(cls))
        return cls

    return declare


@dataclass(frozen=True, slots=True)
class CtAddress(CtPart):
    """Base of addresses: text, or 16 bytes of IPv6, or of IPv4 behind `::ffff:`."""

    address: Annotated[bytes, Bytes(16)]

    if TYPE_CHECKING:

        def __init__(self, address: bytes | str) -> None: ...

    def __post_init__(self) -> None:
        accept_text(self, "ip", "address")


@_kind(CT_PART, 0)
class CtSource(CtAddress):
    """The source."""

    __slots__ = ()


@_kind(CT_PART, 1)
class CtDestination(CtAddress):
    """The destination."""

    __slots__ = ()


@_kind(CT_PART, 2)
@dataclass(frozen=True, slots=True)
class CtSourcePort(CtPart):
    """The port at the source."""

    WORD = "ct_tp_src"
    port: Annotated[int, Int16ub, Padding(2)]


@_kind(CT_PART, 3)
@dataclass(frozen=True, slots=True)
class CtDestinationPort(CtPart):
    """The port at the destination."""

    WORD = "ct_tp_dst"
    port: Annotated[int, Int16ub, Padding(2)]


@_kind(CT_PART, 4)
@dataclass(frozen=True, slots=True)
class CtIcmpId(CtPart):
    """The identifier of an ICMP request."""

    WORD = "icmp_id"
    id: Annotated[int, Int16ub, Padding(2)]


@_kind(CT_PART, 5)
@dataclass(frozen=True, slots=True)
class CtIcmpType(CtPart):
    """The type of an ICMP message."""

    WORD = "icmp_type"
    type: U8


@_kind(CT_PART, 6)
@dataclass(frozen=True, slots=True)
class CtIcmpCode(CtPart):
    """The code of an ICMP message."""

    WORD = "icmp_code"
    code: U8


# What connections


class CtProperty(Structure):
    """Base of what connections a CtFlush is about."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownCtProperty(CtProperty):
    """A property that has no class."""

    kind: int
    body: bytes


CT_PROPERTY = Tlv("what connections", UnknownCtProperty, "7.5.4", counts_padding=False)


@_kind(CT_PROPERTY, 0)
@dataclass(frozen=True, slots=True)
class CtOriginal(CtProperty):
    """The connections whose first packets have such a tuple."""

    parts: Annotated[tuple[CtPart, ...], Padding(4), CT_PARTS] = ()


@_kind(CT_PROPERTY, 1)
@dataclass(frozen=True, slots=True)
class CtReply(CtProperty):
    """The connections whose answers have such a tuple."""

    parts: Annotated[tuple[CtPart, ...], Padding(4), CT_PARTS] = ()


@_kind(CT_PROPERTY, 2)
@dataclass(frozen=True, slots=True)
class CtZone(CtProperty):
    """The connections of a zone."""

    zone: Annotated[int, Int16ub, Padding(2)]


_ICMP = (IpProto.ICMP, IpProto.ICMPV6)


@experimenter_message(NICIRA, NiciraMessage.CT_FLUSH, "7.5.4")
@dataclass(frozen=True, slots=True)
class CtFlush(ExperimenterMessage):
    """Forget some connections; Open vSwitch 3.1 wants a `family` of 0."""

    ip_proto: U8 = 0
    family: Annotated[int, Int8ub, Padding(6)] = 0
    properties: Annotated[tuple[CtProperty, ...], Many(CT_PROPERTY)] = ()

    def detail(self) -> str:
        """Show the zone and both tuples; what is not given is shown as zero."""
        zone = next((said.zone for said in self.properties if isinstance(said, CtZone)), 0)
        original = tuple(part for said in self.properties if isinstance(said, CtOriginal) for part in said.parts)
        reply = tuple(part for said in self.properties if isinstance(said, CtReply) for part in said.parts)
        ends = [part for part in (*original, *reply) if isinstance(part, CtSource | CtDestination)]
        old = any(IPv6Address(end.address).ipv4_mapped is not None for end in ends)
        words = [f"zone={zone}", f"'{self._tuple(original, old=old)},ct_nw_proto={self.ip_proto}'"]
        words += [f"'{self._tuple(reply, old=old)}'", *((f"family={self.family}",) if self.family else ())]
        words += [
            f"property_{said.kind}={said.body.hex()}" for said in self.properties if isinstance(said, UnknownCtProperty)
        ]
        return " ".join(words)

    def _tuple(self, parts: tuple[CtPart, ...], *, old: bool) -> str:
        held = {type(part): part for part in parts}
        family = "ct_nw" if old else "ct_ipv6"
        words = [
            f"{family}_{word}={_address(part.address) if isinstance(part, CtSource | CtDestination) else '::'}"
            for word, part in (("src", held.get(CtSource)), ("dst", held.get(CtDestination)))
        ]
        kinds = (CtIcmpId, CtIcmpType, CtIcmpCode) if self.ip_proto in _ICMP else (CtSourcePort, CtDestinationPort)
        words += [f"{kind.WORD}={held[kind].number() if kind in held else 0}" for kind in kinds]
        others = (part for part in parts if part.WORD and not isinstance(part, kinds))
        words += [f"{part.WORD}={part.number()}" for part in others]
        words += [f"part_{part.kind}={part.body.hex()}" for part in parts if isinstance(part, UnknownCtPart)]
        return ",".join(words)


def _address(data: bytes) -> str:
    address = IPv6Address(data)
    return str(address.ipv4_mapped or address)
