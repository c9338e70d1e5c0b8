"""The listener: connections of real switches over loopback, good ones and bad ones, none at another's cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.datapath.scripted_switch import LONG, Recorder, rig

from daoli.datapath import Channel, ChannelSettings, Datapath, DatapathError, ListenError
from daoli.datapath.channel import _Peer
from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowRemoved,
    FlowStats,
    FlowStatsReply,
    Hello,
    PacketOut,
    RemoteProtocolError,
)
from daoli.ofproto.connection import SLICE, Keepalive
from daoli.ofproto.shapes import PUNT, Punt
from daoli.ofproto.slices import SlicedDecoder

PUNTED = Punt(0, 0xFFFFFFFF, 5, 0, 0, 0, 7, b"frame")


class FakeTransport(asyncio.Transport):
    """Takes what is written; says how much of it is unread."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.unread = 0
        self.aborted = self.closed = self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep bytes."""
        self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Say how much is unread."""
        return self.unread

    def abort(self) -> None:
        """Note a hard end."""
        self.aborted = True

    def close(self) -> None:
        """Note a soft end."""
        self.closed = True

    def is_closing(self) -> bool:
        """Say whether it has ended."""
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        """Note that nothing is read; the test feeds what it likes."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note that reading goes on."""
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing."""
        return default


class Clocked:
    """A channel with peers on fake transports, and a clock that the test sets."""

    def __init__(self, settings: ChannelSettings | None = None) -> None:
        self.handler = Recorder()
        self.channel = Channel(self.handler, settings or ChannelSettings(), shapes=(PUNT,))
        self.now = 1000.0

    def connect(self, *, ready: bool = True) -> tuple[_Peer, FakeTransport]:
        """Connect a peer."""
        peer, transport = _Peer(self.channel), FakeTransport()
        peer._time = lambda: self.now
        peer.connection_made(transport)
        if ready:
            peer.data_received(Hello.of((4,)).encode() + FeaturesReply(datapath_id=1).encode())
            self.channel._flush()
            transport.writes.clear()
        return peer, transport


async def turn() -> None:
    """Let what was called soon be called."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


# -- over TCP


async def test_handshake() -> None:
    """A switch that shakes hands becomes a datapath, known by its id and its peer."""
    async with rig() as made:
        switch, datapath = await made.switch(0xDA01)
        assert datapath.dpid == 0xDA01
        assert datapath.alive
        host, port = switch.writer.get_extra_info("sockname")
        assert datapath.peer == f"{host}:{port}"
        assert datapath.features.datapath_id == 0xDA01


async def test_received() -> None:
    """What a datapath says of itself is handed on in order, shapes as tuples."""
    async with rig() as made:
        switch, datapath = await made.switch()
        switch.send(PUNTED.message(), FlowRemoved(cookie=3), PUNTED.message(), EchoRequest(b"?", xid=9))
        assert await switch.expect(EchoReply) == EchoReply(b"?", xid=9)
        assert made.handler.messages == [(datapath, PUNTED), (datapath, FlowRemoved(cookie=3)), (datapath, PUNTED)]


async def test_punt_before_the_handler_knows() -> None:
    """What follows the features reply in the same bytes comes after `connected`."""
    async with rig() as made:
        switch = await made.silent()
        switch.send(Hello.of((4,)), FeaturesReply(datapath_id=5), PUNTED.message())
        ((datapath, message),) = [await made.handler.until(made.handler.messages)]
        assert (message, made.handler.datapaths) == (PUNTED, [datapath])


async def test_garbage() -> None:
    """Garbage ends the connection that it came by, with an error message, and no other."""
    async with rig() as made:
        good, alive = await made.switch(1)
        bad, datapath = await made.switch(2)
        bad.writer.write(b"\x04\x0a\x00\x09\x00\x00\x00\x05!")
        assert isinstance(await bad.read(), Error)
        assert await bad.rest() == b""
        assert await made.handler.until(made.handler.ended) == (datapath, datapath.closed.result())
        assert datapath.closed.result() is not None
        for junk in (
            b"\x04\x00\x00\x00\x00\x00\x00\x00",
            b"HI\x00\x10 / HTTP/1.1\r\n",
            b"\xff\xff\0\x08" + b"\xff" * 4,
        ):
            stranger = await made.silent()
            stranger.writer.write(junk)
            await stranger.rest()
        asking = asyncio.ensure_future(alive.barrier())
        good.send(BarrierReply(xid=(await good.expect(BarrierRequest)).xid))
        await asking
        assert len(made.handler.ended) == 1


@pytest.mark.parametrize("length", [0, 3, 7])
async def test_bad_length(length: int) -> None:
    """A length that no message has ends the connection with an error message, and nothing is raised in the loop."""
    async with rig() as made:
        switch, datapath = await made.switch()
        switch.writer.write(bytes([4, 10, 0, length, 0, 0, 0, 1]))
        assert isinstance(await switch.read(), Error)
        await made.handler.until(made.handler.ended)
        assert not datapath.alive


async def test_wrong_version() -> None:
    """A peer of another version is told so, in words, and the handler never hears of it."""
    async with rig() as made:
        switch = await made.silent()
        switch.send(Hello.of((1,)))
        await switch.expect(Hello)
        error = await switch.expect(Error)
        assert isinstance(error, Error)
        assert b"OpenFlow 1.3" in error.data
        assert await switch.rest() == b""
        assert (made.handler.datapaths, made.handler.ended) == ([], [])


async def test_eof() -> None:
    """A switch that leaves is gone, once."""
    async with rig() as made:
        switch, datapath = await made.switch()
        switch.close()
        assert (await made.handler.until(made.handler.ended))[0] is datapath
        await turn()
        assert len(made.handler.ended) == 1
        assert not datapath.alive
        assert datapath.closed.done()


async def test_closed_by_us() -> None:
    """When the controller ends a connection the reason is what the handler and waiters are told."""
    async with rig() as made:
        switch, datapath = await made.switch()
        waiting = asyncio.ensure_future(datapath.barrier())
        await switch.expect(BarrierRequest)
        reason = DatapathError("replaced")
        datapath.close(reason)
        assert await made.handler.until(made.handler.ended) == (datapath, reason)
        with pytest.raises(DatapathError) as caught:
            await waiting
        assert caught.value.__cause__ is reason
        await switch.rest()


async def test_close() -> None:
    """Closing the channel ends every connection, finished handshake or not, and accepts no more."""
    async with rig() as made:
        (switch, datapath), stranger = await made.switch(), await made.silent()
        await stranger.expect(Hello)
        await made.channel.close()
        assert await switch.rest() == await stranger.rest() == b""
        assert not datapath.alive
        assert made.handler.ended == [(datapath, None)]
        with pytest.raises(ConnectionError):
            await made.silent()


async def test_close_with_an_unread_queue() -> None:
    """Closing the channel does not wait for a datapath that reads nothing."""
    async with rig() as made:
        switch, datapath = await made.switch()
        switch.writer.transport.pause_reading()  # type: ignore[attr-defined]
        datapath.write(PacketOut(data=bytes(60_000)).encode() * 100)
        await turn()
        async with asyncio.timeout(LONG):
            await made.channel.close()
            await datapath.closed
        assert made.handler.ended == [(datapath, None)]


async def test_listen_error() -> None:
    """A port that is taken is a ListenError that names it."""
    async with rig() as made:
        host, port = made.channel.address
        other = Channel(Recorder())
        with pytest.raises(ListenError, match=f"cannot listen for OpenFlow on {host}:{port}") as caught:
            await other.listen(host, port)
        assert isinstance(caught.value.__cause__, OSError)
        await other.close()


async def test_max_connections() -> None:
    """Connections beyond the bound are closed as they come; when one leaves there is room again."""
    async with rig(ChannelSettings(max_connections=1)) as made:
        switch, _ = await made.switch(1)
        stranger = await made.silent()
        assert await stranger.rest() == b""
        assert made.channel.refused == 1
        switch.close()
        await made.handler.until(made.handler.ended)
        await made.switch(2)
        assert made.channel.refused == 1


async def test_slow_reader() -> None:
    """A datapath that reads nothing is disconnected when its queue is full; another is not affected."""
    async with rig(ChannelSettings(max_output=1_000_000)) as made:
        slow, stuck = await made.switch(1)
        good, alive = await made.switch(2)
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        packet = PacketOut(data=bytes(50_000)).encode()
        for _ in range(1000):
            if not stuck.alive:
                break
            stuck.write(packet)
            alive.write(FlowMod().encode())
            await turn()
        datapath, failure = await made.handler.until(made.handler.ended)
        assert datapath is stuck
        assert "bytes unread by the datapath" in str(failure)
        asking = asyncio.ensure_future(alive.barrier())
        while not isinstance(message := await good.read(), BarrierRequest):
            assert isinstance(message, FlowMod)
        good.send(BarrierReply(xid=message.xid))
        await asking


async def test_shared_loop_turn() -> None:
    """A punt's answer is on its way before the next turn of the loop ends."""

    class Answering(Recorder):
        def received(self, datapath: Datapath, message: Any) -> None:
            super().received(datapath, message)
            datapath.send(PacketOut(data=message.data))

    handler = Answering()
    channel = Channel(handler, shapes=(PUNT,))
    peer, transport = _Peer(channel), FakeTransport()
    peer.connection_made(transport)
    peer.data_received(Hello.of((4,)).encode() + FeaturesReply(datapath_id=1).encode())
    await turn()
    transport.writes.clear()
    peer.data_received(PUNTED.message().encode() * 3)
    assert transport.writes == []
    await turn()
    assert transport.writes == [PacketOut(data=b"frame").encode() * 3]


# -- with fake transports and a clock


async def test_one_write_per_turn() -> None:
    """What one turn of the loop sends to a datapath leaves in one write, whoever sent it."""
    bench = Clocked()
    peer, transport = bench.connect()
    other, quiet = bench.connect()
    datapath = bench.handler.datapaths[0]
    for _ in range(5):
        datapath.send(FlowMod())
        datapath.write(FlowMod().encode())
    peer.data_received(EchoRequest(xid=1).encode())
    assert transport.writes == []
    await turn()
    assert transport.writes == [FlowMod().encode() * 10 + EchoReply(xid=1).encode()]
    datapath.send(FlowMod())
    await turn()
    assert len(transport.writes) == 2
    await turn()
    assert len(transport.writes) == 2
    assert quiet.writes == []
    assert other is not peer


async def test_bound() -> None:
    """A datapath is disconnected once it leaves more unread than the bound, and not before."""
    bench = Clocked(ChannelSettings(max_output=1000))
    _, transport = bench.connect()
    datapath = bench.handler.datapaths[0]
    transport.unread = 1000
    datapath.send(FlowMod())
    await turn()
    assert datapath.alive
    transport.unread = 1001
    datapath.send(FlowMod())
    await turn()
    assert (datapath.alive, transport.aborted) == (False, True)
    assert [str(failure) for _, failure in bench.handler.ended] == ["1001 bytes unread by the datapath"]


async def test_keepalive() -> None:
    """A silent datapath is asked, and then closed; one that answers stays."""
    bench = Clocked(ChannelSettings(keepalive=Keepalive(5.0, 10.0)))
    (peer, transport), (lively, _) = bench.connect(), bench.connect()
    for _ in range(15):
        bench.now += 1.0
        peer.tick(bench.now)
        lively.data_received(EchoReply().encode())
        lively.tick(bench.now)
    assert transport.writes == [EchoRequest().encode()]
    ((datapath, failure),) = bench.handler.ended
    assert datapath is bench.handler.datapaths[0]
    assert isinstance(failure, RemoteProtocolError)
    assert transport.aborted
    assert bench.handler.datapaths[1].alive


async def test_keepalive_unread() -> None:
    """A datapath that is not read is not taken for dead, and hears from us; once it is read its silence counts."""
    bench = Clocked(ChannelSettings(keepalive=Keepalive(5.0, 10.0)))
    peer, transport = bench.connect()
    (datapath,) = bench.handler.datapaths
    datapath.reading.hold(bench)
    for _ in range(60):
        bench.now += 1.0
        peer.tick(bench.now)
    assert datapath.alive
    assert len(transport.writes) == 12
    assert set(transport.writes) == {EchoRequest().encode()}
    datapath.reading.release(bench)
    for _ in range(15):
        bench.now += 1.0
        peer.tick(bench.now)
    assert not datapath.alive


async def test_handshake_timeout() -> None:
    """What connects and does not become a datapath in time is closed, though it keeps on talking."""
    bench = Clocked(ChannelSettings(handshake_timeout=10.0))
    peer, transport = bench.connect(ready=False)
    peer.data_received(Hello.of((4,)).encode())
    for _ in range(11):
        assert not transport.aborted
        peer.data_received(EchoRequest().encode())
        peer.tick(bench.now)
        bench.now += 1.0
    peer.tick(bench.now)
    assert transport.aborted
    assert (bench.handler.datapaths, bench.handler.ended) == ([], [])


async def test_tick() -> None:
    """The channel's own tick reaches every peer and comes again."""
    bench = Clocked()
    peer, transport = bench.connect()
    peer._connection.send(FlowMod())
    bench.channel._tick()
    assert transport.writes == [FlowMod().encode()]
    assert bench.channel._ticker is not None
    assert not bench.channel._ticker.cancelled()
    await bench.channel.close()
    assert bench.channel._ticker.cancelled()
    assert transport.closed


async def test_last_words() -> None:
    """What is queued when a connection ends, the error message included, is written before the end."""
    bench = Clocked()
    peer, transport = bench.connect()
    bench.handler.datapaths[0].send(FlowMod())
    peer.data_received(Hello().encode())
    (last,) = transport.writes
    assert last.startswith(FlowMod().encode())
    assert last[len(FlowMod().encode()) + 1] == 1  # an error message
    assert (transport.closed, transport.aborted) == (True, False)


async def test_last_words_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not read the last words is not waited for, nor is its queue kept."""
    monkeypatch.setattr("daoli.datapath.channel._LINGER", 0)
    bench = Clocked()
    peer, transport = bench.connect()
    peer.data_received(Hello().encode())
    assert (transport.closed, transport.aborted) == (True, False)
    await turn()
    assert transport.aborted


async def test_nothing_after_the_end() -> None:
    """After the end nothing is read, written or told again."""
    bench = Clocked()
    peer, transport = bench.connect()
    peer.data_received(Hello().encode())
    transport.writes.clear()
    peer.data_received(PUNTED.message().encode())
    peer.eof_received()
    peer.connection_lost(None)
    peer.flush()
    peer.end(DatapathError("again"))
    assert (bench.handler.messages, len(bench.handler.ended), transport.writes) == ([], 1, [])


async def test_features_request() -> None:
    """The hello leaves at once, the features request when the peer's hello has come."""
    bench = Clocked()
    peer, transport = bench.connect(ready=False)
    assert transport.writes == [Hello.of((4,)).encode()]
    peer.data_received(Hello.of((4,)).encode())
    await turn()
    assert transport.writes[1:] == [FeaturesRequest().encode()]


# -- what takes long

LONG_REPLY = FlowStatsReply(tuple(FlowStats(cookie=n) for n in range(1000)), xid=0xABC)
SLICES = -(-len(LONG_REPLY.encode()) // SLICE)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Keep the sizes of the slices that are decoded."""
    sizes: list[int] = []
    step = SlicedDecoder.step

    def counted(decoder: SlicedDecoder, size: int) -> Any:
        sizes.append(size)
        return step(decoder, size)

    monkeypatch.setattr(SlicedDecoder, "step", counted)
    return sizes


async def one_turn() -> None:
    """Let what was called soon by now be called, and nothing that this calls in turn."""
    await asyncio.sleep(0)


async def test_one_slice_in_a_turn(steps: list[int]) -> None:
    """Long replies of any number of datapaths share one slice of each turn; each is read on when its own is done."""
    bench = Clocked()
    peers = [bench.connect() for _ in range(3)]
    await turn()
    for peer, transport in peers:
        peer.data_received(LONG_REPLY.encode() * 2)
        assert transport.paused
    assert steps == [SLICE]
    for turns in range(2, 6 * SLICES + 1):
        await one_turn()
        assert steps == [SLICE] * turns
    assert [message for _, message in bench.handler.messages] == [LONG_REPLY] * 6
    await one_turn()
    assert len(steps) == 6 * SLICES
    assert not any(transport.paused for _, transport in peers)


async def test_one_after_the_other(steps: list[int]) -> None:
    """Who waits longest is read to the end first, so that half replies do not pile up."""
    bench = Clocked()
    for peer, _ in [bench.connect() for _ in range(3)]:
        peer.data_received(LONG_REPLY.encode())
    for done in range(1, 4):
        while len(steps) < done * SLICES:
            await one_turn()
        assert [datapath for datapath, _ in bench.handler.messages] == bench.handler.datapaths[:done]


async def test_short_ones_go_by(steps: list[int]) -> None:
    """While a long reply is read, what other datapaths say is heard at once: packet_ins, and short answers and news."""
    bench = Clocked()
    (slow, _), (other, _), (third, _) = [bench.connect() for _ in range(3)]
    await turn()
    slow.data_received(LONG_REPLY.encode())
    for peer in (other, third):
        peer.data_received(PUNTED.message().encode() * 100 + FlowRemoved().encode())
    assert len(bench.handler.messages) == 202
    assert steps == [SLICE]


async def test_many_short_ones(steps: list[int]) -> None:
    """Many short messages in one read are no more than a slice in a turn either; their order is kept."""
    bench = Clocked()
    peer, transport = bench.connect()
    await turn()
    news = [FlowRemoved(cookie=n) for n in range(1000)]
    peer.data_received(b"".join(message.encode() for message in news))
    per_turn = SLICE // len(news[0].encode())
    assert len(bench.handler.messages) == per_turn
    await one_turn()
    assert len(bench.handler.messages) == 2 * per_turn
    assert transport.paused
    while transport.paused:
        await one_turn()
    assert [message for _, message in bench.handler.messages] == news
    assert steps == []


async def test_eof_behind() -> None:
    """What came before the end of a connection is heard before the end is told."""
    bench = Clocked()
    peer, _ = bench.connect()
    peer.data_received(LONG_REPLY.encode() * 3)
    peer.eof_received()
    assert [message for _, message in bench.handler.messages] == [LONG_REPLY] * 3
    assert len(bench.handler.ended) == 1
    await turn()


async def test_damage_behind() -> None:
    """Damage in a later slice ends that connection, with an error message, and no other one."""
    bench = Clocked()
    (bad, broken), (good, _) = bench.connect(), bench.connect()
    bad.data_received(LONG_REPLY.encode()[:-56] + bytes(56) + LONG_REPLY.encode())
    good.data_received(LONG_REPLY.encode())
    while not bench.handler.messages:
        await one_turn()
    ((datapath, failure),) = bench.handler.ended
    assert datapath is bench.handler.datapaths[0]
    assert "does not count itself" in str(failure)
    assert (broken.closed, len(broken.writes)) == (True, 1)
    assert bench.handler.messages == [(bench.handler.datapaths[1], LONG_REPLY)]


async def test_end_behind(steps: list[int]) -> None:
    """A connection that ends while it waits for a slice needs none any more."""
    bench = Clocked()
    (ended, _), (other, _) = bench.connect(), bench.connect()
    await turn()
    ended.data_received(LONG_REPLY.encode())
    other.data_received(LONG_REPLY.encode())
    ended.end(None)
    while not bench.handler.messages:
        await one_turn()
    assert bench.handler.messages == [(bench.handler.datapaths[1], LONG_REPLY)]
    assert len(steps) == 1 + SLICES


async def test_handler_that_fails_behind(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that raises about one datapath's delayed message costs that connection, and nobody else's turn."""

    class Failing(Recorder):
        def received(self, datapath: Datapath, message: Any) -> None:
            if datapath is self.datapaths[0]:
                raise RuntimeError("the handler's own fault")
            super().received(datapath, message)

    bench = Clocked()
    bench.handler = bench.channel.handler = Failing()
    (failing, aborted), (other, alive) = bench.connect(), bench.connect()
    failing.data_received(LONG_REPLY.encode())
    other.data_received(LONG_REPLY.encode())
    while not bench.handler.messages:
        await one_turn()
    assert (aborted.aborted, alive.aborted) == (True, False)
    assert "the handler's own fault" in caplog.text


async def test_keepalive_behind() -> None:
    """A datapath that waits for slices is not taken for dead, and nothing of what waits is lost."""
    bench = Clocked()
    peer, _ = bench.connect()
    peer.data_received(LONG_REPLY.encode())
    bench.now += 1000.0
    peer.tick(bench.now)
    while not bench.handler.messages:
        await one_turn()
    assert bench.handler.datapaths[0].alive
