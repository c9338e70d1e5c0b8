"""Templates: they pack and take what the encoder does that they were probed from, or are refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto.template import ShapeError, Template


def head(body: bytes) -> bytes:
    """Frame a body as a message of type 99."""
    return struct.pack("!BBHI", 4, 99, 8 + len(body), 0) + body


def build(number: int, mac: bytes, data: bytes = b"") -> bytes:
    """Encode a message with two holes, one of them twice, and a tail."""
    return head(number.to_bytes(4, "big") + b"const" + mac + b"\0" + number.to_bytes(4, "big") + data)


PLAIN = Template(build, {"number": "I", "mac": "6s"})
TAILED = Template(build, {"number": "I", "mac": "6s"}, "data")
NUMBERS = st.integers(0, 0xFFFFFFFF)
MACS = st.binary(min_size=6, max_size=6)


@given(NUMBERS, MACS)
def test_pack(number: int, mac: bytes) -> None:
    """Packing gives the encoder's bytes, a hole in every place where the encoder puts it."""
    assert PLAIN.pack(number, mac) == build(number, mac)


@given(NUMBERS, MACS, st.binary(max_size=2000))
def test_pack_tail(number: int, mac: bytes, data: bytes) -> None:
    """A tail is appended and counted in the header's length."""
    assert TAILED.pack(number, mac, data) == build(number, mac, data)


@given(NUMBERS, MACS, st.binary(max_size=40), st.binary(max_size=9), st.binary(max_size=9))
def test_unpack(number: int, mac: bytes, data: bytes, before: bytes, after: bytes) -> None:
    """A message is taken out of the middle of a buffer, and nothing around it is looked at."""
    packed = build(number, mac, data)
    buffer = before + packed + after
    assert TAILED.unpack(buffer, len(before), len(before) + len(packed)) == (number, mac, data)
    assert PLAIN.unpack(buffer, len(before), len(before) + len(packed)) == (None if data else (number, mac))


@given(NUMBERS, MACS, st.binary(max_size=5), st.integers(0, 40), st.integers(0, 255))
def test_unpack_declines(number: int, mac: bytes, data: bytes, at: int, byte: int) -> None:
    """What is taken encodes back to the very bytes that it was taken from; all else is declined."""
    packed = bytearray(build(number, mac, data))
    packed[at % len(packed)] = byte
    taken = TAILED.unpack(bytes(packed), 0, len(packed))
    assert taken is None or build(*taken) == packed
    if packed == build(number, mac, data):
        assert taken == (number, mac, data)


@pytest.mark.parametrize("size", [0, 7, 8, 27])
def test_unpack_short(size: int) -> None:
    """What is shorter than the shape is declined, also at the end of the buffer."""
    packed = build(1, bytes(6))
    assert TAILED.unpack(packed, 0, size) is None
    assert PLAIN.unpack(packed, 0, size) is None
    assert TAILED.unpack(packed[:size], 0, size) is None


def test_unpack_copies_that_differ() -> None:
    """Where a hole stands in two places both must hold the same value."""
    packed = bytearray(build(1, bytes(6)))
    packed[11] = 2
    assert PLAIN.unpack(bytes(packed), 0, len(packed)) is None


def test_make() -> None:
    """What is taken is made into what the caller asks for."""
    template = Template(build, {"number": "I", "mac": "6s"}, make=dict.fromkeys)
    assert template.unpack(build(5, bytes(6)), 0, 28) == {5: None, bytes(6): None}


def test_no_holes() -> None:
    """A message without holes is constant bytes."""
    template = Template(lambda: head(b"xyz"), {})
    assert template.pack() == head(b"xyz")
    assert template.unpack(head(b"xyz"), 0, 11) == ()
    assert template.unpack(head(b"xyy"), 0, 11) is None


def test_value_too_large() -> None:
    """A value that its hole cannot hold is an error, not another value."""
    with pytest.raises(struct.error):
        PLAIN.pack(1 << 32, bytes(6))


# -- what is no shape


def test_length_depends_on_a_hole() -> None:
    """A message whose length depends on a hole is refused."""
    with pytest.raises(ShapeError, match="length depends on 'n'"):
        Template(lambda n: head(bytes(4) if n else b""), {"n": "I"})


def test_hole_that_is_not_there() -> None:
    """A hole that the encoder does not write is refused."""
    with pytest.raises(ShapeError, match="'n' is not a 4-byte field"):
        Template(lambda n: head(b"const"), {"n": "I"})  # noqa: ARG005 (that is the point)


def test_hole_of_another_width() -> None:
    """A hole that is declared wider than the encoder writes it is refused; a narrower one is its lower part."""
    with pytest.raises(ShapeError, match="'n' is not a 8-byte field"):
        Template(lambda n: head((n & 0xFFFFFFFF).to_bytes(4, "big")), {"n": "Q"})
    narrow = Template(lambda n: head(n.to_bytes(4, "big")), {"n": "H"})
    assert narrow.pack(0xFFFE) == head(b"\0\0\xff\xfe")
    assert narrow.unpack(head(b"\0\1\xff\xfe"), 0, 12) is None


def test_hole_with_a_side_effect() -> None:
    """A hole on which other bytes depend is refused."""
    with pytest.raises(ShapeError, match="changes bytes"):
        Template(lambda n: head(n.to_bytes(4, "big") + bytes([n & 1])), {"n": "I"})


def test_overlapping_holes() -> None:
    """Two holes in one place are refused."""
    with pytest.raises(ShapeError, match="overlap at byte 8"):
        Template(lambda a, b: head((a | b).to_bytes(4, "big")), {"a": "I", "b": "I"})


def test_tail_is_not_last() -> None:
    """A tail behind which something stands is refused."""
    with pytest.raises(ShapeError, match="'t' is not what the message ends with"):
        Template(lambda t: head(t + b"end"), {}, "t")


def test_tail_is_not_as_it_came() -> None:
    """A tail that the encoder pads, cuts or counts is refused."""
    for encode in (
        lambda t: head(t + bytes(-len(t) % 8)),
        lambda t: head(t[:100]),
        lambda t: head(bytes([len(t) & 0xFF]) + t),
        lambda t: head(t)[:2] + b"\0\x08" + head(t)[4:],
    ):
        with pytest.raises(ShapeError, match="'t' is not what the message ends with"):
            Template(encode, {}, "t")
