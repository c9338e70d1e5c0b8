"""Groups: lists of buckets of actions that flows share (7.3.4.2), their counters and what a datapath can do with them.

A bucket's actions are those of a flow; a group that is an action is named by its number, so nothing nests.
"""

from dataclasses import dataclass
from typing import Annotated

from construct import Int8ub, Int32ub, Padding

from daoli.ofproto.actions import ACTIONS, Action
from daoli.ofproto.constants import (
    ActionType,
    GroupModCommand,
    GroupNo,
    GroupType,
    MessageType,
    MultipartType,
    PortNo,
)
from daoli.ofproto.message import Message, message
from daoli.ofproto.multipart import Multipart, multipart_reply, multipart_request
from daoli.ofproto.number_text import duration_text, group_name, name_of, port_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import actions_text
from daoli.ofproto.wire import U16, U32, U64, Many, Quad, Sized


@wired("7.3.4.2")
@dataclass(frozen=True, slots=True)
class Bucket(Structure):
    """Actions that a group carries out together; `weight` is for SELECT, what is watched for FF."""

    weight: U16 = 0
    watch_port: U32 = PortNo.ANY
    watch_group: Annotated[int, Int32ub, Padding(4)] = GroupNo.ANY
    actions: Annotated[tuple[Action, ...], ACTIONS] = ()


BUCKETS = Many(Sized(Bucket.wire, "7.3.4.2"))


def group_text(group_id: int, kind: int, buckets: tuple[Bucket, ...]) -> str:
    """Give a group as `ovs-ofctl dump-groups` does."""
    words = [f"group_id={group_id},type={name_of(GroupType, kind).lower()}"]
    for bucket in buckets:
        said = f"weight:{bucket.weight}," if bucket.weight != (kind == GroupType.SELECT) else ""
        said += f"watch_port:{port_text(bucket.watch_port)}," if bucket.watch_port != PortNo.ANY else ""
        said += f"watch_group:{bucket.watch_group}," if bucket.watch_group != GroupNo.ANY else ""
        words.append(f"bucket={said}actions={actions_text(bucket.actions)}")
    return ",".join(words)


_COMMANDS: dict[int, str] = {
    GroupModCommand.ADD: "ADD",
    GroupModCommand.MODIFY: "MOD",
    GroupModCommand.DELETE: "DEL",
    GroupModCommand.ADD_OR_MOD: "ADD_OR_MOD",
}


@message(MessageType.GROUP_MOD, "7.3.4.2")
@dataclass(frozen=True, slots=True)
class GroupMod(Message):
    """Add, change or delete a group."""

    command: U16 = GroupModCommand.ADD
    type: Annotated[int, Int8ub, Padding(1)] = GroupType.ALL
    group_id: U32 = 0
    buckets: Annotated[tuple[Bucket, ...], BUCKETS] = ()

    def detail(self) -> str:
        """Show the command and the group."""
        command = _COMMANDS.get(self.command, str(self.command))
        return f"{command} {group_text(self.group_id, self.type, self.buckets)}"


@multipart_request(MultipartType.GROUP, "7.3.5.9")
@dataclass(frozen=True, slots=True)
class GroupStatsRequest(Multipart):
    """Ask for the counters of a group, or of all of them."""

    group_id: Annotated[int, Int32ub, Padding(4)] = GroupNo.ALL

    def detail(self) -> str:
        """Say which group."""
        return f"group_id={group_name(self.group_id)}"


@wired("7.3.5.9")
@dataclass(frozen=True, slots=True)
class BucketCounter(Structure):
    """What one bucket did."""

    packet_count: U64 = 0
    byte_count: U64 = 0


@wired("7.3.5.9")
@dataclass(frozen=True, slots=True)
class GroupStats(Structure):
    """One group's counters; `ref_count` counts the flows and groups that lead to it."""

    group_id: Annotated[int, Padding(2), Int32ub]
    ref_count: Annotated[int, Int32ub, Padding(4)] = 0
    packet_count: U64 = 0
    byte_count: U64 = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0
    bucket_stats: Annotated[tuple[BucketCounter, ...], Many(BucketCounter.wire)] = ()

    def __str__(self) -> str:
        buckets = "".join(
            f",bucket{place}:packet_count={bucket.packet_count},byte_count={bucket.byte_count}"
            for place, bucket in enumerate(self.bucket_stats)
        )
        return (
            f"group_id={self.group_id},duration={duration_text(self.duration_sec, self.duration_nsec)},"
            f"ref_count={self.ref_count},packet_count={self.packet_count},byte_count={self.byte_count}{buckets}"
        )


@multipart_reply(MultipartType.GROUP, "7.3.5.9")
@dataclass(frozen=True, slots=True)
class GroupStatsReply(Multipart):
    """The counters of groups."""

    groups: Annotated[tuple[GroupStats, ...], Many(Sized(GroupStats.wire, "7.3.5.9"))] = ()

    def detail(self) -> str:
        """Show a group on each line."""
        return "".join(f"\n  {group}" for group in self.groups)


@multipart_request(MultipartType.GROUP_DESC, "7.3.5.10")
@dataclass(frozen=True, slots=True)
class GroupDescRequest(Multipart):
    """Ask for all groups."""

    def detail(self) -> str:
        """Say so; OpenFlow 1.5 can ask for one."""
        return "group_id=ALL"


@wired("7.3.5.10")
@dataclass(frozen=True, slots=True)
class GroupDesc(Structure):
    """One group."""

    type: Annotated[int, Int8ub, Padding(1)] = GroupType.ALL
    group_id: U32 = 0
    buckets: Annotated[tuple[Bucket, ...], BUCKETS] = ()

    def __str__(self) -> str:
        return group_text(self.group_id, self.type, self.buckets)


@multipart_reply(MultipartType.GROUP_DESC, "7.3.5.10")
@dataclass(frozen=True, slots=True)
class GroupDescReply(Multipart):
    """The datapath's groups."""

    groups: Annotated[tuple[GroupDesc, ...], Many(Sized(GroupDesc.wire, "7.3.5.10"))] = ()

    def detail(self) -> str:
        """Show a group on each line."""
        return "".join(f"\n  {group}" for group in self.groups)


@multipart_request(MultipartType.GROUP_FEATURES, "7.3.5.11")
@dataclass(frozen=True, slots=True)
class GroupFeaturesRequest(Multipart):
    """Ask what the datapath can do with groups."""


@multipart_reply(MultipartType.GROUP_FEATURES, "7.3.5.11")
@dataclass(frozen=True, slots=True)
class GroupFeaturesReply(Multipart):
    """What the datapath can do with groups; per type: ALL, SELECT, INDIRECT, FF. Bit a of `actions` is action a."""

    types: U32 = 0
    capabilities: U32 = 0
    max_groups: Annotated[tuple[int, int, int, int], Quad()] = (0, 0, 0, 0)
    actions: Annotated[tuple[int, int, int, int], Quad()] = (0, 0, 0, 0)

    def detail(self) -> str:
        """Show what each type of group that there is can do."""
        text = f"\n  Group table:\n    Types:  {self.types:#x}\n    Capabilities:  {self.capabilities:#x}"
        for kind in GroupType:
            if self.types >> kind & 1:
                text += f"\n    {_KINDS[kind]} group:\n       max_groups={self.max_groups[kind]:#x}"
                text += f"\n       actions: {action_kinds_text(self.actions[kind])}"
        return text


_KINDS = {
    GroupType.ALL: "all",
    GroupType.SELECT: "select",
    GroupType.INDIRECT: "indirect",
    GroupType.FF: "fast failover",
}


def action_kinds_text(bits: int) -> str:
    """Name the kinds of actions of a bitmap, in Open vSwitch's order; those without a name are given in hex."""
    words = [name for kind, name in _ACTION_KINDS.items() if bits >> kind & 1]
    rest = bits & ~sum(1 << kind for kind in _ACTION_KINDS)
    return " ".join((*words, f"{rest:#x}") if rest else words) or "<none>"


_ACTION_KINDS: dict[int, str] = {
    ActionType.OUTPUT: "output",
    ActionType.GROUP: "group",
    ActionType.SET_FIELD: "set_field",
    ActionType.POP_VLAN: "strip_vlan",
    ActionType.PUSH_VLAN: "push_vlan",
    ActionType.SET_NW_TTL: "mod_nw_ttl",
    ActionType.DEC_NW_TTL: "dec_ttl",
    ActionType.SET_MPLS_TTL: "set_mpls_ttl",
    ActionType.DEC_MPLS_TTL: "dec_mpls_ttl",
    ActionType.PUSH_MPLS: "push_mpls",
    ActionType.POP_MPLS: "pop_mpls",
    ActionType.SET_QUEUE: "set_queue",
    ActionType.COPY_TTL_OUT: "copy_ttl_out",
    ActionType.COPY_TTL_IN: "copy_ttl_in",
    ActionType.PUSH_PBB: "push_pbb",
    ActionType.POP_PBB: "pop_pbb",
}
