"""Messages that others than the specification define: experimenter messages (7.5.4) and multipart ones (7.3.5.15).

A new one is a class with `@experimenter_message(id, type, clause)`, `@experimenter_request(…)` or
`@experimenter_reply(…)`, whose body declares what follows the id and the type. One without a class is an
`UnknownExperimenter`, `UnknownExperimenterRequest` or `UnknownExperimenterReply`, which encodes back to its bytes.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

from construct import GreedyBytes

from daoli.ofproto.constants import MessageType, MultipartType
from daoli.ofproto.message import Message, message
from daoli.ofproto.multipart import Multipart, multipart_reply, multipart_request
from daoli.ofproto.record import wired
from daoli.ofproto.wire import U32, Reader

_IDS = struct.Struct("!II")

Ids = tuple[int, int]
"""Who defines a message, and which of theirs it is."""


def _take_ids(reader: Reader, clause: str) -> Ids:
    experimenter, exp_type = _IDS.unpack_from(reader.data, reader.claim(_IDS.size, "an experimenter's head", clause))
    return experimenter, exp_type


def _title(start: str, ids: Ids) -> str:
    return f"{start} {ids[0]:#x}/{ids[1]}"


# Messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimenterMessage(Message):
    """Base of the experimenter messages that have a class."""

    IDS: ClassVar[Ids]

    def body_bytes(self) -> bytes:
        """Give the id, the type and what the class declares."""
        return _IDS.pack(*self.IDS) + self.wire.write(self)

    def title(self) -> str:
        """Name the message by its class."""
        return f"EXPERIMENTER {type(self).__name__}"


EXPERIMENTER_MESSAGES: dict[Ids, type[ExperimenterMessage]] = {}
"""The class of each id and type; filled as modules are imported, and not changed after."""

E = TypeVar("E", bound=ExperimenterMessage)


def experimenter_message(experimenter: int, exp_type: int, clause: str) -> Callable[[type[E]], type[E]]:
    """Make a dataclass the experimenter message of that id and type."""

    def declare(cls: type[E]) -> type[E]:
        _claim(EXPERIMENTER_MESSAGES, (experimenter, exp_type), cls)
        cls.TYPE, cls.IDS = MessageType.EXPERIMENTER, (experimenter, exp_type)
        return wired(clause)(cls)

    return declare


def _claim(classes: "dict[Ids, type[E]] | dict[Ids, type[P]]", ids: Ids, cls: type) -> None:
    if ids in classes:
        raise TypeError(f"{ids[0]:#x}/{ids[1]} is both {classes[ids].__name__} and {cls.__name__}")
    classes[ids] = cls


@message(MessageType.EXPERIMENTER, "7.5.4")
@dataclass(frozen=True, slots=True)
class UnknownExperimenter(Message):
    """An experimenter message that has no class."""

    experimenter: U32
    exp_type: U32
    data: Annotated[bytes, GreedyBytes] = b""

    def title(self) -> str:
        """Name the message by its numbers."""
        return _title("EXPERIMENTER", (self.experimenter, self.exp_type))

    def detail(self) -> str:
        """Show its data."""
        return f"data={self.data.hex()}"

    @classmethod
    def read(cls, reader: Reader, xid: int, version: int) -> Message:
        """Take any experimenter message: by the class that its ids name, or as unknown."""
        ids = _take_ids(reader, "7.5.4")
        known = EXPERIMENTER_MESSAGES.get(ids)
        if known is None:
            return cls(*ids, reader.read(), xid=xid, version=version)
        return known(*known.wire.values(reader), xid=xid, version=version)


# Multipart messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimenterMultipart(Multipart):
    """Base of the experimenters' requests and replies that have a class."""

    IDS: ClassVar[Ids]

    def part_bytes(self) -> bytes:
        """Give the id, the type and what the class declares."""
        return _IDS.pack(*self.IDS) + self.wire.write(self)

    def title(self) -> str:
        """Name the message by its class."""
        return f"{MessageType(self.TYPE).name} EXPERIMENTER {type(self).__name__}"


EXPERIMENTER_REQUESTS: dict[Ids, type[ExperimenterMultipart]] = {}
"""The class of each id and type of request."""

EXPERIMENTER_REPLIES: dict[Ids, type[ExperimenterMultipart]] = {}
"""The class of each id and type of reply."""

P = TypeVar("P", bound=ExperimenterMultipart)


def _register(
    classes: dict[Ids, type[ExperimenterMultipart]], type_: MessageType, ids: Ids, clause: str
) -> Callable[[type[P]], type[P]]:
    def declare(cls: type[P]) -> type[P]:
        _claim(classes, ids, cls)
        cls.TYPE, cls.KIND, cls.IDS = type_, MultipartType.EXPERIMENTER, ids
        return wired(clause)(cls)

    return declare


def experimenter_request(experimenter: int, exp_type: int, clause: str) -> Callable[[type[P]], type[P]]:
    """Make a dataclass the multipart request of that id and type."""
    return _register(EXPERIMENTER_REQUESTS, MessageType.MULTIPART_REQUEST, (experimenter, exp_type), clause)


def experimenter_reply(experimenter: int, exp_type: int, clause: str) -> Callable[[type[P]], type[P]]:
    """Make a dataclass the multipart reply of that id and type."""
    return _register(EXPERIMENTER_REPLIES, MessageType.MULTIPART_REPLY, (experimenter, exp_type), clause)


@dataclass(frozen=True, slots=True)
class _UnknownExperimenterMultipart(Multipart):
    """What has no class; the body is what follows the id and the type."""

    CLASSES: ClassVar[dict[Ids, type[ExperimenterMultipart]]]
    experimenter: U32
    exp_type: U32
    data: Annotated[bytes, GreedyBytes] = b""

    def title(self) -> str:
        """Name the message by its numbers."""
        return _title(f"{MessageType(self.TYPE).name} EXPERIMENTER", (self.experimenter, self.exp_type))

    def detail(self) -> str:
        """Show its data."""
        return f"data={self.data.hex()}"

    @classmethod
    def read_part(cls, reader: Reader, flags: int, xid: int, version: int) -> Multipart:
        """Take any experimenter's part: by the class that its ids name, or as unknown."""
        ids = _take_ids(reader, "7.3.5.15")
        known = cls.CLASSES.get(ids)
        if known is None:
            return cls(*ids, reader.read(), flags=flags, xid=xid, version=version)
        return known(*known.wire.values(reader), flags=flags, xid=xid, version=version)


@multipart_request(MultipartType.EXPERIMENTER, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class UnknownExperimenterRequest(_UnknownExperimenterMultipart):
    """An experimenter's request that has no class."""

    CLASSES = EXPERIMENTER_REQUESTS


@multipart_reply(MultipartType.EXPERIMENTER, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class UnknownExperimenterReply(_UnknownExperimenterMultipart):
    """An experimenter's reply that has no class."""

    CLASSES = EXPERIMENTER_REPLIES
