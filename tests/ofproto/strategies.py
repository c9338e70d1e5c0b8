"""Hypothesis strategies, read from the declarations: a class's bytes say what its values are drawn from."""

from collections.abc import Mapping
from functools import cache, singledispatch
from typing import Any

from construct import Bytes, Construct, FormatField, GreedyBytes
from hypothesis import strategies as st

import daoli.ofproto
from daoli.ofproto import (
    FIELDS,
    AsyncProperty,
    BarrierRequest,
    Bits,
    Bundled,
    BundleProperty,
    EchoRequest,
    EdProperty,
    ExperimenterMessage,
    ExperimenterMultipart,
    Field,
    FlowMod,
    FlowUpdate,
    FlowUpdateAbbrev,
    Hello,
    Learn2,
    LearnSpec,
    Match,
    Members,
    Message,
    Multipart,
    NatRange,
    Oxm,
    OxmId,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownFlowUpdate,
    UnknownMessage,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.match import MatchWire
from daoli.ofproto.message import ANY_VERSION, MESSAGES
from daoli.ofproto.multipart import REPLIES, REQUESTS, UnknownMultipartReply, UnknownMultipartRequest
from daoli.ofproto.nicira import EdPropertyWire, MembersWire, Reference
from daoli.ofproto.nicira_learn import LearnSpecs, ResultWire
from daoli.ofproto.nicira_messages import ASYNC_PROPERTY, NXM_MATCH
from daoli.ofproto.nicira_nat import NatRangeWire
from daoli.ofproto.onf import FLOW_UPDATE, BundledWire, Monitored
from daoli.ofproto.oxm import MaskedValue, OxmWire
from daoli.ofproto.record import Record, Structure
from daoli.ofproto.tables import IdWire, OxmIdWire
from daoli.ofproto.tlv import EXPERIMENTER, Tlv
from daoli.ofproto.wire import Counted, Fill, Many, Measured, Nested, Pair, Quad, Sized, Tally, Text, Words

JUNK: tuple[Any, ...] = (
    *(None, True, 1.5, float("nan"), 1j, -1, 1 << 200, 10**5000, object(), int, Match(), {}, set(), range(3)),
    *("", "junk", "/", "1/2/3", "10.0.0.0/8/8", "::/", "+", "-", "|", "\udc80", "9" * 5000, "1" * 300),
    *(b"", b"\xff", bytes(300), bytearray(4), memoryview(bytes(4))),
    *([], [1], [None], (), (1,), (None,), (1, None), (None, 1), ("a", "b"), (1, 2, 3), (-1, -1), ((1, 2), 3), (1.5, 1)),
)
"""What people, and their programs, may take for the value of a field."""


def behind(field: Field, *, when_set: bool = False) -> dict[str, MaskedValue]:
    """Give what has to be matched before a field may be, or before it may be set."""
    before: dict[str, MaskedValue] = {"vlan_vid": (0x1000, 0x1000)} if when_set and field.name == "vlan_vid" else {}
    for requirement in field.requires:
        value, mask = requirement.wanted[0]
        before = {**behind(FIELDS[requirement.field]), **before}
        before[requirement.field] = (value, mask) if mask > 0 else value or 1
    return before


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
    return _tlvs(con)


@values.register
def _(con: IdWire) -> st.SearchStrategy[Any]:
    bare = st.builds(con.cls, st.integers(0, 0xFFFE))
    return st.one_of(bare, st.builds(con.cls, st.just(0xFFFF), st.binary(min_size=4, max_size=12)))


@values.register(type(ASYNC_PROPERTY))
def _(con: Tlv) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(AsyncProperty, st.integers(0, 11), st.binary(min_size=4, max_size=4)), _tlvs(con)
    ).filter(lambda said: not said.known or len(said.body) == 4)


@cache
def _tlvs(con: Tlv) -> st.SearchStrategy[Any]:
    known = [instances(cls) for cls in con.classes.values()]
    sizes = st.sampled_from([4, 12, 20]) if con.counts_padding else st.integers(0, 20)
    bodies = sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
    kinds = st.one_of(st.just(0xFFFF), st.integers(0, 0xFFFF))
    unknown = st.builds(con.unknown, kinds, bodies).filter(lambda tlv: not _has_class(con, tlv.kind, tlv.body))
    return st.one_of(*known, *known, unknown)


def _has_class(con: Tlv, kind: int, body: bytes) -> bool:
    key = kind.to_bytes(2, "big")
    return kind in con.withdrawn or key in con.classes or (key == EXPERIMENTER and key + body[:6] in con.classes)


def _known_oxm(field: Field) -> st.SearchStrategy[Oxm]:
    widths = st.integers(1, field.width) if field.elastic else st.just(field.width)
    who = field.experimenter.to_bytes(4, "big") if field.experimenter else b""

    def sized(width: int) -> st.SearchStrategy[Oxm]:
        exact = st.binary(min_size=width, max_size=width).map(lambda data: _oxm(field.header, who + data))
        both = st.binary(min_size=2 * width, max_size=2 * width)
        return st.one_of(exact, both.map(lambda data: _oxm(field.masked_header, who + data)))

    return widths.flatmap(sized)


def _oxm(header: int, payload: bytes) -> Oxm:
    return Oxm(header & ~0xFF | len(payload), payload)


_unknown_headers = st.tuples(st.sampled_from([0x0001, 0x1234, 0x8000, 0xFFFF]), st.integers(0, 127), st.booleans())
_unknown_oxms = st.builds(
    lambda header, payload: Oxm(header[0] << 16 | header[1] << 9 | header[2] << 8 | len(payload), payload),
    _unknown_headers,
    st.binary(max_size=12),
).filter(lambda oxm: oxm.field is None)

oxms = st.one_of(st.sampled_from(list(FIELDS.values())).flatmap(_known_oxm), _unknown_oxms)
"""Match fields on the wire, known and unknown, in any combination of values."""


@values.register
def _(con: Nested) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: values(con.con))


@values.register
def _(con: Fill) -> st.SearchStrategy[Any]:
    sizes = st.sampled_from([-con.after % 8, -con.after % 8 + 8])
    return sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))


@values.register
def _(con: Monitored) -> st.SearchStrategy[Any]:
    return values(con.con)


_u16 = st.integers(0, 0xFFFF)
_references = st.one_of(
    st.sampled_from([field.reference for field in FIELDS.values()]),
    u32.filter(lambda header: header >> 16 != 0xFFFF),
)
_bits = st.builds(Bits, _references, _u16)


@st.composite
def _learn_specs(draw: st.DrawFn) -> LearnSpec:
    n_bits, kind = draw(st.integers(1, 200)), draw(st.integers(0, 2))
    size = 2 * ((n_bits + 15) // 16)
    src = draw(st.one_of(_bits, st.binary(min_size=size, max_size=size)))
    return LearnSpec(n_bits, kind, src, None if kind == LearnSpec.OUTPUT else draw(_bits))


def _maybe(size: int) -> st.SearchStrategy[bytes | None]:
    return st.none() | st.binary(min_size=size, max_size=size)


_nat_ranges = st.builds(NatRange, _maybe(4), _maybe(4), _maybe(16), _maybe(16), st.none() | _u16, st.none() | _u16)
_few_messages = st.sampled_from(
    [BarrierRequest(xid=5), FlowMod(xid=6), Hello.of({4}), EchoRequest(b"abc"), UnknownMessage(99, b"")]
)
_bundle_properties = st.lists(st.builds(BundleProperty, _u16, st.binary(max_size=9)), max_size=2).map(tuple)
_flow_updates = st.one_of(
    st.deferred(lambda: instances(FlowUpdate, event=st.integers(0, 2))),
    st.deferred(lambda: instances(FlowUpdateAbbrev)),
    st.builds(UnknownFlowUpdate, st.integers(4, 0xFFFF), st.binary(max_size=9)),
)

ALIKE: dict[type[Construct], st.SearchStrategy[Any]] = {
    Tally: st.lists(_u16, max_size=5).map(tuple),
    Reference: _references,
    LearnSpecs: st.lists(_learn_specs(), max_size=3).map(tuple),
    ResultWire: st.none() | _bits,
    NatRangeWire: _nat_ranges,
    MembersWire: st.builds(Members, st.lists(_u16, max_size=5).map(tuple), _u16, u32),
    EdPropertyWire: st.builds(EdProperty, _u16, st.integers(0, 255), st.binary(max_size=9)),
    type(NXM_MATCH): st.lists(oxms, max_size=5).map(Match.of),
    BundledWire: st.builds(Bundled, _few_messages, _bundle_properties),
    type(FLOW_UPDATE.con): _flow_updates,
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
    drawn = {part.name: values(part.con) for part in cls.wire.parts if part.name}
    if cls is Learn2:
        return st.builds(_learn2, **drawn)
    return st.builds(cls, **{**drawn, **more})


def _learn2(*, flags: int, result_dst: Bits | None, **rest: Any) -> Learn2:
    flag = ResultWire.flag if result_dst else 0
    return Learn2(flags=flags & ~ResultWire.flag | flag, result_dst=result_dst, **rest)


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
