"""The handle of a datapath: requests and their answers, time-outs, the end, and one write per turn of the loop."""

from __future__ import annotations

import asyncio

import pytest
from tests.datapath.scripted_switch import LONG, rig

from daoli.datapath import Datapath, DatapathError, Disconnected, RequestFailed
from daoli.datapath.datapath import MAX_PARTS
from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    Error,
    ErrorType,
    FeaturesReply,
    FlowMod,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    RoleReply,
    RoleRequest,
    SetConfig,
)
from daoli.ofproto.connection import Connection


class FakeTransport:
    """Takes what is written, and remembers whether it was aborted."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes, /) -> None:
        """Keep bytes."""
        self.writes.append(data)

    def abort(self) -> None:
        """Note the end."""
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        """Say that all was taken."""
        return 0


class Loopless:
    """A handle over a connection that the test feeds, without a socket."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.connection = Connection(0.0)
        features = FeaturesReply(datapath_id=0xDA01)
        self.connection.receive_data(Hello.of((4,)).encode() + features.encode(), 0.0)
        self.connection.data_to_send()
        self.flushes = 0
        self.datapath = Datapath(self.connection, self.transport, "peer", features, 0.0, self._flush_soon)

    def _flush_soon(self, _: Datapath) -> None:
        self.flushes += 1

    def feed(self, *messages: object) -> None:
        """Have the switch send messages."""
        for reply in self.connection.receive_data(b"".join(m.encode() for m in messages), 0.0):  # type: ignore[attr-defined]
            self.datapath._receive_reply(reply)


async def settle() -> None:
    """Let tasks that can run do so, until they wait for something."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_request() -> None:
    """A request's answer is what its sender gets."""
    async with rig() as made:
        switch, datapath = await made.switch()
        asking = asyncio.ensure_future(datapath.request(GetConfigRequest(), GetConfigReply))
        request = await switch.expect(GetConfigRequest)
        switch.send(GetConfigReply(miss_send_len=77, xid=request.xid))
        assert (await asking).miss_send_len == 77
        assert made.handler.messages == []


async def test_answers_out_of_order() -> None:
    """Each of several requests gets its own answer, in whatever order they come."""
    async with rig() as made:
        switch, datapath = await made.switch()
        asking = [asyncio.ensure_future(datapath.request(RoleRequest(0, n), RoleReply)) for n in range(5)]
        requests = [await switch.expect(RoleRequest) for _ in asking]
        for n, request in reversed(list(enumerate(requests))):
            switch.send(RoleReply(0, n, xid=request.xid))
        assert [answer.generation_id for answer in await asyncio.gather(*asking)] == list(range(5))


async def test_request_failed() -> None:
    """An error message is raised to who asked, with the request and the error."""
    async with rig() as made:
        switch, datapath = await made.switch()
        asking = asyncio.ensure_future(datapath.request(RoleRequest(2), RoleReply))
        request = await switch.expect(RoleRequest)
        error = Error(ErrorType.ROLE_REQUEST_FAILED, 0, b"stale", xid=request.xid)
        switch.send(error)
        with pytest.raises(RequestFailed, match="RoleRequest failed") as caught:
            await asking
        assert (caught.value.request, caught.value.error) == (RoleRequest(2), error)
        assert datapath.alive


async def test_wrong_class() -> None:
    """An answer of another class than what was asked for is the datapath's fault."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.request(FlowStatsRequest(), BarrierReply))
    await settle()
    bench.feed(FlowStatsReply(xid=1))
    with pytest.raises(DatapathError, match="answered FlowStatsRequest with FlowStatsReply"):
        await asking


async def test_barrier() -> None:
    """A barrier ends when the datapath has answered it, and follows what was sent before."""
    async with rig() as made:
        switch, datapath = await made.switch()
        datapath.send(SetConfig())
        waiting = asyncio.ensure_future(datapath.barrier())
        await switch.expect(SetConfig)
        request = await switch.expect(BarrierRequest)
        assert not waiting.done()
        switch.send(BarrierReply(xid=request.xid))
        await waiting


async def test_multipart() -> None:
    """The parts of a long answer are given as they come."""
    async with rig() as made:
        switch, datapath = await made.switch()
        parts = datapath.multipart(FlowStatsRequest(), FlowStatsReply)
        first = asyncio.ensure_future(anext(parts))
        request = await switch.expect(FlowStatsRequest)
        for n in range(3):
            switch.send(FlowStatsReply(flows=(FlowStats(priority=n),), flags=n < 2, xid=request.xid))
        got = [await first] + [part async for part in parts]
        assert [flow.priority for part in got for flow in part.flows] == [0, 1, 2]


async def test_multipart_failed() -> None:
    """An error in place of a part is raised to the reader, after the parts before it."""
    bench = Loopless()
    got = []

    async def read() -> None:
        async for part in bench.datapath.multipart(FlowStatsRequest(), FlowStatsReply):
            got.append(part)  # noqa: PERF401 (what came before the error is wanted)

    reading = asyncio.ensure_future(read())
    await settle()
    bench.feed(FlowStatsReply(xid=1, flags=1), Error(1, 1, xid=1))
    with pytest.raises(RequestFailed):
        await reading
    assert got == [FlowStatsReply(xid=1, flags=1)]
    assert not bench.datapath._waiting


async def test_multipart_wrong_class() -> None:
    """A part of another class ends the reading."""
    bench = Loopless()
    parts = bench.datapath.multipart(FlowStatsRequest(), BarrierReply)
    first = asyncio.ensure_future(anext(parts))
    await settle()
    bench.feed(FlowStatsReply(xid=1))
    with pytest.raises(DatapathError, match="answered FlowStatsRequest with FlowStatsReply"):
        await first
    assert not bench.datapath._waiting


async def test_multipart_left() -> None:
    """A reader that leaves in the middle is not waited for, and the rest of the answer is discarded."""
    bench = Loopless()
    parts = bench.datapath.multipart(FlowStatsRequest(), FlowStatsReply)
    first = asyncio.ensure_future(anext(parts))
    await settle()
    bench.feed(FlowStatsReply(xid=1, flags=1))
    await first
    await parts.aclose()  # type: ignore[attr-defined]
    assert not bench.datapath._waiting
    bench.feed(FlowStatsReply(xid=1))
    assert not bench.connection._ledger


async def test_multipart_unread() -> None:
    """The channel of a reader that never comes back is closed when too many parts wait for it."""
    bench = Loopless()
    parts = bench.datapath.multipart(FlowStatsRequest(), FlowStatsReply)
    first = asyncio.ensure_future(anext(parts))
    await settle()
    more = FlowStatsReply(xid=1, flags=1)
    for _ in range(MAX_PARTS):
        bench.feed(more)
    assert bench.datapath.alive
    bench.feed(more)
    assert (bench.datapath.alive, bench.transport.aborted) == (False, True)
    assert "parts of an answer are unread" in str(bench.connection.failure)
    await first
    await parts.aclose()  # type: ignore[attr-defined]


async def test_timeout() -> None:
    """A request that is not answered in time leaves nothing behind, also when the answer comes after all."""
    bench = Loopless()
    with pytest.raises(TimeoutError):
        await bench.datapath.request(GetConfigRequest(), GetConfigReply, timeout=0)
    with pytest.raises(TimeoutError):
        await bench.datapath.barrier(timeout=0)
    with pytest.raises(TimeoutError):
        await anext(bench.datapath.multipart(FlowStatsRequest(), FlowStatsReply, timeout=0))
    assert not bench.datapath._waiting
    assert bench.datapath.alive
    bench.feed(GetConfigReply(xid=1), BarrierReply(xid=2), FlowStatsReply(xid=3, flags=1), FlowStatsReply(xid=3))
    assert not bench.connection._ledger
    assert not bench.connection._forgotten
    asking = asyncio.ensure_future(bench.datapath.request(GetConfigRequest(), GetConfigReply))
    await settle()
    bench.feed(GetConfigReply(xid=4))
    assert (await asking).xid == 4


async def test_cancelled() -> None:
    """A request whose asker is cancelled is forgotten."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.barrier())
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not bench.datapath._waiting
    bench.feed(BarrierReply(xid=1))
    assert not bench.connection._ledger


async def test_disconnected_while_waiting() -> None:
    """Whoever waits for an answer learns at once that the datapath is gone."""
    async with rig() as made:
        switch, datapath = await made.switch()
        waiting = [asyncio.ensure_future(datapath.barrier()) for _ in range(3)]
        await switch.expect(BarrierRequest)
        switch.close()
        async with asyncio.timeout(LONG):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Disconnected] * 3
        assert not datapath.alive
        assert datapath.closed.done()


async def test_request_of_the_gone() -> None:
    """Asking a datapath that is gone is an error; sending to it is like a cut cable."""
    bench = Loopless()
    bench.datapath.close()
    with pytest.raises(Disconnected):
        await bench.datapath.barrier()
    with pytest.raises(Disconnected):
        await anext(bench.datapath.multipart(FlowStatsRequest(), FlowStatsReply))
    bench.datapath.send(FlowMod())
    bench.datapath.write(b"bytes")
    assert (bench.flushes, bench.connection.has_output) == (0, False)


async def test_answer_and_end_together() -> None:
    """An answer that came before the end is still the answer."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.barrier())
    await settle()
    bench.feed(BarrierReply(xid=1))
    bench.datapath.close()
    bench.datapath.closed.set_result(None)
    await asking


async def test_cause_of_the_end() -> None:
    """`Disconnected` names as its cause what ended the connection."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.barrier())
    await settle()
    cause = DatapathError("pulled out")
    bench.datapath.closed.set_result(cause)
    with pytest.raises(Disconnected) as caught:
        await asking
    assert caught.value.__cause__ is cause


async def test_repr() -> None:
    """A datapath is shown by its id and its peer."""
    assert repr(Loopless().datapath) == "<Datapath 000000000000da01 peer>"


async def test_send_flushes_soon() -> None:
    """Nothing is written by sending: the channel is asked to flush."""
    bench = Loopless()
    bench.datapath.send(FlowMod())
    bench.datapath.write(FlowMod().encode())
    assert bench.transport.writes == []
    assert bench.flushes == 2
    assert bench.connection.data_to_send() == FlowMod().encode() * 2
