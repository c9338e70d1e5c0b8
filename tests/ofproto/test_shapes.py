"""Shapes: the fast codec never differs from the canonical one, and what it cannot keep is refused."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
from construct import GreedyBytes
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto import Hello, Match, Message, MessageType, PacketIn, PacketInReason, PortNo, decode
from daoli.ofproto.flows import FlowMod
from daoli.ofproto.shapes import EMIT, PUNT, Punt, Shape, Tail
from daoli.ofproto.symmetric import EchoRequest
from daoli.ofproto.template import ShapeError
from daoli.ofproto.wire import U32, Mac
from daoli.routing import flows

SHAPES: list[Shape[Any]] = [
    PUNT,
    EMIT,
    *(value for value in vars(flows).values() if isinstance(value, Shape)),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind.__name__)


def values_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Draw any values of a shape's fields, read from its declaration; extremes of tails too."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        declared = hint.__metadata__[0]
        if declared is GreedyBytes:
            fields[name] = st.binary(max_size=200) | st.sampled_from((1, 255, 256, 60_000)).map(bytes)
        elif get_args(hint)[0] is int:
            fields[name] = st.integers(0, (1 << 8 * declared.sizeof()) - 1)
        else:
            fields[name] = st.binary(min_size=declared.sizeof(), max_size=declared.sizeof())
    return st.builds(kind, **fields)


def test_all_shapes_are_tested() -> None:
    """The list above holds every shape that there is."""
    assert len(SHAPES) >= 9


@every_shape
@given(st.data())
def test_pack(shape: Shape[Any], data: st.DataObject) -> None:
    """Packing gives the canonical bytes, whatever the values."""
    values = data.draw(values_of(shape.kind))
    assert shape.pack(*values) == values.message().encode()


@every_shape
@given(st.data())
def test_unpack(shape: Shape[Any], data: st.DataObject) -> None:
    """Unpacking the canonical bytes gives the values back, as the shape's own type."""
    values = data.draw(values_of(shape.kind))
    encoded = values.message().encode()
    taken = shape.unpack(b"before" + encoded + b"after", 6, 6 + len(encoded))
    assert taken == values
    assert type(taken) is shape.kind


@every_shape
@given(st.data())
def test_never_differs(shape: Shape[Any], data: st.DataObject) -> None:
    """What a shape takes of altered bytes is what the canonical decoder reads; the rest it declines."""
    encoded = bytearray(data.draw(values_of(shape.kind)).message().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, min(len(encoded), 200) - 1))] = data.draw(st.integers(0, 255))
    if (taken := shape.unpack(bytes(encoded), 0, len(encoded))) is not None:
        assert decode(bytes(encoded)) == taken.message()


@every_shape
@given(st.data())
def test_any_bytes(shape: Shape[Any], data: st.DataObject) -> None:
    """Any bytes, and any part of good ones, are taken or declined, without an error."""
    encoded = data.draw(values_of(shape.kind)).message().encode()
    cut = data.draw(st.integers(0, len(encoded)))
    for junk in (data.draw(st.binary(max_size=100)), encoded[:cut], encoded[cut:]):
        if (taken := shape.unpack(junk, 0, len(junk))) is not None:
            assert decode(junk) == taken.message()


@every_shape
def test_type(shape: Shape[Any]) -> None:
    """A shape knows its message's type, by which the connection finds it."""
    assert shape.type in (MessageType.PACKET_IN, MessageType.PACKET_OUT, MessageType.FLOW_MOD, MessageType.FLOW_REMOVED)


@given(values_of(Punt))
def test_punt_of(punt: Punt) -> None:
    """Any packet_in that says its port can be read as a punt, however its match is ordered."""
    message = punt.message()
    match = Match(metadata=7, in_port=punt.in_port)
    fields = {name: getattr(message, name) for name in ("buffer_id", "total_len", "reason", "table_id", "cookie")}
    assert Punt.of(message) == punt
    assert Punt.of(PacketIn(**fields, match=match, data=punt.data, xid=punt.xid)) == punt
    assert Punt.of(PacketIn(**fields, data=punt.data)) is None


def test_punt_of_open_vswitch() -> None:
    """The packet_in that Open vSwitch sends on a table miss is taken by the shape, not by the canonical decoder."""
    encoded = bytes.fromhex(
        "040a002e00000000ffffffff0004000000000000000000000001000c800000040000000500000000" + "0000" + "deadbeef"
    )
    punt = PUNT.unpack(encoded, 0, len(encoded))
    assert punt == Punt(0, 0xFFFFFFFF, 4, PacketInReason.NO_MATCH, 0, 0, 5, b"\xde\xad\xbe\xef")


def test_emit() -> None:
    """A packet_out of the shape goes out of one port and comes from the controller."""
    message = decode(EMIT.pack(0, 7, b"frame"))
    assert str(message).endswith(" data=6672616d65")
    assert EMIT.kind(0, PortNo.LOCAL, b"").message().encode() == EMIT.pack(0, PortNo.LOCAL, b"")


# -- what is no shape


class TailInTheMiddle(NamedTuple):
    """A field stands behind the tail."""

    data: Tail
    xid: U32

    def message(self) -> Message:
        """Build an echo."""
        return EchoRequest(self.data, xid=self.xid)


class Absent(NamedTuple):
    """A field that the message has no place for."""

    xid: U32
    cookie: U32

    def message(self) -> Message:
        """Build a hello."""
        return Hello(xid=self.xid)


class Stretching(NamedTuple):
    """A field on which the message's length depends."""

    xid: U32
    in_port: U32

    def message(self) -> Message:
        """Build a flow whose match is empty for port 0."""
        return FlowMod(match=Match(in_port=self.in_port) if self.in_port else Match(), xid=self.xid)


class Narrow(NamedTuple):
    """A field that is declared as what it is not."""

    xid: U32
    eth_src: Mac

    def message(self) -> Message:
        """Build a flow that matches on half of the field."""
        return FlowMod(match=Match(in_port=int.from_bytes(self.eth_src[:4], "big")), xid=self.xid)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (TailInTheMiddle, "behind the tail 'data'"),
        (Absent, "'cookie' is not a 4-byte field"),
        (Stretching, "length depends on 'in_port'"),
        (Narrow, "'eth_src' is not a 6-byte field"),
    ],
)
def test_refused(kind: type[Any], complaint: str) -> None:
    """What is not constant bytes with holes is refused when the shape is made."""
    with pytest.raises(ShapeError, match=complaint):
        Shape(kind)
