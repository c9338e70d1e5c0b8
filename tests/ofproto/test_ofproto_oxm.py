"""Single match fields."""

import pytest
from hypothesis import given
from tests.ofproto.strategies import oxms

from daoli.ofproto import DecodeError, EncodeError, Oxm, SetField
from daoli.ofproto.oxm import OXM, MaskedValue


@given(oxms)
def test_round_trip(oxm: Oxm) -> None:
    """Any field, known or not, is read back as it was written."""
    data = OXM.write(oxm)
    assert OXM.parse(data) == oxm
    assert OXM.build(oxm) == data
    assert int.from_bytes(data[:4], "big") == oxm.header


@pytest.mark.parametrize(
    ("name", "value", "header", "payload"),
    [
        ("in_port", 1, 0x80000004, "00000001"),
        ("in_port", b"\0\0\0\1", 0x80000004, "00000001"),
        ("ipv4_dst", "10.1.2.3", 0x80001804, "0a010203"),
        ("ipv4_dst", "10.0.0.0/8", 0x80001908, "0a000000ff000000"),
        ("ipv4_dst", "10.0.0.0/255.0.0.0", 0x80001908, "0a000000ff000000"),
        ("ipv4_dst", ("10.0.0.0", 0xFF000000), 0x80001908, "0a000000ff000000"),
        ("ipv4_dst", "10.1.2.3/32", 0x80001804, "0a010203"),
        ("ipv4_dst", "10.1.2.3/8", 0x80001908, "0a000000ff000000"),
        ("ipv4_dst", ("10.1.2.3", 0xFF000000), 0x80001908, "0a000000ff000000"),
        ("ipv4_dst", (0x0A010203, 1), 0x80001908, "0000000100000001"),
        ("ipv4_dst", "10.1.2.3/0", 0x80001908, "0000000000000000"),
        ("ipv6_src", "fe80::1/10", 0x80003520, "fe80" + "00" * 14 + "ffc0" + "00" * 14),
        ("eth_dst", "02:da:01:02:03:04/ff:ff:ff:00:00:00", 0x8000070C, "02da01000000ffffff000000"),
        ("eth_dst", ("02:da:01:02:03:04", "ff:ff:ff:00:00:00"), 0x8000070C, "02da01000000ffffff000000"),
        ("reg0", (0xFF, 0xF), 0x00010108, "0000000f0000000f"),
        ("vlan_vid", 0, 0x80000C02, "0000"),
        ("vlan_vid", (5, 0xFFF), 0x80000D04, "00050fff"),
        ("vlan_vid", (0, 0x1000), 0x80000D04, "00001000"),
        ("eth_dst", "01:00:00:00:00:00/01:00:00:00:00:00", 0x8000070C, "010000000000010000000000"),
        ("vlan_vid", "0x1000/0x1000", 0x80000D04, "10001000"),
        ("vlan_vid", (0x1005, 0x1FFF), 0x80000C02, "1005"),
        ("ipv6_src", "fe80::/10", 0x80003520, "fe80" + "00" * 14 + "ffc0" + "00" * 14),
        ("reg0", (5, 0xFF), 0x00010108, "00000005000000ff"),
        ("nsh_spi", 5, 0xFFFF0808, "005ad65000000005"),
        ("nsh_c1", "5/0xf", 0xFFFF0D0C, "005ad650000000050000000f"),
        ("tcp_flags", "+syn-ack", 0xFFFF5508, "4f4e460000020012"),
        ("tcp_flags", "syn|ack", 0xFFFF5406, "4f4e46000012"),
        ("ct_state", "+trk+est-new", 0x0001D308, "0000002200000023"),
        ("ip_frag", "not_later", 0x00013502, "0002"),
        ("ip_frag", "later", 0x00013401, "03"),
        ("tun_metadata0", 0x1234, 0x00015002, "1234"),
        ("tun_metadata0", 0, 0x00015001, "00"),
        ("tun_metadata0", bytes(5), 0x00015005, "0000000000"),
        ("tun_metadata5", (1, 0xFFF), 0x00015B04, "00010fff"),
        ("tun_metadata5", "0x1000/0xf000", 0x00015B04, "1000f000"),
        ("xreg1", 7, 0x80010208, "0000000000000007"),
    ],
)
def test_of(name: str, value: MaskedValue, header: int, payload: str) -> None:
    """What people write becomes the specification's bytes; a mask of all ones is none, and clears no bits."""
    assert Oxm.of(name, value) == Oxm(header, bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nw_src", "10.0.0.1", "no match field is called 'nw_src'"),
        ("in_port", (1, 3), r"in_port: \(1, 3\) has a mask, which the field cannot have"),
        ("tcp_dst", "80/0xfff0", "tcp_dst: '80/0xfff0' has a mask"),
        ("ipv4_dst", "10.0.0.0/33", "ipv4_dst: '33' is not the length of a prefix of at most 32 bits"),
        ("ipv4_dst", "10.0.0.0/x", "ipv4_dst: 'x' is not an IPv4 address"),
        ("ipv4_dst", "10.0.0.0/", "ipv4_dst: '' is not an IPv4 address"),
        ("ct_state", "+trk+2", r"ct_state: '\+trk\+2' is not made of new, est"),
        ("ct_state", "+trk-trk", r"ct_state: '\+trk-trk' says trk more than once"),
        ("ct_state", "-new+est-new", "ct_state: '-new.est-new' says new more than once"),
        ("ct_state", "+track", "ct_state: 'track' is not made of new, est"),
        ("recirc_id", "5/7", "recirc_id: '5/7' has a mask"),
        ("ipv4_dst", ("10.0.0.0", 8), "ipv4_dst: 8 is not a mask: a prefix is written '10.0.0.0/8'"),
        ("ipv4_dst", ("10.0.0.0", "8"), "ipv4_dst: '8' is not a mask: a prefix is written '10.0.0.0/8'"),
        ("ipv6_dst", ("fe80::", 10), "ipv6_dst: 10 is not a mask: a prefix is written 'fe80::/10'"),
        ("ipv6_dst", "fe80::/129", "ipv6_dst: '129' is not the length of a prefix of at most 128 bits"),
        ("ipv6_dst", "fe80::/" + "9" * 5000, r"ipv6_dst: '9+\.\.\.9+' is not the length of a prefix"),
        ("eth_dst", ("02:da:01:00:00:00", 24), "eth_dst: 24 is not a mask: a mask is written '02:da:01:00:00:00/ff"),
        ("eth_dst", "02:da:01:00:00:00/24", "eth_dst: '24' is not a mask: a mask is written '02:da:01:00:00:00/ff"),
        ("eth_dst", ("02:da:01:00:00:00",), r"eth_dst: \('02:da:01:00:00:00',\) is no pair of a value and a mask"),
        ("vlan_vid", 5, r"vlan_vid: 5 is in no packet: one with that tag has 0x1005 \(VlanId.PRESENT \| 5\)"),
        ("vlan_vid", (5, 0x1FFF), "vlan_vid: 5 is in no packet"),
        ("vlan_vid", "5/0x1fff", "vlan_vid: 5 is in no packet"),
        ("vlan_vid", (5, 0x100F), "vlan_vid: 5 is in no packet"),
    ],
)
def test_of_refuses(name: str, value: MaskedValue, words: str) -> None:
    """A name, value, mask or prefix that is none is an EncodeError that says which."""
    with pytest.raises(EncodeError, match=words) as refusal:
        Oxm.of(name, value)
    assert refusal.value.field == name


def test_parts() -> None:
    """A field tells its name, value and mask; one that no table knows is named by its numbers."""
    oxm = Oxm.of("ipv4_dst", "10.0.0.0/8")
    assert (oxm.name, oxm.value, oxm.mask, str(oxm)) == ("ipv4_dst", b"\n\0\0\0", b"\xff\0\0\0", "ipv4_dst=10.0.0.0/8")
    exact = Oxm.of("in_port", 3)
    assert (exact.name, exact.value, exact.mask, str(exact)) == ("in_port", b"\0\0\0\3", None, "in_port=3")
    unknown = Oxm(0x12340402, b"ab")
    assert (unknown.name, unknown.field, unknown.value, str(unknown)) == ("oxm_1234_2", None, b"ab", "oxm_1234_2=6162")


def test_experimenter() -> None:
    """An experimenter's id is no part of the value, and tells its fields from another's of the same number."""
    oxm = Oxm.of("nsh_c1", "5/0xf")
    assert (oxm.name, oxm.value, oxm.mask) == ("nsh_c1", b"\0\0\0\5", b"\0\0\0\x0f")
    other = Oxm(oxm.header, b"\xde\xad\xbe\xef" + oxm.payload[4:])
    assert (other.field, other.value, other.mask) == (None, oxm.value, oxm.mask)
    short = Oxm(0xFFFF0002, b"\x23\x20")  # would be Nicira's id with two zeros before it
    assert (short.field, short.value) == (None, b"")
    assert OXM.parse(OXM.write(short)) == short


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (0xFFFF0807, 7),  # nsh_spi
        (0xFFFF090B, 11),
        (0x00015000, 0),  # tun_metadata0, exact
        (0x0001507D, 125),
        (0x000150FF & ~0x100, 255),
        (0x00015103, 3),  # the same with a mask
        (0x000151FA, 250),
        (0x80010E04, 4),  # xreg7
    ],
)
def test_wrong_length_of_extensions(header: int, size: int) -> None:
    """A field of any length has one that it may have, and an experimenter's counts the id."""
    payload = (b"\0\x5a\xd6\x50" if header >> 16 == 0xFFFF else b"") + bytes(255)
    with pytest.raises(DecodeError, match="with a length of"):
        OXM.parse(header.to_bytes(4, "big") + payload[:size])


@pytest.mark.parametrize("length", [0, 3, 5, 8, 255])
def test_wrong_length(length: int) -> None:
    """A known field of another length than its own is refused."""
    with pytest.raises(DecodeError, match=f"in_port with a length of {length}"):
        OXM.parse((0x80000000 | length).to_bytes(4, "big") + bytes(length))


def test_dishonest_header() -> None:
    """A header that announces another length than the payload's cannot be written."""
    with pytest.raises(EncodeError, match="does not announce 3 bytes"):
        OXM.write(Oxm(0x12340004, b"abc"))


def test_misfits() -> None:
    """A header that is none, and a payload that is not bytes, are refused by name."""
    with pytest.raises(EncodeError, match=r"Oxm\.header: 4294967296 is not an unsigned number of 32 bits"):
        OXM.write(Oxm(1 << 32, b""))
    with pytest.raises(EncodeError, match=r"Oxm\.payload: 'abcd' is not bytes"):
        OXM.write(Oxm(0x12340004, "abcd"))  # type: ignore[arg-type]


def test_not_an_oxm() -> None:
    """What is no field at all is a TypeError, which the message that holds it turns into an EncodeError."""
    with pytest.raises(TypeError, match="5 is not a match field"):
        OXM.write(5)
    with pytest.raises(EncodeError, match=r"SetField\.oxm: .*5 is not a match field"):
        SetField(5).wire.write(SetField(5))  # type: ignore[arg-type]
