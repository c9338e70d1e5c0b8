"""A switch that does what the test says, byte for byte, at the other end of a TCP connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from daoli.datapath import Channel, ChannelSettings, Datapath
from daoli.ofproto import FeaturesReply, FeaturesRequest, Hello, Message, decode
from daoli.ofproto.shapes import PUNT

LONG = 10.0
"""Seconds that a test waits for what must come; it never takes so long where all is well."""


class Listening(Protocol):
    """What a switch must know of whom it connects to."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""


class ScriptedSwitch:
    """The switch's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, channel: Listening, context: ssl.SSLContext | None = None) -> ScriptedSwitch:
        """Connect, and say nothing."""
        return cls(*await asyncio.open_connection(*channel.address, ssl=context))

    @classmethod
    async def ready(cls, channel: Listening, dpid: int = 1, context: ssl.SSLContext | None = None) -> ScriptedSwitch:
        """Connect and do the handshake."""
        switch = await cls.connect(channel, context)
        switch.send(Hello.of((4,)))
        await switch.expect(Hello)
        request = await switch.expect(FeaturesRequest)
        switch.send(FeaturesReply(datapath_id=dpid, xid=request.xid))
        return switch

    def send(self, *messages: Message) -> None:
        """Send messages."""
        self.writer.write(b"".join(message.encode() for message in messages))

    async def read(self) -> Message:
        """Read the next message."""
        async with asyncio.timeout(LONG):
            head = await self.reader.readexactly(8)
            return decode(head + await self.reader.readexactly(int.from_bytes(head[2:4], "big") - 8))

    async def expect(self, kind: type[Message]) -> Message:
        """Read the next message, which must be of a kind."""
        message = await self.read()
        assert type(message) is kind, message
        return message

    async def rest(self) -> bytes:
        """Read all until the controller ends the connection, in whatever way."""
        try:
            async with asyncio.timeout(LONG):
                return await self.reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""

    def close(self) -> None:
        """End the connection."""
        self.writer.close()

    async def leave(self) -> None:
        """End the connection, and wait for the end."""
        self.writer.close()
        async with asyncio.timeout(LONG):
            await self.writer.wait_closed()


class Recorder:
    """A handler that keeps what it is told, and can be waited on."""

    def __init__(self) -> None:
        self.datapaths: list[Datapath] = []
        self.messages: list[tuple[Datapath, Any]] = []
        self.ended: list[tuple[Datapath, Exception | None]] = []
        self._news = asyncio.Event()

    def connected(self, datapath: Datapath) -> None:
        """Keep a datapath."""
        self.datapaths.append(datapath)
        self._news.set()

    def received(self, datapath: Datapath, message: Any) -> None:
        """Keep a message."""
        self.messages.append((datapath, message))
        self._news.set()

    def disconnected(self, datapath: Datapath, failure: Exception | None) -> None:
        """Keep an end."""
        self.ended.append((datapath, failure))
        self._news.set()

    async def until(self, kept: list[Any], count: int = 1) -> Any:
        """Wait until a list has so many entries; give the last."""
        async with asyncio.timeout(LONG):
            while len(kept) < count:
                self._news.clear()
                await self._news.wait()
        return kept[count - 1]


class Rig:
    """A listening channel, its handler, and the switches that connected."""

    def __init__(self, channel: Channel, handler: Recorder) -> None:
        self.channel = channel
        self.handler = handler
        self.switches: list[ScriptedSwitch] = []

    async def silent(self) -> ScriptedSwitch:
        """Connect a switch that says nothing."""
        self.switches.append(await ScriptedSwitch.connect(self.channel))
        return self.switches[-1]

    async def switch(self, dpid: int = 1) -> tuple[ScriptedSwitch, Datapath]:
        """Connect a switch; give both ends."""
        count = len(self.handler.datapaths)
        self.switches.append(await ScriptedSwitch.ready(self.channel, dpid))
        datapath: Datapath = await self.handler.until(self.handler.datapaths, count + 1)
        return self.switches[-1], datapath


@asynccontextmanager
async def rig(settings: ChannelSettings | None = None) -> AsyncIterator[Rig]:
    """Listen on loopback, and close everything at the end."""
    handler = Recorder()
    channel = Channel(handler, settings or ChannelSettings(), shapes=(PUNT,))
    await channel.listen("127.0.0.1", 0)
    made = Rig(channel, handler)
    try:
        yield made
    finally:
        for switch in made.switches:
            switch.close()
        async with asyncio.timeout(LONG):
            await channel.close()
            for switch in made.switches:
                try:
                    await switch.writer.wait_closed()
                except ConnectionError:
                    continue
