"""Meters."""

import pytest
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    BandStats,
    DecodeError,
    DropBand,
    DscpRemarkBand,
    ExperimenterBand,
    Message,
    MeterConfig,
    MeterConfigReply,
    MeterConfigRequest,
    MeterFeaturesReply,
    MeterMod,
    MeterModCommand,
    MeterNo,
    MeterStats,
    MeterStatsReply,
    MeterStatsRequest,
    UnknownBand,
    decode,
)

BYTES: dict[Message, str] = {
    MeterMod(1, 2, 3, (DropBand(4, 5), DscpRemarkBand(6, 7, 8))): (
        "041d0030 00000000 0001 0002 00000003 0001 0010 00000004 00000005 00000000 0002 0010 00000006 00000007 08000000"
    ),
    MeterMod(bands=(ExperimenterBand(1, 2, 3, b"odd"), UnknownBand(7, b"\1\2\3\4\5"))): (
        "041d002c 00000000 0000 0001 00000001 ffff 0013 00000001 00000002 00000003 6f6464 0007 0009 0102030405"
    ),
    MeterStatsRequest(3): "04120018 00000000 0009 0000 00000000 00000003 00000000",
    MeterStatsReply((MeterStats(1, 2, 3, 4, 5, 6, (BandStats(7, 8),)),)): (
        "04130048 00000000 0009 0000 00000000 00000001 0038 000000000000 00000002 0000000000000003 0000000000000004"
        "00000005 00000006 0000000000000007 0000000000000008"
    ),
    MeterConfigRequest(): "04120018 00000000 000a 0000 00000000 ffffffff 00000000",
    MeterConfigReply((MeterConfig(1, 2, (DropBand(3),)), MeterConfig())): (
        "04130030 00000000 000a 0000 00000000 0018 0001 00000002 0001 0010 00000003 00000000 000000000008 0000 00000000"
    ),
    MeterFeaturesReply(1, 2, 3, 4, 5): ("04130020 00000000 000b 0000 00000000 00000001 00000002 00000003 04 05 0000"),
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3.4.4 and 7.3.5.12 to 7.3.5.14; a band has any length."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


@pytest.mark.parametrize(
    ("length", "reason"),
    [(0, "does not count itself"), (5, "does not count itself"), (39, "cut short"), (41, "needs 41 bytes, 40 are")],
)
def test_length(length: int, reason: str) -> None:
    """A meter's counters that are shorter than their fields, or longer than the message, are refused."""
    data = bytearray(MeterStatsReply((MeterStats(1),)).encode())
    data[20:22] = length.to_bytes(2, "big")
    with pytest.raises(DecodeError, match=reason) as refusal:
        decode(bytes(data))
    assert refusal.value.clause == "7.3.5.12"


def test_text() -> None:
    """What has no name is a number."""
    assert str(MeterMod(9, 0x12, MeterNo.SLOWPATH, (UnknownBand(7, b"\1"), ExperimenterBand(1, 0, 0xDA, b"\2")))) == (
        "METER_MOD (xid=0x0): 9 meter=slowpath pktps 0x10 bands=\n  type=7 body=01\n"
        "  type=experimenter rate=1 experimenter=0xda data=02"
    )
    assert str(MeterConfigRequest()).endswith("meter=all")
    assert str(MeterMod(flags=5, bands=(DropBand(1, 9),))).endswith("burst bands=\n  type=drop rate=1 burst_size=9")
    assert str(MeterMod(flags=1, bands=(DropBand(1, 9),))).endswith("kbps bands=\n  type=drop rate=1")
    assert str(DropBand(1, 9)) == "type=drop rate=1 burst_size=9"
    assert str(MeterMod(meter_id=0xFFFF_0001, flags=0)) == "METER_MOD (xid=0x0): ADD meter=4294901761 bands="
    assert str(MeterFeaturesReply(1, 0, 0, 4)).endswith(
        "max_meter:1 max_bands:4 max_color:0\n  band_types: 0\n  capabilities: 0"
    )


@pytest.mark.ovs
@pytest.mark.parametrize(
    "message",
    [
        *(
            EXAMPLES[cls]
            for cls in (
                MeterMod,
                MeterStatsRequest,
                MeterStatsReply,
                MeterConfigRequest,
                MeterConfigReply,
                MeterFeaturesReply,
            )
        ),
        MeterMod(MeterModCommand.MODIFY, 2, MeterNo.CONTROLLER, (DropBand(5),)),
        MeterMod(MeterModCommand.DELETE, 0, MeterNo.ALL),
    ],
    ids=lambda message: type(message).__name__,
)
def test_ovs_prints_the_same(message: Message) -> None:
    """Open vSwitch prints meters, their counters and its features just as we do."""
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().strip().split("\n")]
