"""A small OpenFlow switch in Python, and an Ethernet between several: the oracle that says where a packet comes out.

It knows what the pipeline uses and nothing else: whatever else a flow asks for is an AssertionError. It reads the
bytes that were meant for a datapath, so it also checks that they are messages. What it does is written down as plainly
as possible, and shares no code with `daoli.routing`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.routing.frames import with_checksum

from daoli.ofproto import (
    TABLE_ALL,
    Action,
    ApplyActions,
    Conjunction,
    DecNwTtl,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowRemoved,
    FlowRemovedReason,
    FlowStats,
    GotoTable,
    Match,
    Message,
    Output,
    OutputReg,
    PacketInReason,
    PacketOut,
    PortNo,
    RegMove,
    ResubmitTable,
    SetField,
    decode,
)
from daoli.ofproto.fields import BY_KEY

_ARP_PLACES = {"arp_op": (20, 2), "arp_sha": (22, 6), "arp_spa": (28, 4), "arp_tha": (32, 6), "arp_tpa": (38, 4)}
_IP_PLACES = {"ip_proto": (23, 1), "ipv4_src": (26, 4), "ipv4_dst": (30, 4)}
_PORT_NAMES = {6: ("tcp_src", "tcp_dst"), 17: ("udp_src", "udp_dst")}
_FIRST_ICMP, _FIRST_TCP_FLAGS = 0, 12
_ETHERNET_PLACES = {"eth_dst": (0, 6), "eth_src": (6, 6), "eth_type": (12, 2)}
_TTL = 22


class Packet:
    """A frame on its way through one switch, with what belongs to it there: its port and its registers."""

    def __init__(self, frame: bytes, in_port: int) -> None:
        self.frame = frame
        self.in_port = in_port
        self.registers: dict[str, int] = {}

    def _place(self, name: str) -> tuple[int, int] | None:
        eth_type = self.frame[12:14]
        places = _ETHERNET_PLACES
        if eth_type == b"\x08\x06":
            places = places | _ARP_PLACES
        if eth_type == b"\x08\x00":
            places = places | _IP_PLACES
        return places.get(name)

    def get(self, name: str) -> int | None:
        """Read a field; None if this packet has none of that name."""
        if name == "in_port":
            return self.in_port
        if name.startswith("reg") or name == "conj_id":
            return self.registers.get(name, 0)
        if name == "vlan_vid":  # a tagged frame has the bit OFPVID_PRESENT (7.2.3.7), an untagged one has no bits
            tagged = self.frame[12:14] == b"\x81\x00"
            return 0x1000 | int.from_bytes(self.frame[14:16], "big") & 0xFFF if tagged else 0
        if name in _PORT_NAMES.get(self.frame[23] if len(self.frame) > 23 else 0, ()):
            return self._port(name)
        if name in ("ip_frag", "icmpv4_type", "tcp_flags"):
            return self._transport(name)
        place = self._place(name)
        return None if place is None else int.from_bytes(self.frame[place[0] : place[0] + place[1]], "big")

    def _port(self, name: str) -> int | None:
        """Read a TCP or UDP port, as Open vSwitch does: 0 in every fragment."""
        if self.frame[12:14] != b"\x08\x00":
            return None
        if int.from_bytes(self.frame[20:22], "big") & 0x3FFF:
            return 0
        at = 14 + (self.frame[14] & 0xF) * 4 + (0 if name.endswith("src") else 2)
        return int.from_bytes(self.frame[at : at + 2], "big")

    def _transport(self, name: str) -> int | None:
        """Read what is told of fragments, and by the first bytes of TCP and ICMP; a fragment has an ICMP type of 0."""
        if self.frame[12:14] != b"\x08\x00":
            return None
        fragment = int.from_bytes(self.frame[20:22], "big") & 0x3FFF
        later = fragment & 0x1FFF
        if name == "ip_frag":
            return 3 if later else int(bool(fragment))
        data = self.frame[14 + (self.frame[14] & 0xF) * 4 :]
        if name == "icmpv4_type":
            return None if self.frame[23] != 1 else 0 if fragment else data[_FIRST_ICMP]
        if self.frame[23] != 6:
            return None
        return 0 if later or len(data) < 20 else int.from_bytes(data[_FIRST_TCP_FLAGS:14], "big") & 0xFFF

    def set(self, name: str, value: int) -> None:
        """Write a field."""
        if name == "in_port":
            self.in_port = value if value < 0xFF00 else value | 0xFFFF0000  # LOCAL in 16 bits (NXM_OF_IN_PORT)
            return
        if name.startswith("reg"):
            self.registers[name] = value
            return
        place = self._place(name)
        assert place is not None, f"this packet has no {name}"
        assert name not in _IP_PLACES, "container addresses are never rewritten"
        at, width = place
        self.frame = self.frame[:at] + value.to_bytes(width, "big") + self.frame[at + width :]

    def matches(self, match: Match) -> bool:
        """Tell whether all fields of a match are as it wants them."""
        for oxm in match:
            assert oxm.field is not None, oxm
            value = self.get(oxm.field.name)
            mask = (1 << 8 * len(oxm.value)) - 1 if oxm.mask is None else int.from_bytes(oxm.mask, "big")
            if value is None or value & mask != int.from_bytes(oxm.value, "big") & mask:
                return False
        return True

    def lower_ttl(self) -> None:
        """Take one from the TTL."""
        end = 14 + (self.frame[14] & 0xF) * 4
        header = self.frame[14:_TTL] + bytes([self.frame[_TTL] - 1]) + self.frame[_TTL + 1 : end]
        self.frame = self.frame[:14] + with_checksum(header) + self.frame[end:]


@dataclass(frozen=True)
class Flow:
    """One entry of a flow table."""

    table_id: int
    priority: int
    match: Match
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0
    flags: int = 0
    instructions: tuple[object, ...] = ()

    @property
    def key(self) -> tuple[int, int, frozenset[object]]:
        """What no two flows have in common (6.4)."""
        return (self.table_id, self.priority, frozenset(self.match))

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is applied to a packet that matches."""
        return tuple(action for part in self.instructions if isinstance(part, ApplyActions) for action in part.actions)

    @property
    def conjunctions(self) -> tuple[Conjunction, ...]:
        """The clauses that this flow fulfils."""
        return tuple(action for action in self.actions if isinstance(action, Conjunction))

    def stats(self) -> FlowStats:
        """Report the flow as a dump does."""
        values = {name: getattr(self, name) for name in ("table_id", "priority", "match", "cookie", "flags")}
        times = {"idle_timeout": self.idle_timeout, "hard_timeout": self.hard_timeout}
        return FlowStats(**values, **times, instructions=self.instructions)  # type: ignore[arg-type]

    def removed(self, reason: FlowRemovedReason) -> FlowRemoved:
        """Report the flow's end."""
        return FlowRemoved(
            cookie=self.cookie, priority=self.priority, reason=reason, table_id=self.table_id, match=self.match
        )


class Sent(NamedTuple):
    """A frame that left a switch."""

    port: int
    frame: bytes


class Punted(NamedTuple):
    """A frame handed to the controller."""

    in_port: int
    reason: int
    table_id: int
    cookie: int
    frame: bytes


def split(packed: bytes) -> Iterator[bytes]:
    """Cut what was written to a datapath into messages."""
    while packed:
        length = int.from_bytes(packed[2:4], "big")
        assert 8 <= length <= len(packed), packed.hex()
        yield packed[:length]
        packed = packed[length:]


def messages(packed: bytes) -> list[Message]:
    """Decode what was written to a datapath."""
    return [decode(frame) for frame in split(packed)]


@dataclass
class SimulatedSwitch:
    """Flow tables, and ports by number."""

    ports: set[int] = field(default_factory=set)
    flows: dict[tuple[int, int, frozenset[object]], Flow] = field(default_factory=dict)
    removals: list[FlowRemoved] = field(default_factory=list)
    """Flow_removed messages that nobody has taken yet."""

    # -- what the controller writes ------------------------------------------------------------------------------

    def write(self, packed: bytes) -> list[Sent | Punted]:
        """Take whole messages; return what packet_outs among them lead to."""
        out: list[Sent | Punted] = []
        for message in messages(packed):
            if isinstance(message, PacketOut):
                out += self._act(Packet(message.data, message.in_port), message.actions, None)
            else:
                assert isinstance(message, FlowMod), message
                self._modify(message)
        return out

    def _modify(self, mod: FlowMod) -> None:
        if mod.command == FlowModCommand.ADD:
            flow = Flow(
                mod.table_id,
                mod.priority,
                mod.match,
                mod.cookie,
                mod.idle_timeout,
                mod.hard_timeout,
                mod.flags,
                mod.instructions,
            )
            self.flows[flow.key] = flow  # one that is replaced ends without a flow_removed (6.4)
            return
        assert mod.command in (FlowModCommand.DELETE, FlowModCommand.DELETE_STRICT), mod
        assert mod.out_port == PortNo.ANY
        strict = mod.command == FlowModCommand.DELETE_STRICT
        wanted = frozenset(mod.match)
        assert strict or not wanted, "deletion by a looser match is not simulated"
        for flow in list(self.flows.values()):
            if mod.table_id not in (flow.table_id, TABLE_ALL) or (flow.cookie ^ mod.cookie) & mod.cookie_mask:
                continue
            if not strict or (flow.priority, frozenset(flow.match)) == (mod.priority, wanted):
                self.remove(flow, FlowRemovedReason.DELETE)

    def remove(self, flow: Flow, reason: FlowRemovedReason, *, told: bool = True) -> None:
        """End a flow, and say so if that was asked for."""
        del self.flows[flow.key]
        if told and flow.flags & FlowModFlags.SEND_FLOW_REM:
            self.removals.append(flow.removed(reason))

    def with_cookie(self, cookie: int, mask: int) -> list[Flow]:
        """List flows by cookie."""
        return [flow for flow in self.flows.values() if not (flow.cookie ^ cookie) & mask]

    # -- what a frame meets --------------------------------------------------------------------------------------

    def receive(self, in_port: int, frame: bytes) -> list[Sent | Punted]:
        """Let a frame in by a port."""
        return self._lookup(Packet(frame, in_port), 0)

    def _lookup(self, packet: Packet, table_id: int) -> list[Sent | Punted]:
        flow = self._best(packet, table_id)
        if flow is None:
            return []  # without a table-miss flow the packet is dropped (5.4)
        out = self._act(packet, flow.actions, flow)
        if out and isinstance(out[-1], Punted) and out[-1].reason == PacketInReason.INVALID_TTL:
            return out
        for part in flow.instructions:
            if isinstance(part, GotoTable):
                assert part.table_id > table_id, "a pipeline goes forward (5.1)"
                out += self._lookup(packet, part.table_id)
            else:
                assert isinstance(part, ApplyActions), part
        return out

    def _best(self, packet: Packet, table_id: int) -> Flow | None:
        flows = [flow for flow in self.flows.values() if flow.table_id == table_id]
        for priority in sorted({flow.priority for flow in flows}, reverse=True):
            level = [flow for flow in flows if flow.priority == priority]
            found = [flow for flow in level if packet.matches(flow.match)]
            clauses = {(c.id, c.n_clauses, c.clause) for flow in found for c in flow.conjunctions}
            for number, of in {(number, of) for number, of, _ in clauses}:
                if all((number, of, clause) in clauses for clause in range(of)):
                    packet.registers["conj_id"] = number
            found = [flow for flow in level if packet.matches(flow.match) and not flow.conjunctions]
            packet.registers.pop("conj_id", None)
            assert len(found) <= 1, f"{len(found)} flows of priority {priority} match"
            if found:
                return found[0]
        return None

    def _act(self, packet: Packet, actions: Iterable[Action], flow: Flow | None) -> list[Sent | Punted]:
        out: list[Sent | Punted] = []
        for action in actions:
            if isinstance(action, DecNwTtl):
                if packet.frame[_TTL] <= 1:
                    return [*out, self._punt(packet, PacketInReason.INVALID_TTL, flow)]
                packet.lower_ttl()
            elif isinstance(action, SetField):
                assert action.oxm.field is not None
                packet.set(action.oxm.field.name, int.from_bytes(action.oxm.value, "big"))
            elif isinstance(action, RegMove):
                self._move(packet, action)
            elif isinstance(action, OutputReg):
                assert (action.ofs_nbits, BY_KEY[action.src >> 9].name) == (31, "reg0")
                out += self._output(packet, packet.registers.get("reg0", 0), flow)
            elif isinstance(action, ResubmitTable):
                assert action.in_port == 0xFFF8, "from the port that the packet says"
                out += self._lookup(packet, action.table_id)
            else:
                assert isinstance(action, Output), action
                out += self._output(packet, action.port, flow)
        return out

    @staticmethod
    def _move(packet: Packet, action: RegMove) -> None:
        source, target = BY_KEY[action.src >> 9], BY_KEY[action.dst >> 9]
        assert (action.src_ofs, action.dst_ofs) == (0, 0)
        assert action.n_bits <= min(source.bits, target.bits)
        value = packet.get(_plain(source.name))
        assert value is not None, f"this packet has no {source.name}"
        bits = (1 << action.n_bits) - 1
        kept = 0 if action.n_bits == target.bits else (packet.get(_plain(target.name)) or 0) & ~bits
        packet.set(_plain(target.name), kept | value & bits)

    def _output(self, packet: Packet, port: int, flow: Flow | None) -> list[Sent | Punted]:
        if port == PortNo.CONTROLLER:
            miss = flow is not None and flow.priority == 0 and not len(flow.match)
            return [self._punt(packet, PacketInReason.NO_MATCH if miss else PacketInReason.ACTION, flow)]
        if port == PortNo.IN_PORT:
            return [Sent(packet.in_port, packet.frame)]
        if port == packet.in_port or port not in self.ports:
            return []  # out of the port it came in by only on explicit request (7.2.5)
        return [Sent(port, packet.frame)]

    @staticmethod
    def _punt(packet: Packet, reason: PacketInReason, flow: Flow | None) -> Punted:
        assert flow is not None, "a packet_out does not go back to the controller"
        return Punted(packet.in_port, reason, flow.table_id, flow.cookie, packet.frame)


def _plain(name: str) -> str:
    """Give OpenFlow's name of a field that Open vSwitch has a second one for."""
    return name.removeprefix("nxm_of_").removeprefix("nxm_nx_")


Controller = Callable[[int, Punted], Iterable[tuple[int, bytes]]]
"""Takes a dpid and a punt; returns writes, in order."""


class Arrival(NamedTuple):
    """A frame that came out of a port that is not an uplink."""

    dpid: int
    port: int
    frame: bytes


class Ethernet:
    """Switches whose uplinks share a wire: what one sends there, all others receive."""

    def __init__(self, controller: Controller) -> None:
        self.switches: dict[int, SimulatedSwitch] = {}
        self.uplinks: dict[int, int] = {}
        self.controller = controller
        self.punts = 0

    def send(self, dpid: int, in_port: int, frame: bytes) -> list[Arrival]:
        """Let a frame in by a port, and follow it and all that it causes to the end."""
        return self._follow([(dpid, effect) for effect in self.switches[dpid].receive(in_port, frame)])

    def write(self, writes: Iterable[tuple[int, bytes]]) -> list[Arrival]:
        """Take the controller's writes, in order."""
        return self._follow([(dpid, effect) for dpid, packed in writes for effect in self.switches[dpid].write(packed)])

    def _follow(self, effects: list[tuple[int, Sent | Punted]]) -> list[Arrival]:
        arrivals: list[Arrival] = []
        todo = deque(effects)
        for _ in range(10_000):
            if not todo:
                return arrivals
            dpid, effect = todo.popleft()
            if isinstance(effect, Punted):
                self.punts += 1
                for target, packed in self.controller(dpid, effect):
                    todo.extend((target, out) for out in self.switches[target].write(packed))
            elif effect.port == self.uplinks.get(dpid):
                for other, uplink in self.uplinks.items():
                    if other != dpid:
                        todo.extend((other, out) for out in self.switches[other].receive(uplink, effect.frame))
            else:
                arrivals.append(Arrival(dpid, effect.port, effect.frame))
        raise AssertionError("a packet goes round in circles")


def altered(flow: Flow, **changes: object) -> Flow:
    """Make a flow that differs in something."""
    return replace(flow, **changes)  # type: ignore[arg-type]
