"""Ports: descriptions and what is configured of them (7.2.1, 7.3.4.3), counters, and the queues they were given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from daoli.datapath.emulated.clock import duration
from daoli.datapath.emulated.refusal import Refused
from daoli.ofproto import (
    BadRequestCode,
    ErrorType,
    Port,
    PortConfig,
    PortMod,
    PortModFailedCode,
    PortNo,
    PortReason,
    PortState,
    PortStats,
    PortStatus,
    Queue,
    QueueNo,
    QueueOpFailedCode,
    QueueStats,
)

_CONFIG: Final = sum(PortConfig)


@dataclass(slots=True)
class QueueEntry:
    """A queue and what left by it."""

    queue: Queue
    packets: int = 0
    bytes: int = 0


@dataclass(slots=True)
class PortEntry:
    """A port, when it came (seconds of the switch's clock), what went through it, and its queues by number."""

    port: Port
    created: float
    queues: dict[int, QueueEntry]
    rx_packets: int = 0
    rx_bytes: int = 0
    rx_dropped: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    is_live: bool = field(init=False)
    """Whether packets can pass."""

    def __post_init__(self) -> None:
        self.describe(self.port)

    def describe(self, port: Port) -> None:
        """Take another description; whether the port is live is for the switch to say."""
        self.is_live = not (port.config & PortConfig.PORT_DOWN or port.state & PortState.LINK_DOWN)
        state = port.state | PortState.LIVE if self.is_live else port.state & ~int(PortState.LIVE)
        self.port = replace(port, state=state)

    def stats(self, now: float) -> PortStats:
        """Report what went through (7.3.5.6)."""
        seconds, nanoseconds = duration(now - self.created)
        return PortStats(
            port_no=self.port.port_no,
            rx_packets=self.rx_packets,
            tx_packets=self.tx_packets,
            rx_bytes=self.rx_bytes,
            tx_bytes=self.tx_bytes,
            rx_dropped=self.rx_dropped,
            duration_sec=seconds,
            duration_nsec=nanoseconds,
        )


class Ports(Mapping[int, Port]):
    """All ports of a switch: their descriptions by number."""

    def __init__(self, ports: Iterable[int | Port] = (), queues: Mapping[int, Iterable[Queue]] | None = None) -> None:
        """`ports` are numbers or whole descriptions; `queues` are by port, for those that have any."""
        self._queues = {number: tuple(given) for number, given in (queues or {}).items()}
        self._ports: dict[int, PortEntry] = {}
        self.open: frozenset[int] = frozenset()
        """The ports that packets may leave by."""
        for port in ports:
            self.plug(port, 0.0)

    def __getitem__(self, number: int) -> Port:
        return self._ports[number].port

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._ports))

    def __len__(self) -> int:
        return len(self._ports)

    def entry(self, number: int) -> PortEntry:
        """Give a port with its counters; KeyError if there is none of that number."""
        return self._ports[number]

    def is_live(self, number: int) -> bool:
        """Tell whether packets can pass a port (5.6.1)."""
        return number in self._ports and self._ports[number].is_live

    # -- changing ------------------------------------------------------------------------------------------------

    def plug(self, port: int | Port, now: float) -> PortStatus:
        """Add a port, or describe one anew; a number alone gets a name and a locally administered address."""
        if not isinstance(port, Port):
            port = Port(port, b"\x02\xee" + port.to_bytes(4, "big"), f"port{port}")
        entry = self._ports.get(port.port_no)
        if entry is None:
            queues = {q.queue_id: QueueEntry(replace(q, port=port.port_no)) for q in self._queues.get(port.port_no, ())}
            entry = self._ports[port.port_no] = PortEntry(port, now, queues)
            reason = PortReason.ADD
        else:
            entry.describe(port)
            reason = PortReason.MODIFY
        self._open()
        return PortStatus(reason, entry.port)

    def unplug(self, number: int) -> PortStatus:
        """Take a port away; KeyError if there is none of that number."""
        gone = self._ports.pop(number)
        self._open()
        return PortStatus(PortReason.DELETE, gone.port)

    def change(self, mod: PortMod) -> list[PortStatus]:
        """Do what a port_mod says (7.3.4.3); give the news, if there is any. Raises `Refused`."""
        entry = self._ports.get(mod.port_no)
        if entry is None:
            raise _refuse(PortModFailedCode.BAD_PORT)
        if mod.hw_addr != entry.port.hw_addr:
            raise _refuse(PortModFailedCode.BAD_HW_ADDR)
        if (mod.config | mod.mask) & ~_CONFIG:
            raise _refuse(PortModFailedCode.BAD_CONFIG)
        if mod.advertise & ~entry.port.supported:
            raise _refuse(PortModFailedCode.BAD_ADVERTISE)
        config = entry.port.config & ~mod.mask | mod.config & mod.mask
        new = replace(entry.port, config=config, advertised=mod.advertise or entry.port.advertised)
        return [] if new == entry.port else [self.plug(new, entry.created)]

    def _open(self) -> None:
        self.open = frozenset(
            number
            for number, entry in self._ports.items()
            if entry.is_live and not entry.port.config & PortConfig.NO_FWD
        )

    def keep(self) -> Callable[[], None]:
        """Remember the descriptions as they are; what is given brings them back."""
        kept = {number: entry.port for number, entry in self._ports.items()}

        def restore() -> None:
            for number, port in kept.items():
                self._ports[number].describe(port)
            self._open()

        return restore

    # -- counting ------------------------------------------------------------------------------------------------

    def count_sent(self, number: int, size: int, queue: int | None) -> None:
        """Note a packet of `size` bytes that left, by a queue if the port has one of that number."""
        entry = self._ports[number]
        entry.tx_packets += 1
        entry.tx_bytes += size
        left_by = None if queue is None else entry.queues.get(queue)
        if left_by is not None:
            left_by.packets += 1
            left_by.bytes += size

    def stats(self, port_no: int, now: float) -> list[PortStats]:
        """Report what went through a port, or through all (7.3.5.6). Raises `Refused`."""
        if port_no not in self._ports and port_no != PortNo.ANY:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_PORT)
        return [self._ports[number].stats(now) for number in self if port_no in (PortNo.ANY, number)]

    def queues(self, port_no: int) -> list[QueueEntry]:
        """Give the queues of a port, or of all, by their number. Raises `Refused`."""
        if port_no not in self._ports and port_no != PortNo.ANY:
            raise Refused(ErrorType.QUEUE_OP_FAILED, QueueOpFailedCode.BAD_PORT)
        entries = [self._ports[number] for number in self if port_no in (PortNo.ANY, number)]
        return [entry.queues[number] for entry in entries for number in sorted(entry.queues)]

    def queue_stats(self, port_no: int, queue_id: int, now: float) -> list[QueueStats]:
        """Report what left by a queue, or by all (7.3.5.8). Raises `Refused`."""
        chosen = [entry for entry in self.queues(port_no) if queue_id in (QueueNo.ALL, entry.queue.queue_id)]
        if not chosen and queue_id != QueueNo.ALL:
            raise Refused(ErrorType.QUEUE_OP_FAILED, QueueOpFailedCode.BAD_QUEUE)
        return [
            QueueStats(
                port_no=entry.queue.port,
                queue_id=entry.queue.queue_id,
                tx_bytes=entry.bytes,
                tx_packets=entry.packets,
                duration_sec=seconds,
                duration_nsec=nanoseconds,
            )
            for entry in chosen
            for seconds, nanoseconds in [duration(now - self._ports[entry.queue.port].created)]
        ]


def _refuse(code: PortModFailedCode) -> Refused:
    return Refused(ErrorType.PORT_MOD_FAILED, code)
