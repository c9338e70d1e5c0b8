"""Packets in words, against what Open vSwitch prints of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ofproto.oracles import ovs_texts

from daoli.ofproto import PacketOut
from daoli.ofproto.packet_text import packet_text


def ipv4(proto: int, rest: str, fragment: str = "0000") -> str:
    """Put a header of IPv4 before something in hex."""
    return f"45b9{20 + len(bytes.fromhex(rest)):04x}0001{fragment}40{proto:02x}66c70a01000a0a01000b{rest}"


def ipv6(proto: int, rest: str) -> str:
    """Put a header of IPv6 before something in hex."""
    ends = f"fe80{1:028x}fe80{2:028x}"
    return f"6b912345{len(bytes.fromhex(rest)):04x}{proto:02x}40{ends}{rest}"


TARGET = f"fe80{2:028x}"
TCP = "04d20050000000010000000150121000abcd0000"
UDP = "04d2000900080012"

FRAMES = {
    "tcp": "0800" + ipv4(6, TCP),
    "tcp trunc": "0800" + ipv4(6, TCP[:20]),
    "udp": "0800" + ipv4(17, UDP),
    "icmp": "0800" + ipv4(1, "0800abcd00010001"),
    "icmp trunc": "0800" + ipv4(1, "0800ab"),
    "sctp": "0800" + ipv4(132, "04d20009 00000001 12345678"),
    "igmp": "0800" + ipv4(2, "1100ee00e0000001"),
    "gre": "0800" + ipv4(47, "00000800"),
    "first": "0800" + ipv4(17, UDP, "2000"),
    "later": "0800" + ipv4(17, UDP, "0010"),
    "df": "0800" + ipv4(17, UDP, "4000"),
    "vlan": "8100 6005 0800" + ipv4(17, UDP),
    "qinq": "88a8 6005 8100 0007 0800" + ipv4(17, UDP),
    "qqq": "88a8 6005 8100 0007 8100 0008 0800" + ipv4(17, UDP),
    "vlan cfi": "8100 7005 88cc",
    "vlan0": "8100 0000 0806",
    "arp": "0806 0001080006040001 020000000001 0a01000a 000000000000 0a01000b",
    "arp short": "0806 0001080006040001",
    "arp op": "0806 0001080006040305 020000000001 0a01000a 000000000000 0a01000b",
    "rarp": "8035 0001080006040003 020000000001 0a01000a 000000000000 0a01000b",
    "lldp": "88cc 0207",
    "llc": "0026 424203" + "00" * 35,
    "snap": "0026 aaaa03000000 0800" + ipv4(17, UDP),
    "tcp6": "86dd" + ipv6(6, TCP),
    "udp6": "86dd" + ipv6(17, UDP),
    "icmp6": "86dd" + ipv6(58, "8000abcd00010001"),
    "ns": "86dd" + ipv6(58, f"8700abcd00000000 {TARGET} 0101020000000001"),
    "na": "86dd" + ipv6(58, f"8800abcd60000000 {TARGET} 0201020000000001"),
    "rs": "86dd" + ipv6(58, "8500abcd00000000"),
    "ns0": "86dd" + ipv6(58, f"8700abcd00000000 {TARGET}"),
    "hbh": "86dd" + ipv6(0, "3a00050200000100 8f00abcd00000001"),
    "frag6": "86dd" + ipv6(44, "1100000112345678" + UDP),
    "frag6 later": "86dd" + ipv6(44, "1100001012345678" + UDP),
    "nonxt": "86dd" + ipv6(59, ""),
    "mpls": "8847 00064140" + ipv4(17, UDP),
    "mpls2": "8847 0006403f 00064140" + ipv4(17, UDP),
    "mpls3": "8847 0006403f 0006403f 0006403f 00064140" + ipv4(17, UDP),
    "mplsm": "8848 00064140",
    "eth": "1234",
    "ip bad": "0800 4500ffff",
    "pbb": "88e7" + "00" * 20,
    "ip trail": "0800" + ipv4(17, UDP) + "00" * 30,
    "sctp6": "86dd" + ipv6(132, "04d20009 00000001 12345678"),
    "ah": "86dd" + ipv6(51, "1104000000000001000000010000000000000000 00000000" + UDP),
}
"""What follows the addresses of a frame, in hex: whole packets and some that are cut short or wrong."""


def frame(name: str) -> bytes:
    """Give one of the frames."""
    return bytes.fromhex("020000000002020000000001" + FRAMES[name])


def test_a_packet() -> None:
    """The headers are in Open vSwitch's order, then the checksum."""
    assert packet_text(frame("tcp")) == (
        "tcp,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.1.0.10,nw_dst=10.1.0.11,"
        "nw_tos=184,nw_ecn=1,nw_ttl=64,nw_frag=no,tp_src=1234,tp_dst=80,tcp_flags=syn|ack tcp_csum:abcd"
    )


def test_less_than_a_header() -> None:
    """What is too short for Ethernet is shown as it is, too."""
    assert packet_text(b"ab").endswith(",dl_type=0x0000 data=6162")
    assert packet_text(b"").endswith(",dl_type=0x0000")


@given(st.sampled_from(sorted(FRAMES)), st.integers(0, 100), st.integers(0, 100), st.integers(0, 255))
def test_any_bytes(name: str, size: int, place: int, byte: int) -> None:
    """Whatever the bytes, there is a line of text."""
    data = bytearray(frame(name))[:size]
    data[place : place + 1] = bytes([byte])
    assert packet_text(bytes(data)).isprintable()


@pytest.mark.ovs
def test_ovs_prints_the_same(tmp_path: Path) -> None:
    """Open vSwitch prints each frame above just as we do."""
    frames = list(map(frame, FRAMES))
    texts = ovs_texts([PacketOut(data=data).encode() for data in frames], tmp_path)
    assert [text.splitlines()[1] for text in texts] == list(map(packet_text, frames))
