"""Bundles: each step, each error, and nothing done unless all is."""

from __future__ import annotations

import pytest
from tests.datapath.emulated.test_datapath_emulated_state import made

from daoli.datapath.emulated import Refused
from daoli.datapath.emulated.bundles import MAX_BUNDLES, BundleFailed, Bundles, CommitFailed
from daoli.datapath.emulated.table import Ended
from daoli.ofproto import (
    ONF,
    ApplyActions,
    BarrierRequest,
    Bucket,
    BundleAdd,
    BundleControl,
    BundleControlType,
    Bundled,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowModFailedCode,
    FlowModFlags,
    Group,
    GroupMod,
    Match,
    Message,
    MeterMod,
    Output,
    PortNo,
)

OPEN, CLOSE = BundleControlType.OPEN_REQUEST, BundleControlType.CLOSE_REQUEST
COMMIT, DISCARD = BundleControlType.COMMIT_REQUEST, BundleControlType.DISCARD_REQUEST


def add(message: Message, flags: int = 3, xid: int = 0) -> BundleAdd:
    """A message for bundle 1."""
    return BundleAdd(1, flags, Bundled(message), xid=xid)


FLOW = add(FlowMod(cookie=1))


class Bench:
    """A switch, and one controller's bundles."""

    def __init__(self, *steps: int | BundleAdd) -> None:
        self.state = made()
        self.bundles = Bundles(self.state)
        self.news = self.do(*steps)

    def do(self, *steps: int | BundleAdd | BundleControl) -> list[object]:
        """Carry out steps; give what is to be told."""
        news: list[object] = []
        for step in steps:
            if isinstance(step, BundleAdd):
                self.bundles.add(step)
            else:
                control = step if isinstance(step, BundleControl) else BundleControl(1, step, 3)
                news += self.bundles.control(control, 0.0)
        return news

    def cookies(self) -> list[int]:
        """All flows."""
        return [entry.mod.cookie for entry in self.state.tables]


@pytest.mark.parametrize("steps", [(OPEN, FLOW, CLOSE, COMMIT), (OPEN, FLOW, COMMIT), (FLOW, COMMIT)])
def test_commit(steps: tuple[int | BundleAdd, ...]) -> None:
    """A commit carries all out, whether the bundle was closed, or opened by a message."""
    assert Bench(*steps).cookies() == [1]


def test_discard() -> None:
    """A bundle that is discarded does nothing."""
    assert Bench(OPEN, FLOW, DISCARD).cookies() == []


def test_news() -> None:
    """What a commit has to tell comes when all is done."""
    told = FlowMod(flags=FlowModFlags.SEND_FLOW_REM)
    bench = Bench(add(told), add(FlowMod(command=FlowModCommand.DELETE)))
    assert bench.news == []
    assert [type(news) for news in bench.do(COMMIT)] == [Ended]


def test_references() -> None:
    """What a flow in a bundle leads to may be in the bundle before it."""
    group = GroupMod(group_id=1, buckets=(Bucket(actions=(Output(1),)),))
    bench = Bench(add(group), add(MeterMod()), add(FlowMod(instructions=(ApplyActions((Group(1),)),))), COMMIT)
    assert bench.cookies() == [0]


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ((OPEN, OPEN), BundleFailed.BUNDLE_EXIST),
        ((CLOSE,), BundleFailed.BAD_ID),
        ((COMMIT,), BundleFailed.BAD_ID),
        ((DISCARD,), BundleFailed.BAD_ID),
        ((OPEN, CLOSE, CLOSE), BundleFailed.BUNDLE_CLOSED),
        ((OPEN, CLOSE, FLOW), BundleFailed.BUNDLE_CLOSED),
        ((OPEN, add(FlowMod(), flags=1)), BundleFailed.BAD_FLAGS),
        ((OPEN, BundleControl(1, COMMIT, 1)), BundleFailed.BAD_FLAGS),
        ((BundleControl(1, OPEN, 8),), BundleFailed.BAD_FLAGS),
        ((77,), BundleFailed.BAD_TYPE),
        ((add(BarrierRequest()),), BundleFailed.MSG_UNSUP),
        ((add(FlowMod(), xid=5),), BundleFailed.MSG_BAD_XID),
        (tuple(BundleControl(n, OPEN) for n in range(MAX_BUNDLES + 1)), BundleFailed.OUT_OF_BUNDLES),
    ],
)
def test_refused(steps: tuple[int | BundleAdd, ...], code: BundleFailed) -> None:
    """A wrong step is refused with the ONF's error, and does away with the bundle."""
    bench = Bench(*steps[:-1])
    with pytest.raises(Refused) as caught:
        bench.do(*steps[-1:])
    assert (caught.value.type, caught.value.code, caught.value.experimenter) == (ErrorType.EXPERIMENTER, code, ONF)
    if code != BundleFailed.OUT_OF_BUNDLES:
        with pytest.raises(Refused):
            bench.do(COMMIT)


def test_too_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle holds so many messages and no more."""
    monkeypatch.setattr("daoli.datapath.emulated.bundles.MAX_MESSAGES", 1)
    with pytest.raises(Refused) as caught:
        Bench(FLOW, FLOW)
    assert caught.value.code == BundleFailed.MSG_TOO_MANY


def test_message_that_is_bad_by_itself() -> None:
    """What is wrong whatever the switch's state is refused when it is added; the bundle goes on without it."""
    bench = Bench(FLOW)
    with pytest.raises(Refused) as caught:
        bench.do(add(FlowMod(instructions=(ApplyActions((Output(PortNo.ANY),)),))))
    assert caught.value.type == ErrorType.BAD_ACTION
    bench.do(COMMIT)
    assert bench.cookies() == [1]


def test_rolled_back() -> None:
    """If one message cannot be carried out none is, and it is said which."""
    bench = Bench(FLOW, COMMIT)
    bad = add(FlowMod(cookie=3, flags=FlowModFlags.CHECK_OVERLAP, match=Match(in_port=1)))
    bench.do(add(FlowMod(command=FlowModCommand.DELETE)), add(FlowMod(cookie=2)), bad)
    with pytest.raises(CommitFailed) as caught:
        bench.do(COMMIT)
    assert caught.value.message == bad
    assert caught.value.cause.code == FlowModFailedCode.OVERLAP
    assert caught.value.refusal.code == BundleFailed.MSG_FAILED
    assert bench.cookies() == [1]
