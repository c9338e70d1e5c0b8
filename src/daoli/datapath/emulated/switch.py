"""The emulated switch: OpenFlow messages in and out, ports, and a clock that only `advance` moves.

    switch = EmulatedSwitch(dpid=1, ports=(1, 2))
    await switch.connect("127.0.0.1", 6653)
    switch.receive(1, frame)              # what comes out is in switch.sent, or goes to the controller
    switch.advance(30)                    # thirty seconds later: idle flows are gone, and the controller knows
    await switch.close()

A program without a controller may call `answer` instead of `connect`. Who connects more than once has as many
controllers, each with a role of its own.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from daoli.datapath.emulated.controllers import Controller, Controllers
from daoli.datapath.emulated.desk import Desk
from daoli.datapath.emulated.groups import Groups
from daoli.datapath.emulated.meters import Meters
from daoli.datapath.emulated.packet import ETHERNET_HEADER, Packet
from daoli.datapath.emulated.pipeline import Pipeline, Punted, Sent
from daoli.datapath.emulated.ports import Ports
from daoli.datapath.emulated.state import News, State
from daoli.datapath.emulated.table import Ended, FlowTables
from daoli.datapath.emulated.wire import Wire
from daoli.datapath.errors import DatapathError
from daoli.ofproto import (
    NO_BUFFER,
    ConfigFlags,
    Match,
    Message,
    PacketIn,
    PacketOut,
    Port,
    PortConfig,
    PortStatus,
    Queue,
)

_NO_COOKIE: Final = 0xFFFF_FFFF_FFFF_FFFF


class EmulatedSwitch:
    """A switch with flow tables, groups, meters, ports and queues, and any number of controllers.

    It knows all requests of OpenFlow 1.3.5 and the ONF's bundles; of actions OUTPUT, GROUP, SET_QUEUE, SET_FIELD, and
    those for TTL and VLAN; no experimenters' extensions but bundles. To all else it answers with the error message that
    says so. Packets are never buffered, and go to the controller whole.
    """

    def __init__(
        self,
        dpid: int,
        ports: Iterable[int | Port] = (),
        *,
        queues: Mapping[int, Iterable[Queue]] | None = None,
        tables: int = 8,
        capacity: int = 100_000,
        on_output: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """`ports` are numbers or whole descriptions, `queues` those of a port; a table holds `capacity` flows.

        `on_output` is called with the number of the port and the frame that leaves by it; without it they are kept in
        `sent`.
        """
        self.dpid = dpid
        self.ports = Ports(ports, queues)
        self.tables = FlowTables(tables, capacity)
        self.groups = Groups(capacity=1024, max_buckets=256)
        self.meters = Meters(capacity=1024, max_bands=8)
        self.sent: list[Sent] = []
        """The frames that came out, in order; for a test to look at and clear."""
        self.now = 0.0
        """Seconds of the switch's own clock."""
        self.dropped = 0
        """Packet_ins that nobody got: no controller was there, or it did not read."""
        self._state = State(self.tables, self.ports, self.groups, self.meters)
        self._pipeline = Pipeline(self.tables, self.ports, self.groups, self.meters)
        self._on_output = on_output
        self._controllers = Controllers(Controller(self._state))
        self._desk = Desk(dpid, self._state, self._controllers, self._tell, self._execute)

    def __repr__(self) -> str:
        return f"<EmulatedSwitch {self.dpid:016x}>"

    # -- controllers ---------------------------------------------------------------------------------------------

    async def connect(self, host: str, port: int, *, ssl: tls.SSLContext | None = None) -> Controller:
        """Connect to a controller, besides those that are there; ends when it knows the switch's features (6.3).

        OSError if nobody listens, `DatapathError` if the controller ends the connection or speaks another version. What
        a controller wants and is goes with its connection; flows, groups and meters stay.
        """
        loop = asyncio.get_running_loop()
        controller = Controller(self._state)
        wire = controller.wire = Wire(partial(self.answer, controller=controller))
        self._controllers.remote = [*self.controllers, controller]
        await loop.create_connection(lambda: wire, host, port, ssl=ssl)
        await asyncio.wait((wire.ready, wire.lost), return_when=asyncio.FIRST_COMPLETED)
        if not wire.ready.done():
            raise DatapathError(f"{self!r}: {host}:{port} ended the connection: {wire.failure or 'without a word'}")
        return controller

    async def close(self) -> None:
        """End all connections; flows, groups and meters stay."""
        for controller in self.controllers:
            await controller.close()

    @property
    def controllers(self) -> tuple[Controller, ...]:
        """The controllers that are connected."""
        return tuple(controller for controller in self._controllers.remote if controller.connected)

    @property
    def connected(self) -> bool:
        """Whether a controller is there."""
        return bool(self.controllers)

    async def disconnected(self) -> None:
        """Wait until no controller is there."""
        for controller in self.controllers:
            await controller.disconnected()

    # -- what happens to it --------------------------------------------------------------------------------------

    def receive(self, port: int, frame: bytes) -> None:
        """Let a frame in by a port; ValueError if there is no such port. One without an Ethernet header is dropped."""
        if port not in self.ports:
            raise ValueError(f"{self!r} has no port {port}")
        entry = self.ports.entry(port)
        entry.rx_packets += 1
        entry.rx_bytes += len(frame)
        shut = not entry.is_live or entry.port.config & PortConfig.NO_RECV or len(frame) < ETHERNET_HEADER
        if shut or self._drops(packet := Packet(frame, port)):
            entry.rx_dropped += 1
            return
        self._let_out(self._pipeline.receive(packet, self.now))

    def _drops(self, packet: Packet) -> bool:
        return self._desk.fragments == ConfigFlags.FRAG_DROP and packet.is_fragment

    def advance(self, seconds: float) -> None:
        """Let time pass: flows end whose timeout it is (5.5)."""
        self.now += seconds
        self._tell(self.tables.expire(self.now))

    def add_port(self, port: int | Port) -> None:
        """Plug in a port, or change one, and tell the controllers (7.4.3)."""
        self._tell([self.ports.plug(port, self.now)])

    def remove_port(self, number: int) -> None:
        """Pull out a port, and tell the controllers; KeyError if there is none of that number."""
        self._tell([self.ports.unplug(number)])

    # -- what it tells by itself (6.1.2) -------------------------------------------------------------------------

    def _tell(self, news: Iterable[News], actor: Controller | None = None) -> None:
        """Tell the controllers that want to know; who changed a port by a port_mod knows."""
        for item in news:
            if isinstance(item, Ended) and not item.is_told:
                continue
            message = item.message() if isinstance(item, Ended) else item
            for controller in self.controllers:
                wanted = controller.wanted
                masks = wanted.flow_removed_mask if isinstance(item, Ended) else wanted.port_status_mask
                if controller is actor and isinstance(item, PortStatus):
                    continue
                if controller.wire is not None and controller.wants(masks, item.reason):
                    controller.wire.send(message)

    def _let_out(self, effects: Iterable[Sent | Punted]) -> None:
        for effect in effects:
            if isinstance(effect, Punted):
                self._punt(effect)
                continue
            if self._on_output is None:
                self.sent.append(effect)
            else:
                self._on_output(effect.port, effect.frame)

    def _execute(self, message: PacketOut) -> None:
        self._let_out(self._pipeline.execute(Packet(message.data, message.in_port), message.actions, self.now))

    def _punt(self, punted: Punted) -> None:
        if punted.in_port in self.ports and self.ports[punted.in_port].config & PortConfig.NO_PACKET_IN:
            return
        wanting = [
            controller
            for controller in self.controllers or (self._controllers.local,)
            if controller.wants(controller.wanted.packet_in_mask, punted.reason)
        ]
        wires = [c.wire for c in wanting if c.wire is not None and not c.wire.clogged]
        self.dropped += bool(wanting and not wires)
        message = _packet_in(punted) if wires else None
        for wire in wires:
            if message is not None:
                wire.send(message)

    # -- what it is told -----------------------------------------------------------------------------------------

    def answer(self, message: Message, controller: Controller | None = None) -> Iterator[Message]:
        """Do what a message says; give the answers, with its xid. Raises `Refused`.

        Without a controller the message is from one that has no connection.
        """
        yield from self._desk.answer(message, controller or self._controllers.local, self.now)


def _packet_in(punted: Punted) -> PacketIn:
    mod = punted.entry.mod if punted.entry else None
    fields = {"in_port": punted.in_port} | ({"metadata": punted.metadata} if punted.metadata else {})
    return PacketIn(
        buffer_id=NO_BUFFER,
        total_len=len(punted.frame),
        reason=punted.reason,
        table_id=mod.table_id if mod else 0,
        cookie=mod.cookie if mod else _NO_COOKIE,
        match=Match(**fields),
        data=punted.frame,
    )
