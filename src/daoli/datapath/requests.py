"""Asking a datapath: requests, their answers and errors, and who waits for them.

What answers what is not written down here: the codec's registries know. Only for type checkers is it said again, in
overloads, which the tests compare with the registries.
"""
# ruff: noqa: ASYNC109 - a time-out is part of the promise

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar, overload

from daoli.datapath.errors import DatapathError, Disconnected, RequestFailed
from daoli.datapath.reading import Reading
from daoli.ofproto import (
    AggregateStatsReply,
    AggregateStatsRequest,
    BarrierReply,
    BarrierRequest,
    DescReply,
    DescRequest,
    EchoReply,
    EchoRequest,
    Error,
    ExperimenterMultipart,
    FeaturesReply,
    FeaturesRequest,
    FlowStatsReply,
    FlowStatsRequest,
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    GroupDescReply,
    GroupDescRequest,
    GroupFeaturesReply,
    GroupFeaturesRequest,
    GroupStatsReply,
    GroupStatsRequest,
    Message,
    MessageType,
    MeterConfigReply,
    MeterConfigRequest,
    MeterFeaturesReply,
    MeterFeaturesRequest,
    MeterStatsReply,
    MeterStatsRequest,
    Multipart,
    MultipartType,
    PortDescReply,
    PortDescRequest,
    PortStatsReply,
    PortStatsRequest,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueStatsReply,
    QueueStatsRequest,
    RoleReply,
    RoleRequest,
    TableFeaturesReply,
    TableFeaturesRequest,
    TableStatsReply,
    TableStatsRequest,
    UnknownMultipartReply,
)
from daoli.ofproto import connection as protocol
from daoli.ofproto.connection import Connection, Reply, State
from daoli.ofproto.errors import LocalProtocolError
from daoli.ofproto.experimenter import EXPERIMENTER_REPLIES
from daoli.ofproto.message import MESSAGES, check_message
from daoli.ofproto.multipart import REPLIES

M = TypeVar("M", bound=Message)

TIMEOUT: Final = 10.0
"""Seconds that a datapath has for an answer, and for each further part of one."""

HIGH_PARTS: Final = 16
"""Parts of one answer, of up to 64 kB each, that may wait for their reader before the datapath is not read any more."""

LOW_PARTS: Final = HIGH_PARTS // 2
"""Parts left at which reading goes on."""

MAX_PARTS: Final = 1024
"""Parts at which it stops even though somebody waits for another answer of the same datapath."""


def reply_class(request: Message) -> type[Message]:
    """Give the class of a request's answers; one that is wide where the request does not say.

    Raises `ValueError` for what is not a request (7.3 tells which are), `TypeError` for what is no message.
    """
    check_message(request)
    answer = protocol.REPLIES.get(request.type_number())
    if answer is None:
        raise ValueError(f"{type(request).__name__} has no answer")
    if isinstance(request, ExperimenterMultipart):
        return EXPERIMENTER_REPLIES.get(request.IDS, Multipart)
    if isinstance(request, Multipart):
        kind = request.kind_number()
        return Multipart if kind == MultipartType.EXPERIMENTER else REPLIES.get(kind, UnknownMultipartReply)
    return Message if answer == MessageType.EXPERIMENTER else MESSAGES[answer]


class _Answer:
    """What has come of one request's answer, and who waits for more."""

    __slots__ = ("arrival", "parts")

    def __init__(self) -> None:
        self.parts: deque[Reply] = deque()
        self.arrival: asyncio.Future[None] | None = None


class Requests:
    """The asking half of a `Datapath`. All methods are for the event loop's thread.

    Every question ends with its answer, or with `RequestFailed` (the switch's error message, 7.4.4, with the request),
    `Disconnected`, or `TimeoutError`; in each case, and when the asker is cancelled, nothing of it is left behind.
    """

    def __init__(self, connection: Connection, reading: Reading, flush_soon: Callable[[Any], None]) -> None:
        self.reading = reading
        """Whether the datapath is read: who cannot keep up with what it says can hold it."""
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        """Done when the connection has ended; its result is what went wrong, if anything did."""
        self._connection = connection
        self._flush_soon = flush_soon
        self._waiting: dict[int, _Answer] = {}

    @property
    def alive(self) -> bool:
        """Whether something sent now has a chance to arrive."""
        return self._connection.state is State.READY

    # -- one answer ----------------------------------------------------------------------------------------------

    @overload
    async def request(self, message: FeaturesRequest, *, timeout: float = ...) -> FeaturesReply: ...
    @overload
    async def request(self, message: GetConfigRequest, *, timeout: float = ...) -> GetConfigReply: ...
    @overload
    async def request(self, message: BarrierRequest, *, timeout: float = ...) -> BarrierReply: ...
    @overload
    async def request(self, message: RoleRequest, *, timeout: float = ...) -> RoleReply: ...
    @overload
    async def request(self, message: GetAsyncRequest, *, timeout: float = ...) -> GetAsyncReply: ...
    @overload
    async def request(self, message: EchoRequest, *, timeout: float = ...) -> EchoReply: ...
    @overload
    async def request(self, message: QueueGetConfigRequest, *, timeout: float = ...) -> QueueGetConfigReply: ...
    @overload
    async def request(self, message: DescRequest, *, timeout: float = ...) -> DescReply: ...
    @overload
    async def request(self, message: AggregateStatsRequest, *, timeout: float = ...) -> AggregateStatsReply: ...
    @overload
    async def request(self, message: GroupFeaturesRequest, *, timeout: float = ...) -> GroupFeaturesReply: ...
    @overload
    async def request(self, message: MeterFeaturesRequest, *, timeout: float = ...) -> MeterFeaturesReply: ...
    @overload
    async def request(self, message: Message, reply: type[M], *, timeout: float = ...) -> M: ...
    @overload
    async def request(self, message: Message, *, timeout: float = ...) -> Message: ...
    async def request(self, message: Message, reply: type[Message] | None = None, *, timeout: float = TIMEOUT) -> Any:
        """Send a request and wait for its one answer, at most `timeout` seconds.

        The answer's class follows from the request's; `reply` narrows it where the request does not say (experimenters
        may answer with what they like). The xid is given by the connection. An answer of several parts is a
        `DatapathError`: `multipart` is for those. Raises `ValueError` for what has no answer.
        """
        async with asyncio.timeout(timeout), aclosing(self._replies(message, reply)) as replies:
            answer = await anext(replies)
            async for _ in replies:
                raise DatapathError(f"{self!r} answered {type(message).__name__} in parts: use multipart()")
        return answer

    async def barrier(self, *, timeout: float = TIMEOUT) -> None:
        """Wait until the datapath has done all that was sent before, at most `timeout` seconds (7.3.8)."""
        await self.request(BarrierRequest(), timeout=timeout)

    # -- answers of many parts -----------------------------------------------------------------------------------

    @overload
    def multipart(self, message: FlowStatsRequest, *, timeout: float = ...) -> AsyncGenerator[FlowStatsReply, None]: ...
    @overload
    def multipart(
        self, message: TableStatsRequest, *, timeout: float = ...
    ) -> AsyncGenerator[TableStatsReply, None]: ...
    @overload
    def multipart(self, message: PortStatsRequest, *, timeout: float = ...) -> AsyncGenerator[PortStatsReply, None]: ...
    @overload
    def multipart(
        self, message: QueueStatsRequest, *, timeout: float = ...
    ) -> AsyncGenerator[QueueStatsReply, None]: ...
    @overload
    def multipart(
        self, message: GroupStatsRequest, *, timeout: float = ...
    ) -> AsyncGenerator[GroupStatsReply, None]: ...
    @overload
    def multipart(self, message: GroupDescRequest, *, timeout: float = ...) -> AsyncGenerator[GroupDescReply, None]: ...
    @overload
    def multipart(
        self, message: MeterStatsRequest, *, timeout: float = ...
    ) -> AsyncGenerator[MeterStatsReply, None]: ...
    @overload
    def multipart(
        self, message: MeterConfigRequest, *, timeout: float = ...
    ) -> AsyncGenerator[MeterConfigReply, None]: ...
    @overload
    def multipart(
        self, message: TableFeaturesRequest, *, timeout: float = ...
    ) -> AsyncGenerator[TableFeaturesReply, None]: ...
    @overload
    def multipart(self, message: PortDescRequest, *, timeout: float = ...) -> AsyncGenerator[PortDescReply, None]: ...
    @overload
    def multipart(self, message: Message, reply: type[M], *, timeout: float = ...) -> AsyncGenerator[M, None]: ...
    @overload
    def multipart(self, message: Message, *, timeout: float = ...) -> AsyncGenerator[Message, None]: ...
    async def multipart(
        self, message: Message, reply: type[Message] | None = None, *, timeout: float = TIMEOUT
    ) -> AsyncGenerator[Any, None]:
        """Send a multipart request; yield the answer's parts as they come, each within `timeout` seconds (7.3.5).

        While a reader is `HIGH_PARTS` behind, the whole connection is not read, packet_ins included: a switch may in
        the end lose patience. Whoever waits for another answer of this datapath meanwhile gets it all the same, unless
        `MAX_PARTS` have piled up. Raises `ValueError` for what has no answer.
        """
        async with aclosing(self._replies(message, reply)) as replies:
            while True:
                async with asyncio.timeout(timeout):
                    part = await anext(replies, None)
                if part is None:
                    return
                yield part

    # -- both ----------------------------------------------------------------------------------------------------

    async def _replies(self, message: Message, reply_type: type[Message] | None) -> AsyncGenerator[Message, None]:
        usual = reply_class(message)
        wanted = reply_type or usual
        if not self.alive:
            raise Disconnected(f"{self!r} is not connected")
        try:
            xid = self._connection.request(message)
        except LocalProtocolError as error:
            raise DatapathError(f"{self!r}: {error}") from error
        answer = self._waiting[xid] = _Answer()
        self._flush_soon(self)
        try:
            while True:
                reply = await self._next(answer)
                if isinstance(reply.message, Error):
                    raise RequestFailed(message, reply.message)
                if not isinstance(reply.message, wanted):
                    said = type(reply.message).__name__
                    raise DatapathError(f"{self!r} answered {type(message).__name__} with {said}")
                yield reply.message
                if reply.last:
                    return
        finally:
            del self._waiting[xid]
            self._connection.forget(xid)
            self.reading.release(answer)

    async def _next(self, answer: _Answer) -> Reply:
        if answer.parts:
            await asyncio.sleep(0)  # who reads what has piled up does not do it all in one turn of the loop
        else:
            answer.arrival = asyncio.get_running_loop().create_future()
            self.reading.begin_wait()
            try:
                await asyncio.wait((answer.arrival, self.closed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                self.reading.end_wait()
            if not answer.parts:
                raise Disconnected(f"{self!r} disconnected") from self.closed.result()
        reply = answer.parts.popleft()
        if len(answer.parts) <= LOW_PARTS:
            self.reading.release(answer)
        return reply

    def _receive_reply(self, reply: Reply) -> None:
        """Take what the connection gives as an answer; for the channel."""
        answer = self._waiting.get(reply.xid)
        if answer is None:
            return
        answer.parts.append(reply)
        if answer.arrival is not None and not answer.arrival.done():
            answer.arrival.set_result(None)
        if len(answer.parts) >= HIGH_PARTS:
            self.reading.hold(answer, firmly=len(answer.parts) >= MAX_PARTS)
