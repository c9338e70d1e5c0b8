"""The stream of events: its order, its bound, and that a program which asks while it reads is not stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.datapath.loopless import Loopless, settle
from tests.datapath.scripted_switch import LONG, ScriptedSwitch

from daoli.datapath.errors import DatapathError
from daoli.datapath.events import EXCESS, MOST, Connected, Disconnected, Event, EventStream, Received, events
from daoli.ofproto import BarrierReply, BarrierRequest, Error, FlowRemoved, PacketIn
from daoli.ofproto.shapes import PUNT, Punt

PUNTED = Punt(0, 0xFFFFFFFF, 5, 0, 0, 0, 7, b"frame")


@asynccontextmanager
async def streaming(limit: int = 8) -> AsyncIterator[tuple[EventStream, ScriptedSwitch]]:
    """Listen on loopback, with one switch connected."""
    async with events("127.0.0.1", 0, shapes=(PUNT,), limit=limit) as stream:
        switch = await ScriptedSwitch.ready(stream)
        try:
            yield stream, switch
        finally:
            switch.close()


async def following(stream: EventStream) -> Event:
    """Read the next event."""
    async with asyncio.timeout(LONG):
        return await anext(stream)


async def test_events() -> None:
    """A datapath comes, speaks and goes, in this order; meanwhile the stream knows it by its id."""
    async with streaming() as (stream, switch):
        switch.send(PUNTED.message(), FlowRemoved(cookie=3))
        match await following(stream):
            case Connected(datapath):
                assert stream.datapaths == {1: datapath}
            case other:
                raise AssertionError(other)
        assert await following(stream) == Received(datapath, PUNTED)
        assert await following(stream) == Received(datapath, FlowRemoved(cookie=3))
        switch.close()
        match await following(stream):
            case Disconnected(gone, failure):
                assert (gone, failure, stream.datapaths) == (datapath, None, {})
            case other:
                raise AssertionError(other)


async def test_end() -> None:
    """After the block what waits can still be read, and then the stream ends."""
    async with streaming() as (stream, _):
        assert isinstance(await following(stream), Connected)
    assert [type(event) async for event in stream] == [Disconnected]


async def test_end_while_waiting() -> None:
    """A reader in another task learns of the end."""
    stream = EventStream()
    reading = asyncio.ensure_future(anext(stream, None))
    await settle()
    stream.close()
    assert await reading is None


async def test_full_queue_stops_the_reading() -> None:
    """At the bound all datapaths are read no more, one that comes later too; below half of it they are again."""
    stream = EventStream(limit=8)
    first, second = Loopless(), Loopless()
    stream.connected(first.datapath)
    for _ in range(6):
        stream.received(first.datapath, PUNTED)
    assert not first.transport.paused
    stream.received(first.datapath, PUNTED)
    assert first.transport.paused
    stream.connected(second.datapath)
    assert second.transport.paused
    while len(stream) > 4:
        await anext(stream)
        assert first.transport.paused
    await anext(stream)
    assert not first.transport.paused
    assert not second.transport.paused


async def test_asking_with_a_full_queue() -> None:
    """Who awaits an answer while the queue is full gets it: the datapath is read for it, and packets drop at last."""
    stream, bench = EventStream(limit=8, shapes=(PUNT,)), Loopless()
    stream.connected(bench.datapath)
    for _ in range(8):
        stream.received(bench.datapath, PUNTED)
    asking = asyncio.ensure_future(bench.datapath.barrier())
    await settle()
    for _ in range(EXCESS * 8):
        assert not bench.transport.paused
        stream.received(bench.datapath, PUNTED)
    assert (len(stream), stream.dropped) == (EXCESS * 8, 9)
    stream.received(bench.datapath, PacketIn())
    stream.received(bench.datapath, FlowRemoved())
    assert (len(stream), stream.dropped) == (EXCESS * 8 + 1, 10)
    bench.feed(BarrierReply(xid=1))
    await asking
    assert bench.transport.paused
    while len(stream) >= 4:
        await anext(stream)
    assert not bench.transport.paused


async def test_flood_while_asking() -> None:
    """A datapath that floods who awaits its answer is not read at last; what it said is there, and then it is read."""
    stream, calm, bench = EventStream(limit=4), Loopless(), Loopless()
    stream.connected(calm.datapath)
    stream.connected(bench.datapath)
    asking = [asyncio.ensure_future(each.datapath.barrier(timeout=LONG)) for each in (bench, calm)]
    await settle()
    for _ in range(MOST * 4 - 2):
        stream.received(bench.datapath, Error(1, 1))
    assert not bench.transport.paused
    stream.received(bench.datapath, Error(1, 1))
    assert (bench.transport.paused, calm.transport.paused) == (True, False)
    while len(stream) >= 2:
        assert bench.transport.paused
        await anext(stream)
    assert not bench.transport.paused
    for each in (bench, calm):
        each.feed(BarrierReply(xid=1))
    await asyncio.gather(*asking)


async def test_connecting_while_flooded() -> None:
    """A datapath that connects when very much waits is sent away, and nothing is told of it."""
    stream, first, late = EventStream(limit=1), Loopless(), Loopless()
    stream.connected(first.datapath)
    for _ in range(MOST - 1):
        stream.received(first.datapath, FlowRemoved())
    stream.connected(late.datapath)
    stream.received(late.datapath, FlowRemoved())
    stream.disconnected(late.datapath, late.connection.failure)
    assert (len(stream), late.transport.aborted, late.datapath.alive) == (MOST, True, False)
    assert isinstance(late.connection.failure, DatapathError)
    assert stream.datapaths == {first.datapath.dpid: first.datapath}
    stream.disconnected(first.datapath, None)
    assert len(stream) == MOST + 1


async def test_flood_over_tcp() -> None:
    """A flood is read no faster than it is worked off: all of it arrives, in order, and few events wait at a time."""
    async with streaming(limit=8) as (stream, switch):
        await following(stream)
        many, size = 300, 30_000
        for n in range(many):
            switch.send(PacketIn(cookie=n, data=bytes(size)))
        most = 0
        for n in range(many):
            event = await following(stream)
            assert isinstance(event, Received)
            assert event.message.cookie == n
            most = max(most, len(stream))
            await asyncio.sleep(0)
        assert most <= 8 + 2 * 262_144 // size


async def test_asking_over_tcp() -> None:
    """A program may await an answer for each event, though many more events are on their way before it."""
    async with streaming(limit=4) as (stream, switch):
        many = 60
        switch.send(*[PUNTED.message()] * many)

        async def answer() -> None:
            for _ in range(many):
                switch.send(*[PUNTED.message()] * 3, BarrierReply(xid=(await switch.expect(BarrierRequest)).xid))

        answering = asyncio.ensure_future(answer())
        for _ in range(many):
            event = await following(stream)
            if isinstance(event, Received):
                await event.datapath.barrier()
        answering.cancel()


def test_limit() -> None:
    """A stream that lets nothing through is refused."""
    with pytest.raises(ValueError, match="a limit of 0 events"):
        EventStream(0)
