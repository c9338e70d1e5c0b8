"""Groups."""

import pytest
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    Bucket,
    BucketCounter,
    DecNwTtl,
    DecodeError,
    GroupDesc,
    GroupDescReply,
    GroupFeaturesReply,
    GroupMod,
    GroupModCommand,
    GroupStats,
    GroupStatsReply,
    GroupStatsRequest,
    GroupType,
    Message,
    Output,
    decode,
)

BUCKET = "0020 0001 00000002 00000003 00000000 0000001000000004ffff000000000000"
BUCKETS = (Bucket(1, 2, 3, (Output(4),)),)

BYTES: dict[Message, str] = {
    GroupMod(1, 2, 3, BUCKETS): f"040f0030 00000000 0001 02 00 00000003 {BUCKET}",
    GroupMod(GroupModCommand.ADD_OR_MOD, group_id=5): "040f0010 00000000 8000 00 00 00000005",
    GroupStatsRequest(3): "04120018 00000000 0006 0000 00000000 00000003 00000000",
    GroupStatsReply((GroupStats(1, 2, 3, 4, 5, 6, (BucketCounter(7, 8),)),)): (
        "04130048 00000000 0006 0000 00000000 0038 0000 00000001 00000002 00000000 0000000000000003 0000000000000004"
        "00000005 00000006 0000000000000007 0000000000000008"
    ),
    GroupDescReply((GroupDesc(1, 2, BUCKETS), GroupDesc())): (
        f"04130040 00000000 0007 0000 00000000 0028 01 00 00000002 {BUCKET} 0008 00 00 00000000"
    ),
    GroupFeaturesReply(1, 2, (3, 4, 5, 6), (7, 8, 9, 10)): (
        "04130038 00000000 0008 0000 00000000 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008"
        "00000009 0000000a"
    ),
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3.4.2 and 7.3.5.9 to 7.3.5.11."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


def test_bucket_length() -> None:
    """A bucket that is shorter than its fields, or longer than its group, is refused."""
    data = bytearray(GroupMod(buckets=BUCKETS).encode())
    for length, reason in ((1, "does not count itself"), (15, "Bucket is cut short"), (40, "needs 38 bytes")):
        data[16:18] = length.to_bytes(2, "big")
        with pytest.raises(DecodeError, match=reason) as refusal:
            decode(bytes(data))
        assert refusal.value.clause == "7.3.4.2"


def test_text() -> None:
    """What goes without saying is left out, a command without a name is a number."""
    assert str(GroupMod(GroupModCommand.DELETE, group_id=4)) == "GROUP_MOD (xid=0x0): DEL group_id=4,type=all"
    assert str(GroupMod(0x8003, GroupType.FF, 1, (Bucket(), Bucket(watch_port=7)))) == (
        "GROUP_MOD (xid=0x0): 32771 group_id=1,type=ff,bucket=actions=drop,bucket=watch_port:7,actions=drop"
    )
    assert str(GroupFeaturesReply(4, 0x11, (0, 0, 255, 0), (0, 0, 1, 0))) == (
        "MULTIPART_REPLY GROUP_FEATURES (xid=0x0):\n  Group table:\n    Types:  0x4\n    Capabilities:  0x11\n"
        "    indirect group:\n       max_groups=0xff\n       actions: output"
    )


@pytest.mark.ovs
@pytest.mark.parametrize(
    "message",
    [
        *(EXAMPLES[cls] for cls in (GroupMod, GroupStatsReply, GroupDescReply)),
        GroupMod(GroupModCommand.ADD_OR_MOD, GroupType.SELECT, 1, (Bucket(1, actions=(DecNwTtl(), Output(1))),)),
        GroupMod(GroupModCommand.DELETE, group_id=0xFFFFFFFC),
    ],
    ids=lambda message: type(message).__name__,
)
def test_ovs_prints_the_same(message: Message) -> None:
    """Open vSwitch prints groups and their counters just as we do."""
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().strip().split("\n")]
