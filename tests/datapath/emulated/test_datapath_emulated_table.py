"""Flow tables: each command, strict and loose, overlaps, counters, and time."""

from __future__ import annotations

from functools import partial

import pytest
from tests.routing.frames import ipv4

from daoli.datapath.emulated import Ended, FlowTables, Packet, Refused
from daoli.ofproto import (
    TABLE_ALL,
    ApplyActions,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowModFailedCode,
    FlowModFlags,
    FlowRemovedReason,
    Group,
    GroupNo,
    Match,
    Output,
    PortNo,
    WriteActions,
)

FRAME = ipv4(bytes(6), bytes(6), bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
WIDE = Match(eth_type=0x0800, ipv4_dst="10.0.0.0/8")
NARROW = Match(in_port=1, eth_type=0x0800, ipv4_dst="10.0.0.2")
ARP = Match(eth_type=0x0806)


def to(port: int) -> tuple[ApplyActions]:
    """Instructions that output to a port."""
    return (ApplyActions((Output(port),)),)


class Bench:
    """Tables, and what they hold in short."""

    def __init__(self, *mods: FlowMod, capacity: int = 10) -> None:
        self.tables = FlowTables(3, capacity)
        self.change(*mods)

    def change(self, *mods: FlowMod, now: float = 0.0) -> list[Ended]:
        """Do what flow_mods say."""
        return [end for mod in mods for end in self.tables.change(mod, now)]

    def cookies(self, table_id: int = 0) -> list[int]:
        """The flows of a table by their cookies, in order of priority."""
        return [entry.mod.cookie for entry in self.tables[table_id]]


def refusal(bench: Bench, mod: FlowMod) -> int:
    """The code that a flow_mod is refused with."""
    with pytest.raises(Refused) as caught:
        bench.change(mod)
    assert caught.value.type == ErrorType.FLOW_MOD_FAILED
    return caught.value.code


def test_priority() -> None:
    """The matching flow of the highest priority is met, and counts the packet; the table-miss flow is no match."""
    bench = Bench(
        FlowMod(cookie=1, priority=0), FlowMod(cookie=3, priority=9, match=ARP), FlowMod(cookie=2, match=WIDE)
    )
    assert bench.cookies() == [2, 3, 1]
    found = bench.tables.lookup(0, Packet(FRAME, 1), 5.0)
    assert found is not None
    assert (found.mod.cookie, found.packets, found.bytes, found.used) == (2, 1, len(FRAME), 5.0)
    found = bench.tables.lookup(0, Packet(bytes(14), 1), 5.0)
    assert found is not None
    assert found.mod.cookie == 1
    assert bench.tables.lookup(1, Packet(FRAME, 1), 5.0) is None
    assert (bench.tables.lookups, bench.tables.matched) == ([2, 1, 0], [1, 0, 0])


def test_counters_unwanted() -> None:
    """A flow that is not to count does not."""
    flags = FlowModFlags.NO_PKT_COUNTS | FlowModFlags.NO_BYT_COUNTS
    bench = Bench(FlowMod(flags=flags))
    bench.tables.lookup(0, Packet(FRAME, 1), 1.0)
    (stats,) = (entry.stats(2.5) for entry in bench.tables[0])
    assert (stats.packet_count, stats.byte_count, stats.duration_sec, stats.duration_nsec) == (0, 0, 2, 500_000_000)


@pytest.mark.parametrize(("flags", "packets"), [(0, 1), (FlowModFlags.RESET_COUNTS, 0)])
def test_add_the_same_again(flags: int, packets: int) -> None:
    """A flow with the match and priority of another replaces it in silence; its counters stay unless told otherwise."""
    bench = Bench(FlowMod(cookie=1, match=WIDE, flags=FlowModFlags.SEND_FLOW_REM))
    bench.tables.lookup(0, Packet(FRAME, 1), 1.0)
    same = Match.of(reversed(WIDE.oxms))
    assert bench.change(FlowMod(cookie=2, match=same, flags=flags), now=9.0) == []
    (entry,) = bench.tables[0]
    assert (entry.mod.cookie, entry.packets, entry.created) == (2, packets, 9.0)


def test_check_overlap() -> None:
    """A flow that a packet could match together with another of its priority is refused, if so asked."""
    bench = Bench(FlowMod(match=WIDE))
    flags = FlowModFlags.CHECK_OVERLAP
    assert refusal(bench, FlowMod(match=Match(in_port=1), flags=flags)) == FlowModFailedCode.OVERLAP
    assert refusal(bench, FlowMod(match=NARROW, flags=flags)) == FlowModFailedCode.OVERLAP
    bench.change(
        FlowMod(match=Match(in_port=1)),
        FlowMod(match=Match(eth_type=0x0800, ipv4_dst="11.0.0.0/8", in_port=2), flags=flags),
        FlowMod(priority=5, match=NARROW, flags=flags),
        FlowMod(table_id=1, match=NARROW, flags=flags),
    )


def test_modify() -> None:
    """Modifying changes what flows do, and nothing else of them; loosely all that are within, strictly the very one."""
    bench = Bench(
        FlowMod(cookie=1, match=WIDE), FlowMod(cookie=2, match=NARROW, priority=7), FlowMod(cookie=3, match=ARP)
    )
    bench.change(FlowMod(command=FlowModCommand.MODIFY, match=WIDE, instructions=to(4), cookie=9))
    assert [entry.instructions for entry in bench.tables[0]] == [to(4), (), to(4)]
    strict = FlowMod(command=FlowModCommand.MODIFY_STRICT, match=NARROW, instructions=to(5))
    bench.change(strict)
    assert bench.cookies() == [1, 3, 2]
    assert bench.tables[0][2].instructions == to(4)
    bench.change(FlowMod(command=FlowModCommand.MODIFY_STRICT, match=NARROW, priority=7, instructions=to(5)))
    assert bench.tables[0][2].instructions == to(5)
    bench.tables.lookup(0, Packet(FRAME, 1), 1.0)
    bench.change(FlowMod(command=FlowModCommand.MODIFY, flags=FlowModFlags.RESET_COUNTS))
    assert sum(entry.packets for entry in bench.tables[0]) == 0


def test_delete() -> None:
    """Deleting ends loosely all that are within, strictly the very one; in all tables if so asked."""
    mods = (FlowMod(cookie=1, match=WIDE), FlowMod(cookie=2, match=NARROW), FlowMod(cookie=3, table_id=1, match=NARROW))
    bench = Bench(*mods)
    bench.change(FlowMod(command=FlowModCommand.DELETE, match=NARROW))
    assert (bench.cookies(), bench.cookies(1)) == ([1], [3])
    bench = Bench(*mods)
    bench.change(FlowMod(command=FlowModCommand.DELETE_STRICT, match=WIDE, priority=1))
    assert bench.cookies() == [1, 2]
    bench.change(FlowMod(command=FlowModCommand.DELETE_STRICT, match=WIDE))
    assert bench.cookies() == [2]
    ended = bench.change(FlowMod(command=FlowModCommand.DELETE, table_id=TABLE_ALL), now=2.0)
    assert [(end.entry.mod.cookie, end.reason, end.at) for end in ended] == [
        (2, FlowRemovedReason.DELETE, 2.0),
        (3, FlowRemovedReason.DELETE, 2.0),
    ]


def test_delete_by_cookie_and_output() -> None:
    """Only flows with the cookie's bits, and with an output to that port or group, are deleted."""
    group = (WriteActions((Group(7),)),)
    mods = [
        FlowMod(cookie=0x11, match=WIDE, instructions=to(1)),
        FlowMod(cookie=0x12, match=NARROW, instructions=to(2)),
    ]
    mods.append(FlowMod(cookie=0x21, match=ARP, instructions=group))
    delete = partial(FlowMod, command=FlowModCommand.DELETE)
    bench = Bench(*mods)
    bench.change(delete(cookie=0x10, cookie_mask=0xF0, out_port=2))
    assert bench.cookies() == [0x11, 0x21]
    bench.change(delete(out_group=7))
    assert bench.cookies() == [0x11]
    bench.change(delete(cookie=0x10, cookie_mask=0xF0))
    assert bench.cookies() == []


def test_refusals() -> None:
    """A full table, a table that is not there, an unknown command or flag is refused with its own code."""
    bench = Bench(FlowMod(match=WIDE), capacity=1)
    assert refusal(bench, FlowMod(match=ARP)) == FlowModFailedCode.TABLE_FULL
    bench.change(FlowMod(match=WIDE), FlowMod(match=ARP, table_id=1))
    assert refusal(bench, FlowMod(table_id=3)) == FlowModFailedCode.BAD_TABLE_ID
    assert refusal(bench, FlowMod(table_id=TABLE_ALL)) == FlowModFailedCode.BAD_TABLE_ID
    assert refusal(bench, FlowMod(command=9)) == FlowModFailedCode.BAD_COMMAND
    assert refusal(bench, FlowMod(flags=1 << 9)) == FlowModFailedCode.BAD_FLAGS


def test_timeouts() -> None:
    """A flow ends when its hard timeout is over, or when no packet came for its idle timeout; the earliest first."""
    hard = FlowMod(cookie=1, hard_timeout=10, idle_timeout=10, match=ARP)
    idle = FlowMod(cookie=2, idle_timeout=4, flags=FlowModFlags.SEND_FLOW_REM)
    bench = Bench(hard, idle, FlowMod(cookie=3, match=NARROW))
    assert bench.tables.expire(3.9) == []
    bench.tables.lookup(0, Packet(FRAME, 2), 3.0)
    assert bench.tables.expire(6.9) == []
    ended = bench.tables.expire(100.0)
    assert [(end.entry.mod.cookie, end.reason, end.at, end.is_told) for end in ended] == [
        (2, FlowRemovedReason.IDLE_TIMEOUT, 7.0, True),
        (1, FlowRemovedReason.HARD_TIMEOUT, 10.0, False),
    ]
    assert bench.cookies() == [3]
    message = ended[0].message()
    assert (message.cookie, message.duration_sec, message.packet_count, message.idle_timeout) == (2, 7, 1, 4)


def test_select() -> None:
    """A dump gives the flows that are within its match."""
    bench = Bench(FlowMod(cookie=1, match=WIDE), FlowMod(cookie=2, match=NARROW), FlowMod(cookie=3, match=ARP))

    def chosen(match: Match) -> list[int]:
        return [e.mod.cookie for e in bench.tables.select(0, match, 0, 0, PortNo.ANY, GroupNo.ANY)]

    assert chosen(Match()) == [1, 2, 3]
    assert chosen(WIDE) == [1, 2]
    assert chosen(Match(eth_type=0x0800, ipv4_dst="10.0.0.0/9")) == [2]
