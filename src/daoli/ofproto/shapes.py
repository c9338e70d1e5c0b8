"""Hot messages as shapes: a NamedTuple whose fields are the holes of a template.

The wire truth stays in the message classes: a shape says which message it stands for (`message()`), and `Shape` derives
`pack` and `unpack` from that by probing. A fast decode may decline (then the canonical one runs); it may never differ.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import partial
from typing import Annotated, Generic, NamedTuple, Protocol, TypeVar, cast

from construct import Construct, FormatField, GreedyBytes

from daoli.ofproto.actions import Output
from daoli.ofproto.constants import NO_BUFFER, PortNo
from daoli.ofproto.match import Match
from daoli.ofproto.message import Message
from daoli.ofproto.packets import PacketIn, PacketOut
from daoli.ofproto.template import ShapeError, Template
from daoli.ofproto.wire import U8, U16, U32, U64

Tail = Annotated[bytes, GreedyBytes]
"""The bytes that a message ends with; only the last field of a shape may be one."""


class Shaped(Protocol):
    """What a shape's NamedTuple has: its first field is `xid`, and it tells which message it is."""

    def message(self) -> Message:
        """Build the message that this shape stands for."""


S = TypeVar("S", bound=Shaped)


class Shape(Generic[S]):
    """The fast codec of one shape. `pack(*fields) -> bytes`; `unpack(buffer, at, end)` gives the tuple, or None."""

    def __init__(self, kind: type[S]) -> None:
        """Probe `kind`; a `ShapeError` if its message is not constant bytes with the declared holes."""
        holes: dict[str, str] = {}
        tail = None
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            if tail:
                raise ShapeError(f"{kind.__name__}: a field stands behind the tail {tail!r}")
            if (declared := hint.__metadata__[0]) is GreedyBytes:
                tail = name
            else:
                holes[name] = _code(declared)
        self.kind = kind
        template = Template(
            lambda **values: kind(**values).message().encode(),
            holes,
            tail,
            partial(tuple.__new__, cast("type[tuple[object, ...]]", kind)),
        )
        self.type: int = template.base[1]
        self.pack: Callable[..., bytes] = template.pack
        self.unpack: Callable[[bytes, int, int], S | None] = template.unpack


def _code(declared: Construct) -> str:
    return declared.fmtstr[-1] if isinstance(declared, FormatField) else f"{declared.length}s"


class Punt(NamedTuple):
    """A packet_in that says only where the packet came in: what a table miss sends (7.4.1)."""

    xid: U32
    buffer_id: U32
    total_len: U16
    reason: U8
    table_id: U8
    cookie: U64
    in_port: U32
    data: Tail

    def message(self) -> PacketIn:
        """Build the message that this shape stands for."""
        return PacketIn(
            buffer_id=self.buffer_id,
            total_len=self.total_len,
            reason=self.reason,
            table_id=self.table_id,
            cookie=self.cookie,
            match=Match(in_port=self.in_port),
            data=self.data,
            xid=self.xid,
        )

    @classmethod
    def of(cls, message: PacketIn) -> Punt | None:
        """Take what matters from any packet_in; None if it does not say where the packet came in."""
        in_port = message.match.number("in_port")
        if in_port is None:
            return None
        return cls(
            message.xid,
            message.buffer_id,
            message.total_len,
            message.reason,
            message.table_id,
            message.cookie,
            in_port,
            message.data,
        )


class Emit(NamedTuple):
    """A packet_out that sends one frame out of one port (7.3.7)."""

    xid: U32
    port: U32
    data: Tail

    def message(self) -> PacketOut:
        """Build the message that this shape stands for."""
        return PacketOut(
            buffer_id=NO_BUFFER,
            in_port=PortNo.CONTROLLER,
            actions=(Output(port=self.port),),
            data=self.data,
            xid=self.xid,
        )


PUNT = Shape(Punt)
EMIT = Shape(Emit)
