"""Ethernet, IPv4 and ICMP as bytes: what is read from a punted frame, and the frames that routers send themselves.

Functions of bytes; nothing here knows of hosts or flows. RFC 791 (IPv4), 792 (ICMP), 1122 and 1812 (who may send which
error, and about what), 1624 (incremental checksums).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

IPV4: Final = 0x0800
ARP: Final = 0x0806
ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
PROTOCOLS: Final = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}
"""Names of protocols, for REST and logs."""

DEFAULT_TTL: Final = 64
ETHERNET_HEADER: Final = 14
QUOTE: Final = 8
"""Bytes of the offending datagram's data that an ICMP error quotes behind its IP header (RFC 792)."""

_HEAD = struct.Struct("!6s6sHBxHHHBBxx4s4s")
_ETHERNET = struct.Struct("!6s6sH")
_IPV4_HEADER = struct.Struct("!BBHHHBBH4s4s")
_ICMP_HEADER = struct.Struct("!BBHI")
_PORTS = struct.Struct("!HH")
_TTL_OFFSET: Final = 22
_CHECKSUM_OFFSET: Final = 24
_TCP_FLAGS_OFFSET: Final = 13
_SYN: Final = 0x02
_ACK: Final = 0x10
_DF: Final = 0x4000
_FRAGMENT_OFFSET: Final = 0x1FFF
_INTERNETWORK_CONTROL: Final = 0xC0  # the precedence of routers' own messages (RFC 1812, 4.3.2.5)
_SMALLEST_HEADER: Final = 5  # of an IPv4 header, in words of 4 bytes


class Frame(NamedTuple):
    """The head of an Ethernet frame that carries IPv4. `words` is the IP header's length in 4-byte words."""

    eth_dst: bytes
    eth_src: bytes
    eth_type: int
    words: int
    """Header length in the low four bits, the version (4) in the high ones."""
    total_len: int
    identification: int
    fragment: int
    ttl: int
    proto: int
    ipv4_src: bytes
    ipv4_dst: bytes


def parse(data: bytes) -> Frame | None:
    """Read the head of an Ethernet frame; None unless it carries a well-formed IPv4 header."""
    if len(data) < _HEAD.size:
        return None
    frame = Frame._make(_HEAD.unpack_from(data))
    if frame.eth_type != IPV4 or not 0x45 <= frame.words <= 0x4F:
        return None
    header = (frame.words & 0xF) * 4
    if frame.total_len < header or len(data) < ETHERNET_HEADER + header:
        return None
    return frame


def ethernet(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Read destination, source and type of any Ethernet frame; None if it is shorter than its header."""
    return _ETHERNET.unpack_from(data) if len(data) >= ETHERNET_HEADER else None


def ports(data: bytes, frame: Frame) -> tuple[int, int] | None:
    """Read source and destination port of TCP or UDP; None for other protocols and for later fragments."""
    if frame.proto not in (TCP, UDP) or frame.fragment & _FRAGMENT_OFFSET:
        return None
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4
    return _PORTS.unpack_from(data, at) if len(data) >= at + _PORTS.size else None


def fragmented(frame: Frame) -> bool:
    """Tell whether a frame is a fragment, be it the first one."""
    return bool(frame.fragment & ~_DF)


class Icmp(NamedTuple):
    """The type of an ICMP message, and that of what belongs to it: the reply to a request, the request of a reply."""

    type: int
    partner: int


_PARTNERS: Final = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}
"""Requests and replies: echo, timestamp, information, address mask (RFC 792, RFC 950)."""
REQUESTS: Final = frozenset({8, 13, 15, 17})


def icmp_query(data: bytes, frame: Frame) -> Icmp | None:
    """Read a request or reply of ICMP; None for its errors, other protocols and fragments."""
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4
    if frame.proto != ICMP or fragmented(frame) or len(data) <= at or data[at] not in _PARTNERS:
        return None
    return Icmp(data[at], _PARTNERS[data[at]])


def partner(icmp_type: int) -> int:
    """Name the type of the reply to a request, or of the request of a reply; 0 for other types."""
    return _PARTNERS.get(icmp_type, 0)


def is_opening(data: bytes, frame: Frame) -> bool:
    """Tell whether a frame may begin a conversation; TCP with an ACK or without SYN may not, nor an ICMP reply."""
    if frame.proto == TCP:
        at = ETHERNET_HEADER + (frame.words & 0xF) * 4 + _TCP_FLAGS_OFFSET
        return fragmented(frame) or len(data) <= at or data[at] & (_SYN | _ACK) == _SYN
    if frame.proto == ICMP:
        query = icmp_query(data, frame)
        return query is None or query.type in REQUESTS
    return True


def acknowledges(data: bytes, frame: Frame) -> bool:
    """Tell whether a TCP segment has an ACK, as the flows of a side that only answers want it."""
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4 + _TCP_FLAGS_OFFSET
    return len(data) > at and bool(data[at] & _ACK)


class Quoted(NamedTuple):
    """What an ICMP error is about: a packet that its receiver has sent."""

    proto: int
    ipv4_dst: bytes
    source_port: int | None = None
    destination_port: int | None = None


def quoted(data: bytes, frame: Frame) -> Quoted | None:
    """Read the packet that an ICMP error quotes (RFC 792); None if the frame is no such error."""
    if not is_error(data, frame):
        return None
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4 + _ICMP_HEADER.size
    proto, ipv4_dst = data[at + 9], data[at + 16 : at + 20]
    ports_at = at + (data[at] & 0xF) * 4
    later = int.from_bytes(data[at + 6 : at + 8], "big") & _FRAGMENT_OFFSET
    if proto not in (TCP, UDP) or later or len(data) < ports_at + _PORTS.size:
        return Quoted(proto, ipv4_dst)
    return Quoted(proto, ipv4_dst, *_PORTS.unpack_from(data, ports_at))


def is_error(data: bytes, frame: Frame) -> bool:
    """Tell whether a frame begins an ICMP error about what its receiver had sent (RFC 1122, 3.2.2)."""
    if frame.proto != ICMP or frame.fragment & _FRAGMENT_OFFSET:
        return False
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4
    quoted = at + _ICMP_HEADER.size
    return (
        len(data) >= quoted + _IPV4_HEADER.size
        and data[at] in _ERRORS
        and data[quoted + 12 : quoted + 16] == (frame.ipv4_dst)
    )


def forwarded(data: bytes, eth_dst: bytes, eth_src: bytes, hops: int) -> bytes:
    """Rewrite a frame as `hops` routers leave it: new MACs, TTL lowered, checksum updated (RFC 1624, eqn. 3).

    The caller has checked that the TTL is greater than `hops`.
    """
    checksum = ~((data[_CHECKSUM_OFFSET] << 8) | data[_CHECKSUM_OFFSET + 1]) & 0xFFFF
    checksum += 0xFFFF - (hops << 8)
    checksum = (checksum & 0xFFFF) + (checksum >> 16)
    checksum = ~((checksum & 0xFFFF) + (checksum >> 16)) & 0xFFFF
    return b"".join(
        (
            eth_dst,
            eth_src,
            data[12:_TTL_OFFSET],
            bytes((data[_TTL_OFFSET] - hops, data[_TTL_OFFSET + 1])),
            checksum.to_bytes(2, "big"),
            data[_CHECKSUM_OFFSET + 2 :],
        )
    )


class Unreachable(NamedTuple):
    """An ICMP error's type and code (RFC 792, RFC 1812 5.2.7.1)."""

    type: int
    code: int


NETWORK_UNREACHABLE: Final = Unreachable(3, 0)
HOST_UNREACHABLE: Final = Unreachable(3, 1)
PROTOCOL_UNREACHABLE: Final = Unreachable(3, 2)
PORT_UNREACHABLE: Final = Unreachable(3, 3)
PROHIBITED: Final = Unreachable(3, 13)
TIME_EXCEEDED: Final = Unreachable(11, 0)

_ECHO_REPLY: Final = 0
_ECHO_REQUEST: Final = 8
_QUERIES: Final = frozenset({_ECHO_REPLY, _ECHO_REQUEST, 13, 14, 15, 16, 17, 18})


_ERRORS: Final = frozenset({3, 4, 5, 11, 12})


def may_be_reported(data: bytes, frame: Frame) -> bool:
    """Tell whether an ICMP error may be sent about a frame (RFC 1122, 3.2.2).

    Never about an ICMP error, a later fragment, or a frame that was not sent from and to one machine each.
    """
    if frame.fragment & _FRAGMENT_OFFSET or frame.eth_dst[0] & 1:
        return False
    first, last = frame.ipv4_src[0], frame.ipv4_dst[0]
    if first in (0, 127) or first >= 224 or last >= 224:
        return False
    if frame.proto != ICMP:
        return True
    at = ETHERNET_HEADER + (frame.words & 0xF) * 4
    return len(data) > at and data[at] in _QUERIES


def icmp_error(
    kind: Unreachable, data: bytes, frame: Frame, *, eth_src: bytes, eth_dst: bytes, ipv4_src: bytes
) -> bytes:
    """Build the Ethernet frame of an ICMP error about a frame, from router address `ipv4_src` to the frame's sender."""
    header = (frame.words & 0xF) * 4
    quoted = data[ETHERNET_HEADER : ETHERNET_HEADER + min(frame.total_len, header + QUOTE)]
    icmp = _ICMP_HEADER.pack(kind.type, kind.code, 0, 0) + quoted
    return _icmp_frame(icmp, eth_src=eth_src, eth_dst=eth_dst, ipv4_src=ipv4_src, ipv4_dst=frame.ipv4_src)


def echo_reply(data: bytes, frame: Frame, *, eth_src: bytes, eth_dst: bytes) -> bytes | None:
    """Build the answer to an ICMP echo request; None if the frame is no whole echo request (RFC 792)."""
    start = ETHERNET_HEADER + (frame.words & 0xF) * 4
    end = ETHERNET_HEADER + frame.total_len
    icmp = data[start:end]
    if frame.proto != ICMP or fragmented(frame) or len(data) < end:
        return None
    if len(icmp) < _ICMP_HEADER.size or icmp[0] != _ECHO_REQUEST:
        return None
    answer = bytes((_ECHO_REPLY, 0, 0, 0)) + icmp[4:]
    return _icmp_frame(answer, eth_src=eth_src, eth_dst=eth_dst, ipv4_src=frame.ipv4_dst, ipv4_dst=frame.ipv4_src)


def _icmp_frame(icmp: bytes, *, eth_src: bytes, eth_dst: bytes, ipv4_src: bytes, ipv4_dst: bytes) -> bytes:
    icmp = icmp[:2] + checksum(icmp[:2] + b"\0\0" + icmp[4:]).to_bytes(2, "big") + icmp[4:]
    total = _IPV4_HEADER.size + len(icmp)
    fields = (0x45, _INTERNETWORK_CONTROL, total, 0, 0, DEFAULT_TTL, ICMP)
    header = _IPV4_HEADER.pack(*fields, checksum(_IPV4_HEADER.pack(*fields, 0, ipv4_src, ipv4_dst)), ipv4_src, ipv4_dst)
    return _ETHERNET.pack(eth_dst, eth_src, IPV4) + header + icmp


def checksum(data: bytes) -> int:
    """Compute the Internet checksum of data whose checksum field is zero (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
