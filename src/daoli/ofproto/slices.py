"""A long message read in slices, so that who reads it can do something else in between.

What is long is a list: of flows, ports, groups, in the parts of a multipart reply (7.3.5), 64 KiB at the most. Its
items are read some at a time. Nothing is handed on before all of it is read: the end is the message, or the error, that
`decode` gives.
"""

from dataclasses import replace
from typing import Any, Final

from daoli.ofproto.constants import VERSION, MessageType, MultipartType
from daoli.ofproto.experimenter import EXPERIMENTER_REPLIES
from daoli.ofproto.message import HEADER, Message, decode, guarded
from daoli.ofproto.multipart import REPLIES
from daoli.ofproto.wire import Many, Reader

_HEAD: Final = 16
_EXPERIMENTER_HEAD: Final = 24
"""Bytes before a reply's list: header and multipart head, and the experimenter's after that."""


class SlicedDecoder:
    """Reads one framed message."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self._head, self._list = _list_in(frame)
        self._reader = Reader(frame, self._head, len(frame))
        self._items: list[Any] = []

    def step(self, size: int) -> Message | None:
        """Read about `size` bytes more, to the end of an item; give the message if that was the last one.

        What is no list of a multipart reply is read all at once. Raises DecodeError, and is of no more use then.
        """
        if self._list is None:
            return decode(self.frame)
        name, items = self._list
        reader = self._reader
        self._items += guarded(items.read_until, reader, min(reader.at + size, reader.end))
        if reader.at < reader.end:
            return None
        empty = decode(self.frame[:2] + self._head.to_bytes(2, "big") + self.frame[4 : self._head])
        filled: dict[str, Any] = {name: tuple(self._items)}
        return replace(empty, **filled)


def _list_in(frame: bytes) -> tuple[int, tuple[str, Many] | None]:
    """Find where the list begins that a frame ends with, and how its class calls and reads it; None without one."""
    if len(frame) < _EXPERIMENTER_HEAD or HEADER.unpack_from(frame)[:3] != (
        VERSION,
        MessageType.MULTIPART_REPLY,
        len(frame),
    ):
        return 0, None
    kind = int.from_bytes(frame[8:10], "big")
    if kind == MultipartType.EXPERIMENTER:
        ids = int.from_bytes(frame[16:20], "big"), int.from_bytes(frame[20:24], "big")
        foreign = EXPERIMENTER_REPLIES.get(ids)
        return _EXPERIMENTER_HEAD, foreign.wire.listed() if foreign else None
    known = REPLIES.get(kind)
    return _HEAD, known.wire.listed() if known else None
