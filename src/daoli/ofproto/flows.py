"""Changing a datapath's flows (7.3.4.1), and news of those that ended (7.4.2)."""

from dataclasses import dataclass
from typing import Annotated

from construct import Int16ub, Padding

from daoli.ofproto.async_text import FLOW_REMOVED, reason_text
from daoli.ofproto.constants import NO_BUFFER, TABLE_ALL, FlowModCommand, GroupNo, MessageType, PortNo
from daoli.ofproto.instructions import INSTRUCTIONS, Instruction
from daoli.ofproto.match import EVERY_PACKET, MATCH, Match
from daoli.ofproto.message import Message, message
from daoli.ofproto.number_text import duration_text, group_name, port_text
from daoli.ofproto.oxm_text import match_text
from daoli.ofproto.text import flow_flags_text, instructions_text
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
        words = [_COMMANDS.get(self.command, f"cmd:{self.command}")]
        words += [f"table:{self.table_id}"] if self.table_id else []
        words += [matched] if (matched := match_text(self.match, self.priority)) else []
        words += [cookie] if (cookie := self._cookie()) else []
        words += [f"idle:{self.idle_timeout}"] if self.idle_timeout else []
        words += [f"hard:{self.hard_timeout}"] if self.hard_timeout else []
        words += [f"buf:{self.buffer_id:#x}"] if self.buffer_id != NO_BUFFER else []
        words += [f"out_port:{port_text(self.out_port)}"] if self.out_port != PortNo.ANY else []
        words += [f"out_group:{group_name(self.out_group)}"] if self.out_group != GroupNo.ANY else []
        return f"{' '.join(words)} {flow_flags_text(self.flags)}actions={instructions_text(self.instructions)}"

    def _cookie(self) -> str:
        """Give the cookie, and what of it is compared with those of the flows."""
        if self.cookie_mask:
            return f"cookie:{self.cookie:#x}/{self.cookie_mask:#x}"
        return f"cookie:{self.cookie:#x}" if self.cookie else ""


_COMMANDS: dict[int, str] = {
    FlowModCommand.ADD: "ADD",
    FlowModCommand.MODIFY: "MOD",
    FlowModCommand.MODIFY_STRICT: "MOD_STRICT",
    FlowModCommand.DELETE: "DEL",
    FlowModCommand.DELETE_STRICT: "DEL_STRICT",
}


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
        matched = match_text(self.match, self.priority)
        words = [matched] if matched else []
        words += [f"reason={reason_text(FLOW_REMOVED, self.reason)}"]
        words += [f"table_id={self.table_id}"] if self.table_id != TABLE_ALL else []
        words += [f"cookie:{self.cookie:#x}"] if self.cookie else []
        words += [f"duration{duration_text(self.duration_sec, self.duration_nsec)}", f"idle{self.idle_timeout}"]
        words += [f"hard{self.hard_timeout}"] if self.hard_timeout else []
        return " ".join((*words, f"pkts{self.packet_count}", f"bytes{self.byte_count}"))
