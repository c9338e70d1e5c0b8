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
        ("eth_dst", "01:00:00:00:00:00/01:00:00:00:00:00", 0x8000070C, "010000000000010000000000"),
        ("vlan_vid", "0x1000/0x1000", 0x80000D04, "10001000"),
        ("vlan_vid", (0x1005, 0x1FFF), 0x80000C02, "1005"),
        ("ipv6_src", "fe80::/10", 0x80003520, "fe80" + "00" * 14 + "ffc0" + "00" * 14),
        ("reg0", (5, 0xFF), 0x00010108, "00000005000000ff"),
    ],
)
def test_of(name: str, value: MaskedValue, header: int, payload: str) -> None:
    """What people write becomes the specification's bytes; a mask of all ones is none."""
    assert Oxm.of(name, value) == Oxm(header, bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("nw_src", "10.0.0.1", "no match field is called 'nw_src'"),
        ("in_port", (1, 3), "in_port cannot be masked"),
        ("tcp_dst", "80/0xfff0", "tcp_dst cannot be masked"),
        ("ipv4_dst", "10.0.0.1/8", "has bits outside of its mask"),
        ("ipv4_dst", "10.0.0.0/33", "a prefix of at most 32 bits, not 33"),
        ("ipv4_dst", "10.0.0.0/x", "ipv4_dst cannot be 'x'"),
        ("ipv4_dst", "10.0.0.0/", "ipv4_dst cannot be ''"),
    ],
)
def test_of_refuses(name: str, value: MaskedValue, words: str) -> None:
    """A name, mask or prefix that is none is a ValueError that says which."""
    with pytest.raises(ValueError, match=words):
        Oxm.of(name, value)


def test_parts() -> None:
    """A field tells its name, value and mask; one that no table knows is named by its numbers."""
    oxm = Oxm.of("ipv4_dst", "10.0.0.0/8")
    assert (oxm.name, oxm.value, oxm.mask, str(oxm)) == ("ipv4_dst", b"\n\0\0\0", b"\xff\0\0\0", "ipv4_dst=10.0.0.0/8")
    exact = Oxm.of("in_port", 3)
    assert (exact.name, exact.value, exact.mask, str(exact)) == ("in_port", b"\0\0\0\3", None, "in_port=3")
    unknown = Oxm(0x12340402, b"ab")
    assert (unknown.name, unknown.field, unknown.value, str(unknown)) == ("oxm_1234_2", None, b"ab", "oxm_1234_2=6162")


@pytest.mark.parametrize("length", [0, 3, 5, 8, 255])
def test_wrong_length(length: int) -> None:
    """A known field of another length than its own is refused."""
    with pytest.raises(DecodeError, match=f"in_port with a length of {length}"):
        OXM.parse((0x80000000 | length).to_bytes(4, "big") + bytes(length))


def test_dishonest_header() -> None:
    """A header that announces another length than the payload's cannot be written."""
    with pytest.raises(EncodeError, match="does not announce 3 bytes"):
        OXM.write(Oxm(0x12340004, b"abc"))


def test_not_an_oxm() -> None:
    """What is no field at all is a TypeError, which the message that holds it turns into an EncodeError."""
    with pytest.raises(TypeError, match="5 is not a match field"):
        OXM.write(5)
    with pytest.raises(EncodeError, match=r"SetField\.oxm: 5 is not a match field"):
        SetField(5).wire.write(SetField(5))  # type: ignore[arg-type]
