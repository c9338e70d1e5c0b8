"""Queues of ports: how they are configured (7.3.6) and their counters (7.3.5.8)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from construct import GreedyBytes, Int16ub, Int32ub, Padding

from daoli.ofproto.constants import MessageType, MultipartType, PortNo, QueueNo, QueuePropertyType
from daoli.ofproto.message import Message, message
from daoli.ofproto.multipart import Multipart, multipart_reply, multipart_request
from daoli.ofproto.number_text import counter_text, duration_text, port_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U32, U64, Many, Measured

PER_MILLE = 1000
"""A rate is in 1/1000 of the port's; above this it is disabled (7.2.2)."""


class QueueProperty(Structure):
    """Base of what is said of a queue."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownQueueProperty(QueueProperty):
    """A property that has no class; the body is what follows its length."""

    kind: int
    body: bytes

    def __str__(self) -> str:
        return f"property_{self.kind}:{self.body.hex()}"


QUEUE_PROPERTY = Tlv("a queue property", UnknownQueueProperty, "7.2.2", counts_padding=False, align=1)

Q = TypeVar("Q", bound=QueueProperty)


def queue_property(kind: QueuePropertyType) -> Callable[[type[Q]], type[Q]]:
    """Make a dataclass the property of that type."""

    def declare(cls: type[Q]) -> type[Q]:
        QUEUE_PROPERTY.register(kind.to_bytes(2, "big"), wired("7.2.2")(cls))
        return cls

    return declare


@queue_property(QueuePropertyType.MIN_RATE)
@dataclass(frozen=True, slots=True)
class MinRate(QueueProperty):
    """The rate that the queue gets at least, in 1/1000 of the port's."""

    rate: Annotated[int, Padding(4), Int16ub, Padding(6)]

    def __str__(self) -> str:
        return f"min_rate:{_rate(self.rate)}"


@queue_property(QueuePropertyType.MAX_RATE)
@dataclass(frozen=True, slots=True)
class MaxRate(QueueProperty):
    """The rate that the queue gets at most, in 1/1000 of the port's."""

    rate: Annotated[int, Padding(4), Int16ub, Padding(6)]

    def __str__(self) -> str:
        return f"max_rate:{_rate(self.rate)}"


@queue_property(QueuePropertyType.EXPERIMENTER)
@dataclass(frozen=True, slots=True)
class QueueExperimenter(QueueProperty):
    """What an experimenter says of a queue."""

    experimenter: Annotated[int, Padding(4), Int32ub, Padding(4)]
    data: Annotated[bytes, GreedyBytes] = b""

    def __str__(self) -> str:
        return f"experimenter_{self.experimenter:#x}:{self.data.hex()}"


def _rate(rate: int) -> str:
    return f"{rate // 10}.{rate % 10}%" if rate <= PER_MILLE else "(disabled)"


@wired("7.2.2")
@dataclass(frozen=True, slots=True)
class Queue(Structure):
    """One queue of a port."""

    queue_id: U32
    port: Annotated[int, Int32ub, Padding(8)] = 0
    properties: Annotated[tuple[QueueProperty, ...], Many(QUEUE_PROPERTY)] = ()

    def __str__(self) -> str:
        port = f" port={port_text(self.port)}" if self.port else ""
        return self.said(port)

    def said(self, port: str = "") -> str:
        """Give the queue, and its port if that is worth saying."""
        return " ".join((f"queue {self.queue_id}:{port}", *map(str, self.properties)))


@message(MessageType.QUEUE_GET_CONFIG_REQUEST, "7.3.6")
@dataclass(frozen=True, slots=True)
class QueueGetConfigRequest(Message):
    """Ask for the queues of a port, or of all of them."""

    port: Annotated[int, Int32ub, Padding(4)] = PortNo.ANY

    def detail(self) -> str:
        """Say which port."""
        return f"port={port_text(self.port)}"


@message(MessageType.QUEUE_GET_CONFIG_REPLY, "7.3.6")
@dataclass(frozen=True, slots=True)
class QueueGetConfigReply(Message):
    """The queues of a port."""

    port: Annotated[int, Int32ub, Padding(4)] = PortNo.ANY
    queues: Annotated[tuple[Queue, ...], Many(Measured(Queue.wire, 8, "7.2.2"))] = ()

    def detail(self) -> str:
        """Show a queue on each line."""
        lines = (queue.said() if queue.port in (0, self.port) else str(queue) for queue in self.queues)
        return f"port={port_text(self.port)}" + "".join(f"\n  {line}" for line in lines)


@multipart_request(MultipartType.QUEUE, "7.3.5.8")
@dataclass(frozen=True, slots=True)
class QueueStatsRequest(Multipart):
    """Ask for the counters of a queue of a port, or of all queues, or of all ports' queues."""

    port_no: U32 = PortNo.ANY
    queue_id: U32 = QueueNo.ALL

    def detail(self) -> str:
        """Say which queue of which port."""
        queue = "ALL" if self.queue_id == QueueNo.ALL else self.queue_id
        return f"port={port_text(self.port_no)} queue={queue}"


@wired("7.3.5.8")
@dataclass(frozen=True, slots=True)
class QueueStats(Structure):
    """One queue's counters; all ones is a counter that the datapath lacks."""

    port_no: U32
    queue_id: U32 = 0
    tx_bytes: U64 = 0
    tx_packets: U64 = 0
    tx_errors: U64 = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0

    def __str__(self) -> str:
        counters = {"bytes": self.tx_bytes, "pkts": self.tx_packets, "errors": self.tx_errors}
        said = ", ".join(f"{name}={counter_text(value)}" for name, value in counters.items())
        duration = duration_text(self.duration_sec, self.duration_nsec)
        return f"port {port_text(self.port_no)} queue {self.queue_id}: {said}, duration={duration}"


@multipart_reply(MultipartType.QUEUE, "7.3.5.8")
@dataclass(frozen=True, slots=True)
class QueueStatsReply(Multipart):
    """The counters of queues."""

    queues: Annotated[tuple[QueueStats, ...], Many(QueueStats.wire)] = ()

    def detail(self) -> str:
        """Show a queue on each line."""
        return f"{len(self.queues)} queues" + "".join(f"\n  {queue}" for queue in self.queues)
