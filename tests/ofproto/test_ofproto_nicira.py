"""Open vSwitch's own actions on the wire."""

import pytest

from daoli.ofproto import (
    FIELDS,
    Action,
    Conjunction,
    NiciraSubtype,
    RegLoad,
    RegMove,
    ResubmitTable,
    UnknownAction,
)
from daoli.ofproto.actions import ACTION

BYTES: dict[Action, str] = {
    RegMove(
        48, 0, 0, FIELDS["nxm_of_eth_src"].header, FIELDS["nxm_of_eth_dst"].header
    ): "ffff 0018 00002320 0006 0030 0000 0000 00000406 00000206",
    RegLoad(15, FIELDS["nxm_of_arp_op"].header, 2): "ffff 0018 00002320 0007 000f 00001e02 0000000000000002",
    ResubmitTable(0xFFF8, 4): "ffff 0010 00002320 000e fff8 04 000000",
    Conjunction(1, 2, 1234): "ffff 0010 00002320 0022 01 02 000004d2",
}


@pytest.mark.parametrize("action", BYTES, ids=repr)
def test_bytes(action: Action) -> None:
    """Each action is laid out as in Open vSwitch's nicira-ext.h."""
    data = bytes.fromhex(BYTES[action])
    assert ACTION.write(action) == data
    assert ACTION.parse(data) == action


def test_every_action_is_covered() -> None:
    """Each subtype that has a name has a class, and each class its bytes above."""
    subtypes = {int.from_bytes(key[6:], "big"): cls for key, cls in ACTION.classes.items() if len(key) == 8}
    assert set(subtypes) == set(NiciraSubtype)
    assert set(subtypes.values()) == {type(action) for action in BYTES}


@pytest.mark.parametrize(
    "text",
    [
        "ffff 0010 00002320 0023 00000000 0000",  # a subtype without a class
        "ffff 0010 00001234 0006 00000000 0000",  # another experimenter's
        "ffff 0008 00002320",  # too short for a subtype
    ],
)
def test_unknown(text: str) -> None:
    """An experimenter's action without a class is carried as it came."""
    data = bytes.fromhex(text)
    assert ACTION.parse(data) == UnknownAction(0xFFFF, data[4:])
    assert ACTION.write(ACTION.parse(data)) == data
