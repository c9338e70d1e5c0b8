"""The messages' common header, and the way from bytes to a message (7.1.1).

`decode` takes one framed message. It answers with a `Message`, or with a `DecodeError`, never with anything else:
whatever construct and Python raise about hostile bytes is translated here, once. A new message is one class with
`@message(...)` or, in `multipart`, `@multipart_request(...)`; one without a class is an `UnknownMessage`.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self, TypeVar, TypeVarTuple

from construct import ConstructError

from daoli.ofproto.constants import VERSION, MessageType
from daoli.ofproto.errors import DecodeError, EncodeError, check_bytes, check_number
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import describe, value_text
from daoli.ofproto.wire import Reader

HEADER = struct.Struct("!BBHI")
"""version, type, length of the whole message, xid."""

ANY_VERSION = frozenset({MessageType.HELLO, MessageType.ERROR})
"""What may come in another version than ours: both serve to agree on one (6.3.1)."""


_IN_TITLE = ("xid", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Structure):
    """Base of all messages; `version` is the header's."""

    TYPE: ClassVar[int]
    xid: int = 0
    version: int = VERSION

    def encode(self) -> bytes:
        """Give the whole message, framed; EncodeError names a value that does not fit."""
        name = type(self).__name__
        body = self.body_bytes()
        length = HEADER.size + len(body)
        if length > 0xFFFF:
            raise EncodeError(name, f"{length} bytes are more than a message can have")
        kind = self.type_number()
        try:
            head = HEADER.pack(self.version, kind, length, self.xid)
        except struct.error:
            for field, value, bits in (("xid", self.xid, 32), ("version", self.version, 8), ("type", kind, 8)):
                check_number(f"{name}.{field}", value, bits)
            raise  # pragma: no cover - one of them did not fit
        if self.version != VERSION and kind not in ANY_VERSION:
            raise EncodeError(f"{name}.version", f"{self.version!r} is only for a hello or an error")
        return head + body

    def with_xid(self, xid: int) -> Self:
        """Give the same message with another xid."""
        return replace(self, xid=xid)

    def type_number(self) -> int:
        """Give the type that goes into the header."""
        return self.TYPE

    def body_bytes(self) -> bytes:
        """Give what follows the header."""
        return self.wire.write(self)

    @classmethod
    def read(cls, reader: Reader, xid: int, version: int) -> "Message":
        """Take the body of a message of this class."""
        return cls(*cls.wire.values(reader), xid=xid, version=version)

    def title(self) -> str:
        """Name the message in the specification's words."""
        return MessageType(self.TYPE).name

    def detail(self) -> str:
        """Say what is in the message, for people."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return " ".join(f"{name}={value_text(name, value)}" for name, value in named if name not in _IN_TITLE)

    def remark(self) -> str:
        """Say what is special about the whole message, if anything is."""
        return ""

    def __str__(self) -> str:
        return describe(self)


@dataclass(frozen=True, slots=True)
class UnknownMessage(Message):
    """A message that has no class; the body is what follows the header."""

    type: int
    body: bytes

    def type_number(self) -> int:
        """Give the type that it came with."""
        return self.type

    def body_bytes(self) -> bytes:
        """Give the body that it came with."""
        check_bytes(f"{type(self).__name__}.body", self.body)
        return self.body

    def title(self) -> str:
        """Name the message as far as it is known."""
        return MessageType(self.type).name if self.type in list(MessageType) else f"type {self.type}"

    def detail(self) -> str:
        """Say how much of it there is."""
        return f"body={self.body.hex()}"


MESSAGES: dict[int, type[Message]] = {}
"""The class of each type; filled by `message` as modules are imported, and not changed after."""

M = TypeVar("M", bound=Message)


def message(kind: MessageType, clause: str) -> Callable[[type[M]], type[M]]:
    """Make a dataclass the message of that type; `clause` is where the specification declares it."""

    def declare(cls: type[M]) -> type[M]:
        if kind in MESSAGES:
            raise TypeError(f"{kind!r} is both {MESSAGES[kind].__name__} and {cls.__name__}")
        cls.TYPE = kind
        MESSAGES[kind] = wired(clause)(cls)
        return cls

    return declare


def check_message(value: object) -> None:
    """Raise TypeError for what is no message."""
    if not isinstance(value, Message):
        raise TypeError(f"not a message: {value!r}")


def decode(data: bytes | bytearray | memoryview) -> Message:
    """Read exactly one framed message; DecodeError says what is wrong with it, and where.

    Raises TypeError for what is not bytes: a number or a list of them is not taken for such.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"not the bytes of a message: {data!r}")
    return guarded(_decode, bytes(data))


R = TypeVar("R")
A = TypeVarTuple("A")


def guarded(read: Callable[[*A], R], *arguments: *A) -> R:
    """Call what reads a peer's bytes; whatever construct and Python raise about them is a DecodeError."""
    try:
        return read(*arguments)
    except DecodeError:
        raise
    except (ConstructError, struct.error, OverflowError, RecursionError, ValueError) as error:
        raise DecodeError(HEADER.size, f"{type(error).__name__}: {error}", "7.1") from error


def _decode(data: bytes) -> Message:
    if len(data) < HEADER.size:
        raise DecodeError(len(data), f"a header of {HEADER.size} bytes is cut short", "7.1.1")
    version, kind, length, xid = HEADER.unpack_from(data)
    if length != len(data):
        raise DecodeError(2, f"a length of {length} in a message of {len(data)} bytes", "7.1.1")
    if version != VERSION and kind not in ANY_VERSION:
        raise DecodeError(0, f"type {kind} in version {version}", "7.1.1")
    reader = Reader(data, HEADER.size, length)
    cls = MESSAGES.get(kind)
    if cls is None:
        return UnknownMessage(kind, reader.read(), xid=xid, version=version)
    decoded = cls.read(reader, xid, version)
    reader.finish(f"a {cls.__name__}", cls.wire.clause)
    return decoded
