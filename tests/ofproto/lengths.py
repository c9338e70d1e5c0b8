"""Where the lengths in a message are, read from the declarations: each construct that writes one says where."""

from collections.abc import Iterator
from functools import singledispatch
from typing import Any, NamedTuple

from construct import Bytes as FixedBytes
from construct import Construct, FormatField, GreedyBytes

from daoli.ofproto import FlowUpdate, Message, UnknownMessage
from daoli.ofproto.match import MatchWire
from daoli.ofproto.multipart import UnknownMultipartReply, UnknownMultipartRequest
from daoli.ofproto.nicira import EdPropertyWire, MembersWire, Reference
from daoli.ofproto.nicira_learn import LearnSpecs, ResultWire
from daoli.ofproto.nicira_messages import NXM_MATCH
from daoli.ofproto.nicira_nat import NatRangeWire
from daoli.ofproto.onf import FLOW_UPDATE, BundledWire, Monitored
from daoli.ofproto.oxm import OxmWire
from daoli.ofproto.record import Record
from daoli.ofproto.tables import IdWire, OxmIdWire
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import Counted, Fill, Many, Measured, Nested, Pair, Quad, Sized, Tally, Text, Words, writes

PLAIN = (
    FixedBytes,
    Fill,
    FormatField,
    LearnSpecs,
    NatRangeWire,
    OxmIdWire,
    Pair,
    Quad,
    Reference,
    ResultWire,
    Text,
    Words,
)
"""Constructs that write no length. A constant to learn is as long as its number of bits says, which is its meaning."""


class Length(NamedTuple):
    """A length: where it is, how many bytes of number it has, and the class of what it measures."""

    at: int
    size: int
    owner: str


def message_lengths(message: Message, at: int = 0) -> Iterator[Length]:
    """Give the lengths in a message that begins `at` a byte; its header's is the first."""
    yield Length(at + 2, 2, "Message")
    if not isinstance(message, UnknownMessage | UnknownMultipartRequest | UnknownMultipartReply):
        head = len(message.encode()) - len(message.wire.write(message))
        yield from lengths(message.wire, message, at + head)


@singledispatch
def lengths(con: Construct, value: Any, at: int) -> Iterator[Length]:
    """Give the lengths in a value that a construct writes `at` a byte."""
    del value, at
    if con is not GreedyBytes and not isinstance(con, PLAIN):
        raise TypeError(f"nobody said where {con!r} writes a length")
    yield from ()


@lengths.register
def _(con: Record, value: Any, at: int) -> Iterator[Length]:
    for part in con.parts:
        held = getattr(value, part.name) if part.name else None
        if part.name:
            yield from lengths(part.con, held, at)
        at += len(writes(part.con)(held))


@lengths.register
def _(con: Many, value: Any, at: int) -> Iterator[Length]:
    for item in value:
        yield from lengths(con.item, item, at)
        at += len(writes(con.item)(item))


@lengths.register
def _(con: Tlv, value: Any, at: int) -> Iterator[Length]:
    yield Length(at + 2, 2, type(value).__name__)
    for key, cls in con.classes.items():
        if cls is type(value):
            yield from lengths(cls.wire, value, at + 2 + len(key))


@lengths.register
def _(con: Nested, value: Any, at: int) -> Iterator[Length]:
    yield from lengths(con.con, value, at)


@lengths.register
def _(con: Sized, value: Any, at: int) -> Iterator[Length]:
    yield Length(at, 2, type(value).__name__)
    yield from lengths(con.con, value, at + 2)


@lengths.register
def _(con: Measured, value: Any, at: int) -> Iterator[Length]:
    yield Length(at + con.at, 2, type(value).__name__)
    yield from lengths(con.con, value, at)


@lengths.register
def _(con: Counted, value: Any, at: int) -> Iterator[Length]:
    yield Length(at, 2, "Counted")
    yield from lengths(con.con, value, at + 2 + con.pad)


@lengths.register(Tally)
@lengths.register(MembersWire)
def _(con: Construct, value: Any, at: int) -> Iterator[Length]:
    del con
    yield Length(at, 2, type(value).__name__)


@lengths.register
def _(con: EdPropertyWire, value: Any, at: int) -> Iterator[Length]:
    del con
    yield Length(at + 3, 1, type(value).__name__)


@lengths.register
def _(con: IdWire, value: Any, at: int) -> Iterator[Length]:
    del con
    yield Length(at + 2, 2, type(value).__name__)


@lengths.register
def _(con: OxmWire, value: Any, at: int) -> Iterator[Length]:
    del con
    fixed = value.field is not None and not value.field.elastic
    yield Length(at + 3, 1, "Oxm" if fixed else "an Oxm of any length")


@lengths.register
def _(con: MatchWire, value: Any, at: int) -> Iterator[Length]:
    yield Length(at + 2, 2, "Match")
    yield from lengths(con._oxms, value.oxms, at + 4)


@lengths.register(type(NXM_MATCH))
def _(con: Any, value: Any, at: int) -> Iterator[Length]:
    yield Length(at, 2, "Match")
    yield from lengths(con._fields, value.oxms, at + 8)


@lengths.register
def _(con: Monitored, value: Any, at: int) -> Iterator[Length]:
    yield Length(at + con.at, 2, type(value).__name__)
    yield from lengths(con.con, value, at)


@lengths.register(type(FLOW_UPDATE.con))
def _(con: Any, value: Any, at: int) -> Iterator[Length]:
    if isinstance(value, FlowUpdate):
        yield from lengths(con._full, value, at)


@lengths.register
def _(con: BundledWire, value: Any, at: int) -> Iterator[Length]:
    yield from message_lengths(value.message, at)
    size = len(value.message.encode())
    yield from lengths(con._properties, value.properties, at + size + -size % 8)
