"""A frame on its way through the switch: its match fields by name, read and written in place, checksums kept right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

from daoli.ofproto import EtherType, IpProto, Match, VlanId

ETHERNET_HEADER: Final = 14
_TAG: Final = 4
VLAN_TYPES: Final = (EtherType.VLAN, 0x88A8)
"""The types of a tag: of a customer, and of a provider."""
_FRAGMENT_OFFSET: Final = 0x1FFF


_MORE_FRAGMENTS: Final = 0x2000
_ARP: Final = (("arp_op", 6, 2), ("arp_sha", 8, 6), ("arp_spa", 14, 4), ("arp_tha", 18, 6), ("arp_tpa", 24, 4))
"""Offset and width of what an ARP packet for Ethernet and IPv4 says (RFC 826)."""


class Place(NamedTuple):
    """Where a field is: `bits` of the number in `width` bytes from `at`, `shift` bits from its low end."""

    at: int
    width: int
    shift: int = 0
    bits: int = 0

    @property
    def mask(self) -> int:
        """The field's bits, before they are shifted."""
        return (1 << (self.bits or 8 * self.width)) - 1


_CHECKSUM_OF: Final = {IpProto.TCP: 16, IpProto.UDP: 6, IpProto.ICMP: 2, IpProto.ICMPV6: 2}
"""Where the checksum of what IP carries stands, in bytes from its beginning; ICMP's has no pseudo header (RFC 792)."""

_PORTS: Final = {IpProto.TCP: "tcp", IpProto.UDP: "udp", IpProto.SCTP: "sctp"}

SETTABLE: Final = frozenset(
    {"eth_dst", "eth_src", "vlan_vid", "vlan_pcp", "ip_dscp", "ip_ecn", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"}
    | {"tcp_src", "tcp_dst", "udp_src", "udp_dst", "icmpv4_type", "icmpv4_code", "icmpv6_type", "icmpv6_code"}
    | {"arp_op", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"}
)
"""The fields that SET_FIELD may write; SCTP's are not among them, since its checksum is another kind."""

MATCHABLE: Final = SETTABLE | {"in_port", "metadata", "eth_type", "ip_proto", "ipv6_flabel", "sctp_src", "sctp_dst"}
"""The fields that a flow may match."""

_CONVERSATION: Final = (
    *("eth_src", "eth_dst", "eth_type", "ip_proto"),
    *("ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"),
    *("tcp_src", "tcp_dst", "udp_src", "udp_dst"),
)
"""The fields that the packets of one direction of a conversation have in common."""


class Packet:
    """One frame of at least an Ethernet header, and what belongs to it in the pipeline: port, metadata and queue."""

    def __init__(self, frame: bytes, in_port: int) -> None:
        self.frame = frame
        self.in_port = in_port
        self.metadata = 0
        self.queue: int | None = None
        """The queue that it is to leave by."""
        self.ended = False
        """Whether nothing more is to be done with it."""
        self._find()

    def copy(self) -> Packet:
        """Give another one with all that belongs to it, to be changed by itself."""
        other = Packet(self.frame, self.in_port)
        other.metadata, other.queue = self.metadata, self.queue
        return other

    def _find(self) -> None:
        """Find the fields that the frame is long enough to have."""
        self._ip = self._ttl = self._carried = 0
        self._proto: int | None = None
        self._places = {name: place for name, place in self._places_of() if place.at + place.width <= len(self.frame)}

    def _places_of(self) -> Iterator[tuple[str, Place]]:
        yield "eth_dst", Place(0, 6)
        yield "eth_src", Place(6, 6)
        at = 12
        if self._number(at, 2) in VLAN_TYPES:
            yield "vlan_vid", Place(14, 2, 0, 12)
            yield "vlan_pcp", Place(14, 2, 13, 3)
        while self._number(at, 2) in VLAN_TYPES:
            at += _TAG
        yield "eth_type", Place(at, 2)
        body = at + 2
        match self._number(at, 2):
            case EtherType.ARP:
                yield from ((name, Place(body + offset, width)) for name, offset, width in _ARP)
            case EtherType.IPV4 if len(self.frame) >= body + 20 and 0x45 <= self.frame[body] <= 0x4F:
                yield from self._ipv4(body)
            case EtherType.IPV6 if len(self.frame) >= body + 40:
                yield from self._ipv6(body)

    def _ipv4(self, at: int) -> Iterator[tuple[str, Place]]:
        self._ip, self._ttl = at, at + 8
        yield "ip_dscp", Place(at + 1, 1, 2, 6)
        yield "ip_ecn", Place(at + 1, 1, 0, 2)
        yield "ip_proto", Place(at + 9, 1)
        yield "ipv4_src", Place(at + 12, 4)
        yield "ipv4_dst", Place(at + 16, 4)
        if not self._number(at + 6, 2) & _FRAGMENT_OFFSET:
            end = at + (self.frame[at] & 0xF) * 4
            yield from self._what_ip_carries(end, self.frame[at + 9], "icmpv4", IpProto.ICMP)

    def _ipv6(self, at: int) -> Iterator[tuple[str, Place]]:
        self._ttl = at + 7
        yield "ip_dscp", Place(at, 2, 6, 6)
        yield "ip_ecn", Place(at, 2, 4, 2)
        yield "ipv6_flabel", Place(at, 4, 0, 20)
        yield "ip_proto", Place(at + 6, 1)
        yield "ipv6_src", Place(at + 8, 16)
        yield "ipv6_dst", Place(at + 24, 16)
        yield from self._what_ip_carries(at + 40, self.frame[at + 6], "icmpv6", IpProto.ICMPV6)

    def _what_ip_carries(self, at: int, proto: int, icmp: str, icmp_proto: int) -> Iterator[tuple[str, Place]]:
        self._carried, self._proto = at, proto
        if proto in _PORTS:
            yield f"{_PORTS[IpProto(proto)]}_src", Place(at, 2)
            yield f"{_PORTS[IpProto(proto)]}_dst", Place(at + 2, 2)
        elif proto == icmp_proto:
            yield f"{icmp}_type", Place(at, 1)
            yield f"{icmp}_code", Place(at + 1, 1)

    def _number(self, at: int, width: int) -> int:
        return int.from_bytes(self.frame[at : at + width], "big")

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, name: str) -> int | None:
        """Read a field as a number; None if this packet has none of that name."""
        if name == "in_port":
            return self.in_port
        if name == "metadata":
            return self.metadata
        place = self._places.get(name)
        if place is None:
            return 0 if name == "vlan_vid" else None
        value = self._number(place.at, place.width) >> place.shift & place.mask
        return value | VlanId.PRESENT if name == "vlan_vid" else value

    def matches(self, match: Match) -> bool:
        """Tell whether every field of a match is as it wants it."""
        for oxm in match:
            value = self.get(oxm.name)
            if value is None:
                return False
            wanted = int.from_bytes(oxm.value, "big")
            if oxm.mask is not None:
                value &= int.from_bytes(oxm.mask, "big")
            if value != wanted:
                return False
        return True

    def conversation(self) -> int:
        """Give a number that the packets of one direction of a conversation share."""
        return crc32(repr([self.get(name) for name in _CONVERSATION]).encode())

    @property
    def is_fragment(self) -> bool:
        """Whether this is a part of an IPv4 packet."""
        return bool(self._ip and self._number(self._ip + 6, 2) & (_FRAGMENT_OFFSET | _MORE_FRAGMENTS))

    @property
    def ttl(self) -> int | None:
        """The TTL or hop limit, if this is IP."""
        return self.frame[self._ttl] if self._ttl else None

    # -- writing -------------------------------------------------------------------------------------------------

    def set(self, name: str, value: int) -> None:
        """Write a field; nothing happens if this packet has none of that name."""
        place = self._places.get(name)
        if place is None:
            return
        kept = self._number(place.at, place.width) & ~(place.mask << place.shift)
        self._write(place.at, (kept | (value & place.mask) << place.shift).to_bytes(place.width, "big"))

    def set_ttl(self, ttl: int) -> None:
        """Write the TTL or hop limit; nothing happens if this is not IP."""
        if self._ttl:
            self._write(self._ttl, bytes([ttl]))

    def push_vlan(self, ethertype: int) -> None:
        """Put a tag in front; it takes the tag over that was there, or is all zeros (5.12)."""
        inner = self.frame[14:16] if "vlan_vid" in self._places else b"\0\0"
        self.frame = self.frame[:12] + ethertype.to_bytes(2, "big") + inner + self.frame[12:]
        self._find()

    def pop_vlan(self) -> None:
        """Take the outer tag off; nothing happens if there is none."""
        if "vlan_vid" in self._places:
            self.frame = self.frame[:12] + self.frame[16:]
            self._find()

    def _write(self, at: int, data: bytes) -> None:
        """Put bytes in, and bring the checksums that cover them up to date (RFC 1624, 3)."""
        start, end = at & ~1, at + len(data) + 1 & ~1
        before = self.frame[start:end]
        self.frame = self.frame[:at] + data + self.frame[at + len(data) :]
        after = self.frame[start:end]
        carried, proto = self._carried, self._proto
        if self._ip and self._ip <= at < self._ip + 20:
            self._update(self._ip + 10, before, after)
        place = _CHECKSUM_OF.get(proto)  # type: ignore[call-overload]  # any number may be asked for
        if place is None or carried + place + 2 > len(self.frame):
            return
        addresses = (self._places.get("ipv4_src") or self._places.get("ipv6_src") or Place(0, 0)).at
        if (addresses <= at < carried and addresses and proto != IpProto.ICMP) or at >= carried:
            self._update(carried + place, before, after, optional=proto == IpProto.UDP)

    def _update(self, at: int, before: bytes, after: bytes, *, optional: bool = False) -> None:
        old = self._number(at, 2)
        if optional and not old:
            return  # UDP without a checksum (RFC 768)
        total = 0xFFFF - old
        for here in range(0, len(before), 2):
            total += 0xFFFF - int.from_bytes(before[here : here + 2], "big")
            total += int.from_bytes(after[here : here + 2], "big")
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        new = 0xFFFF - total
        if optional and not new:
            new = 0xFFFF
        self.frame = self.frame[:at] + new.to_bytes(2, "big") + self.frame[at + 2 :]
