"""Probes: what is in them, and which flows take them."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from daoli.ofproto import Match
from daoli.routing.model import ROUTER_MAC, Endpoint, Host, Network
from daoli.routing.packet import ICMP, TCP, UDP, checksum, parse, ports
from daoli.routing.probe import OUTSIDE_TTL, SOURCE_PORT, build_probe, may_take, token_at
from daoli.routing.view import Outside, Place, Switch

NETWORK = Network("n", IPv4Network("10.1.0.0/24"), bytes((10, 1, 0, 1)))
A, B = (
    Place(
        Endpoint(f"e{n}", "", "h", "n", bytes((2, 0, 0, 0, 0, n)), bytes((10, 1, 0, n)), "p"),
        NETWORK,
        Switch(Host("h", 1, bytes(4), "up")),
    )
    for n in (2, 3)
)
TOKEN = b"12345678"
SAYS = b"daoli trace " + TOKEN
OUTSIDE = Outside(A.switch, bytes((198, 51, 100, 7)), NETWORK.gateway)


@pytest.mark.parametrize(("protocol", "length"), [(TCP, 20), (UDP, 8), (ICMP, 8)])
def test_probe(protocol: int, length: int) -> None:
    """It is well-formed up to its checksum, which is wrong and not absent."""
    data = build_probe(A, B, protocol, 80, TOKEN)
    frame = parse(data)
    assert frame is not None
    assert (frame.eth_src, frame.eth_dst, frame.proto, frame.total_len) == (A.mac, ROUTER_MAC, protocol, len(data) - 14)
    assert checksum(data[14:34]) == 0
    assert data.endswith(SAYS)
    assert len(data) == 34 + length + len(SAYS)
    assert data[34 + token_at(protocol) :] == TOKEN
    if protocol != ICMP:
        assert ports(data, frame) == (SOURCE_PORT, 80)
    body = data[34:]
    pseudo = b"" if protocol == ICMP else A.ipv4 + B.ipv4 + bytes((0, protocol)) + len(body).to_bytes(2, "big")
    assert checksum(pseudo + body) != 0
    at = {TCP: 16, UDP: 6, ICMP: 2}[protocol]
    assert body[at : at + 2] != bytes(2)


@pytest.mark.parametrize("protocol", [TCP, UDP, ICMP])
def test_outside(protocol: int) -> None:
    """What goes outside is right in all, or no NAT would take it for real, and has hops for bridge, host and wire."""
    data = build_probe(A, OUTSIDE, protocol, 80, TOKEN)
    frame = parse(data)
    assert frame is not None
    assert (frame.ttl, frame.ipv4_dst, data[-8:]) == (OUTSIDE_TTL, OUTSIDE.ipv4, TOKEN)
    body = data[34:]
    pseudo = b"" if protocol == ICMP else A.ipv4 + OUTSIDE.ipv4 + bytes((0, protocol)) + len(body).to_bytes(2, "big")
    assert checksum(pseudo + body) == 0


PAIR: dict[str, Any] = {"eth_type": 0x800, "ipv4_src": A.ipv4, "ipv4_dst": B.ipv4, "in_port": 5}


@pytest.mark.parametrize(
    ("match", "takes"),
    [
        (PAIR, True),
        (PAIR | {"eth_src": A.mac}, True),
        (PAIR | {"eth_src": B.mac}, False),
        (PAIR | {"in_port": 6}, False),
        (PAIR | {"ip_proto": TCP, "tcp_src": SOURCE_PORT, "tcp_dst": 80}, True),
        (PAIR | {"ip_proto": TCP, "tcp_src": SOURCE_PORT, "tcp_dst": 81}, False),
        (PAIR | {"ip_proto": UDP}, False),
        (PAIR | {"ipv4_dst": (bytes((10, 1, 0, 0)), bytes((255, 255, 255, 0)))}, True),
        (PAIR | {"ipv4_dst": (bytes((10, 2, 0, 0)), bytes((255, 255, 255, 0)))}, False),
        (PAIR | {"ip_dscp": 1}, False),
    ],
)
def test_may_take(match: dict[str, Any], takes: bool) -> None:
    """A flow takes it if all that it matches is in the probe."""
    assert may_take(Match(**match), A, B, TCP, 80, in_port=5, eth_src=A.mac) is takes
