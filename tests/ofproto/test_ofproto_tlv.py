"""Choices of structures; each kind's bytes are in the tests of `actions`, `instructions` and `symmetric`."""

from dataclasses import dataclass

import pytest

from daoli.ofproto import DecodeError, EncodeError
from daoli.ofproto.record import Structure
from daoli.ofproto.tlv import Tlv


@dataclass(frozen=True, slots=True)
class Anything(Structure):
    """Any kind of TLV."""

    kind: int
    body: bytes


class Other(Structure):
    """Another kind."""


def test_tlv_padding() -> None:
    """A kind pads within its length or behind it, as its specification has it."""
    within = Tlv("a thing", Anything, "9.9", counts_padding=True)
    behind = Tlv("a thing", Anything, "9.9", counts_padding=False)
    assert behind.write(Anything(5, b"ab")) == bytes.fromhex("0005 0006 6162 0000")
    assert behind.parse(bytes.fromhex("0005 0006 6162 0000")) == Anything(5, b"ab")
    assert within.write(Anything(5, b"abcd")) == bytes.fromhex("0005 0008 61626364")
    with pytest.raises(EncodeError, match=r"Anything\.body: 2 bytes after a head of 4 do not fill 8s"):
        within.write(Anything(5, b"ab"))
    with pytest.raises(DecodeError, match="a thing of kind 5 with a length of 6"):
        within.parse(bytes.fromhex("0005 0006 6162 0000"))


def test_tlv_kind_is_declared_once() -> None:
    """Two classes for one kind are refused when the second is declared."""
    tlv = Tlv("a thing", Anything, "9.9", counts_padding=True)
    tlv.register(b"\0\1", Other)
    with pytest.raises(TypeError, match="a thing 0001 is both Other and Anything"):
        tlv.register(b"\0\1", Anything)
