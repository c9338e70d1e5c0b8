"""The connection by itself: hellos, errors, and bytes that are none."""

from __future__ import annotations

import asyncio

import pytest
from tests.datapath.emulated.connected import connected
from tests.datapath.scripted_switch import LONG

from daoli.datapath import DatapathError
from daoli.datapath.emulated import EmulatedSwitch
from daoli.ofproto import (
    BadRequestCode,
    EchoReply,
    Error,
    ErrorType,
    Hello,
)


async def test_what_it_need_not_answer() -> None:
    """An echo reply or an error of the controller is taken in silence."""
    async with connected() as bench:
        bench.datapath.send(EchoReply())
        bench.datapath.send(Error(1, 1))
        assert await bench.settle() == []


async def test_bad_bytes() -> None:
    """A message that cannot be read is refused, and the next one is read."""
    async with connected() as bench:
        bench.datapath.write(b"\x04\x0e\x00\x09\x00\x00\x00\x05!\x01\x0e\x00\x08\x00\x00\x00\x06")
        long, old = await bench.news(2)
        assert (long.code, long.xid) == (BadRequestCode.BAD_LEN, 5)
        assert (old.code, old.xid) == (BadRequestCode.BAD_VERSION, 6)
        await bench.datapath.barrier()
        bench.datapath.write(b"\x04\x00\x00\x07\x00\x00\x00\x05")
        await bench.switch.disconnected()


async def test_controller_that_refuses_the_hello() -> None:
    """What a controller says against a hello is what connecting fails with."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(Error(ErrorType.HELLO_FAILED, 1, b"not you").encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        with pytest.raises(DatapathError, match="OFPHFC_EPERM"):
            await EmulatedSwitch(1).connect(*server.sockets[0].getsockname())


async def test_controller_of_another_version() -> None:
    """A controller that does not speak OpenFlow 1.3 is told so, and connecting fails with what it said."""
    said = asyncio.get_running_loop().create_future()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(Hello.of((1,)).encode())
        said.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        with pytest.raises(DatapathError, match=r"instead of a hello in OpenFlow 1\.3"):
            await EmulatedSwitch(1).connect(*server.sockets[0].getsockname())
        async with asyncio.timeout(LONG):
            assert b"OpenFlow 1.3 (0x04) only" in await said
