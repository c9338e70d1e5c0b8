"""UDP datagrams in Ethernet frames, as they come from the bridge and go back to it. Pure.

The bridge tells in the low 16 bits of a MAC which port a query came from, and takes from there which port an answer is
for: three families of MACs say what is meant. RFC 791 (IPv4), 768 (UDP), 1071 (checksum).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

QUERY: Final = bytes.fromhex("02da011e")
"""Destination of what the bridge hands over: a query, and the port it came from."""
ANSWER: Final = bytes.fromhex("02da011d")
"""Source of an answer, and the port it is for."""
PASS_ON: Final = bytes.fromhex("02da011c")
"""Destination of a query that is to go on as if it had not been handed over, and the port it came from."""

_IPV4: Final = 0x0800
_UDP: Final = 17
_ETHERNET = struct.Struct("!6s6sH")
_HEADER = struct.Struct("!BBHHHBBH4s4s")
_PORTS = struct.Struct("!HHHH")
_DF: Final = 0x4000
_FRAGMENT: Final = 0x3FFF
_TTL: Final = 64


class Query(NamedTuple):
    """A datagram from a container."""

    port: int
    """OpenFlow number of the port that it came in by."""
    mac: bytes
    ipv4: bytes
    udp: int
    resolver: bytes
    """IPv4 address that the query was sent to."""
    payload: bytes


def parse(frame: bytes) -> Query | None:
    """Read a frame that the bridge handed over; None if it is no whole UDP datagram."""
    if len(frame) < _ETHERNET.size + _HEADER.size + _PORTS.size:
        return None
    eth_dst, eth_src, eth_type = _ETHERNET.unpack_from(frame)
    words, _, total, _, fragment, _, proto, _, ipv4_src, ipv4_dst = _HEADER.unpack_from(frame, _ETHERNET.size)
    start = _ETHERNET.size + (words & 0xF) * 4
    if eth_dst[:4] != QUERY or eth_type != _IPV4 or words >> 4 != 4 or (words & 0xF) * 4 < _HEADER.size:
        return None
    if proto != _UDP or fragment & _FRAGMENT or len(frame) < start + _PORTS.size:
        return None
    source, _, length, _ = _PORTS.unpack_from(frame, start)
    end = start + length
    if length < _PORTS.size or end > len(frame) or end > _ETHERNET.size + total:
        return None
    port = int.from_bytes(eth_dst[4:], "big")
    return Query(port, eth_src, ipv4_src, source, ipv4_dst, frame[start + _PORTS.size : end])


def answer(query: Query, payload: bytes, *, udp: int = 53) -> bytes:
    """Build the frame that answers a query from the resolver that it was sent to."""
    datagram = _PORTS.pack(udp, query.udp, _PORTS.size + len(payload), 0) + payload
    pseudo = query.resolver + query.ipv4 + struct.pack("!BBH", 0, _UDP, len(datagram))
    sum_ = checksum(pseudo + datagram) or 0xFFFF
    datagram = datagram[:6] + sum_.to_bytes(2, "big") + datagram[8:]
    fields = (0x45, 0, _HEADER.size + len(datagram), 0, _DF, _TTL, _UDP)
    head = _HEADER.pack(*fields, 0, query.resolver, query.ipv4)
    head = _HEADER.pack(*fields, checksum(head), query.resolver, query.ipv4)
    return _ETHERNET.pack(query.mac, ANSWER + query.port.to_bytes(2, "big"), _IPV4) + head + datagram


def passed_on(frame: bytes) -> bytes:
    """Mark a frame that the bridge handed over as one that is to go on its way."""
    return PASS_ON + frame[4:]


def checksum(data: bytes) -> int:
    """Compute the Internet checksum of data whose checksum field is zero (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
