"""The handle of a datapath: sending, applying with confirmation, roles, and one write per turn of the loop."""

from __future__ import annotations

import asyncio
import itertools
import re
import typing

import pytest
from tests.datapath.loopless import Loopless, settle
from tests.datapath.ovs import with_datapath
from tests.datapath.scripted_switch import rig

from daoli.datapath import Datapath, Disconnected, RequestFailed
from daoli.lab import Lab
from daoli.ofproto import (
    TABLE_ALL,
    BarrierReply,
    BarrierRequest,
    ControllerRole,
    EncodeError,
    Error,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowStatsRequest,
    GetAsyncReply,
    GotoTable,
    Match,
    RoleReply,
    RoleRequest,
    RoleRequestFailedCode,
    SetAsync,
    SetConfig,
    UnknownMessage,
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


@pytest.mark.parametrize("value", [None, b"", [FlowMod()]], ids=repr)
async def test_not_to_be_sent(value: typing.Any) -> None:
    """Sending or applying what is no message is a TypeError that shows it, and nothing is sent."""
    bench = Loopless()
    with pytest.raises(TypeError, match=re.escape(f"not a message: {value!r}")):
        bench.datapath.send(value)
    with pytest.raises(TypeError, match=re.escape(f"not a message: {value!r}")):
        await bench.datapath.apply(FlowMod(), value)
    assert bench.sent() == []


async def test_unknown_type_is_applied() -> None:
    """A message of a type without a class is applied like any other."""
    bench = Loopless()
    applying = asyncio.ensure_future(bench.datapath.apply(UnknownMessage(99, b"")))
    await settle()
    sent, barrier = bench.sent()
    bench.feed(BarrierReply(xid=barrier.xid))
    await applying
    assert isinstance(sent, UnknownMessage)


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


# -- on Open vSwitch


@pytest.mark.e2e
def test_open_vswitch_applies(datapath_lab: Lab) -> None:
    """Of several flows the bad one is named, and the good ones are there."""
    bad = FlowMod(cookie=2, table_id=7, instructions=(GotoTable(3),))

    async def main(datapath: Datapath) -> None:
        await datapath.apply(FlowMod(command=FlowModCommand.DELETE, table_id=TABLE_ALL))
        with pytest.raises(RequestFailed) as caught:
            await datapath.apply(FlowMod(cookie=1), bad, FlowMod(cookie=3, match=Match(in_port=1)))
        assert (caught.value.request, caught.value.error.type) == (bad, ErrorType.BAD_INSTRUCTION)
        flows = [flow async for part in datapath.multipart(FlowStatsRequest()) for flow in part.flows]
        assert {flow.cookie for flow in flows} == {1, 3}

    with_datapath(datapath_lab, main)


@pytest.mark.e2e
def test_open_vswitch_takes_roles_and_masks(datapath_lab: Lab) -> None:
    """A role, its generation and the masks are as they were asked for."""

    async def main(datapath: Datapath) -> None:
        assert (await datapath.role()).role == ControllerRole.EQUAL
        generation = ((await datapath.role()).generation_id + 2) % 2**64  # all ones where there was none
        assert (await datapath.role(ControllerRole.MASTER, generation)).role == ControllerRole.MASTER
        with pytest.raises(RequestFailed) as caught:
            await datapath.role(ControllerRole.SLAVE, generation - 1)
        assert caught.value.error.code == RoleRequestFailedCode.STALE
        before = await datapath.get_async()
        await datapath.set_async(packet_in=(0b100, 0))
        after = await datapath.get_async()
        assert after.packet_in_mask == (0b100, 0)
        assert after.flow_removed_mask == before.flow_removed_mask

    with_datapath(datapath_lab, main)


@pytest.mark.e2e
def test_open_vswitch_waits_for_a_slow_reader(datapath_lab: Lab) -> None:
    """A long dump that is read slowly is whole, few parts wait at a time, and nothing else is lost."""
    many = 20_000

    async def main(datapath: Datapath) -> None:
        async with datapath.bundle(timeout=30.0) as bundle:
            bundle.add(FlowMod(command=FlowModCommand.DELETE, table_id=TABLE_ALL))
            bundle.add(*(FlowMod(cookie=n, match=Match(metadata=n)) for n in range(many)))
        seen: set[int] = set()
        async for part in datapath.multipart(FlowStatsRequest()):
            seen.update(flow.cookie for flow in part.flows)
            await asyncio.sleep(0)
        assert seen == set(range(many))
        await datapath.apply(FlowMod(command=FlowModCommand.DELETE, table_id=TABLE_ALL))

    with_datapath(datapath_lab, main)
