"""Groups: what makes one, how they chain, and which buckets take a packet."""

from __future__ import annotations

import pytest
from tests.routing.frames import TCP, ipv4

from daoli.datapath.emulated import Packet, Refused
from daoli.datapath.emulated.groups import MAX_CHAIN, Groups, check_buckets
from daoli.ofproto import (
    Bucket,
    Group,
    GroupMod,
    GroupModCommand,
    GroupModFailedCode,
    GroupNo,
    GroupType,
    Output,
)

ADD, MODIFY, DELETE = GroupModCommand.ADD, GroupModCommand.MODIFY, GroupModCommand.DELETE
PLAIN = Bucket(actions=(Output(1),))


def mod(group_id: int, *buckets: Bucket, kind: int = GroupType.ALL, command: int = ADD) -> GroupMod:
    """A group_mod."""
    return GroupMod(command, kind, group_id, buckets)


def onward(*group_ids: int) -> tuple[Bucket, ...]:
    """Buckets that lead to groups."""
    return tuple(Bucket(actions=(Group(group_id),)) for group_id in group_ids)


def made(*mods: GroupMod, capacity: int = 100, max_buckets: int = 3) -> Groups:
    """Groups."""
    groups = Groups(capacity, max_buckets)
    for each in mods:
        groups.change(each, 0.0)
    return groups


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (mod(1, command=9), GroupModFailedCode.BAD_COMMAND),
        (mod(GroupNo.MAX + 1), GroupModFailedCode.INVALID_GROUP),
        (mod(1), GroupModFailedCode.GROUP_EXISTS),
        (mod(9, command=MODIFY), GroupModFailedCode.UNKNOWN_GROUP),
        (mod(9), GroupModFailedCode.OUT_OF_GROUPS),
        (mod(1, *[PLAIN] * 4, command=MODIFY), GroupModFailedCode.OUT_OF_BUCKETS),
        (mod(1, *onward(1), command=MODIFY), GroupModFailedCode.LOOP),
        (mod(1, PLAIN, *onward(2), command=MODIFY), GroupModFailedCode.LOOP),
        (mod(1, Bucket(watch_group=2), command=MODIFY), GroupModFailedCode.LOOP),
        (mod(1, command=DELETE), GroupModFailedCode.CHAINED_GROUP),
    ],
)
def test_refused(refused: GroupMod, code: GroupModFailedCode) -> None:
    """A change that clashes with what there is, or leads a packet in a circle, is refused and changes nothing."""
    groups = made(mod(1, PLAIN), mod(2, *onward(1)), capacity=2)
    with pytest.raises(Refused) as caught:
        groups.change(refused, 0.0)
    assert caught.value.code == code
    assert [group.buckets for group in groups] == [(PLAIN,), onward(1)]


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (mod(1, kind=7), GroupModFailedCode.BAD_TYPE),
        (mod(1, kind=GroupType.INDIRECT), GroupModFailedCode.INVALID_GROUP),
        (mod(1, Bucket(weight=1)), GroupModFailedCode.INVALID_GROUP),
        (mod(1, Bucket(watch_port=1)), GroupModFailedCode.WATCH_UNSUPPORTED),
        (mod(1, PLAIN, kind=GroupType.FF), GroupModFailedCode.INVALID_GROUP),
    ],
)
def test_buckets_that_make_no_group(refused: GroupMod, code: GroupModFailedCode) -> None:
    """Buckets must be such as the group's type has; those of a delete do not matter."""
    with pytest.raises(Refused) as caught:
        check_buckets(refused)
    assert caught.value.code == code
    check_buckets(GroupMod(DELETE, refused.type, 1, refused.buckets))


def test_deleting() -> None:
    """What is deleted is said; all go at once, however chained; one that is not there is no error."""
    groups = made(mod(1, PLAIN), mod(2, *onward(1)), mod(3))
    assert groups.change(mod(3, command=DELETE), 0.0) == {3}
    assert groups.change(mod(3, command=DELETE), 0.0) == set()
    assert groups.change(mod(GroupNo.ALL, command=DELETE), 0.0) == {1, 2}
    assert list(groups) == []


def test_modified() -> None:
    """A modified group has new buckets and counts from zero, but is as old as it was."""
    groups = made(mod(1, PLAIN))
    groups[1].count(50)
    groups[1].count_bucket(0, 50)
    assert (groups[1].stats(3, 2.0).packet_count, groups[1].stats(3, 2.0).ref_count) == (1, 3)
    groups.change(mod(1, PLAIN, PLAIN, command=GroupModCommand.ADD_OR_MOD), 4.0)
    stats = groups[1].stats(0, 5.0)
    assert (stats.duration_sec, stats.packet_count, len(stats.bucket_stats)) == (5, 0, 2)
    assert groups[1].description().buckets == (PLAIN, PLAIN)


def test_longest_chain() -> None:
    """Groups may lead to each other so far and no farther."""
    groups = made(mod(1, PLAIN), *(mod(n + 1, *onward(n)) for n in range(1, MAX_CHAIN)))
    with pytest.raises(Refused) as caught:
        groups.change(mod(99, *onward(MAX_CHAIN)), 0.0)
    assert caught.value.code == GroupModFailedCode.CHAINING_UNSUPPORTED


def test_kept() -> None:
    """Groups can be put back as they were."""
    groups = made(mod(1, PLAIN))
    restore = groups.keep()
    groups.change(mod(1, command=DELETE), 0.0)
    restore()
    assert 1 in groups


# -- choosing


def packet(number: int = 1) -> Packet:
    """A packet of one of many conversations."""
    ports = number.to_bytes(2, "big") + b"\0\x50"
    return Packet(ipv4(bytes(6), bytes(6), bytes(4), bytes(4), proto=TCP, payload=ports + bytes(16)), 1)


def chosen(group: GroupMod, *others: GroupMod, live: set[int] | None = None, number: int = 1) -> list[int]:
    """The buckets that take a packet; ports are live as given."""
    groups = made(*others, group)
    return groups.choose(groups[group.group_id], packet(number), (live or set()).__contains__)


def test_all_and_indirect() -> None:
    """All buckets of a group of all take a packet, and the one of an indirect group."""
    assert chosen(mod(1, PLAIN, PLAIN)) == [0, 1]
    assert chosen(mod(1, PLAIN, kind=GroupType.INDIRECT)) == [0]


def test_select() -> None:
    """One live bucket takes all packets of a conversation; over many the weights tell."""
    buckets = Bucket(3, watch_port=1), Bucket(1, watch_port=2), Bucket(0)
    group = mod(1, *buckets, kind=GroupType.SELECT)
    taken = [chosen(group, live={1, 2}, number=number) for number in range(400)]
    assert taken == [chosen(group, live={1, 2}, number=number) for number in range(400)]
    assert {len(places) for places in taken} == {1}
    counts = [sum(places == [place] for places in taken) for place in range(3)]
    assert counts[2] == 0
    assert 2 < counts[0] / counts[1] < 4
    assert {tuple(chosen(group, live={2}, number=number)) for number in range(20)} == {(1,)}
    assert chosen(group, live=set()) == []


def test_fast_failover() -> None:
    """The first bucket that is live takes the packet; a group is live if one of its buckets is."""
    watching = mod(2, Bucket(watch_port=1), Bucket(watch_group=1), Bucket(watch_port=3), kind=GroupType.FF)
    watched = mod(1, Bucket(watch_port=2), kind=GroupType.FF)
    assert chosen(watching, watched, live={1, 2, 3}) == [0]
    assert chosen(watching, watched, live={2, 3}) == [1]
    assert chosen(watching, watched, live={3}) == [2]
    assert chosen(watching, live={3}) == [2]
    assert chosen(watching, watched) == []
