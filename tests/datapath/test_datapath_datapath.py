"""The handle of a datapath: sending, applying with confirmation, roles, and one write per turn of the loop."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from tests.datapath.loopless import Loopless, settle
from tests.datapath.scripted_switch import rig

from daoli.datapath import Disconnected, RequestFailed
from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    ControllerRole,
    EncodeError,
    Error,
    ErrorType,
    FlowMod,
    FlowStatsRequest,
    GetAsyncReply,
    RoleReply,
    RoleRequest,
    RoleRequestFailedCode,
    SetAsync,
    SetConfig,
)


async def test_request_of_the_gone() -> None:
    """Asking a datapath that is gone is an error; sending to it is like a cut cable."""
    bench = Loopless()
    bench.datapath.close()
    with pytest.raises(Disconnected):
        await bench.datapath.barrier()
    with pytest.raises(Disconnected):
        await anext(bench.datapath.multipart(FlowStatsRequest()))
    bench.datapath.send(FlowMod())
    bench.datapath.write(b"bytes")
    assert (bench.flushes, bench.connection.has_output) == (0, False)


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


# -- apply


async def test_apply() -> None:
    """What is applied leaves in one piece, in order, a barrier behind it, and is done when that is answered."""
    bench = Loopless()
    applying = asyncio.ensure_future(bench.datapath.apply(FlowMod(cookie=1), SetConfig()))
    await settle()
    first, second, barrier = bench.sent()
    assert (first, second) == (FlowMod(cookie=1, xid=first.xid), SetConfig(xid=second.xid))
    assert len({first.xid, second.xid, barrier.xid}) == 3
    assert not applying.done()
    bench.feed(BarrierReply(xid=barrier.xid))
    await applying
    assert (bench.datapath._applying, bench.taker) == ({}, None)


async def test_apply_failed() -> None:
    """Who applies is told which of the messages failed and why; the handler is not, but of other errors it is."""
    bench = Loopless()
    good, bad, worse = FlowMod(cookie=1), FlowMod(cookie=2, xid=5), FlowMod(cookie=3)
    applying = asyncio.ensure_future(bench.datapath.apply(good, bad, worse))
    await settle()
    _, second, third, barrier = bench.sent()
    other = Error(1, 1, b"?", xid=77)
    errors = [Error(5, n, b"?", xid=message.xid) for n, message in enumerate((second, third))]
    bench.feed(errors[0], other, errors[1], BarrierReply(xid=barrier.xid))
    with pytest.raises(RequestFailed, match="FlowMod failed") as caught:
        await applying
    assert (caught.value.request, caught.value.error) == (bad, errors[0])
    assert [(failure.request, failure.error) for failure in caught.value.others] == [(worse, errors[1])]
    assert bench.unanswered == [other]
    assert (bench.datapath._applying, bench.taker) == ({}, None)


async def test_apply_side_by_side() -> None:
    """Of two that apply at once each is told its own errors."""
    bench = Loopless()
    applying = [asyncio.ensure_future(bench.datapath.apply(FlowMod(cookie=n))) for n in range(2)]
    await settle()
    first, barrier, _, other = bench.sent()
    bench.feed(BarrierReply(xid=other.xid), Error(5, 0, xid=first.xid), BarrierReply(xid=barrier.xid))
    failure, none = await asyncio.gather(*applying, return_exceptions=True)
    assert isinstance(failure, RequestFailed)
    assert none is None


async def test_apply_not_sent() -> None:
    """When one message cannot be sent none is: a request, a value that does not fit, a datapath that is gone."""
    bench = Loopless()
    with pytest.raises(ValueError, match="RoleRequest has an answer"):
        await bench.datapath.apply(FlowMod(), RoleRequest(0))
    with pytest.raises(EncodeError):
        await bench.datapath.apply(FlowMod(), FlowMod(priority=-1))
    assert bench.sent() == []
    bench.datapath.close()
    with pytest.raises(Disconnected):
        await bench.datapath.apply(FlowMod())
    assert bench.datapath._applying == {}


async def test_apply_given_up() -> None:
    """An apply that is not confirmed in time leaves nothing behind; its late error is the handler's."""
    bench = Loopless()
    with pytest.raises(TimeoutError):
        await bench.datapath.apply(FlowMod(), timeout=0)
    sent, barrier = bench.sent()
    late = Error(5, 0, xid=sent.xid)
    bench.feed(late, BarrierReply(xid=barrier.xid))
    assert bench.unanswered == [late]
    assert (bench.datapath._applying, bench.taker, bench.connection._ledger) == ({}, None, {})


async def test_apply_over_tcp() -> None:
    """The channel hands errors of what is applied to who applies, and others to the handler, before and after."""
    async with rig() as made:
        switch, datapath = await made.switch()
        stray = Error(1, 1, b"stray", xid=3)
        switch.send(stray)
        applying = asyncio.ensure_future(datapath.apply(FlowMod()))
        error = Error(5, 0, b"bad", xid=(await switch.expect(FlowMod)).xid)
        switch.send(error, stray, BarrierReply(xid=(await switch.expect(BarrierRequest)).xid))
        with pytest.raises(RequestFailed) as caught:
            await applying
        assert caught.value.error == error
        switch.send(stray)
        await made.handler.until(made.handler.messages, 3)
        assert made.handler.messages == [(datapath, stray)] * 3


async def test_xids_of_what_is_applied() -> None:
    """They come round without meeting those of requests."""
    bench = Loopless()
    bench.datapath._xids = itertools.count(0xFFFF_FFFE)
    assert [bench.datapath._next_xid() for _ in range(3)] == [0xFFFF_FFFE, 0xFFFF_FFFF, 0x8000_0000]


# -- several controllers


async def test_role() -> None:
    """A role is asked for with its generation, and the datapath's answer is given."""
    bench = Loopless()
    asking = asyncio.ensure_future(bench.datapath.role(ControllerRole.MASTER, 7))
    await settle()
    assert bench.sent() == [RoleRequest(ControllerRole.MASTER, 7, xid=1)]
    bench.feed(RoleReply(ControllerRole.MASTER, 7, xid=1))
    assert (await asking).generation_id == 7
    asking = asyncio.ensure_future(bench.datapath.role(ControllerRole.SLAVE, 6))
    await settle()
    stale = Error(ErrorType.ROLE_REQUEST_FAILED, RoleRequestFailedCode.STALE, xid=2)
    bench.feed(stale)
    with pytest.raises(RequestFailed) as caught:
        await asking
    assert caught.value.error == stale


async def test_set_async() -> None:
    """The masks that are given replace those that the datapath has; the others stay."""
    bench = Loopless()
    setting = asyncio.ensure_future(bench.datapath.set_async(packet_in=(7, 0)))
    await settle()
    (request,) = bench.sent()
    bench.feed(GetAsyncReply((3, 0), (7, 7), (15, 0), xid=request.xid))
    await settle()
    wanted, barrier = bench.sent()
    assert wanted == SetAsync((7, 0), (7, 7), (15, 0), xid=wanted.xid)
    bench.feed(BarrierReply(xid=barrier.xid))
    await setting
