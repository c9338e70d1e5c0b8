"""The asyncio listener for OpenFlow connections.

Each connection is an `asyncio.Protocol` around a sans-IO `Connection`. What a datapath says is handed to the `Handler`
by plain calls, inside `data_received`: nothing awaits between a packet_in and its answer. What one turn of the loop
sends to a datapath leaves in one write. A datapath that does not read is disconnected when its bound is reached.

What takes long to decode, replies of thousands of flows above all, is done in slices, one in a turn of the loop,
in which all connections share. One that has to wait for its next slice is not read meanwhile.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

import structlog

from daoli.datapath.datapath import Datapath, ErrorTaker
from daoli.datapath.errors import DatapathError, ListenError
from daoli.datapath.reading import Reading
from daoli.ofproto import EchoRequest, Error, FeaturesReply
from daoli.ofproto.connection import SLICE, Allowance, Connection, Keepalive, Reply, State
from daoli.ofproto.shapes import Shape

log = structlog.get_logger(__name__)

_TICK: Final = 1.0
_LINGER: Final = 2.0
"""Seconds that a peer has to read what was written to it before the end; one that never reads is not waited for."""

_LEAST: Final = 256
"""Bytes that may be decoded as they come, though the turn's slice is used up: barrier replies, news of ports."""


class Handler(Protocol):
    """Who is told what datapaths say. The calls come from the event loop and must not block."""

    def connected(self, datapath: Datapath) -> None:
        """Note a datapath whose handshake is done."""

    def received(self, datapath: Datapath, message: Any) -> None:
        """Take one message or shape that answers no request."""

    def disconnected(self, datapath: Datapath, failure: Exception | None) -> None:
        """Note that a datapath's connection has ended."""


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """Bounds of the OpenFlow channel."""

    keepalive: Keepalive = field(default_factory=Keepalive)
    handshake_timeout: float = 10.0
    """Seconds from connection to features reply; what connects and says nothing does not stay."""
    tls_timeout: float = 10.0
    """Seconds from connection to the end of the TLS handshake, where there is one."""
    max_output: int = 16 * 1024 * 1024
    """Bytes that a datapath may leave unread: some 100,000 flow_mods."""
    max_connections: int = 4096
    """Connections at once; further ones are closed as they come."""


class Channel:
    """The listener: accepts connections until `close`."""

    def __init__(
        self,
        handler: Handler,
        settings: ChannelSettings = ChannelSettings(),
        shapes: Sequence[Shape[Any]] = (),
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.shapes = shapes
        self.address: tuple[str, int] = ("", 0)
        self.refused = 0
        """Connections closed at once, being more than allowed."""
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._peers: set[_Peer] = set()
        self._dirty: list[_Peer] = []
        self._ticker: asyncio.TimerHandle | None = None
        self._allowance = Allowance(SLICE)
        self._behind: deque[_Peer] = deque()
        self._renewing = False

    async def listen(self, host: str, port: int, *, ssl: tls.SSLContext | None = None) -> None:
        """Begin to accept; `address` then holds what port 0 became. Raises `ListenError`.

        With `ssl` (see `tls.server_context`) only peers that pass its handshake within `settings.tls_timeout` are
        heard; the others are dropped by the event loop, and no handler hears of them.
        """
        patience = self.settings.tls_timeout if ssl else None
        try:
            self._server = await self._loop.create_server(
                lambda: _Peer(self), host, port, backlog=1024, ssl=ssl, ssl_handshake_timeout=patience
            )
        except OSError as error:
            raise ListenError(f"cannot listen for OpenFlow on {host}:{port}: {error.strerror or error}") from error
        self.address = self._server.sockets[0].getsockname()[:2]
        self._ticker = self._loop.call_later(_TICK, self._tick)

    async def close(self) -> None:
        """Stop to accept and end every connection. Flows stay on the datapaths."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._server is not None:
            self._server.close()
        for peer in list(self._peers):
            peer.end(None)
        if self._server is not None:
            await self._server.wait_closed()

    def _tick(self) -> None:
        now = self._loop.time()
        for peer in list(self._peers):
            peer.tick(now)
        self._ticker = self._loop.call_later(_TICK, self._tick)

    def _flush_soon(self, peer: _Peer) -> None:
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(peer)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for peer in dirty:
            peer.flush()

    def _wait_for_slice(self, peer: _Peer) -> None:
        self._behind.append(peer)
        self._renew_soon()

    def _renew_soon(self) -> None:
        """Have a new slice in the next turn of the loop."""
        if not self._renewing:
            self._renewing = True
            self._loop.call_soon(self._renew)

    def _renew(self) -> None:
        """Give the slice to who waits longest, until it has caught up: halves of many replies are much to hold."""
        self._renewing = False
        self._allowance.left = SLICE
        try:
            while self._behind:
                peer = self._behind.popleft()
                if not peer.catch_up():
                    self._behind.appendleft(peer)
                    break
        finally:
            if self._behind:
                self._renew_soon()


@asynccontextmanager
async def serve(
    handler: Handler,
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None = None,
    settings: ChannelSettings = ChannelSettings(),
    shapes: Sequence[Shape[Any]] = (),
) -> AsyncIterator[Channel]:
    """Listen for datapaths until the end of the block, which ends every connection; flows stay on the datapaths.

    Port 0 takes a free one, which is then in `channel.address`. `ssl` is a server's context: `server_context` makes one
    that asks for certificates. A message that one of `shapes` fits is handed on as its tuple. Raises `ListenError`.
    """
    channel = Channel(handler, settings, shapes)
    try:
        await channel.listen(host, port, ssl=ssl)
        yield channel
    finally:
        await channel.close()


class _Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._time: Callable[[], float] = channel._loop.time  # noqa: SLF001 (two classes, one module)
        self._received = channel.handler.received
        self._allowance = channel._allowance  # noqa: SLF001
        self._opened = 0.0
        self._reassured = 0.0
        self._dirty = False
        self._ended = False
        self._datapath: Datapath | None = None
        self._connection: Connection
        self._transport: asyncio.Transport
        self._reading: Reading
        self._log = log

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        name = transport.get_extra_info("peername")
        self._log = log.bind(peer=f"{name[0]}:{name[1]}" if name else "?")
        channel = self._channel
        if len(channel._peers) >= channel.settings.max_connections:  # noqa: SLF001
            channel.refused += 1
            self._ended = True
            self._log.warning("openflow_connection_refused", connections=len(channel._peers))  # noqa: SLF001
            self._transport.abort()
            return
        self._opened = self._time()
        self._reading = Reading(self._transport)
        self._connection = Connection(
            self._opened,
            shapes=channel.shapes,
            keepalive=channel.settings.keepalive,
            allowance=self._allowance,
        )
        channel._peers.add(self)  # noqa: SLF001
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        allowance = self._allowance
        allowance.left = max(allowance.left, _LEAST)
        connection = self._connection
        was_behind = connection.behind
        self._hand_on(connection.receive_data(bytes(data), self._time()))
        if connection.behind and not was_behind:
            self._reading.hold(self, firmly=True)  # so that what waits stays bounded
            self._channel._wait_for_slice(self)  # noqa: SLF001
        elif allowance.left < SLICE:
            self._channel._renew_soon()  # noqa: SLF001

    def eof_received(self) -> None:
        while not self._ended and self._connection.behind:
            self._allowance.left = SLICE
            self._hand_on(self._connection.receive_more())
        if not self._ended:
            self._connection.receive_eof()
            self.end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:
            self.end(exc or self._connection.failure)  # the latter where `Datapath.close` was given one

    def _hand_on(self, received: list[Any]) -> None:
        """Tell who is concerned what the connection has received, then do what it wants done."""
        datapath = self._datapath
        for message in received:
            if datapath is None:
                datapath = self._greet(message)
            elif type(message) is Reply:
                datapath._receive_reply(message)  # noqa: SLF001
            else:
                self._received(datapath, message)
        connection = self._connection
        if connection.state is State.CLOSED:
            self.end(connection.failure)
        elif connection.has_output:
            self.flush_soon()

    # -- the channel's calls -------------------------------------------------------------------------------------

    def catch_up(self) -> bool:
        """Go on with what waits, as far as the slice goes; say whether that was all."""
        if self._ended:
            return True
        try:
            self._hand_on(self._connection.receive_more())
        except BaseException:  # a handler's; the transport does the same when it comes out of `data_received`
            self._transport.abort()
            raise
        if self._connection.behind:
            return False
        self._reading.release(self)
        return True

    def tick(self, now: float) -> None:
        connection = self._connection
        if self._reading.paused:
            self._keep_alive_unread(now)
        connection.tick(now)
        if connection.state is State.CLOSED:
            self.end(connection.failure)
        elif self._datapath is None and now - self._opened > self._channel.settings.handshake_timeout:
            self.end(DatapathError(f"no handshake within {self._channel.settings.handshake_timeout:.0f} s"))
        else:
            self.flush()

    def _keep_alive_unread(self, now: float) -> None:
        """Let a peer that is not read live: its silence is our doing, and it must not take ours for death."""
        self._connection.hear(now)
        if now - self._reassured >= self._channel.settings.keepalive.interval:
            self._reassured = now
            self._connection.send(EchoRequest())

    def sift(self, taker: ErrorTaker | None) -> None:
        """Show error messages to `taker` before the handler; nobody, and nothing spent on it, with None."""
        handler = self._channel.handler.received
        if taker is None:
            self._received = handler
            return

        def received(datapath: Datapath, message: Any) -> None:
            if not (isinstance(message, Error) and taker(message)):
                handler(datapath, message)

        self._received = received

    def flush_soon(self, _: object = None) -> None:
        if not self._dirty:
            self._dirty = True
            self._channel._flush_soon(self)  # noqa: SLF001

    def flush(self) -> None:
        self._dirty = False
        if self._ended:
            return
        if data := self._connection.data_to_send():
            self._transport.write(data)
            unread = self._transport.get_write_buffer_size()
            if unread > self._channel.settings.max_output:
                self.end(DatapathError(f"{unread} bytes unread by the datapath"))

    def end(self, failure: Exception | None) -> None:
        """End the connection, once, and tell whoever waits for it."""
        if self._ended:
            return
        self._ended = True
        channel, connection, datapath = self._channel, self._connection, self._datapath
        channel._peers.discard(self)  # noqa: SLF001
        if last_words := connection.data_to_send():
            self._transport.write(last_words)
        connection.close(failure)
        if failure is None or last_words:
            self._transport.close()
            channel._loop.call_later(_LINGER, self._transport.abort)  # noqa: SLF001
        else:
            self._transport.abort()
        if datapath is None:
            self._log.info("openflow_handshake_failed", reason=str(failure or connection.failure or "closed"))
            return
        if not datapath.closed.done():
            datapath.closed.set_result(failure)
        channel.handler.disconnected(datapath, failure)

    def _greet(self, message: Any) -> Datapath | None:
        """Make the handle, when the connection is ready."""
        if not isinstance(message, FeaturesReply):
            return None
        name = self._transport.get_extra_info("peername")
        self._datapath = Datapath(
            self._connection,
            self._transport,
            f"{name[0]}:{name[1]}" if name else "?",
            message,
            self._time(),
            self.flush_soon,
            self.sift,
            self._reading,
        )
        self._channel.handler.connected(self._datapath)
        return self._datapath
