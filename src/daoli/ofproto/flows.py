"""Changing a datapath's flows (7.3.4.1), and news of those that ended (7.4.2)."""

from dataclasses import dataclass
from typing import Annotated

from construct import Int16ub, Padding

from daoli.ofproto.constants import NO_BUFFER, FlowModCommand, FlowRemovedReason, GroupNo, MessageType, PortNo
from daoli.ofproto.instructions import INSTRUCTIONS, Instruction
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import Message, message
from daoli.ofproto.text import flow_text, match_text, name_of, port_text
from daoli.ofproto.wire import U8, U16, U32, U64


@message(MessageType.FLOW_MOD, "7.3.4.1")
@dataclass(frozen=True, slots=True)
class FlowMod(Message):
    """Add, change or delete flows; timeouts are in seconds, 0 for none."""

    cookie: U64 = 0
    cookie_mask: U64 = 0
    table_id: U8 = 0
    command: U8 = FlowModCommand.ADD
    idle_timeout: U16 = 0
    hard_timeout: U16 = 0
    priority: U16 = 0x8000
    buffer_id: U32 = NO_BUFFER
    out_port: U32 = PortNo.ANY
    out_group: U32 = GroupNo.ANY
    flags: Annotated[int, Int16ub, Padding(2)] = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET
    instructions: Annotated[tuple[Instruction, ...], INSTRUCTIONS] = ()

    def detail(self) -> str:
        """Show the command and the flow."""
        text = flow_text(
            self.table_id,
            self.priority,
            self.cookie,
            self.idle_timeout,
            self.hard_timeout,
            self.flags,
            self.match,
            self.instructions,
        )
        only = f"cookie_mask={self.cookie_mask:#x} " if self.cookie_mask else ""
        only += f"out_port={port_text(self.out_port)} " if self.out_port != PortNo.ANY else ""
        only += f"out_group={self.out_group} " if self.out_group != GroupNo.ANY else ""
        only += f"buffer={self.buffer_id:#x} " if self.buffer_id != NO_BUFFER else ""
        return f"{name_of(FlowModCommand, self.command)} {only}{text}"


@message(MessageType.FLOW_REMOVED, "7.4.2")
@dataclass(frozen=True, slots=True)
class FlowRemoved(Message):
    """A flow with SEND_FLOW_REM ended; its counters are final."""

    cookie: U64 = 0
    priority: U16 = 0
    reason: U8 = 0
    table_id: U8 = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0
    idle_timeout: U16 = 0
    hard_timeout: U16 = 0
    packet_count: U64 = 0
    byte_count: U64 = 0
    match: Annotated[Match, MATCH] = EVERY_PACKET

    def detail(self) -> str:
        """Show the flow, why it ended, and what it did."""
        timeouts = f" idle_timeout={self.idle_timeout}" if self.idle_timeout else ""
        timeouts += f" hard_timeout={self.hard_timeout}" if self.hard_timeout else ""
        return (
            f"{match_text(self.match, self.priority)} reason={name_of(FlowRemovedReason, self.reason)} "
            f"table={self.table_id} cookie={self.cookie:#x} duration={self.duration_sec}.{self.duration_nsec:09d}s"
            f"{timeouts} packets={self.packet_count} bytes={self.byte_count}"
        )
