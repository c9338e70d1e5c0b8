"""Two switches asked the same: a listener that any switch connects to, and what its answers come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple, Self

from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    BundleAdd,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowRemoved,
    Hello,
    Message,
    PacketIn,
    Port,
    PortDescReply,
    PortDescRequest,
    PortStatus,
    decode,
)
from daoli.ofproto.constants import error_name

LONG = 30.0
"""Seconds in which a switch must come, and answer."""
SHORT = 2.0
"""Seconds in which it must tell what it tells by itself."""
_NOT_COMPARED = frozenset({"duration_sec", "duration_nsec", "xid", "flags"})


class Peer:
    """A controller that says what a test tells it to."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._came = asyncio.Event()
        self._server: asyncio.Server
        self._xid = 0x1000
        self.news: list[Message] = []
        """What the switch told by itself, in order."""

    @classmethod
    @asynccontextmanager
    async def listening(cls, host: str, port: int) -> AsyncIterator[Self]:
        """Listen for a switch."""
        peer = cls()
        peer._server = await asyncio.start_server(peer._accept, host, port)
        try:
            yield peer
        finally:
            peer._server.close()
            if peer._came.is_set():
                peer._writer.close()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.sockets[0].getsockname()
        return host, port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._came.is_set():
            writer.close()
            return
        self._reader, self._writer = reader, writer
        self._send(Hello.of((4,)), FeaturesRequest(xid=1))
        self._came.set()

    def _send(self, *messages: Message) -> None:
        self._writer.write(b"".join(message.encode() for message in messages))

    async def _read(self) -> Message:
        head = await self._reader.readexactly(8)
        return decode(head + await self._reader.readexactly(int.from_bytes(head[2:4], "big") - 8))

    async def ready(self) -> None:
        """Wait for a switch."""
        async with asyncio.timeout(LONG):
            await self._came.wait()
            while not isinstance(await self._read(), FeaturesReply):
                pass

    async def tell(self, *messages: Message) -> list[Message]:
        """Send messages as they are; give all answers that come until a barrier is answered."""
        self._xid += 1
        self._send(*messages, BarrierRequest(xid=self._xid))
        heard: list[Message] = []
        async with asyncio.timeout(LONG):
            while True:
                match await self._read():
                    case EchoRequest(data, xid=xid):
                        self._send(EchoReply(data, xid=xid))
                    case BarrierReply(xid=xid) if xid == self._xid:
                        return heard
                    case PacketIn() | FlowRemoved() | PortStatus() as message:
                        self.news.append(message)
                    case message:
                        heard.append(message)

    async def all_news(self, count: int) -> list[str]:
        """Take what the switch told by itself; wait for so much of it, which may come after a barrier, but not long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SHORT):
                while len(self.news) < count:
                    await self.tell()
        news, self.news = self.news, []
        return [in_words(message) for message in news]

    async def ports(self) -> tuple[Port, ...]:
        """Ask for the switch's ports."""
        replies = await self.tell(PortDescRequest())
        return tuple(port for reply in replies if isinstance(reply, PortDescReply) for port in reply.ports)


class Step(NamedTuple):
    """A message, and which of the controllers sends it."""

    message: Message
    sender: int = 0


def _numbered(message: Message, xid: int) -> Message:
    """Give a message an xid, and what is in it too if it goes into a bundle."""
    message = message.with_xid(xid)
    if isinstance(message, BundleAdd):
        return replace(message, bundled=replace(message.bundled, message=message.bundled.message.with_xid(xid)))
    return message


async def ask(peers: Sequence[Peer], steps: Sequence[Step]) -> list[str]:
    """Carry out steps; give what each controller heard, in words that do not depend on time."""
    said = []
    for number, step in enumerate(steps):
        message = _numbered(step.message, number + 1)
        for index in (step.sender, *(set(range(len(peers))) - {step.sender})):
            heard = await peers[index].tell(*([message] if index == step.sender else []))
            said += [f"{number}>{index}: {in_words(part)}" for part in heard]
    return said


def in_words(message: Message) -> str:
    """Give a message without what may differ: times, and of errors the data but for whose message is quoted."""
    if isinstance(message, Error):
        quoted = message.data[4:] if message.experimenter is not None else message.data
        return (
            f"{error_name(message.type, message.code)} quotes type {quoted[1]} xid {int.from_bytes(quoted[4:8], 'big')}"
        )
    return _words(message)


def _words(value: Any) -> str:
    if is_dataclass(value):
        said = (f"{f.name}={_words(getattr(value, f.name))}" for f in fields(value) if f.name not in _NOT_COMPARED)
        return f"{type(value).__name__}({', '.join(said)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_words, value))})"
    return str(value)
