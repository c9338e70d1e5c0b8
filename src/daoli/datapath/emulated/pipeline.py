"""What becomes of a packet: instructions, actions, the action set (5.9, 5.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from daoli.datapath.emulated.action_set import ActionSet
from daoli.datapath.emulated.groups import Groups
from daoli.datapath.emulated.meters import Meters
from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.ports import Ports
from daoli.datapath.emulated.table import Entry, FlowTables
from daoli.ofproto import (
    Action,
    ApplyActions,
    ClearActions,
    DecNwTtl,
    GotoTable,
    Group,
    Instruction,
    Meter,
    Output,
    PacketInReason,
    PopVlan,
    PortNo,
    PushVlan,
    SetField,
    SetNwTtl,
    SetQueue,
    WriteActions,
    WriteMetadata,
)

_ALL_ONES: Final = 0xFFFF_FFFF_FFFF_FFFF


class Sent(NamedTuple):
    """A frame that left by a port."""

    port: int
    frame: bytes


class Punted(NamedTuple):
    """A frame for the controller, and the flow that sent it there; None for one that a packet_out did."""

    frame: bytes
    in_port: int
    metadata: int
    reason: PacketInReason
    entry: Entry | None


class Pipeline:
    """The way of a packet through tables, meters and groups to ports."""

    def __init__(self, tables: FlowTables, ports: Ports, groups: Groups, meters: Meters) -> None:
        self._tables = tables
        self._ports = ports
        self._groups = groups
        self._meters = meters

    def receive(self, packet: Packet, now: float) -> list[Sent | Punted]:
        """Let a packet in at the first table; give what leaves, in order."""
        return list(self._walk(packet, now))

    def execute(self, packet: Packet, actions: Iterable[Action], now: float) -> list[Sent | Punted]:
        """Do a packet_out's actions; an output to TABLE lets the packet in at the first table (7.3.7)."""
        return list(self._do(packet, actions, None, now))

    def _walk(self, packet: Packet, now: float) -> Iterator[Sent | Punted]:
        action_set = ActionSet()
        table_id: int | None = 0
        entry: Entry | None = None
        while table_id is not None:
            entry = self._tables.lookup(table_id, packet, now)
            if entry is None:
                return  # without a table-miss flow the packet is dropped, whatever is in its action set (5.4)
            table_id = None
            for part in sorted(entry.instructions, key=_turn):
                if isinstance(part, GotoTable):
                    table_id = part.table_id  # a later one: a flow that goes back was refused
                elif isinstance(part, ApplyActions):
                    yield from self._do(packet, part.actions, entry, now)
                elif isinstance(part, Meter):
                    packet.ended = not self._meters[part.meter_id].take(packet, now)
                else:
                    _write(part, packet, action_set)
                if packet.ended:
                    return
        yield from self._do(packet, action_set.in_order(), entry, now)

    def _do(
        self, packet: Packet, actions: Iterable[Action], entry: Entry | None, now: float
    ) -> Iterator[Sent | Punted]:
        for action in actions:
            match action:
                case Output(port):
                    yield from self._output(packet, port, entry, now)
                case Group(group_id):
                    yield from self._group(packet, group_id, entry, now)
                case DecNwTtl() if packet.ttl is not None and packet.ttl <= 1:
                    packet.ended = True
                    yield self._punt(packet, PacketInReason.INVALID_TTL, entry)
                    return
                case _:
                    _rewrite(packet, action)

    def _group(self, packet: Packet, group_id: int, entry: Entry | None, now: float) -> Iterator[Sent | Punted]:
        """Give a copy to each bucket that the group chooses; the packet itself stays as it is (5.6.1)."""
        group = self._groups[group_id]
        size = len(packet.frame)
        group.count(size)
        for place in self._groups.choose(group, packet, self._ports.is_live):
            group.count_bucket(place, size)
            yield from self._do(packet.copy(), group.actions[place], entry, now)

    def _output(self, packet: Packet, port: int, entry: Entry | None, now: float) -> Iterator[Sent | Punted]:
        match port:
            case PortNo.CONTROLLER:
                miss = entry is not None and entry.is_table_miss
                yield self._punt(packet, PacketInReason.NO_MATCH if miss else PacketInReason.ACTION, entry)
            case PortNo.IN_PORT:
                if packet.in_port in self._ports.open:
                    yield self._leave(packet, packet.in_port)
            case PortNo.ALL | PortNo.FLOOD:
                for number in sorted(self._ports.open - {packet.in_port}):
                    yield self._leave(packet, number)
            case PortNo.TABLE:
                yield from self._walk(Packet(packet.frame, packet.in_port), now)
            case _:
                if port in self._ports.open and port != packet.in_port:  # back out only by IN_PORT (7.2.5)
                    yield self._leave(packet, port)

    def _leave(self, packet: Packet, port: int) -> Sent:
        self._ports.count_sent(port, len(packet.frame), packet.queue)
        return Sent(port, packet.frame)

    @staticmethod
    def _punt(packet: Packet, reason: PacketInReason, entry: Entry | None) -> Punted:
        return Punted(packet.frame, packet.in_port, packet.metadata, reason, entry)


def _rewrite(packet: Packet, action: Action) -> None:
    """Do an action that sends nothing."""
    match action:
        case SetField(oxm):
            packet.set(oxm.name, int.from_bytes(oxm.value, "big"))
        case SetNwTtl(ttl):
            packet.set_ttl(ttl)
        case DecNwTtl():
            packet.set_ttl((packet.ttl or 1) - 1)
        case PushVlan(ethertype):
            packet.push_vlan(ethertype)
        case PopVlan():
            packet.pop_vlan()
        case SetQueue(queue):
            packet.queue = queue


# In the order that a table carries them out, whatever that in the flow (5.9).
INSTRUCTIONS: Final = (Meter, ApplyActions, ClearActions, WriteActions, WriteMetadata, GotoTable)


def _write(part: Instruction, packet: Packet, action_set: ActionSet) -> None:
    """Change what a packet takes along from table to table."""
    match part:
        case ClearActions():
            action_set.clear()
        case WriteActions(actions):
            action_set.write(actions)
        case WriteMetadata(metadata, mask):
            packet.metadata = packet.metadata & ~mask & _ALL_ONES | metadata & mask


def _turn(part: Instruction) -> int:
    return INSTRUCTIONS.index(type(part))  # others were refused
