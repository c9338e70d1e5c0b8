"""Actions on the wire; what they are in words is in the tests of `text`."""

import pytest
from hypothesis import given
from tests.ofproto.strategies import values

from daoli.ofproto import (
    Action,
    ActionType,
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    DecNwTtl,
    Group,
    Output,
    Oxm,
    PopMpls,
    PopPbb,
    PopVlan,
    PushMpls,
    PushPbb,
    PushVlan,
    SetField,
    SetMplsTtl,
    SetNwTtl,
    SetQueue,
    UnknownAction,
)
from daoli.ofproto.actions import ACTION, ACTIONS

BYTES: dict[Action, str] = {
    Output(5): "0000 0010 00000005 ffff 000000000000",
    Output(0xFFFFFFFD, 128): "0000 0010 fffffffd 0080 000000000000",
    CopyTtlOut(): "000b 0008 00000000",
    CopyTtlIn(): "000c 0008 00000000",
    SetMplsTtl(3): "000f 0008 03 000000",
    DecMplsTtl(): "0010 0008 00000000",
    PushVlan(0x8100): "0011 0008 8100 0000",
    PopVlan(): "0012 0008 00000000",
    PushMpls(0x8847): "0013 0008 8847 0000",
    PopMpls(0x0800): "0014 0008 0800 0000",
    SetQueue(7): "0015 0008 00000007",
    Group(9): "0016 0008 00000009",
    SetNwTtl(64): "0017 0008 40 000000",
    DecNwTtl(): "0018 0008 00000000",
    SetField.of(eth_src="02:00:00:00:00:01"): "0019 0010 80000806 020000000001 0000",
    SetField.of(ipv4_dst="10.0.0.1"): "0019 0010 80001804 0a000001 00000000",
    SetField.of(tcp_dst=80): "0019 0010 80001c02 0050 000000000000",
    SetField.of(tunnel_id=1): "0019 0010 80004c08 0000000000000001",
    PushPbb(0x88E7): "001a 0008 88e7 0000",
    PopPbb(): "001b 0008 00000000",
    UnknownAction(0x7777, b"body"): "7777 0008 626f6479",
}


@pytest.mark.parametrize("action", BYTES, ids=repr)
def test_bytes(action: Action) -> None:
    """Each action is laid out as in 7.2.5."""
    data = bytes.fromhex(BYTES[action])
    assert ACTION.write(action) == data
    assert ACTION.parse(data) == action


def test_every_action_is_covered() -> None:
    """Each type that the specification names has a class, and each class its bytes above."""
    standard = {int.from_bytes(key, "big"): cls for key, cls in ACTION.classes.items() if len(key) == 2}
    assert set(standard) == set(ActionType) - {ActionType.EXPERIMENTER}
    assert set(standard.values()) == {type(action) for action in BYTES} - {UnknownAction}


@given(values(ACTIONS))
def test_round_trip(actions: tuple[Action, ...]) -> None:
    """Any list of actions is read back as it was written."""
    assert ACTIONS.parse(ACTIONS.write(actions)) == actions


def test_set_field_of_one() -> None:
    """A set_field sets exactly one field."""
    assert SetField.of(in_port=3) == SetField(Oxm.of("in_port", 3))
    for fields in ({}, {"in_port": 3, "eth_type": 4}):
        with pytest.raises(ValueError, match="set_field sets one field"):
            SetField.of(**fields)
