"""The handle of one connected datapath."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from daoli.datapath.errors import DatapathError, Disconnected, RequestFailed
from daoli.ofproto import BarrierRequest, Error, FeaturesReply, Message
from daoli.ofproto.connection import Connection, Reply, State
from daoli.ofproto.errors import LocalProtocolError

M = TypeVar("M", bound=Message)

MAX_PARTS = 1024
"""Parts of one multipart answer that may wait to be read: the channel of a reader that never comes back is closed."""


class Transport(Protocol):
    """What a datapath needs of an asyncio transport."""

    def write(self, data: bytes, /) -> None:
        """Queue bytes."""

    def abort(self) -> None:
        """Close at once."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""


class Datapath:
    """A datapath whose handshake is done. All methods are for the event loop's thread.

    Nothing is written before the current turn of the loop ends: what one turn sends leaves in one `transport.write`.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        peer: str,
        features: FeaturesReply,
        now: float,
        flush_soon: Callable[[Datapath], None],
    ) -> None:
        self.dpid: int = features.datapath_id
        self.features = features
        self.peer = peer
        self.connected_at = now
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended; its result is what went wrong, if anything did."""
        self._connection = connection
        self._transport = transport
        self._flush_soon = flush_soon
        self._waiting: dict[int, asyncio.Queue[Reply]] = {}

    def __repr__(self) -> str:
        return f"<Datapath {self.dpid:016x} {self.peer}>"

    @property
    def alive(self) -> bool:
        """Whether something sent now has a chance to arrive."""
        return self._connection.state is State.READY

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send a message that needs no answer. A datapath that is gone takes it silently, as a cut cable would."""
        if self.alive:
            self.write(message.encode())

    def write(self, packed: bytes) -> None:
        """Send whole messages that are encoded already."""
        if self._connection.state is State.READY:
            self._connection.write(packed)
            self._flush_soon(self)

    async def request(self, message: Message, reply: type[M], *, timeout: float = 10.0) -> M:  # noqa: ASYNC109 (part of the promise)
        """Send a request and wait for its one answer.

        Raises `RequestFailed` with the switch's error, `Disconnected`, or `TimeoutError` after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            parts = [part async for part in self._replies(message)]
        answer = parts[0]
        if not isinstance(answer, reply):
            raise DatapathError(f"{self!r} answered {type(message).__name__} with {type(answer).__name__}")
        return answer

    async def barrier(self, *, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait until the datapath has done all that was sent before (7.3.8)."""
        await self.request(BarrierRequest(), Message, timeout=timeout)

    async def multipart(self, message: Message, reply: type[M], *, timeout: float = 10.0) -> AsyncIterator[M]:  # noqa: ASYNC109
        """Send a multipart request; yield the answer's parts as they come, each within `timeout` seconds (7.3.5)."""
        replies = self._replies(message)
        try:
            while True:
                async with asyncio.timeout(timeout):
                    part = await anext(replies, None)
                if part is None:
                    return
                if not isinstance(part, reply):
                    raise DatapathError(f"{self!r} answered {type(message).__name__} with {type(part).__name__}")
                yield part
        finally:
            await replies.aclose()

    async def _replies(self, message: Message) -> AsyncGenerator[Message, None]:
        if not self.alive:
            raise Disconnected(f"{self!r} is not connected")
        try:
            xid = self._connection.request(message)
        except LocalProtocolError as error:
            raise DatapathError(f"{self!r}: {error}") from error
        queue = self._waiting[xid] = asyncio.Queue()
        self._flush_soon(self)
        try:
            while True:
                reply = await self._next(queue)
                if isinstance(reply.message, Error):
                    raise RequestFailed(message, reply.message)
                yield reply.message
                if reply.last:
                    return
        finally:
            del self._waiting[xid]
            self._connection.forget(xid)

    async def _next(self, queue: asyncio.Queue[Reply]) -> Reply:
        with suppress(asyncio.QueueEmpty):
            return queue.get_nowait()
        getting = asyncio.ensure_future(queue.get())
        try:
            await asyncio.wait((getting, self.closed), return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        raise Disconnected(f"{self!r} disconnected") from self.closed.result()

    def close(self, failure: Exception | None = None) -> None:
        """End the connection."""
        self._connection.close(failure)
        self._transport.abort()

    # -- for the channel that owns this ------------------------------------------------------------------------------

    def _receive_reply(self, reply: Reply) -> None:
        queue = self._waiting.get(reply.xid)
        if queue is None:
            return
        if queue.qsize() >= MAX_PARTS:
            self.close(DatapathError(f"{MAX_PARTS} parts of an answer are unread"))
            return
        queue.put_nowait(reply)
