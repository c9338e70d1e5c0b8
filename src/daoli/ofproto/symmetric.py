"""Messages that either side may send: hello, error, echo (7.5, 7.4.4).

A hello whose elements are malformed is refused in every version: no version gives a hello another body.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from construct import GreedyBytes

from daoli.ofproto.constants import ErrorType, HelloElementType, HelloFailedCode, MessageType
from daoli.ofproto.error_text import error_text
from daoli.ofproto.errors import DecodeError, EncodeError, check_number
from daoli.ofproto.message import HEADER, Message, UnknownMessage, decode, message
from daoli.ofproto.number_text import hex_dump
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import nested, value_text
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U16, Many, Words


class HelloElement(Structure):
    """Base of what a hello may say."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownHelloElement(HelloElement):
    """An element that has no class: to be ignored, and carried as it came."""

    kind: int
    body: bytes


HELLO_ELEMENT = Tlv("a hello element", UnknownHelloElement, "7.5.1", counts_padding=False)


@wired("7.5.1")
@dataclass(frozen=True, slots=True)
class VersionBitmap(HelloElement):
    """The versions its sender speaks: version v is bit v % 32 of word v // 32."""

    bitmaps: Annotated[tuple[int, ...], Words()]

    @classmethod
    def of(cls, versions: Iterable[int]) -> "VersionBitmap":
        """Make the bitmap of some versions."""
        spoken = frozenset(versions)
        for version in spoken:
            check_number("VersionBitmap.versions", version, 8)
        bits = sum(1 << version for version in spoken)
        return cls(tuple(bits >> shift & 0xFFFF_FFFF for shift in range(0, bits.bit_length(), 32)))

    def versions(self) -> frozenset[int]:
        """Give the versions whose bits are set."""
        return frozenset(
            32 * place + bit for place, word in enumerate(self.bitmaps) for bit in range(32) if word >> bit & 1
        )


HELLO_ELEMENT.register(HelloElementType.VERSIONBITMAP.to_bytes(2, "big"), VersionBitmap)


@message(MessageType.HELLO, "7.5.1")
@dataclass(frozen=True, slots=True)
class Hello(Message):
    """The first message of each side; the header's version is the highest it speaks."""

    elements: Annotated[tuple[HelloElement, ...], Many(HELLO_ELEMENT)] = ()

    @classmethod
    def of(cls, versions: Iterable[int], *, xid: int = 0) -> "Hello":
        """Make the hello of one that speaks these versions, at least one."""
        spoken = frozenset(versions)
        if not spoken:
            raise EncodeError("Hello.versions", "one that speaks no version has nothing to say")
        return cls((VersionBitmap.of(spoken),), xid=xid, version=max(spoken))

    def versions(self) -> frozenset[int]:
        """Give the versions the sender speaks; without a bitmap, all up to the header's."""
        bitmaps = [element for element in self.elements if isinstance(element, VersionBitmap)]
        if not bitmaps:
            return frozenset(range(1, self.version + 1))
        return frozenset().union(*(bitmap.versions() for bitmap in bitmaps))

    def detail(self) -> str:
        """Show the versions, and the elements that mean something else."""
        spoken = ", ".join(f"{version:#04x}" for version in sorted(self.versions()))
        others = (element for element in self.elements if isinstance(element, UnknownHelloElement))
        return f"\n  version bitmap: {spoken or 'none'}" + "".join(
            f"\n  element {element.kind}: {element.body.hex()}" for element in others
        )


@message(MessageType.ERROR, "7.4.4")
@dataclass(frozen=True, slots=True)
class Error(Message):
    """A request failed; `data` is at least the first 64 bytes of it, or text for HELLO_FAILED."""

    type: U16
    code: U16
    data: Annotated[bytes, GreedyBytes] = b""

    @property
    def experimenter(self) -> int | None:
        """Who defines the code of an experimenter's error, if it is one; the id is the first of its data."""
        return int.from_bytes(self.data[:4], "big") if self.type == ErrorType.EXPERIMENTER else None

    def detail(self) -> str:
        """Name the error and show what it is about."""
        who = self.experimenter
        about = self.data if who is None else self.data[4:]
        if self.type == ErrorType.HELLO_FAILED and self.code in list(HelloFailedCode):
            said = f"\n  {value_text('data', about.decode('ascii', 'surrogateescape'))}" if about else ""
        else:
            said = _quoted(about)
        return error_text(self.type, self.code, who) + said


def _quoted(data: bytes) -> str:
    """Show the message that an error is about; one that is cut short or an error itself as its bytes."""
    if not data:
        return "\n  OpenFlow message is empty"
    try:
        about = decode(data)
    except DecodeError:
        return _damaged(data)
    return hex_dump(data) if isinstance(about, Error) else nested(about)


def _damaged(data: bytes) -> str:
    if len(data) < HEADER.size:
        return f"\n  OpenFlow packet too short (only {len(data)} bytes):{hex_dump(data)}"
    _, kind, length, xid = HEADER.unpack_from(data)
    if len(data) >= length:
        return hex_dump(data)
    head = f"{UnknownMessage(kind, b'').title()} (xid={xid:#x}):"
    return f"\n  {head}\n  (***truncated to {len(data)} bytes from {length}***){hex_dump(data)}"


def _payload(data: bytes) -> str:
    return f"{len(data)} bytes of payload{hex_dump(data)}"


@message(MessageType.ECHO_REQUEST, "7.5.2")
@dataclass(frozen=True, slots=True)
class EchoRequest(Message):
    """Ask the other side to answer with the same data."""

    data: Annotated[bytes, GreedyBytes] = b""

    def detail(self) -> str:
        """Show the data."""
        return _payload(self.data)


@message(MessageType.ECHO_REPLY, "7.5.3")
@dataclass(frozen=True, slots=True)
class EchoReply(Message):
    """The answer to an echo_request, with its xid and data."""

    data: Annotated[bytes, GreedyBytes] = b""

    def detail(self) -> str:
        """Show the data."""
        return _payload(self.data)
