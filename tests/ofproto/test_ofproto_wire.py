"""Class bodies as declarations."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Padding

from daoli.ofproto import DecodeError, EncodeError
from daoli.ofproto.wire import (
    U8,
    U16,
    U32,
    Counted,
    Many,
    Pair,
    Reader,
    Sized,
    Structure,
    Text,
    Tlv,
    Wire,
    Words,
    wired,
)


@wired("9.9")
@dataclass(frozen=True, slots=True)
class Sample(Structure):
    """Fields of every kind."""

    _start: ClassVar[Annotated[None, Padding(1)]] = None
    small: Annotated[int, Int8ub, Padding(2)]
    wide: Annotated[int, Padding(1), Int16ub]
    raw: Annotated[bytes, Bytes(3)] = b"abc"
    words: Annotated[str, Text(4)] = ""
    both: Annotated[tuple[int, int], Pair()] = (0, 0)
    rest: Annotated[bytes, GreedyBytes] = b""
    remark: str = "not on the wire"


@dataclass(frozen=True, slots=True)
class Anything(Structure):
    """Any kind of TLV."""

    kind: int
    body: bytes


def test_layout() -> None:
    """Fields and padding are written in the order of the class body, what is not annotated is not written."""
    sample = Sample(1, 2, b"xyz", "hi", (3, 4), b"!")
    data = bytes.fromhex("00 01 0000 00 0002 78797a 68690000 00000003 00000004 21")
    assert Sample.wire.build(sample) == Sample.wire.write(sample) == data
    assert Sample.wire.parse(data) == sample


def test_fixed_fields_are_one_step() -> None:
    """Neighbours of fixed size are read at once."""
    assert [step.names for step in Sample.wire.steps] == [("small", "wide", "raw"), ("words",), ("both",), ("rest",)]


def test_cut_short() -> None:
    """Bytes that end within the fields are refused, with the clause of the class."""
    for size in range(Sample.wire.steps[0].packed.size if Sample.wire.steps[0].packed else 0):
        with pytest.raises(DecodeError, match="Sample is cut short") as refusal:
            Sample.wire.parse(bytes(size))
        assert (refusal.value.offset, refusal.value.clause) == (size, "9.9")


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (Sample(256, 0), "Sample.small: 256 is not an unsigned number of 8 bits"),
        (Sample(0, -1), "Sample.wide: -1 is not an unsigned number of 16 bits"),
        (Sample(0, 0, b"ab"), "Sample.raw: b'ab' is not 3 bytes"),
        (Sample(0, 0, "abc"), "Sample.raw: 'abc' is not 3 bytes"),  # type: ignore[arg-type]
        (Sample(0, 0, words="fives"), "Sample.words: 'fives' is not a string of at most 4 bytes without NUL"),
        (Sample(0, 0, both=(1, 2, 3)), "Sample.both: too many values"),  # type: ignore[arg-type]
        (Sample(0, 0, both=(1, -2)), "Sample.both"),
        (Sample(0, 0, rest=5), "Sample.rest"),  # type: ignore[arg-type]
    ],
)
def test_blame(sample: Sample, words: str) -> None:
    """A value that does not fit is an EncodeError that begins with its field."""
    with pytest.raises(EncodeError) as refusal:
        Sample.wire.write(sample)
    assert str(refusal.value).startswith(words)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\0\0\0\0", ""),
        (b"ab\0\0", "ab"),
        (b"abcd", "abcd"),
        (b"a\xff\0\0", "a\udcff"),
    ],
)
def test_text(data: bytes, text: str) -> None:
    """A string ends at its NUL or fills its field, and keeps bytes that are no ASCII."""
    assert Text(4).parse(data) == text
    assert Text(4).write(text) == data


def test_text_after_nul() -> None:
    """What follows the NUL is padding."""
    assert Text(4).parse(b"a\0zz") == "a"


def test_words() -> None:
    """Numbers fill what there is."""
    assert Words().parse(bytes(8)) == (0, 0)
    assert Words().write((1, 2)) == bytes.fromhex("0000000100000002")
    with pytest.raises(DecodeError, match="7 bytes are no numbers of 4"):
        Words().parse(bytes(7))


def test_many() -> None:
    """A list fills what there is, and its items must be whole."""
    assert Many(Int16ub).parse(b"\0\1\0\2") == (1, 2)
    assert Many(Int16ub).write((1, 2)) == b"\0\1\0\2"
    assert Many(Int16ub).parse(b"") == ()


def test_many_of_nothing() -> None:
    """An item that takes nothing is refused, not read for ever."""
    with pytest.raises(DecodeError, match="an empty item in a list"):
        Many(Bytes(0)).parse(b"x")


def test_counted() -> None:
    """A count covers exactly what follows the padding."""
    counted = Counted(Many(Int8ub), 2, "9.9")
    assert counted.write((1, 2, 3)) == b"\0\3\0\0\1\2\3"
    assert counted.parse(b"\0\3\0\0\1\2\3") == (1, 2, 3)
    with pytest.raises(DecodeError, match="needs 3 bytes, 2 are left"):
        counted.parse(b"\0\3\0\0\1\2")
    with pytest.raises(DecodeError, match="1 bytes left over"):
        Counted(Int8ub, 2, "9.9").parse(b"\0\2\0\0\1\2")


def test_sized() -> None:
    """A length covers itself and what follows."""
    sized = Sized(Many(Int8ub), "9.9")
    assert sized.write((1, 2)) == b"\0\4\1\2"
    assert sized.parse(b"\0\4\1\2") == (1, 2)
    for length in (0, 1):
        with pytest.raises(DecodeError, match="does not count itself"):
            sized.parse(bytes([0, length, 1, 2]))


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
    tlv.register(b"\0\1", Sample)
    with pytest.raises(TypeError, match="a thing 0001 is both Sample and Anything"):
        tlv.register(b"\0\1", Anything)


def test_reader_is_a_stream() -> None:
    """Constructs read from a window as from a stream, and no further than its end."""
    reader = Reader(b"abcdef", 1, 4)
    assert Text(2).parse_stream(Reader(b"abcdef", 1, 4)) == "bc"
    assert (reader.read(2), reader.tell(), reader.read(9), reader.read()) == (b"bc", 3, b"d", b"")


def test_abstract() -> None:
    """A construct says itself how it is read and written."""
    with pytest.raises(NotImplementedError):
        Wire().parse(b"")
    with pytest.raises(NotImplementedError):
        Wire().build(None)


def test_aliases() -> None:
    """The short names are of the widths they say."""
    assert [hint.__metadata__[0].sizeof() for hint in (U8, U16, U32)] == [1, 2, 4]  # type: ignore[attr-defined]
