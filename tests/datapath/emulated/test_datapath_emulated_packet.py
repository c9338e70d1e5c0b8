"""Fields of frames, read and written, with checksums that another implementation finds right."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.frames import arp, echo, ipv4, ones_sum, see

from daoli.datapath.emulated import Packet
from daoli.datapath.emulated.packet import SETTABLE
from daoli.ofproto import Match, field_named

A, B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
IP_A, IP_B = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])


def udp(payload: bytes = b"data", *, checksum: bool = True) -> bytes:
    """A UDP datagram from port 1000 to 2000, with a right checksum or none."""
    length = 8 + len(payload)
    pseudo = IP_A + IP_B + struct.pack("!BBH", 0, 17, length)
    blank = struct.pack("!HHHH", 1000, 2000, length, 0) + payload
    total = 0xFFFF - ones_sum(pseudo + blank + b"\0" * (len(blank) % 2))
    return blank[:6] + (total or 0xFFFF if checksum else 0).to_bytes(2, "big") + payload


def checksum_is_right(frame: bytes) -> bool:
    """Whether the checksum of what IPv4 carries in a frame is right."""
    seen = see(frame)
    pseudo = seen.ipv4_src + seen.ipv4_dst + struct.pack("!BBH", 0, seen.proto, len(seen.payload))
    return ones_sum(pseudo + seen.payload + b"\0" * (len(seen.payload) % 2)) == 0xFFFF


def ipv6(proto: int, payload: bytes) -> bytes:
    """An IPv6 frame, traffic class 0xb9, flow label 0x12345, hop limit 64."""
    head = struct.pack("!IHBB", 6 << 28 | 0xB9 << 20 | 0x12345, len(payload), proto, 64)
    return B + A + b"\x86\xdd" + head + bytes(15) + b"\1" + bytes(15) + b"\2" + payload


def test_ethernet_and_arp() -> None:
    """An ARP frame has the fields of Ethernet and ARP, and none of IP."""
    packet = Packet(arp(1, A, IP_A, bytes(6), IP_B), 3)
    said = {
        name: packet.get(name)
        for name in ("in_port", "eth_type", "arp_op", "arp_spa", "arp_tpa", "ip_proto", "vlan_vid")
    }
    assert said == {
        "in_port": 3,
        "eth_type": 0x0806,
        "arp_op": 1,
        "arp_spa": 0x0A000001,
        "arp_tpa": 0x0A000002,
        "ip_proto": None,
        "vlan_vid": 0,
    }
    assert packet.get("eth_src") == packet.get("arp_sha") == int.from_bytes(A, "big")
    assert packet.ttl is None


def test_ipv6() -> None:
    """The fields of IPv6, which do not stand at whole bytes, are found too."""
    packet = Packet(ipv6(6, struct.pack("!HH", 80, 81) + bytes(16)), 1)
    names = ("ip_dscp", "ip_ecn", "ipv6_flabel", "ip_proto", "ipv6_src", "ipv6_dst", "tcp_src", "tcp_dst", "ipv4_src")
    assert [packet.get(name) for name in names] == [0xB9 >> 2, 1, 0x12345, 6, 1, 2, 80, 81, None]
    assert packet.ttl == 64
    assert Packet(ipv6(58, b"\x87\x00" + bytes(6)), 1).get("icmpv6_type") == 135


def test_later_fragment() -> None:
    """A fragment that is not the first has no ports."""
    assert Packet(ipv4(A, B, IP_A, IP_B, payload=udp(), fragment=0x2000), 1).get("udp_dst") == 2000
    assert Packet(ipv4(A, B, IP_A, IP_B, payload=udp(), fragment=0x2001), 1).get("udp_dst") is None


@given(cut=st.integers(14, 46))
def test_short_frames(cut: int) -> None:
    """A frame that is cut short has the fields that are whole, and can be written without growing."""
    packet = Packet(ipv4(A, B, IP_A, IP_B, payload=udp())[:cut], 1)
    for name in sorted(SETTABLE):
        if packet.get(name) is not None:
            packet.set(name, 1)
    packet.set_ttl(9)
    assert len(packet.frame) == cut


@given(
    name=st.sampled_from(["ip_dscp", "ip_ecn", "ipv4_src", "ipv4_dst", "udp_src", "udp_dst", "eth_src", "eth_dst"]),
    data=st.data(),
    payload=st.binary(max_size=9),
    options=st.sampled_from([b"", bytes(4)]),
)
def test_set_keeps_checksums(name: str, data: st.DataObject, payload: bytes, options: bytes) -> None:
    """Whatever field is set reads as what was set, and the checksums over it are right."""
    value = data.draw(st.integers(0, (1 << field_named(name).bits) - 1))
    packet = Packet(ipv4(A, B, IP_A, IP_B, payload=udp(payload), options=options), 1)
    packet.set(name, value)
    packet.set_ttl(value % 255 + 1)
    assert (packet.get(name), packet.ttl) == (value, value % 255 + 1)
    assert checksum_is_right(packet.frame)


def test_checksums_of_others() -> None:
    """UDP without a checksum stays so; ICMP's does not cover addresses, ICMPv6's does."""
    packet = Packet(ipv4(A, B, IP_A, IP_B, payload=udp(checksum=False)), 1)
    packet.set("ipv4_src", 1)
    assert packet.frame[40:42] == b"\0\0"
    packet = Packet(ipv4(A, B, IP_A, IP_B, proto=1, payload=echo(8)), 1)
    packet.set("ipv4_dst", 5)
    packet.set("icmpv4_type", 0)
    assert see(packet.frame).payload[0] == 0
    packet = Packet(ipv6(58, b"\x80\x00\x12\x34" + bytes(4)), 1)
    packet.set("ipv6_src", 1 + 0x10)
    assert packet.frame[56:58] == b"\x12\x24"


def test_vlan() -> None:
    """A tag is pushed as a copy of the one beneath, set, matched and popped; fields behind it are still found."""
    plain = ipv4(A, B, IP_A, IP_B, payload=udp())
    packet = Packet(plain, 1)
    packet.pop_vlan()
    packet.push_vlan(0x8100)
    assert (packet.get("vlan_vid"), packet.get("vlan_pcp")) == (0x1000, 0)
    packet.set("vlan_vid", 0x1000 | 7)
    packet.set("vlan_pcp", 5)
    assert packet.frame[12:16] == b"\x81\x00\xa0\x07"
    packet.push_vlan(0x88A8)
    assert packet.frame[12:20] == b"\x88\xa8\xa0\x07\x81\x00\xa0\x07"
    assert packet.matches(Match(vlan_vid=0x1007, eth_type=0x0800, ip_proto=17, udp_dst=2000))
    packet.pop_vlan()
    packet.pop_vlan()
    assert packet.frame == plain


def test_matches() -> None:
    """All fields of a match must be as it says, under its masks; a field that is not there never is."""
    packet = Packet(ipv4(A, B, IP_A, IP_B, payload=udp()), 3)
    packet.metadata = 0xF0
    assert packet.matches(Match())
    assert packet.matches(Match(in_port=3, metadata=(0x10, 0x10), eth_type=0x0800, ipv4_dst="10.0.0.0/8"))
    assert not packet.matches(Match(in_port=3, eth_type=0x0800, ipv4_dst="10.0.1.0/24"))
    assert not packet.matches(Match(eth_type=0x0806, arp_op=1))


@pytest.mark.parametrize("name", ["arp_op", "tcp_src", "vlan_vid"])
def test_set_what_is_not_there(name: str) -> None:
    """Setting a field that the packet has not changes nothing."""
    frame = ipv4(A, B, IP_A, IP_B, payload=udp())
    packet = Packet(frame, 1)
    packet.set(name, 1)
    assert packet.frame == frame
