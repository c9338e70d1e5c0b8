"""Requests and their answers: by class, in any order, in parts, late, never; and readers who cannot keep up."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Callable

import pytest
from tests.datapath.loopless import Loopless, settle
from tests.datapath.scripted_switch import LONG, rig

from daoli.datapath import DatapathError, Disconnected, RequestFailed
from daoli.datapath.requests import HIGH_PARTS, LOW_PARTS, MAX_PARTS, Requests, reply_class
from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    DescReply,
    DescRequest,
    Error,
    ErrorType,
    FlowMod,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    GetConfigReply,
    GetConfigRequest,
    Message,
    Multipart,
    MultipartType,
    RoleReply,
    RoleRequest,
    SetConfig,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownMessage,
    UnknownMultipartReply,
    UnknownMultipartRequest,
)
from daoli.ofproto import connection as protocol
from daoli.ofproto.message import MESSAGES
from daoli.ofproto.multipart import REQUESTS


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
    asking = asyncio.ensure_future(bench.datapath.request(DescRequest()))
    await settle()
    bench.feed(FlowStatsReply(xid=1))
    with pytest.raises(DatapathError, match="answered DescRequest with FlowStatsReply"):
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
    await parts.aclose()
    assert not bench.datapath._waiting
    bench.feed(FlowStatsReply(xid=1))
    assert not bench.connection._ledger


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


# -- classes of answers


def overloads(method: Callable[..., object]) -> dict[type, type]:
    """Read which request gets which reply out of a method's overloads; those for any message are left out."""
    found = {}
    for overload in typing.get_overloads(method):
        hints = typing.get_type_hints(overload)
        if hints["message"] is not Message:
            found[hints["message"]] = (typing.get_args(hints["return"]) or (hints["return"],))[0]
    return found


def test_overloads_say_what_the_registries_say() -> None:
    """For type checkers each request that the codec knows has the reply that the codec gives it, in one place."""
    one, many = overloads(Requests.request), overloads(Requests.multipart)
    assert not set(one) & set(many)
    known: set[type[Message]] = {cls for kind, cls in REQUESTS.items() if kind != MultipartType.EXPERIMENTER}
    known |= {MESSAGES[kind] for kind in protocol.REPLIES if kind in MESSAGES}
    known -= {UnknownExperimenter, UnknownMultipartRequest}
    assert {request.__name__: reply.__name__ for request, reply in (one | many).items()} == {
        cls.__name__: reply_class(cls.__new__(cls)).__name__ for cls in known
    }


def test_reply_class_of_what_the_codec_does_not_know() -> None:
    """A request without a class may be answered by what has none either, an experimenter's by anything of its kind."""
    assert reply_class(UnknownMultipartRequest(99)) is UnknownMultipartReply
    assert reply_class(UnknownMultipartRequest(MultipartType.DESC)) is DescReply
    assert reply_class(UnknownExperimenterRequest(1, 2)) is Multipart
    assert reply_class(UnknownExperimenter(1, 2)) is Message
    assert reply_class(FlowMonitorRequest()) is FlowMonitorReply


@pytest.mark.parametrize("message", [FlowMod(), DescReply(), UnknownMessage(99, b"")], ids=lambda it: type(it).__name__)
async def test_what_has_no_answer(message: Message) -> None:
    """Asking with what has no answer, an answer for instance, is a ValueError that names it, whatever is awaited."""
    datapath = Loopless().datapath
    refused = f"{type(message).__name__} has no answer"
    with pytest.raises(ValueError, match=refused):
        reply_class(message)
    for asked in (datapath.request(message), datapath.request(message, Message)):
        with pytest.raises(ValueError, match=refused):
            await asked
    for parts in (datapath.multipart(message), datapath.multipart(message, Message)):
        with pytest.raises(ValueError, match=refused):
            await anext(parts)


async def test_request_without_a_reply_class() -> None:
    """The answer's class need not be said."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.request(GetConfigRequest()))
    await settle()
    bench.feed(GetConfigReply(miss_send_len=5, xid=1))
    assert (await asking).miss_send_len == 5


async def test_request_of_many_parts() -> None:
    """An answer in parts to a request for one is refused, not cut short."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.request(FlowStatsRequest()))
    await settle()
    bench.feed(FlowStatsReply(flags=1, xid=1), FlowStatsReply(xid=1))
    with pytest.raises(DatapathError, match="answered FlowStatsRequest in parts"):
        await asking
    assert not bench.datapath._waiting


async def test_too_many_requests() -> None:
    """More requests than a connection keeps account of are refused, not queued."""
    bench = Loopless()
    bench.connection._max_requests = 0
    with pytest.raises(DatapathError, match="0 requests are unanswered"):
        await bench.datapath.barrier()
    assert not bench.datapath._waiting


# -- readers who cannot keep up

PART = FlowStatsReply(flags=1, xid=1)


async def reading(bench: Loopless) -> typing.AsyncGenerator[FlowStatsReply, None]:
    """Begin to read an answer: its first part has come and was taken."""
    parts = bench.datapath.multipart(FlowStatsRequest())
    first = asyncio.ensure_future(anext(parts))
    await settle()
    bench.feed(PART)
    await first
    return parts


async def test_slow_reader_stops_the_reading() -> None:
    """While a reader is far behind nothing is read from the datapath; when it has caught up half, reading goes on."""
    bench = Loopless()
    parts = await reading(bench)
    bench.feed(*[PART] * (HIGH_PARTS - 1))
    assert not bench.transport.paused
    bench.feed(PART)
    assert bench.transport.paused
    for _ in range(HIGH_PARTS - LOW_PARTS - 1):
        await anext(parts)
        assert bench.transport.paused
    await anext(parts)
    assert not bench.transport.paused
    bench.feed(FlowStatsReply(xid=1))
    assert len([part async for part in parts]) == LOW_PARTS + 1


async def test_parts_that_piled_up() -> None:
    """Who reads parts that have piled up lets others have a turn of the loop between any two."""
    bench = Loopless()
    parts = await reading(bench)
    bench.feed(*[PART] * 5)
    turns: list[int] = []
    for n in range(5):
        asyncio.get_running_loop().call_soon(turns.append, n)
        await anext(parts)
        assert turns == list(range(n + 1))
    await parts.aclose()


@pytest.mark.parametrize("value", [None, b"bytes", BarrierRequest], ids=repr)
async def test_not_a_message(value: typing.Any) -> None:
    """Asking with what is no message is a TypeError that shows it, whatever the answer is to be."""
    datapath = Loopless().datapath
    for ask in (
        lambda: datapath.request(value),
        lambda: datapath.request(value, BarrierReply),
        lambda: anext(datapath.multipart(value)),
        lambda: anext(datapath.multipart(value, FlowStatsReply)),
    ):
        with pytest.raises(TypeError, match="not a message: "):
            await ask()


async def test_slow_reader_that_leaves() -> None:
    """A reader that leaves, however far behind, lets the datapath be read again."""
    bench = Loopless()
    parts = await reading(bench)
    bench.feed(*[PART] * 2 * HIGH_PARTS)
    assert bench.transport.paused
    await parts.aclose()
    assert not bench.transport.paused
    assert bench.datapath.alive


async def test_slow_reader_that_asks() -> None:
    """Who asks something else while an answer piles up gets it, since then reading goes on, up to the last bound."""
    bench = Loopless()
    parts = await reading(bench)
    bench.feed(*[PART] * HIGH_PARTS)
    assert bench.transport.paused
    asking = asyncio.ensure_future(bench.datapath.barrier())
    await settle()
    assert not bench.transport.paused
    bench.feed(*[PART] * (MAX_PARTS - HIGH_PARTS - 1))
    assert not bench.transport.paused
    bench.feed(PART)
    assert bench.transport.paused
    bench.feed(BarrierReply(xid=2))
    await asking
    assert bench.transport.paused
    assert bench.datapath.alive
    await parts.aclose()


async def test_long_answer_over_tcp() -> None:
    """A long answer read slowly arrives whole and in order, with few parts waiting at any time."""
    async with rig() as made:
        switch, datapath = await made.switch()
        parts = datapath.multipart(UnknownExperimenterRequest(1, 2), UnknownExperimenterReply)
        first = asyncio.ensure_future(anext(parts))
        request = await switch.expect(UnknownExperimenterRequest)
        many = 400
        for n in range(many):
            data = n.to_bytes(20_000, "big")
            switch.send(UnknownExperimenterReply(1, 2, data, flags=n < many - 1, xid=request.xid))
        got = [(await first).data]
        most = 0
        async for part in parts:
            got.append(part.data)
            most = max(most, *(len(answer.parts) for answer in datapath._waiting.values()))
            await asyncio.sleep(0)
        assert [int.from_bytes(data, "big") for data in got] == list(range(many))
        assert most < 4 * HIGH_PARTS
