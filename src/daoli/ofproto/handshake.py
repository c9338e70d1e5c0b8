"""Getting to know a datapath and configuring the channel: features, config, barrier, role, async (7.3)."""

from dataclasses import dataclass
from typing import Annotated

from construct import Int8ub, Int32ub, Padding

from daoli.ofproto.async_text import masks_text
from daoli.ofproto.constants import CML_NO_BUFFER, Capabilities, ConfigFlags, ControllerRole, MessageType
from daoli.ofproto.message import Message, message
from daoli.ofproto.number_text import flags_text
from daoli.ofproto.wire import U8, U16, U32, U64, Pair

Masks = Annotated[tuple[int, int], Pair()]
"""What is wanted: as master or equal, and as slave."""


@message(MessageType.FEATURES_REQUEST, "7.3.1")
@dataclass(frozen=True, slots=True)
class FeaturesRequest(Message):
    """Ask who the datapath is."""


@message(MessageType.FEATURES_REPLY, "7.3.1")
@dataclass(frozen=True, slots=True)
class FeaturesReply(Message):
    """Who the datapath is, and what it can do."""

    datapath_id: U64
    n_buffers: U32 = 0
    n_tables: U8 = 0
    auxiliary_id: Annotated[int, Int8ub, Padding(2)] = 0
    capabilities: U32 = 0
    reserved: U32 = 0

    def detail(self) -> str:
        """Show all of it, the datapath id as its 16 digits."""
        auxiliary = f", auxiliary_id:{self.auxiliary_id}" if self.auxiliary_id else ""
        reserved = f"\n  reserved: {self.reserved:#x}" if self.reserved else ""
        return (
            f"dpid:{self.datapath_id:016x}"
            f"\n  n_tables:{self.n_tables}, n_buffers:{self.n_buffers}{auxiliary}"
            f"\n  capabilities: {flags_text(Capabilities, self.capabilities)}{reserved}"
        )


_FRAGMENTS = ("normal", "drop", "reassemble", "nx-match")


def _config_text(flags: int, miss_send_len: int) -> str:
    rest = flags & ~ConfigFlags.FRAG_MASK
    more = f" flags={rest:#x}" if rest else ""
    return f"frags={_FRAGMENTS[flags & ConfigFlags.FRAG_MASK]}{more} miss_send_len={miss_send_len}"


_ROLES: dict[int, str] = {
    ControllerRole.NOCHANGE: "nochange",
    ControllerRole.EQUAL: "equal",
    ControllerRole.MASTER: "primary",
    ControllerRole.SLAVE: "secondary",
}
_NO_GENERATION = 0xFFFF_FFFF_FFFF_FFFF


def role_text(role: int) -> str:
    """Name a role as Open vSwitch does, which has no masters and slaves."""
    return f"role={_ROLES.get(role, role)}"


@message(MessageType.GET_CONFIG_REQUEST, "7.3.2")
@dataclass(frozen=True, slots=True)
class GetConfigRequest(Message):
    """Ask how the datapath is configured."""


@message(MessageType.GET_CONFIG_REPLY, "7.3.2")
@dataclass(frozen=True, slots=True)
class GetConfigReply(Message):
    """How the datapath treats fragments, and how much of a packet it sends on a table miss."""

    flags: U16 = 0
    miss_send_len: U16 = CML_NO_BUFFER

    def detail(self) -> str:
        """Say what becomes of fragments, and how much of a packet is sent."""
        return _config_text(self.flags, self.miss_send_len)


@message(MessageType.SET_CONFIG, "7.3.2")
@dataclass(frozen=True, slots=True)
class SetConfig(Message):
    """Say how to treat fragments, and how much of a packet to send on a table miss."""

    flags: U16 = 0
    miss_send_len: U16 = CML_NO_BUFFER

    def detail(self) -> str:
        """Say what becomes of fragments, and how much of a packet is sent."""
        return _config_text(self.flags, self.miss_send_len)


@message(MessageType.BARRIER_REQUEST, "7.3.8")
@dataclass(frozen=True, slots=True)
class BarrierRequest(Message):
    """Ask to be told when everything sent before this is done."""


@message(MessageType.BARRIER_REPLY, "7.3.8")
@dataclass(frozen=True, slots=True)
class BarrierReply(Message):
    """Everything sent before the request is done."""


@message(MessageType.ROLE_REQUEST, "7.3.9")
@dataclass(frozen=True, slots=True)
class RoleRequest(Message):
    """Ask for a role, or with NOCHANGE which one it is."""

    role: Annotated[int, Int32ub, Padding(4)]
    generation_id: U64 = 0

    def detail(self) -> str:
        """Name the role; without one there is no generation."""
        silent = self.role == ControllerRole.NOCHANGE and not self.generation_id
        return role_text(self.role) + ("" if silent else f" generation_id={self.generation_id}")


@message(MessageType.ROLE_REPLY, "7.3.9")
@dataclass(frozen=True, slots=True)
class RoleReply(Message):
    """The role that the controller has now."""

    role: Annotated[int, Int32ub, Padding(4)]
    generation_id: U64 = 0

    def detail(self) -> str:
        """Name the role; a generation of all ones is none."""
        silent = self.generation_id == _NO_GENERATION
        return role_text(self.role) + ("" if silent else f" generation_id={self.generation_id}")


@message(MessageType.GET_ASYNC_REQUEST, "7.3.10")
@dataclass(frozen=True, slots=True)
class GetAsyncRequest(Message):
    """Ask which asynchronous messages this controller gets."""


@message(MessageType.GET_ASYNC_REPLY, "7.3.10")
@dataclass(frozen=True, slots=True)
class GetAsyncReply(Message):
    """Which asynchronous messages this controller gets: bit r of a mask stands for reason r."""

    packet_in_mask: Masks
    port_status_mask: Masks
    flow_removed_mask: Masks

    def detail(self) -> str:
        """Show the reasons for which each role gets each message."""
        return masks_text((self.packet_in_mask, self.port_status_mask, self.flow_removed_mask))


@message(MessageType.SET_ASYNC, "7.3.10")
@dataclass(frozen=True, slots=True)
class SetAsync(Message):
    """Choose which asynchronous messages to get: bit r of a mask stands for reason r."""

    packet_in_mask: Masks
    port_status_mask: Masks
    flow_removed_mask: Masks

    def detail(self) -> str:
        """Show the reasons for which each role gets each message."""
        return masks_text((self.packet_in_mask, self.port_status_mask, self.flow_removed_mask))
