"""Bundles: all or nothing, on a scripted switch and on Open vSwitch."""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable

import pytest
from tests.datapath.loopless import Loopless, settle
from tests.datapath.ovs import with_datapath

from daoli.datapath import Datapath, DatapathError, RequestFailed
from daoli.datapath.bundle import Bundle
from daoli.lab import Lab
from daoli.ofproto import (
    ApplyActions,
    BadActionCode,
    BarrierReply,
    BundleAdd,
    BundleControl,
    BundleControlType,
    EncodeError,
    Error,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowStatsRequest,
    GetConfigRequest,
    Match,
    Message,
    Output,
    PortNo,
    UnknownMessage,
)

A, B = FlowMod(cookie=1), FlowMod(cookie=2)


def control(message: Message, kind: BundleControlType) -> BundleControl:
    """Answer what must be a bundle_control of that type as asked for."""
    assert isinstance(message, BundleControl)
    assert (message.type, message.flags) == (kind, 3)
    return BundleControl(message.bundle_id, kind + 1, 3, xid=message.xid)


async def begin(bench: Loopless) -> tuple[asyncio.Future[None], list[Message]]:
    """Commit two flows; what was sent after the switch opened the bundle."""

    async def change() -> None:
        async with bench.datapath.bundle() as bundle:
            bundle.add(A)
            bundle.add(B)
            assert len(bundle) == 2
            await settle()
            assert bench.sent() == []

    changing = asyncio.ensure_future(change())
    await settle()
    await settle()
    (opening,) = bench.sent()
    bench.feed(control(opening, BundleControlType.OPEN_REQUEST))
    await settle()
    return changing, bench.sent()


async def test_commit() -> None:
    """A bundle is opened, filled, waited for and committed; both headers of what is in it bear one xid."""
    bench = Loopless()
    changing, (first, second, barrier) = await begin(bench)
    assert isinstance(first, BundleAdd)
    assert isinstance(second, BundleAdd)
    assert [first.bundled.message, second.bundled.message] == [A.with_xid(first.xid), B.with_xid(second.xid)]
    bench.feed(BarrierReply(xid=barrier.xid))
    await settle()
    (commit,) = bench.sent()
    assert not changing.done()
    bench.feed(control(commit, BundleControlType.COMMIT_REQUEST))
    await changing
    assert (bench.datapath._applying, bench.datapath._waiting, bench.taker) == ({}, {}, None)


async def test_refused_message() -> None:
    """If a message is refused when it is added, it is the one that is raised, and the bundle is discarded."""
    bench = Loopless()
    changing, (_, second, barrier) = await begin(bench)
    bench.feed(Error(ErrorType.BAD_ACTION, BadActionCode.BAD_TYPE, xid=second.xid), BarrierReply(xid=barrier.xid))
    await settle()
    (discard,) = bench.sent()
    bench.feed(control(discard, BundleControlType.DISCARD_REQUEST))
    with pytest.raises(RequestFailed) as caught:
        await changing
    assert caught.value.request == B


@pytest.mark.parametrize("quotes", [True, False])
async def test_failed_commit(quotes: bool) -> None:
    """If the commit fails the message at fault is raised, or the commit if the switch does not say which it is."""
    bench = Loopless()
    changing, (first, _, barrier) = await begin(bench)
    bench.feed(BarrierReply(xid=barrier.xid))
    await settle()
    (commit,) = bench.sent()
    if quotes:
        bench.feed(Error(ErrorType.FLOW_MOD_FAILED, 3, xid=first.xid))
    bench.feed(Error(ErrorType.EXPERIMENTER, 2300, xid=commit.xid))
    with pytest.raises(RequestFailed) as caught:
        await changing
    assert isinstance(caught.value.request, FlowMod if quotes else BundleControl)
    assert bench.unanswered == []


async def test_wrong_answer() -> None:
    """An answer about another bundle, or another step of it, is the switch's fault."""
    bench = Loopless()
    changing = asyncio.ensure_future(commit_one(bench.datapath))
    await settle()
    (opening,) = bench.sent()
    bench.feed(BundleControl(9, BundleControlType.OPEN_REPLY, xid=opening.xid))
    with pytest.raises(DatapathError, match="answered OPEN_REQUEST of bundle 1 with"):
        await changing


async def commit_one(datapath: Datapath) -> None:
    """Commit a bundle of one flow."""
    async with datapath.bundle() as bundle:
        bundle.add(A)


async def failing(bundle: Bundle) -> None:
    """Fill a bundle, and fail."""
    bundle.add(A)
    raise ZeroDivisionError


async def test_nothing_sent() -> None:
    """A block that raises, or adds nothing, sends nothing; nor does what cannot be in a bundle."""
    bench = Loopless()
    with pytest.raises(ZeroDivisionError):
        async with bench.datapath.bundle() as bundle:
            await failing(bundle)
    async with bench.datapath.bundle() as bundle:
        with pytest.raises(EncodeError):
            bundle.add(FlowMod(priority=-1))
        with pytest.raises(ValueError, match="GetConfigRequest has an answer"):
            bundle.add(GetConfigRequest())
        with pytest.raises(TypeError, match="not a message: None"):
            bundle.add(typing.cast("Message", None))
    assert bench.sent() == []


async def test_unknown_type_is_added() -> None:
    """A message of a type without a class may be in a bundle."""
    bundle = Loopless().datapath.bundle()
    bundle.add(UnknownMessage(99, b""))
    assert len(bundle) == 1


async def test_given_up() -> None:
    """A bundle that is not answered in time leaves nothing behind."""
    bench = Loopless()
    with pytest.raises(TimeoutError):
        async with bench.datapath.bundle(timeout=0) as bundle:
            bundle.add(A)
    assert (bench.datapath._applying, bench.datapath._waiting, bench.taker) == ({}, {}, None)


# -- on Open vSwitch


async def cookies(datapath: Datapath) -> set[int]:
    """The cookies of all flows."""
    return {flow.cookie async for part in datapath.multipart(FlowStatsRequest()) for flow in part.flows}


def on_open_vswitch(lab: Lab, main: Callable[[Datapath], Awaitable[None]]) -> None:
    """Run with a datapath whose flow table is empty."""

    async def prepared(datapath: Datapath) -> None:
        await datapath.apply(FlowMod(command=FlowModCommand.DELETE))
        await main(datapath)

    with_datapath(lab, prepared)


@pytest.mark.e2e
def test_open_vswitch_commits(datapath_lab: Lab) -> None:
    """A bundle that replaces some flows by others leaves exactly the others."""

    async def main(datapath: Datapath) -> None:
        await datapath.apply(*(FlowMod(cookie=n, match=Match(in_port=n)) for n in range(1, 9)))
        async with datapath.bundle() as bundle:
            bundle.add(FlowMod(command=FlowModCommand.DELETE))
            bundle.add(*(FlowMod(cookie=n, match=Match(in_port=n)) for n in range(11, 200)))
        assert await cookies(datapath) == set(range(11, 200))

    on_open_vswitch(datapath_lab, main)


@pytest.mark.e2e
def test_open_vswitch_refuses(datapath_lab: Lab) -> None:
    """A bundle with one bad message changes nothing, whether it is bad by itself or only in the end; the next works."""
    bad = FlowMod(cookie=3, instructions=(ApplyActions((Output(PortNo.ANY),)),))
    late = FlowMod(cookie=4, flags=FlowModFlags.CHECK_OVERLAP, match=Match(in_port=1))

    async def main(datapath: Datapath) -> None:
        await datapath.apply(A)
        for wrong, error in ((bad, ErrorType.BAD_ACTION), (late, ErrorType.FLOW_MOD_FAILED)):
            with pytest.raises(RequestFailed) as caught:
                async with datapath.bundle() as bundle:
                    bundle.add(FlowMod(cookie=2, match=Match(in_port=2)), wrong)
            assert (caught.value.request, caught.value.error.type) == (wrong, error)
            assert await cookies(datapath) == {1}
        await commit_one(datapath)

    on_open_vswitch(datapath_lab, main)
