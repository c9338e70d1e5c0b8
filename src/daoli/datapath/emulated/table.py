"""Flow tables: entries by priority, the commands that change them (6.4), and the time that ends them (5.5)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from daoli.datapath.emulated.clock import duration
from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.refusal import Refused
from daoli.ofproto import (
    TABLE_ALL,
    Action,
    ApplyActions,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowModFailedCode,
    FlowModFlags,
    FlowRemoved,
    FlowRemovedReason,
    FlowStats,
    Group,
    GroupNo,
    Instruction,
    Match,
    Meter,
    Output,
    Oxm,
    PortNo,
    WriteActions,
)

_FLAGS: Final = sum(FlowModFlags)


def _bits(oxm: Oxm) -> tuple[int, int]:
    """Give value and mask as numbers."""
    mask = (1 << 8 * len(oxm.value)) - 1 if oxm.mask is None else int.from_bytes(oxm.mask, "big")
    return int.from_bytes(oxm.value, "big"), mask


def _fields(match: Match) -> dict[str, tuple[int, int]]:
    return {oxm.name: _bits(oxm) for oxm in match}


Key = tuple[int, frozenset[tuple[str, tuple[int, int]]]]


@dataclass(slots=True, eq=False)
class Entry:
    """A flow: what was asked for, when it came and was last used (seconds of the switch's clock), its counters."""

    mod: FlowMod
    instructions: tuple[Instruction, ...]
    created: float
    used: float
    packets: int = 0
    bytes: int = 0
    fields: dict[str, tuple[int, int]] = field(init=False)
    """Value and mask of each field that is matched."""

    def __post_init__(self) -> None:
        self.fields = _fields(self.mod.match)

    @property
    def key(self) -> Key:
        """What no two flows of a table have in common (6.4)."""
        return self.mod.priority, frozenset(self.fields.items())

    @property
    def is_table_miss(self) -> bool:
        """Whether it takes what no other flow takes (5.4)."""
        return self.mod.priority == 0 and not len(self.mod.match)

    def count(self, size: int, now: float) -> None:
        """Note a packet of `size` bytes."""
        self.used = now
        self.packets += not self.mod.flags & FlowModFlags.NO_PKT_COUNTS
        self.bytes += 0 if self.mod.flags & FlowModFlags.NO_BYT_COUNTS else size

    def end(self) -> tuple[float, FlowRemovedReason]:
        """Tell when it ends if no packet comes, and of what; of two timeouts at once the hard one counts."""
        hard, idle = self.mod.hard_timeout, self.mod.idle_timeout
        ends = [(self.created + hard, FlowRemovedReason.HARD_TIMEOUT)] if hard else []
        ends += [(self.used + idle, FlowRemovedReason.IDLE_TIMEOUT)] if idle else []
        return min(ends, key=lambda end: end[0], default=(float("inf"), FlowRemovedReason.DELETE))

    def sends_to(self, out_port: int, out_group: int) -> bool:
        """Tell whether an action outputs there; ANY does not ask."""
        outputs = (isinstance(action, Output) and action.port == out_port for action in self._actions())
        return (out_port == PortNo.ANY or any(outputs)) and (out_group == GroupNo.ANY or out_group in self.groups())

    def _actions(self) -> Iterator[Action]:
        for part in self.instructions:
            if isinstance(part, ApplyActions | WriteActions):
                yield from part.actions

    def groups(self) -> set[int]:
        """Give the groups that it sends packets to."""
        return {action.group_id for action in self._actions() if isinstance(action, Group)}

    def meters(self) -> set[int]:
        """Give the meters that it has."""
        return {part.meter_id for part in self.instructions if isinstance(part, Meter)}

    def stats(self, now: float) -> FlowStats:
        """Report it as a dump does (7.3.5.2)."""
        mod = self.mod
        seconds, nanoseconds = duration(now - self.created)
        return FlowStats(
            table_id=mod.table_id,
            duration_sec=seconds,
            duration_nsec=nanoseconds,
            priority=mod.priority,
            idle_timeout=mod.idle_timeout,
            hard_timeout=mod.hard_timeout,
            flags=mod.flags & ~FlowModFlags.CHECK_OVERLAP & ~FlowModFlags.RESET_COUNTS,
            cookie=mod.cookie,
            packet_count=self.packets,
            byte_count=self.bytes,
            match=mod.match,
            instructions=self.instructions,
        )


class Ended(NamedTuple):
    """An entry that is gone, since `at`."""

    entry: Entry
    reason: FlowRemovedReason
    at: float

    @property
    def is_told(self) -> bool:
        """Whether the controller wanted to know."""
        return bool(self.entry.mod.flags & FlowModFlags.SEND_FLOW_REM)

    def message(self) -> FlowRemoved:
        """Tell the controller (7.4.2)."""
        mod = self.entry.mod
        seconds, nanoseconds = duration(self.at - self.entry.created)
        return FlowRemoved(
            cookie=mod.cookie,
            priority=mod.priority,
            reason=self.reason,
            table_id=mod.table_id,
            duration_sec=seconds,
            duration_nsec=nanoseconds,
            idle_timeout=mod.idle_timeout,
            hard_timeout=mod.hard_timeout,
            packet_count=self.entry.packets,
            byte_count=self.entry.bytes,
            match=mod.match,
        )


class FlowTables:
    """All tables of a switch. A flow_mod's match and instructions must have been checked before."""

    def __init__(self, count: int, capacity: int) -> None:
        """`capacity` is the number of flows that a table holds."""
        self.capacity = capacity
        self.lookups = [0] * count
        self.matched = [0] * count
        self._tables: list[list[Entry]] = [[] for _ in range(count)]  # the highest priority first
        self._by_key: list[dict[Key, Entry]] = [{} for _ in range(count)]

    def __len__(self) -> int:
        """The number of tables."""
        return len(self._tables)

    def __getitem__(self, table_id: int) -> list[Entry]:
        """Give the entries of a table, the highest priority first."""
        return list(self._tables[table_id])

    def __iter__(self) -> Iterator[Entry]:
        """Give all flows."""
        return (entry for table in self._tables for entry in table)

    def lookup(self, table_id: int, packet: Packet, now: float) -> Entry | None:
        """Find the flow that a packet meets, and count it."""
        self.lookups[table_id] += 1
        for entry in self._tables[table_id]:
            if packet.matches(entry.mod.match):
                self.matched[table_id] += not entry.is_table_miss
                entry.count(len(packet.frame), now)
                return entry
        return None

    def select(
        self, table_id: int, match: Match, cookie: int, cookie_mask: int, out_port: int, out_group: int
    ) -> Iterator[Entry]:
        """Give the flows that are as a match says or narrower, with these bits of the cookie (6.4)."""
        wanted = _fields(match)
        for table in self._tables if table_id == TABLE_ALL else [self._tables[table_id]]:
            for entry in table:
                if (entry.mod.cookie ^ cookie) & cookie_mask or not entry.sends_to(out_port, out_group):
                    continue
                if _is_within(entry.fields, wanted):
                    yield entry

    def change(self, mod: FlowMod, now: float) -> list[Ended]:
        """Do what a flow_mod says; give the flows that it ended. Raises `Refused`."""
        try:
            command = _COMMANDS[mod.command]
        except KeyError:
            raise Refused(ErrorType.FLOW_MOD_FAILED, FlowModFailedCode.BAD_COMMAND) from None
        if mod.flags & ~_FLAGS:
            raise Refused(ErrorType.FLOW_MOD_FAILED, FlowModFailedCode.BAD_FLAGS)
        any_table = mod.table_id == TABLE_ALL and command is FlowTables._delete
        if mod.table_id >= len(self) and not any_table:
            raise Refused(ErrorType.FLOW_MOD_FAILED, FlowModFailedCode.BAD_TABLE_ID)
        return command(self, mod, now)

    def _add(self, mod: FlowMod, now: float) -> list[Ended]:
        table, by_key = self._tables[mod.table_id], self._by_key[mod.table_id]
        new = Entry(mod, mod.instructions, now, now)
        if mod.flags & FlowModFlags.CHECK_OVERLAP and any(
            entry.mod.priority == mod.priority and _overlap(entry.fields, new.fields) for entry in table
        ):
            raise Refused(ErrorType.FLOW_MOD_FAILED, FlowModFailedCode.OVERLAP)
        old = by_key.get(new.key)
        if old is None:
            if len(table) >= self.capacity:
                raise Refused(ErrorType.FLOW_MOD_FAILED, FlowModFailedCode.TABLE_FULL)
            insort(table, new, key=lambda entry: -entry.mod.priority)
        else:  # it is replaced, and nobody is told (6.4)
            if not mod.flags & FlowModFlags.RESET_COUNTS:
                new.packets, new.bytes = old.packets, old.bytes
            table[table.index(old)] = new
        by_key[new.key] = new
        return []

    def _remove(self, entry: Entry) -> None:
        self._tables[entry.mod.table_id].remove(entry)
        del self._by_key[entry.mod.table_id][entry.key]

    def _modify(self, mod: FlowMod, _now: float) -> list[Ended]:
        chosen = self._chosen(mod, PortNo.ANY, GroupNo.ANY)
        changed = {id(entry): replace(entry, instructions=mod.instructions) for entry in chosen}
        for number, table in enumerate(self._tables if changed else ()):
            self._tables[number] = [changed.get(id(entry), entry) for entry in table]
        for entry in changed.values():
            self._by_key[entry.mod.table_id][entry.key] = entry
            if mod.flags & FlowModFlags.RESET_COUNTS:
                entry.packets = entry.bytes = 0
        return []

    def _delete(self, mod: FlowMod, now: float) -> list[Ended]:
        return self._end(self._chosen(mod, mod.out_port, mod.out_group), FlowRemovedReason.DELETE, now)

    def _end(self, entries: Iterable[Entry], reason: FlowRemovedReason, now: float) -> list[Ended]:
        chosen = list(entries)
        for entry in chosen:
            self._remove(entry)
        return [Ended(entry, reason, now) for entry in chosen]

    def end_groups(self, gone: frozenset[int], now: float) -> list[Ended]:
        """End the flows that lead to groups that are gone (6.5)."""
        return self._end((e for e in self if e.groups() & gone), FlowRemovedReason.GROUP_DELETE, now)

    def end_meters(self, gone: frozenset[int], now: float) -> list[Ended]:
        """End the flows whose meters are gone (6.7)."""
        return self._end((e for e in self if e.meters() & gone), FlowRemovedReason.METER_DELETE, now)

    def keep(self) -> Callable[[], None]:
        """Remember the flows as they are; what is given brings them back. Their counters run on."""
        tables, by_key = [list(table) for table in self._tables], [dict(keys) for keys in self._by_key]

        def restore() -> None:
            self._tables, self._by_key = tables, by_key

        return restore

    def _chosen(self, mod: FlowMod, out_port: int, out_group: int) -> Iterator[Entry]:
        wanted = _fields(mod.match)
        strict = mod.command in (FlowModCommand.MODIFY_STRICT, FlowModCommand.DELETE_STRICT)
        for entry in self.select(mod.table_id, mod.match, mod.cookie, mod.cookie_mask, out_port, out_group):
            if not strict or (entry.mod.priority == mod.priority and entry.fields == wanted):
                yield entry

    def expire(self, now: float) -> list[Ended]:
        """End what has timed out, the earliest first."""
        ended = [
            Ended(entry, reason, at)
            for table in self._tables
            for entry in table
            for at, reason in [entry.end()]
            if at <= now
        ]
        for entry, _, _ in ended:
            self._remove(entry)
        return sorted(ended, key=lambda end: end.at)


def _is_within(narrow: dict[str, tuple[int, int]], wide: dict[str, tuple[int, int]]) -> bool:
    """Tell whether all packets of one match are the other's too."""
    for name, (value, mask) in wide.items():
        own_value, own_mask = narrow.get(name, (0, 0))
        if mask & ~own_mask or (own_value ^ value) & mask:
            return False
    return True


def _overlap(one: dict[str, tuple[int, int]], other: dict[str, tuple[int, int]]) -> bool:
    """Tell whether a packet could match both."""
    return all(
        not (one[name][0] ^ other[name][0]) & one[name][1] & other[name][1] for name in one.keys() & other.keys()
    )


_COMMANDS: Final[dict[int, Callable[[FlowTables, FlowMod, float], list[Ended]]]] = {
    FlowModCommand.ADD: FlowTables._add,  # noqa: SLF001 (the class's other half)
    FlowModCommand.MODIFY: FlowTables._modify,  # noqa: SLF001
    FlowModCommand.MODIFY_STRICT: FlowTables._modify,  # noqa: SLF001
    FlowModCommand.DELETE: FlowTables._delete,  # noqa: SLF001
    FlowModCommand.DELETE_STRICT: FlowTables._delete,  # noqa: SLF001
}
