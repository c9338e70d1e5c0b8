"""Packets on their way through the controller: packet_in (7.4.1) and packet_out (7.3.7)."""

from dataclasses import dataclass
from typing import Annotated

from construct import GreedyBytes, Padding

from daoli.ofproto.actions import ACTIONS, Action
from daoli.ofproto.async_text import PACKET_IN, reason_text
from daoli.ofproto.constants import NO_BUFFER, MessageType, PortNo
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import Message, message
from daoli.ofproto.number_text import port_text
from daoli.ofproto.oxm_text import match_text
from daoli.ofproto.packet_text import packet_text
from daoli.ofproto.text import actions_text
from daoli.ofproto.wire import U8, U16, U32, U64, Counted

UNKNOWN_COOKIE = 0xFFFF_FFFF_FFFF_FFFF
"""The cookie of a packet that no flow sent."""


def punted_text(
    data: bytes,
    total_len: int,
    reason: int,
    table_id: int,
    cookie: int,
    match: Match,
    buffer_id: int,
    more: str = "",
) -> str:
    """Say of a packet handed to the controller where it came from, why, and what it is; `more` is a line."""
    words = [f"table_id={table_id}"] if table_id else []
    words += [f"cookie={cookie:#x}"] if cookie != UNKNOWN_COOKIE else []
    words += [f"total_len={total_len}", *((match_text(match),) if len(match) else ())]
    words += [f"(via {reason_text(PACKET_IN, reason)})", f"data_len={len(data)}"]
    if buffer_id == NO_BUFFER:
        words += ["(unbuffered)", *(("(***total_len != data_len***)",) if total_len != len(data) else ())]
    else:
        words += [f"buffer={buffer_id:#010x}", *(("(***total_len < data_len***)",) if total_len < len(data) else ())]
    return f"{' '.join(words)}{more}\n  {packet_text(data)}"


@message(MessageType.PACKET_IN, "7.4.1")
@dataclass(frozen=True, slots=True)
class PacketIn(Message):
    """A packet handed to the controller; `match` says where it came in, `total_len` its size before it was cut."""

    buffer_id: U32 = NO_BUFFER
    total_len: U16 = 0
    reason: U8 = 0
    table_id: U8 = 0
    cookie: U64 = 0
    match: Annotated[Match, MATCH, Padding(2)] = EVERY_PACKET
    data: Annotated[bytes, GreedyBytes] = b""

    def detail(self) -> str:
        """Say where it came from, why, and what it is."""
        return punted_text(
            self.data, self.total_len, self.reason, self.table_id, self.cookie, self.match, self.buffer_id
        )


@message(MessageType.PACKET_OUT, "7.3.7")
@dataclass(frozen=True, slots=True)
class PacketOut(Message):
    """A packet for the datapath to act on: the buffered one, or `data`."""

    buffer_id: U32 = NO_BUFFER
    in_port: U32 = PortNo.CONTROLLER
    actions: Annotated[tuple[Action, ...], Counted(ACTIONS, 6, "7.3.7")] = ()
    data: Annotated[bytes, GreedyBytes] = b""

    def detail(self) -> str:
        """Say where it goes and what it is."""
        head = f"in_port={port_text(self.in_port)} actions={actions_text(self.actions)}"
        if self.buffer_id != NO_BUFFER:
            return f"{head} buffer={self.buffer_id:#010x}"
        return f"{head} data_len={len(self.data)}" + (f"\n  {packet_text(self.data)}" if self.data else "")
