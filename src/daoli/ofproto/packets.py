"""Packets on their way through the controller: packet_in (7.4.1) and packet_out (7.3.7)."""

from dataclasses import dataclass
from typing import Annotated

from construct import GreedyBytes, Padding

from daoli.ofproto.actions import ACTIONS, Action
from daoli.ofproto.constants import NO_BUFFER, MessageType, PacketInReason, PortNo
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import Message, message
from daoli.ofproto.text import actions_text, name_of, port_text
from daoli.ofproto.wire import U8, U16, U32, U64, Counted


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
        fields = ",".join(str(oxm) for oxm in self.match)
        reason = name_of(PacketInReason, self.reason)
        return (
            f"cookie={self.cookie:#x} table={self.table_id} reason={reason} {fields} total_len={self.total_len} "
            f"buffer={self.buffer_id:#x} data={self.data.hex()}"
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
        return (
            f"in_port={port_text(self.in_port)} actions={actions_text(self.actions)} "
            f"buffer={self.buffer_id:#x} data={self.data.hex()}"
        )
