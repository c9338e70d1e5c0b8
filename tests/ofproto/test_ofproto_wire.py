"""The constructs of which messages are made."""

from types import SimpleNamespace

import pytest
from construct import Bytes, Int8ub, Int16ub

from daoli.ofproto import DecodeError, EncodeError
from daoli.ofproto.wire import (
    MAX_DEPTH,
    U8,
    U16,
    U32,
    Counted,
    Fill,
    Many,
    Nested,
    Reader,
    Sized,
    Tally,
    Text,
    Wire,
    Words,
    depth_with,
    packed_length,
)


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


class Endless(Wire):
    """Calls itself for ever."""

    def write(self, value: object) -> bytes:
        """Do so."""
        return self.write(value)


def test_nested_is_bounded() -> None:
    """What stands within others of its kind is read to a depth, whatever encloses it, and no deeper."""
    nested = Nested(Many(Int8ub), "9.9")
    outer = Reader(b"ab", 0, 2, MAX_DEPTH - 1)
    inner = outer.window(2, "both", "9.9")
    assert inner.depth == MAX_DEPTH - 1
    assert nested.read(inner) == (97, 98)
    assert inner.at == inner.end
    with pytest.raises(DecodeError, match=f"nested deeper than {MAX_DEPTH} at byte 1"):
        nested.read(Reader(b"ab", 1, 2, MAX_DEPTH))


def test_pad() -> None:
    """Padding must be there, and be zero."""
    reader = Reader(b"a\0\0b\0", 1, 5)
    reader.pad(0, "padding", "9.9")
    reader.pad(2, "padding", "9.9")
    assert reader.at == 3
    with pytest.raises(DecodeError, match="padding is not zero at byte 3"):
        reader.pad(2, "padding", "9.9")
    with pytest.raises(DecodeError, match="padding needs 1 bytes, 0 are left"):
        reader.pad(1, "padding", "9.9")


def test_packed_length() -> None:
    """A length that 16 bits cannot say is refused in words."""
    assert packed_length(0xFFFF) == b"\xff\xff"
    with pytest.raises(ValueError, match="its length, 65536, does not fit 16 bits"):
        packed_length(0x10000)


def test_depth_with() -> None:
    """What holds others is one deeper than the deepest of them; what is too deep is refused, and named."""
    deepest = SimpleNamespace(depth=MAX_DEPTH - 1)
    assert [depth_with("A.b", held) for held in ((), (1,), [SimpleNamespace(depth=4), 1], 5)] == [1, 1, 5, 1]
    assert depth_with("A.b", (deepest,)) == MAX_DEPTH
    with pytest.raises(EncodeError, match=r"A\.b: nested deeper than 100"):
        depth_with("A.b", (SimpleNamespace(depth=MAX_DEPTH),))


def test_nested_in_a_deep_call() -> None:
    """Where the stack has no room left, writing says so."""
    with pytest.raises(ValueError, match="nested deeper than the stack has room for"):
        Nested(Endless(), "9.9").write(None)


def test_tally() -> None:
    """Numbers are counted, not measured: what follows them is another's."""
    assert Tally(1, "9.9").parse(bytes.fromhex("0002 00 0001 0002 ff")) == (1, 2)
    assert Tally(1, "9.9").write((1, 2)) == bytes.fromhex("0002 00 0001 0002")
    with pytest.raises(DecodeError, match="what was counted needs 4 bytes, 3 are left"):
        Tally(1, "9.9").parse(bytes.fromhex("0002 00 000100"))


def test_fill() -> None:
    """Bytes that must fill 8s are refused if they do not."""
    assert Fill(10).parse(bytes(6)) == bytes(6)
    assert Fill(10).write(bytes(14)) == bytes(14)
    with pytest.raises(ValueError, match="7 bytes after 10 do not fill 8s"):
        Fill(10).write(bytes(7))
