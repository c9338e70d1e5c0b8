"""A packet that asks for its own way: as a container would send it, but such that its receiver takes no notice.

To an endpoint its TCP, UDP or ICMP checksum is wrong, so that the receiver's kernel drops it before a service or a
connection sees it (RFC 1122, 4.1.3.4 and 4.2.2.7; RFC 792): nothing is opened, nothing answers. Switches do not look at
it. A host's own stack does: to it a wrong checksum is `ct state invalid`, and gets no NAT. So what goes outside has the
right one, and its TTL ends it: the bridge takes one, the host's forwarding wants more than one and takes one before its
filters see it, and on the wire it has one left, so that the first router discards it (RFC 1812, 5.3.1).
"""

from __future__ import annotations

import struct
from typing import Final

from daoli.ofproto import Match
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import DEFAULT_TTL, ICMP, IPV4, TCP, UDP, checksum
from daoli.routing.view import End

SOURCE_PORT: Final = 49152
"""The first of those that nobody is given (RFC 6335, 6)."""
OUTSIDE_TTL: Final = 3
"""Of a probe to the outside, as its container would send it: for the bridge, the host and the wire."""
TOKEN_LENGTH: Final = 8
"""Bytes at the end of a probe that no other packet has."""
_SAYS: Final = b"daoli trace "
_SYN: Final = 0x02
_ECHO: Final = 8
_WORDS_OF_TCP: Final = 5 << 4
_WINDOW: Final = 0xFFFF
_WRONG: Final = 0x5555
_CHECKSUM_AT: Final = {TCP: 16, UDP: 6, ICMP: 2}


def build_probe(source: End, destination: End, protocol: int, port: int, token: bytes) -> bytes:
    """Build the Ethernet frame; it ends in `token`. For TCP it is a SYN, for ICMP an echo request."""
    outside = destination.endpoint is None
    body = _body(protocol, port, _SAYS + token)
    pseudo = b"" if protocol == ICMP else source.ipv4 + destination.ipv4 + struct.pack("!BBH", 0, protocol, len(body))
    at = _CHECKSUM_AT[protocol]
    right = checksum(pseudo + body)
    said = (right or 0xFFFF) if outside else (right ^ _WRONG) or _WRONG  # zero would be none at all (RFC 768)
    body = body[:at] + said.to_bytes(2, "big") + body[at + 2 :]
    ttl = OUTSIDE_TTL if outside else DEFAULT_TTL
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, 0)
    head += source.ipv4 + destination.ipv4
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    return ROUTER_MAC + source.mac + IPV4.to_bytes(2, "big") + head + body


def _body(protocol: int, port: int, token: bytes) -> bytes:
    if protocol == TCP:
        return struct.pack("!HHIIBBHHH", SOURCE_PORT, port, 0, 0, _WORDS_OF_TCP, _SYN, _WINDOW, 0, 0) + token
    if protocol == UDP:
        return struct.pack("!HHHH", SOURCE_PORT, port, 8 + len(token), 0) + token
    return struct.pack("!BBHHH", _ECHO, 0, 0, 0, 0) + token


def token_at(protocol: int) -> int:
    """Tell where in the transport's packet the token begins, in bytes."""
    return len(_body(protocol, 0, _SAYS))


def may_take(flow: Match, source: End, destination: End, protocol: int, port: int, **fields: int | bytes) -> bool:
    """Tell whether a flow's match takes a probe where it has these further fields, such as its in_port."""
    names = {TCP: ("tcp_src", "tcp_dst"), UDP: ("udp_src", "udp_dst")}.get(protocol, ())
    probe = Match(
        eth_type=IPV4,
        ip_proto=protocol,
        ipv4_src=source.ipv4,
        ipv4_dst=destination.ipv4,
        **dict(zip(names, (SOURCE_PORT, port), strict=False)),
        **fields,
    )
    for oxm in flow:
        here = probe.get(oxm.name)
        mask = oxm.mask or b"\xff" * len(oxm.value)
        if here is None or bytes(map(int.__and__, here, mask)) != oxm.value:
            return False
    return True
