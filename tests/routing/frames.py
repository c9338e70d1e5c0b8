"""Frames as an endpoint would send them, and a reader of those that arrive: apart from `daoli.routing.packet`."""

from __future__ import annotations

import struct
from typing import NamedTuple

ICMP = 1
TCP = 6
UDP = 17


def ones_sum(data: bytes) -> int:
    """Add 16-bit words in one's complement, one after the other (RFC 1071, 1)."""
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


def with_checksum(header: bytes) -> bytes:
    """Put the right checksum into an IPv4 header."""
    blank = header[:10] + b"\0\0" + header[12:]
    return blank[:10] + (0xFFFF - ones_sum(blank)).to_bytes(2, "big") + blank[12:]


def ipv4(
    eth_src: bytes,
    eth_dst: bytes,
    ipv4_src: bytes,
    ipv4_dst: bytes,
    *,
    ttl: int = 64,
    proto: int = UDP,
    payload: bytes = b"payload of a packet",
    options: bytes = b"",
    fragment: int = 0,
) -> bytes:
    """Make an Ethernet frame with a valid IPv4 packet; `fragment` is the word of flags and offset."""
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, total, 7, fragment, ttl, proto, 0)
    header += ipv4_src + ipv4_dst + options
    return eth_dst + eth_src + b"\x08\x00" + with_checksum(header) + payload


def echo(kind: int, data: bytes = b"ping", identifier: int = 0x1234, sequence: int = 1) -> bytes:
    """Make an ICMP echo message: 8 asks, 0 answers."""
    blank = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + data
    return blank[:2] + (0xFFFF - ones_sum(blank)).to_bytes(2, "big") + blank[4:]


def arp(op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes, eth_dst: bytes = b"\xff" * 6) -> bytes:
    """Make an ARP frame: 1 asks, 2 answers."""
    return eth_dst + sha + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + sha + spa + tha + tpa


class Seen(NamedTuple):
    """An IPv4 frame that came out somewhere, taken apart after all its checksums were found right."""

    eth_dst: bytes
    eth_src: bytes
    ttl: int
    proto: int
    ipv4_src: bytes
    ipv4_dst: bytes
    payload: bytes


def see(frame: bytes) -> Seen:
    """Take an IPv4 frame apart; an AssertionError if a checksum is wrong."""
    assert frame[12:14] == b"\x08\x00", frame.hex()
    header = frame[14 : 14 + (frame[14] & 0xF) * 4]
    total = int.from_bytes(frame[16:18], "big")
    assert ones_sum(header) == 0xFFFF, f"IPv4 checksum of {frame.hex()}"
    payload = frame[14 + len(header) : 14 + total]
    assert len(frame) >= 14 + total
    if header[9] == ICMP and not int.from_bytes(header[6:8], "big") & 0x3FFF:
        assert ones_sum(payload) == 0xFFFF, f"ICMP checksum of {frame.hex()}"
    return Seen(frame[:6], frame[6:12], header[8], header[9], header[12:16], header[16:20], payload)
