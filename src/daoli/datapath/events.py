"""What datapaths say as a stream of events, for programs that would rather await than be called.

    async with events("0.0.0.0", 6653) as stream:
        async for event in stream:
            match event:
                case Connected(datapath): ...
                case Received(datapath, message): ...
                case Disconnected(datapath, failure): ...

A handler (`serve`) is faster by some turns of the loop, and hears each message before the next one is read. Here
messages wait in a bounded queue: at the bound all connections are no longer read, below half of it they are again.
A program that awaits an answer with a full queue would wait for ever, if that datapath were not read nevertheless; what
comes before the answer is queued too, and of packet_ins what is far beyond the bound is dropped, as by a busy switch.
There is an end to that: a datapath that says still more is not read either, and then the answer does not come in time.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

from daoli.datapath.channel import ChannelSettings, serve
from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.ofproto import MessageType, PacketIn
from daoli.ofproto.shapes import Shape

LIMIT: Final = 1024
"""Events that may wait."""

EXCESS: Final = 8
"""How many times the limit may wait, because the program awaits an answer, before packet_ins are dropped. Other news is
not: it tells what became of flows and ports."""

MOST: Final = 64
"""How many times the limit may wait before nothing is read any more, and datapaths that connect are sent away."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A datapath's handshake is done."""

    datapath: Datapath


@dataclass(frozen=True, slots=True)
class Received:
    """A datapath said something that answers no request: a message, or a shape's tuple."""

    datapath: Datapath
    message: Any


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A datapath's connection has ended; `failure` is what went wrong, if anything did."""

    datapath: Datapath
    failure: Exception | None


Event = Connected | Received | Disconnected


class EventStream:
    """The events of all datapaths, each datapath's in order. Ends when the block of `events` does."""

    def __init__(self, limit: int = LIMIT, shapes: Sequence[Shape[Any]] = ()) -> None:
        """From `limit` waiting events on nothing more is read; while an answer is awaited, from `MOST` times that on.

        `shapes` are those that messages may come as.
        """
        if limit < 1:
            raise ValueError(f"a limit of {limit} events lets none through")
        self.address: tuple[str, int] = ("", 0)
        """Where the datapaths are to connect to."""
        self.datapaths: dict[int, Datapath] = {}
        """Who is connected now, by dpid, whether or not its event has been read; of two with one dpid the newer."""
        self.dropped = 0
        """Packet_ins that were dropped."""
        self._limit = limit
        self._packets: tuple[type[Any], ...] = (
            PacketIn,
            *(shape.kind for shape in shapes if shape.type == MessageType.PACKET_IN),
        )
        self._events: deque[Event] = deque()
        self._reading_from: set[Datapath] = set()
        self._held = False
        self._closed = False
        self._news = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        event = self._events.popleft()
        if self._held and len(self._events) < self._limit / 2:
            self._held = False
            for datapath in self._reading_from:
                datapath.reading.release(self)
        return event

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._events)

    # -- for the channel (`channel.Handler`) ---------------------------------------------------------------------

    def connected(self, datapath: Datapath) -> None:
        """Note a datapath whose handshake is done."""
        if len(self._events) >= MOST * self._limit:
            datapath.close(DatapathError(f"{len(self._events)} events wait"))
            return
        self._reading_from.add(datapath)
        self.datapaths[datapath.dpid] = datapath
        self._put(Connected(datapath))
        if self._held:
            datapath.reading.hold(self)

    def received(self, datapath: Datapath, message: Any) -> None:
        """Take one message that answers no request."""
        waiting = len(self._events)
        if waiting >= EXCESS * self._limit and isinstance(message, self._packets):
            self.dropped += 1
        elif datapath in self._reading_from:
            self._put(Received(datapath, message))
            if waiting >= MOST * self._limit:
                datapath.reading.hold(self, firmly=True)

    def disconnected(self, datapath: Datapath, failure: Exception | None) -> None:
        """Note that a datapath's connection has ended."""
        if datapath not in self._reading_from:
            return
        self._reading_from.remove(datapath)
        if self.datapaths.get(datapath.dpid) is datapath:
            del self.datapaths[datapath.dpid]
        self._put(Disconnected(datapath, failure))

    def close(self) -> None:
        """End the stream, behind what waits."""
        self._closed = True
        self._news.set()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()
        if not self._held and len(self._events) >= self._limit:
            self._held = True
            for datapath in self._reading_from:
                datapath.reading.hold(self)


@asynccontextmanager
async def events(
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None = None,
    settings: ChannelSettings = ChannelSettings(),  # noqa: B008 (immutable)
    shapes: Sequence[Shape[Any]] = (),
    limit: int = LIMIT,
) -> AsyncIterator[EventStream]:
    """Listen for datapaths, as `serve` does, and give what they say as a stream of at most about `limit` events.

    While the program awaits answers there may be up to `MOST` times as many, and what each connection has read by then.
    The end of the block ends every connection. Raises `ListenError`.
    """
    stream = EventStream(limit, shapes)
    try:
        async with serve(stream, host, port, ssl=ssl, settings=settings, shapes=shapes) as channel:
            stream.address = channel.address
            yield stream
    finally:
        stream.close()
