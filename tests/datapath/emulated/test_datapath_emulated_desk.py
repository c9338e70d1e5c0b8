"""Messages that are answered without a connection."""

from __future__ import annotations

import pytest

from daoli.datapath.emulated import EmulatedSwitch, Refused
from daoli.datapath.emulated.bundles import BundleFailed
from daoli.ofproto import (
    BadActionCode,
    BadRequestCode,
    BundleAdd,
    BundleControl,
    BundleControlType,
    Bundled,
    ConfigFlags,
    ControllerRole,
    Error,
    ErrorType,
    FlowMod,
    FlowModFlags,
    GetConfigReply,
    GetConfigRequest,
    Group,
    GroupMod,
    Message,
    MeterMod,
    PacketOut,
    PortMod,
    Queue,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueOpFailedCode,
    RoleRequest,
    SetConfig,
    SwitchConfigFailedCode,
    TableMod,
    UnknownMessage,
)


def made() -> EmulatedSwitch:
    """A switch with a queue."""
    return EmulatedSwitch(1, (1, 2), queues={1: (Queue(5),)})


def refusal(switch: EmulatedSwitch, message: Message) -> tuple[int, int]:
    """The error for a message."""
    with pytest.raises(Refused) as caught:
        list(switch.answer(message))
    return caught.value.type, caught.value.code


def test_queues() -> None:
    """A port has the queues that it was given; the answer has the request's xid."""
    switch = made()
    (reply,) = switch.answer(QueueGetConfigRequest(1, xid=7))
    assert reply == QueueGetConfigReply(1, (Queue(5, 1),), xid=7)
    assert refusal(switch, QueueGetConfigRequest(9)) == (ErrorType.QUEUE_OP_FAILED, QueueOpFailedCode.BAD_PORT)


@pytest.mark.parametrize(
    "message",
    [
        FlowMod(),
        GroupMod(),
        MeterMod(),
        PortMod(),
        TableMod(),
        PacketOut(),
        BundleControl(1, 0),
        BundleAdd(1, 0, Bundled(FlowMod())),
    ],
)
def test_slave(message: Message) -> None:
    """What changes something is not for slaves (6.3.6)."""
    switch = made()
    list(switch.answer(RoleRequest(ControllerRole.SLAVE)))
    assert refusal(switch, message) == (ErrorType.BAD_REQUEST, BadRequestCode.IS_SLAVE)
    assert list(switch.answer(SetConfig(ConfigFlags.FRAG_DROP, 5))) == []
    assert list(switch.answer(GetConfigRequest())) == [GetConfigReply(0, 5)]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (SetConfig(ConfigFlags.FRAG_REASM), (ErrorType.SWITCH_CONFIG_FAILED, SwitchConfigFailedCode.BAD_FLAGS)),
        (PacketOut(actions=(Group(3),)), (ErrorType.BAD_ACTION, BadActionCode.BAD_OUT_GROUP)),
        (UnknownMessage(99, b""), (ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE)),
        (GetConfigReply(), (ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE)),
    ],
)
def test_refused(message: Message, error: tuple[int, int]) -> None:
    """What it cannot do, or is not asked by a controller, is refused."""
    assert refusal(made(), message) == error


def test_failed_commit() -> None:
    """Of a commit that fails first comes the error of the message at fault, which it quotes, then the commit's."""
    switch = made()
    bad = FlowMod(flags=FlowModFlags.CHECK_OVERLAP, xid=8)
    adding = BundleAdd(1, 3, Bundled(bad), xid=8)
    for message in (FlowMod(), BundleControl(1, BundleControlType.OPEN_REQUEST, 3), adding):
        list(switch.answer(message))
    answers = switch.answer(BundleControl(1, BundleControlType.COMMIT_REQUEST, 3, xid=9))
    error = next(answers)
    assert isinstance(error, Error)
    assert (error.type, error.xid, error.data) == (ErrorType.FLOW_MOD_FAILED, 8, adding.encode()[:64])
    with pytest.raises(Refused) as caught:
        next(answers)
    assert caught.value.code == BundleFailed.MSG_FAILED
