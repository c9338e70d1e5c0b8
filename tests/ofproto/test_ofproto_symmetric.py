"""Hellos and errors; every message's round trip is in the tests of `message`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto import EncodeError, Error, Hello, UnknownHelloElement, VersionBitmap, decode


@given(st.frozensets(st.integers(0, 255), min_size=1))
def test_versions_of(versions: frozenset[int]) -> None:
    """A hello of some versions says just these, under the highest."""
    hello = decode(Hello.of(versions, xid=9).encode())
    assert isinstance(hello, Hello)
    assert hello.versions() == versions
    assert (hello.version, hello.xid) == (max(versions), 9)


def test_bytes() -> None:
    """The hello of OpenFlow 1.0 and 1.3 is laid out as in 7.5.1."""
    assert Hello.of({1, 4}).encode().hex(" ", 4) == "04000010 00000000 00010008 00000012"


@pytest.mark.parametrize("version", [0, 1, 4, 6])
def test_without_bitmap(version: int) -> None:
    """A hello without a bitmap speaks all versions up to its header's."""
    assert Hello(version=version).versions() == frozenset(range(1, version + 1))


def test_unknown_elements() -> None:
    """Elements that nobody knows are passed over and carried along, their padding behind them."""
    hello = Hello((UnknownHelloElement(77, b"abc"), VersionBitmap((0x10,)), UnknownHelloElement(1000, b"")))
    assert decode(hello.encode()) == hello
    assert hello.versions() == {4}
    assert hello.encode()[8:16] == bytes.fromhex("004d 0007 616263 00")


def test_two_bitmaps() -> None:
    """Two bitmaps say the versions of both."""
    assert Hello((VersionBitmap((2,)), VersionBitmap((0x10, 1)))).versions() == {1, 4, 32}


@pytest.mark.parametrize("versions", [[-1], [256], [1.5], ["4"], [None]])
def test_versions_are_bytes(versions: list[int]) -> None:
    """A version that no header could hold is refused by name."""
    with pytest.raises(EncodeError, match=r"VersionBitmap\.versions: .* is not an unsigned number of 8 bits"):
        Hello.of(versions)


def test_speechless() -> None:
    """There is no hello of one that speaks no version."""
    with pytest.raises(EncodeError, match=r"Hello\.versions"):
        Hello.of(())


def test_error_text() -> None:
    """An error is shown by its names."""
    assert str(Error(5, 1, b"\1\2", xid=3)) == "ERROR (xid=0x3): FLOW_MOD_FAILED/TABLE_FULL data=0102"


def test_experimenters_error() -> None:
    """An experimenter's error begins its data with who defines the code."""
    error = Error(0xFFFF, 2300, bytes.fromhex("4f4e4600 04"))
    assert error.experimenter == 0x4F4E4600
    assert "2300 experimenter=0x4f4e4600 data=4f4e460004" in str(error)
    assert Error(1, 2, b"data").experimenter is None
