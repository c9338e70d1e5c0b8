"""Groups: lists of buckets that flows share, the commands that change them (6.5), and the choice of buckets (5.6.1).

Groups may lead to groups, but never back to themselves, and not deeper than `MAX_CHAIN`: so a packet's way ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from zlib import crc32

from daoli.datapath.emulated.action_set import ActionSet
from daoli.datapath.emulated.clock import duration
from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.refusal import Refused
from daoli.ofproto import (
    Bucket,
    BucketCounter,
    ErrorType,
    Group,
    GroupDesc,
    GroupMod,
    GroupModCommand,
    GroupModFailedCode,
    GroupNo,
    GroupStats,
    GroupType,
    PortNo,
)

MAX_CHAIN: Final = 16
"""Groups that may follow each other."""

Live = Callable[[int], bool]
"""Tells whether a port is live."""


class GroupEntry:
    """A group: its buckets, when it came (seconds of the switch's clock), and its counters."""

    def __init__(self, mod: GroupMod, created: float) -> None:
        self.group_id, self.type, self.buckets = mod.group_id, mod.type, mod.buckets
        self.created = created
        self.packets = self.bytes = 0
        self.bucket_packets, self.bucket_bytes = [0] * len(self.buckets), [0] * len(self.buckets)
        self.actions = [ActionSet(bucket.actions).in_order() for bucket in self.buckets]
        """What each bucket does, in order."""

    def count(self, size: int) -> None:
        """Note a packet of `size` bytes."""
        self.packets += 1
        self.bytes += size

    def count_bucket(self, place: int, size: int) -> None:
        """Note a packet that a bucket takes."""
        self.bucket_packets[place] += 1
        self.bucket_bytes[place] += size

    def leads_to(self) -> set[int]:
        """Give the groups that its buckets send packets to."""
        return {action.group_id for bucket in self.buckets for action in bucket.actions if isinstance(action, Group)}

    def needs(self) -> set[int]:
        """Give the groups that it sends packets to or watches."""
        return self.leads_to() | {bucket.watch_group for bucket in self.buckets} - {GroupNo.ANY}

    def stats(self, references: int, now: float) -> GroupStats:
        """Report what it did (7.3.5.9)."""
        counters = map(BucketCounter, self.bucket_packets, self.bucket_bytes)
        return GroupStats(
            self.group_id, references, self.packets, self.bytes, *duration(now - self.created), tuple(counters)
        )

    def description(self) -> GroupDesc:
        """Report what it is (7.3.5.10)."""
        return GroupDesc(self.type, self.group_id, self.buckets)


def _refuse(code: GroupModFailedCode) -> Refused:
    return Refused(ErrorType.GROUP_MOD_FAILED, code)


class Groups:
    """All groups of a switch. A group_mod must have been checked before."""

    def __init__(self, capacity: int, max_buckets: int) -> None:
        """`capacity` is the number of groups, `max_buckets` that of the buckets of one."""
        self.capacity = capacity
        self.max_buckets = max_buckets
        self._groups: dict[int, GroupEntry] = {}

    def __contains__(self, group_id: int) -> bool:
        return group_id in self._groups

    def __getitem__(self, group_id: int) -> GroupEntry:
        return self._groups[group_id]

    def __iter__(self) -> Iterator[GroupEntry]:
        """Give the groups by their number."""
        return iter([self._groups[group_id] for group_id in sorted(self._groups)])

    def select(self, group_id: int) -> list[GroupEntry]:
        """Give a group, if it is there, or all."""
        return [group for group in self if group_id in (GroupNo.ALL, group.group_id)]

    def keep(self) -> Callable[[], None]:
        """Remember the groups as they are; what is given brings them back."""
        kept = dict(self._groups)

        def restore() -> None:
            self._groups = kept

        return restore

    # -- changing ------------------------------------------------------------------------------------------------

    def change(self, mod: GroupMod, now: float) -> frozenset[int]:
        """Do what a group_mod says; give the groups that are gone. Raises `Refused`."""
        if mod.command not in list(GroupModCommand):
            raise _refuse(GroupModFailedCode.BAD_COMMAND)
        if mod.command == GroupModCommand.DELETE:
            return self._delete(mod.group_id)
        if mod.group_id > GroupNo.MAX:
            raise _refuse(GroupModFailedCode.INVALID_GROUP)
        old = self._groups.get(mod.group_id)
        if old is not None and mod.command == GroupModCommand.ADD:
            raise _refuse(GroupModFailedCode.GROUP_EXISTS)
        if old is None and mod.command == GroupModCommand.MODIFY:
            raise _refuse(GroupModFailedCode.UNKNOWN_GROUP)
        if old is None and len(self._groups) >= self.capacity:
            raise _refuse(GroupModFailedCode.OUT_OF_GROUPS)
        if len(mod.buckets) > self.max_buckets:
            raise _refuse(GroupModFailedCode.OUT_OF_BUCKETS)
        new = GroupEntry(mod, now if old is None else old.created)
        self._check_chain(new)
        self._groups[mod.group_id] = new
        return frozenset()

    def _delete(self, group_id: int) -> frozenset[int]:
        gone = frozenset(group.group_id for group in self.select(group_id))
        if any(group.leads_to() & gone for group in self if group.group_id not in gone):
            raise _refuse(GroupModFailedCode.CHAINED_GROUP)
        for number in gone:
            del self._groups[number]
        return gone

    def _check_chain(self, new: GroupEntry) -> None:
        """Refuse a group that leads back to itself, or too far."""
        if not new.needs():
            return
        groups = {**self._groups, new.group_id: new}
        depths: dict[int, int] = {}

        def depth(group_id: int, before: frozenset[int]) -> int:
            if group_id in before:
                raise _refuse(GroupModFailedCode.LOOP)
            if group_id not in depths:
                onward = groups[group_id].needs() & groups.keys()
                depths[group_id] = 1 + max((depth(after, before | {group_id}) for after in onward), default=0)
            return depths[group_id]

        if max(depth(group_id, frozenset()) for group_id in groups) > MAX_CHAIN:
            raise _refuse(GroupModFailedCode.CHAINING_UNSUPPORTED)

    # -- choosing ------------------------------------------------------------------------------------------------

    def choose(self, group: GroupEntry, packet: Packet, live: Live) -> list[int]:
        """Give the places of the buckets that take a packet: all, one of its conversation's, or the first live one."""
        places = range(len(group.buckets))
        if group.type in (GroupType.ALL, GroupType.INDIRECT):
            return list(places)
        alive = [place for place in places if self._is_bucket_live(group.buckets[place], live)]
        if group.type == GroupType.FF:
            return alive[:1]
        weights = [group.buckets[place].weight for place in alive]
        point = crc32(group.group_id.to_bytes(4, "big"), packet.conversation()) % max(1, sum(weights))
        for place, weight in zip(alive, weights, strict=True):
            if point < weight:
                return [place]
            point -= weight
        return []

    def _is_bucket_live(self, bucket: Bucket, live: Live) -> bool:
        """Tell whether what a bucket watches is live, if it watches anything (5.6.1)."""
        if bucket.watch_port == PortNo.ANY and bucket.watch_group == GroupNo.ANY:
            return True
        watched = self._groups.get(bucket.watch_group)
        return (bucket.watch_port != PortNo.ANY and live(bucket.watch_port)) or (
            watched is not None and any(self._is_bucket_live(other, live) for other in watched.buckets)
        )


def check_buckets(mod: GroupMod) -> None:
    """Refuse buckets that do not become a group of its type (7.3.4.2)."""
    if mod.command == GroupModCommand.DELETE:
        return
    if mod.type not in list(GroupType):
        raise _refuse(GroupModFailedCode.BAD_TYPE)
    if mod.type == GroupType.INDIRECT and len(mod.buckets) != 1:
        raise _refuse(GroupModFailedCode.INVALID_GROUP)
    for bucket in mod.buckets:
        watches = bucket.watch_port != PortNo.ANY or bucket.watch_group != GroupNo.ANY
        if bucket.weight and mod.type != GroupType.SELECT:
            raise _refuse(GroupModFailedCode.INVALID_GROUP)
        if watches and mod.type in (GroupType.ALL, GroupType.INDIRECT):
            raise _refuse(GroupModFailedCode.WATCH_UNSUPPORTED)
        if not watches and mod.type == GroupType.FF:
            raise _refuse(GroupModFailedCode.INVALID_GROUP)
