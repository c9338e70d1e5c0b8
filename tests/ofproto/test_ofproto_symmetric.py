"""Hellos and errors; every message's round trip is in the tests of `message`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto import (
    BundleAdd,
    Bundled,
    EchoRequest,
    EncodeError,
    Error,
    Hello,
    UnknownHelloElement,
    VersionBitmap,
    decode,
)


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
    assert str(Error(5, 1, b"\1\2", xid=3)) == (
        "ERROR (xid=0x3): OFPFMFC_TABLE_FULL\n  OpenFlow packet too short (only 2 bytes):"
        "\n  00000000  01 02                                           |..              |"
    )
    assert str(Error(1, 1)) == "ERROR (xid=0x0): OFPBRC_BAD_TYPE\n  OpenFlow message is empty"
    assert str(Error(0, 0, b"no \xff")) == "ERROR (xid=0x0): OFPHFC_INCOMPATIBLE\n  'no \\udcff'"
    assert str(Error(0, 1, b"go away")) == "ERROR (xid=0x0): OFPHFC_EPERM\n  go away"


def test_error_shows_the_message() -> None:
    """What an error is about is shown as a message; what is cut short, or an error again, as bytes."""
    about = EchoRequest(b"abcdefgh", xid=7)
    assert str(Error(1, 6, about.encode())).endswith("OFPBRC_BAD_LEN\n  " + str(about).replace("\n", "\n  "))
    assert "\n  ECHO_REQUEST (xid=0x7):\n  (***truncated to 12 bytes from 16***)\n  00000000  04 02 00 10" in str(
        Error(1, 6, about.encode()[:12])
    )
    assert str(Error(1, 6, Error(1, 6, b"").encode())).count("OFP") == 1
    assert "\n  00000000  09 14" in str(Error(1, 0, bytes.fromhex("0914000800000007")))


def test_errors_within_errors() -> None:
    """However deep errors quote errors, the text is no deeper."""
    data = b""
    while len(data) < 60_000:
        data = Error(1, 6, BundleAdd(1, 0, Bundled(Error(1, 6, data))).encode()).encode()
    assert str(decode(data))


def test_experimenters_error() -> None:
    """An experimenter's error begins its data with who defines the code."""
    error = Error(0xFFFF, 2300, bytes.fromhex("4f4e4600 04"))
    assert error.experimenter == 0x4F4E4600
    assert "OFPBFC_UNKNOWN\n  OpenFlow packet too short (only 1 bytes)" in str(error)
    assert Error(1, 2, b"data").experimenter is None


def test_hello_text() -> None:
    """A hello is shown by the versions that it speaks, and by what else it says."""
    assert str(Hello.of({1, 4})) == "HELLO (xid=0x0):\n  version bitmap: 0x01, 0x04"
    said = Hello((VersionBitmap((0,)), UnknownHelloElement(7, b"ab")))
    assert str(said) == "HELLO (xid=0x0):\n  version bitmap: none\n  element 7: 6162"
