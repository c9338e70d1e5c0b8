"""A datapath's ports (7.2.1), and news of them (7.4.3)."""

from dataclasses import dataclass
from typing import Annotated

from construct import Bytes, Int8ub, Int32ub, Padding

from daoli.ofproto.constants import MessageType, PortReason
from daoli.ofproto.message import Message, message
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import name_of, port_text, value_text
from daoli.ofproto.wire import U32, Text


@wired("7.2.1")
@dataclass(frozen=True, slots=True)
class Port(Structure):
    """A port; features are bitmaps, speeds are in kb/s."""

    port_no: Annotated[int, Int32ub, Padding(4)]
    hw_addr: Annotated[bytes, Bytes(6), Padding(2)] = bytes(6)
    name: Annotated[str, Text(16)] = ""
    config: U32 = 0
    state: U32 = 0
    curr: U32 = 0
    advertised: U32 = 0
    supported: U32 = 0
    peer: U32 = 0
    curr_speed: U32 = 0
    max_speed: U32 = 0

    def __str__(self) -> str:
        name = f"{port_text(self.port_no)}({value_text('name', self.name)})"
        return f"{name} addr={self.hw_addr.hex(':')} config={self.config:#x} state={self.state:#x}"


@message(MessageType.PORT_STATUS, "7.4.3")
@dataclass(frozen=True, slots=True)
class PortStatus(Message):
    """A port was added, deleted or changed."""

    reason: Annotated[int, Int8ub, Padding(7)]
    port: Annotated[Port, Port.wire]

    def detail(self) -> str:
        """Say what happened to which port."""
        return f"{name_of(PortReason, self.reason)} {self.port}"
