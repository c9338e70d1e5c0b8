"""Hypothesis strategies, read from the declarations: a class's bytes say what its values are drawn from."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from construct import Bytes, Construct, FormatField, GreedyBytes
from hypothesis import strategies as st

import daoli.ofproto
from daoli.ofproto import (
    FIELDS,
    ExperimenterMessage,
    ExperimenterMultipart,
    Field,
    Match,
    Message,
    Multipart,
    Oxm,
    OxmId,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownMessage,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.match import MatchWire
from daoli.ofproto.message import ANY_VERSION, MESSAGES
from daoli.ofproto.multipart import REPLIES, REQUESTS, UnknownMultipartReply, UnknownMultipartRequest
from daoli.ofproto.oxm import OxmWire
from daoli.ofproto.record import Record, Structure
from daoli.ofproto.tables import OxmIdWire
from daoli.ofproto.tlv import EXPERIMENTER, Tlv
from daoli.ofproto.wire import Counted, Many, Measured, Pair, Quad, Sized, Text, Words

CLASSES: list[type[Message]] = sorted(
    (
        value
        for name in daoli.ofproto.__all__
        if isinstance(value := getattr(daoli.ofproto, name), type)
        and issubclass(value, Message)
        and value not in (Message, Multipart, ExperimenterMessage, ExperimenterMultipart)
    ),
    key=lambda cls: cls.__name__,
)
"""Every class of message that the package exports."""

u32 = st.integers(0, 0xFFFF_FFFF)


@singledispatch
def values(con: Construct) -> st.SearchStrategy[Any]:
    """Draw what a construct can write."""
    return st.binary(max_size=40) if con is GreedyBytes else ALIKE[type(con)]


@values.register
def _(con: FormatField) -> st.SearchStrategy[Any]:
    return st.integers(0, 256**con.length - 1)


@values.register
def _(con: Bytes) -> st.SearchStrategy[Any]:
    return st.binary(min_size=con.length, max_size=con.length)


@values.register
def _(con: Text) -> st.SearchStrategy[Any]:
    byte = st.integers(1, 255)
    return st.lists(byte, max_size=con.length).map(lambda data: bytes(data).decode("ascii", "surrogateescape"))


@values.register
def _(con: Many) -> st.SearchStrategy[Any]:
    return st.lists(values(con.item), max_size=3).map(tuple)


@values.register(Counted)
@values.register(Sized)
@values.register(Measured)
def _(con: Any) -> st.SearchStrategy[Any]:
    return values(con.con)


@values.register
def _(con: Record) -> st.SearchStrategy[Any]:
    return instances(con.cls)


@values.register
def _(con: Tlv) -> st.SearchStrategy[Any]:
    known = [instances(cls) for cls in con.classes.values()]
    sizes = st.sampled_from([4, 12, 20]) if con.counts_padding else st.integers(0, 20)
    bodies = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
    kinds = st.one_of(st.just(0xFFFF), st.integers(0, 0xFFFF))
    unknown = st.builds(con.unknown, kinds, bodies).filter(lambda tlv: not _has_class(con, tlv.kind, tlv.body))
    return st.one_of(*known, *known, unknown)


def _has_class(con: Tlv, kind: int, body: bytes) -> bool:
    key = kind.to_bytes(2, "big")
    return key in con.classes or (key == EXPERIMENTER and key + body[:6] in con.classes)


def _known_oxm(field: Field) -> st.SearchStrategy[Oxm]:
    exact = st.binary(min_size=field.width, max_size=field.width).map(lambda data: Oxm(field.header, data))
    both = st.binary(min_size=2 * field.width, max_size=2 * field.width)
    return st.one_of(exact, both.map(lambda data: Oxm(field.masked_header, data)))


_unknown_headers = st.tuples(st.sampled_from([0x0001, 0x1234, 0x8000, 0xFFFF]), st.integers(0, 127), st.booleans())
_unknown_oxms = st.builds(
    lambda header, payload: Oxm(header[0] << 16 | header[1] << 9 | header[2] << 8 | len(payload), payload),
    _unknown_headers,
    st.binary(max_size=12),
).filter(lambda oxm: oxm.field is None)

oxms = st.one_of(st.sampled_from(list(FIELDS.values())).flatmap(_known_oxm), _unknown_oxms)
"""Match fields on the wire, known and unknown, in any combination of values."""


ALIKE: dict[type[Construct], st.SearchStrategy[Any]] = {
    Pair: st.tuples(u32, u32),
    Quad: st.tuples(u32, u32, u32, u32),
    OxmIdWire: st.one_of(
        u32.filter(lambda header: header >> 16 != 0xFFFF).map(OxmId),
        st.builds(OxmId, st.integers(0xFFFF_0000, 0xFFFF_FFFF), u32),
    ),
    Words: st.lists(u32, max_size=4).map(tuple),
    OxmWire: oxms,
    MatchWire: st.lists(oxms, max_size=5).map(Match.of),
}
"""Constructs without arguments: what all of a class can write."""


def instances(cls: type[Structure], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw instances of a class that was declared."""
    return st.builds(cls, **{part.name: values(part.con) for part in cls.wire.parts if part.name}, **more)


def messages_of(cls: type[Message]) -> st.SearchStrategy[Any]:
    """Draw messages of one class, with any xid, and any version where another is allowed."""
    head: dict[str, st.SearchStrategy[Any]] = {"xid": u32}
    if issubclass(cls, Multipart):
        head["flags"] = st.integers(0, 0xFFFF)
    bodies = st.binary(max_size=40)
    if cls is UnknownMessage:
        return st.builds(cls, type=st.integers(0, 255).filter(lambda kind: kind not in MESSAGES), body=bodies, **head)
    if cls in (UnknownMultipartRequest, UnknownMultipartReply):
        classes = REQUESTS if cls is UnknownMultipartRequest else REPLIES
        kinds = st.integers(0, 0xFFFF).filter(lambda kind: kind not in classes)
        return st.builds(cls, kind=kinds, body=bodies, **head)
    if cls.TYPE in ANY_VERSION:
        head["version"] = st.integers(0, 255)
    drawn = instances(cls, **head)
    if cls in EXPERIMENTS:
        return drawn.filter(lambda message: (message.experimenter, message.exp_type) not in EXPERIMENTS[cls])
    return drawn


EXPERIMENTS: dict[type[Message], Mapping[tuple[int, int], type[Message]]] = {
    UnknownExperimenter: EXPERIMENTER_MESSAGES,
    UnknownExperimenterRequest: EXPERIMENTER_REQUESTS,
    UnknownExperimenterReply: EXPERIMENTER_REPLIES,
}
"""For each class of what is unknown, what is known."""


messages = st.sampled_from(CLASSES).flatmap(messages_of)
"""Messages of every class."""
