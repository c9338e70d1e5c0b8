"""What becomes of a packet: instructions, actions, the action set (5.9, 5.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.table import Entry, FlowTables
from daoli.ofproto import (
    Action,
    ApplyActions,
    ClearActions,
    DecNwTtl,
    GotoTable,
    Instruction,
    Output,
    PacketInReason,
    PopVlan,
    PortNo,
    PushVlan,
    SetField,
    SetNwTtl,
    WriteActions,
    WriteMetadata,
)

ACTIONS: Final[tuple[type[Action], ...]] = (PopVlan, PushVlan, DecNwTtl, SetNwTtl, SetField, Output)
"""The order in which an action set is carried out (5.10); SET_NW_TTL counts as setting."""
_INVALID: Final = PacketInReason.INVALID_TTL
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
    """The tables, and the ports that packets can leave by."""

    def __init__(self, tables: FlowTables, ports: Iterable[int]) -> None:
        self.tables = tables
        self.ports = set(ports)

    def receive(self, packet: Packet, now: float) -> list[Sent | Punted]:
        """Let a packet in at the first table; give what leaves, in order."""
        return list(self._walk(packet, now))

    def execute(self, packet: Packet, actions: Iterable[Action], now: float) -> list[Sent | Punted]:
        """Do a packet_out's actions; an output to TABLE lets the packet in at the first table (7.3.7)."""
        return list(self._do(packet, actions, None, now))

    def _walk(self, packet: Packet, now: float) -> Iterator[Sent | Punted]:
        action_set: dict[object, Action] = {}
        table_id: int | None = 0
        entry: Entry | None = None
        while table_id is not None:
            entry = self.tables.lookup(table_id, packet, now)
            if entry is None:
                return  # without a table-miss flow the packet is dropped, whatever is in its action set (5.4)
            table_id = None
            for part in sorted(entry.instructions, key=_turn):
                if isinstance(part, GotoTable):
                    table_id = part.table_id  # a later one: a flow that goes back was refused
                elif isinstance(part, ApplyActions):
                    effects = list(self._do(packet, part.actions, entry, now))
                    yield from effects
                    if any(isinstance(effect, Punted) and effect.reason == _INVALID for effect in effects):
                        return
                else:
                    _write(part, packet, action_set)
        actions = sorted(action_set.values(), key=lambda action: ACTIONS.index(type(action)))
        yield from self._do(packet, actions, entry, now)

    def _do(
        self, packet: Packet, actions: Iterable[Action], entry: Entry | None, now: float
    ) -> Iterator[Sent | Punted]:
        for action in actions:
            match action:
                case Output(port):
                    yield from self._output(packet, port, entry, now)
                case SetField(oxm):
                    packet.set(oxm.name, int.from_bytes(oxm.value, "big"))
                case SetNwTtl(ttl):
                    packet.set_ttl(ttl)
                case DecNwTtl():
                    if packet.ttl is not None and packet.ttl <= 1:
                        yield self._punt(packet, _INVALID, entry)
                        return
                    packet.set_ttl((packet.ttl or 1) - 1)
                case PushVlan(ethertype):
                    packet.push_vlan(ethertype)
                case PopVlan():
                    packet.pop_vlan()

    def _output(self, packet: Packet, port: int, entry: Entry | None, now: float) -> Iterator[Sent | Punted]:
        match port:
            case PortNo.CONTROLLER:
                miss = entry is not None and entry.is_table_miss
                yield self._punt(packet, PacketInReason.NO_MATCH if miss else PacketInReason.ACTION, entry)
            case PortNo.IN_PORT:
                if packet.in_port in self.ports:
                    yield Sent(packet.in_port, packet.frame)
            case PortNo.ALL | PortNo.FLOOD:
                yield from (Sent(number, packet.frame) for number in sorted(self.ports - {packet.in_port}))
            case PortNo.TABLE:
                yield from self._walk(Packet(packet.frame, packet.in_port), now)
            case _:
                if port in self.ports and port != packet.in_port:  # back out only by IN_PORT (7.2.5)
                    yield Sent(port, packet.frame)

    @staticmethod
    def _punt(packet: Packet, reason: PacketInReason, entry: Entry | None) -> Punted:
        return Punted(packet.frame, packet.in_port, packet.metadata, reason, entry)


# In the order that a table carries them out, whatever that in the flow (5.9).
INSTRUCTIONS: Final = (ApplyActions, ClearActions, WriteActions, WriteMetadata, GotoTable)


def _write(part: Instruction, packet: Packet, action_set: dict[object, Action]) -> None:
    """Change what a packet takes along from table to table."""
    match part:
        case ClearActions():
            action_set.clear()
        case WriteActions(actions):
            action_set |= {_kind(action): action for action in actions}
        case WriteMetadata(metadata, mask):
            packet.metadata = packet.metadata & ~mask & _ALL_ONES | metadata & mask


def _turn(part: Instruction) -> int:
    return INSTRUCTIONS.index(type(part))  # others were refused


def _kind(action: Action) -> object:
    """Give what an action set has one of: an action of a type, for SET_FIELD also of a field (5.10)."""
    return action.oxm.name if isinstance(action, SetField) else type(action)
