"""Answers the DNS queries of this host's containers: UDP as frames from the bridge, TCP as connections led here.

What is not ours to answer goes on its way untouched, or is relayed to the resolver that was asked. Nothing here asks
the controller: the zone is what it has told, and stays when it is away.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Never

import structlog

from daoli.agent.names import flood, frames
from daoli.agent.names.answers import answer
from daoli.agent.names.zone import Zone
from daoli.hosts.spec import EndpointSpec
from daoli.routing.model import ipv4_text, mac_text

DNS: Final = 53
FRAMES_PER_TURN: Final = 32
"""Queries that are answered before other work of the agent gets its turn."""
FRAME_SIZE: Final = 65536
REOPEN_SECONDS: Final = 1.0
PORT_MAP_SECONDS: Final = 1.0
"""How long an unknown port stays unknown before the switch is asked again."""
BUFFER_SIZE: Final = 1 << 20
"""Bytes of queries, with what the kernel keeps of each, that wait for their turn: some thousand."""
TCP_IDLE_SECONDS: Final = 10.0
TCP_CLIENTS: Final = 256
TCP_CLIENTS_OF_ONE: Final = 32
"""Connections at a time, of all containers and of one."""
_SO_ORIGINAL_DST: Final = 80
_SO_RCVBUFFORCE: Final = 33
_SOCKADDR_IN: Final = struct.Struct("!2xH4s8x")
_LENGTH: Final = struct.Struct("!H")

log = structlog.get_logger(__name__)


class PortMap:
    """Which port number belongs to which port of the bridge, asked again when an unknown one appears."""

    def __init__(self, read: Callable[[], Awaitable[dict[int, str]]]) -> None:
        self._read = read
        self._names: dict[int, str] = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def name(self, number: int, wanted: str) -> str | None:
        """Find a port's name; the switch is asked if it is not the one that is wanted, but not all the time."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._names.get(number) != wanted and now - self._asked > PORT_MAP_SECONDS:
                self._asked = now
                self._names = await self._read()
        return self._names.get(number)

    def known(self, number: int) -> str | None:
        """Find a port's name without asking."""
        return self._names.get(number)


class NamesServer:
    """Answers from a zone; counts what it did."""

    def __init__(self, zone: Zone, interface: str, ports: PortMap) -> None:
        """`interface` is the bridge's port for queries."""
        self._zone = zone
        self._interface = interface
        self._ports = ports
        self._socket: socket.socket | None = None
        self._reported = False
        self._slow: set[asyncio.Task[None]] = set()
        self._clients: Counter[str] = Counter()
        self._quotas = flood.Quotas()
        self._silent: frozenset[int] = frozenset()
        self._later: asyncio.TimerHandle | None = None
        self.answered = 0
        self.passed_on = 0
        self.dropped = 0

    # -- UDP -------------------------------------------------------------------------------------------------------

    async def run_udp(self) -> Never:
        """Serve the bridge's port, for ever: an interface that goes away is waited for."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._socket = _open(self._interface)
            except OSError as error:
                self._report("names_port_missing", error.strerror)
                await asyncio.sleep(REOPEN_SECONDS)
                continue
            self._silent = frozenset()
            broken = loop.create_future()
            loop.add_reader(self._socket, self._readable, broken)
            try:
                reason = await broken
            finally:
                loop.remove_reader(self._socket)
                self._socket.close()
                self._socket = None
            self._report("names_port_lost", reason)
            await asyncio.sleep(REOPEN_SECONDS)

    def _report(self, event: str, reason: str | None) -> None:
        """Say once that the port cannot be used, until it carries something: one that is down is lost at once."""
        if not self._reported:
            log.warning(event, interface=self._interface, reason=reason)
        self._reported = True

    def _readable(self, broken: asyncio.Future[str]) -> None:
        if self._socket is None or broken.done():
            return
        for _ in range(FRAMES_PER_TURN):
            try:
                frame, address = self._socket.recvfrom(FRAME_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                broken.set_result(error.strerror or str(error))
                return
            self._reported = False
            if address[2] != socket.PACKET_OUTGOING:
                self._take(frame)

    def _take(self, frame: bytes) -> None:
        if frame[:4] != frames.QUERY:
            return
        port, now = int.from_bytes(frame[4:6], "big"), asyncio.get_running_loop().time()
        if not self._quotas.take(port, now):
            self.dropped += 1
            if port not in self._silent:
                self._silence()
            return
        query = frames.parse(frame)
        if query is None:
            self._send(frames.passed_on(frame), passed=True)
            return
        asker = self._zone.at(ipv4_text(query.ipv4))
        if asker is None or asker.mac != mac_text(query.mac):
            self._send(frames.passed_on(frame), passed=True)
        elif self._ports.known(query.port) == asker.port:
            self._reply(frame, query, asker)
        elif len(self._slow) < FRAMES_PER_TURN:
            task = asyncio.get_running_loop().create_task(self._look_up(frame, query, asker))
            self._slow.add(task)
            task.add_done_callback(self._slow.discard)
        else:
            self.dropped += 1

    def _silence(self) -> None:
        """Have the kernel drop what silent ports send, and hear them again when it is time."""
        loop = asyncio.get_running_loop()
        silent = self._quotas.silent(loop.time())
        if silent != self._silent and self._socket is not None:
            flood.attach(self._socket, silent)
            self._silent = silent
        if self._later is not None:
            self._later.cancel()
        self._later = loop.call_later(flood.SILENCE_SECONDS, self._silence) if silent else None

    async def _look_up(self, frame: bytes, query: frames.Query, asker: EndpointSpec) -> None:
        """Answer a port that is new to us; who asks with another's address only hears what the resolver says."""
        if await self._ports.name(query.port, asker.port) == asker.port:
            self._reply(frame, query, asker)
        else:
            self._send(frames.passed_on(frame), passed=True)

    def _reply(self, frame: bytes, query: frames.Query, asker: EndpointSpec) -> None:
        payload = answer(self._zone, asker, query.payload)
        if payload is None:
            self._send(frames.passed_on(frame), passed=True)
        else:
            self._send(frames.answer(query, payload), passed=False)

    def _send(self, frame: bytes, *, passed: bool) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(frame)
        except OSError as error:  # a full queue loses a datagram, as any router's does
            self.dropped += 1
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                log.warning("names_not_sent", interface=self._interface, reason=error.strerror)
            return
        if passed:
            self.passed_on += 1
        else:
            self.answered += 1

    # -- TCP -------------------------------------------------------------------------------------------------------

    async def run_tcp(self, address: str, port: int) -> Never:
        """Serve connections that the host's nftables led here; their resolver is the address they were made to."""
        server = await asyncio.start_server(self._client, address, port)
        async with server:
            await server.serve_forever()
        raise asyncio.CancelledError

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername")[0])
        if self._clients[peer] >= TCP_CLIENTS_OF_ONE or self._clients.total() >= TCP_CLIENTS:
            writer.close()
            return
        self._clients[peer] += 1
        relay: _Relay | None = None
        try:
            async with asyncio.timeout(TCP_IDLE_SECONDS) as limit:
                resolver = _original_destination(writer.get_extra_info("socket"))
                asker = self._zone.at(peer)
                if resolver is None or asker is None:
                    return
                relay = _Relay(resolver)
                while (message := await _read_message(reader)) is not None:
                    reply = answer(self._zone, asker, message, tcp=True)
                    if reply is None:
                        reply = await relay.ask(message)
                        self.passed_on += 1
                    else:
                        self.answered += 1
                    writer.write(_LENGTH.pack(len(reply)) + reply)
                    await writer.drain()
                    limit.reschedule(asyncio.get_running_loop().time() + TCP_IDLE_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client, or the resolver it asked, has gone
        finally:
            self._clients[peer] -= 1
            if not self._clients[peer]:
                del self._clients[peer]
            writer.close()
            if relay is not None:
                relay.close()
            with suppress(OSError):
                await writer.wait_closed()


class _Relay:
    """A connection to a resolver, made when it is needed."""

    def __init__(self, resolver: tuple[str, int]) -> None:
        self._resolver = resolver
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: bytes) -> bytes:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._resolver)
        reader, writer = self._streams
        writer.write(_LENGTH.pack(len(message)) + message)
        await writer.drain()
        reply = await _read_message(reader)
        if reply is None:
            raise ConnectionResetError("the resolver ended the connection")
        return reply

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def _read_message(reader: asyncio.StreamReader) -> bytes | None:
    """Read one message with its length before it (RFC 1035, 4.2.2); None at the end."""
    try:
        head = await reader.readexactly(_LENGTH.size)
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise
        return None
    return await reader.readexactly(_LENGTH.unpack(head)[0])


def _open(interface: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(0x0800))
    try:
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, BUFFER_SIZE)
        raw.bind((interface, 0x0800))
    except OSError:
        raw.close()
        raise
    return raw


def _original_destination(connection: Any) -> tuple[str, int] | None:
    """Read where a connection was made to before it was led here (netfilter's SO_ORIGINAL_DST)."""
    try:
        port, address = _SOCKADDR_IN.unpack(connection.getsockopt(socket.SOL_IP, _SO_ORIGINAL_DST, 16))
    except OSError:
        return None
    return ipv4_text(address), port
