"""Getting to know a datapath and configuring the channel: features, config, barrier, role, async (7.3)."""

from dataclasses import dataclass
from typing import Annotated

from construct import Int8ub, Int32ub, Padding

from daoli.ofproto.constants import CML_NO_BUFFER, MessageType
from daoli.ofproto.message import Message, message
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


@message(MessageType.SET_CONFIG, "7.3.2")
@dataclass(frozen=True, slots=True)
class SetConfig(Message):
    """Say how to treat fragments, and how much of a packet to send on a table miss."""

    flags: U16 = 0
    miss_send_len: U16 = CML_NO_BUFFER


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


@message(MessageType.ROLE_REPLY, "7.3.9")
@dataclass(frozen=True, slots=True)
class RoleReply(Message):
    """The role that the controller has now."""

    role: Annotated[int, Int32ub, Padding(4)]
    generation_id: U64 = 0


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


@message(MessageType.SET_ASYNC, "7.3.10")
@dataclass(frozen=True, slots=True)
class SetAsync(Message):
    """Choose which asynchronous messages to get: bit r of a mask stands for reason r."""

    packet_in_mask: Masks
    port_status_mask: Masks
    flow_removed_mask: Masks
