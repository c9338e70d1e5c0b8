"""Open vSwitch's own messages on the wire, some against what ovs-ofctl sends."""

from pathlib import Path

import pytest
from tests.ofproto.capture import Listener

from daoli.ofproto import (
    AsyncProperty,
    CtFlush,
    CtFlushZone,
    CtZone,
    DecodeError,
    EncodeError,
    FlowAge,
    FlowModTableId,
    Match,
    Message,
    NiciraFlowMonitorCancel,
    NiciraFlowMonitorPaused,
    NiciraFlowMonitorResumed,
    NiciraMessage,
    NiciraPacketIn,
    NiciraRoleReply,
    NiciraRoleRequest,
    NiciraSetAsync,
    NiciraSetAsync2,
    Oxm,
    PacketBufferId,
    PacketContinuation,
    PacketCookie,
    PacketData,
    PacketFullLen,
    PacketIn2,
    PacketMetadata,
    PacketReason,
    PacketTableId,
    PacketUserdata,
    Resume,
    SetControllerId,
    SetFlowFormat,
    SetPacketInFormat,
    TlvMap,
    TlvTableMod,
    TlvTableReply,
    TlvTableRequest,
    UnknownCtProperty,
    UnknownPacketProperty,
    decode,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES

MAPS = (TlvMap(0xFFFF, 0, 4, 0), TlvMap(0x102, 0x80, 124, 5))

BYTES: dict[Message, str] = {
    NiciraRoleRequest(1): "0000000a 00000001",
    NiciraRoleReply(2): "0000000b 00000002",
    SetFlowFormat(2): "0000000c 00000002",
    FlowModTableId(1): "0000000f 01 00000000000000",
    SetPacketInFormat(2): "00000010 00000002",
    NiciraPacketIn(
        total_len=3, reason=1, table_id=2, cookie=7, match=Match(reg0=5), data=b"abc"
    ): "00000011 ffffffff 0003 01 02 0000000000000007 0008 000000000000 00010004 00000005 0000 616263",
    FlowAge(): "00000012",
    NiciraSetAsync((7, 0), (7, 7), (1, 0)): "00000013 00000007 00000000 00000007 00000007 00000001 00000000",
    SetControllerId(5): "00000014 000000000000 0005",
    NiciraFlowMonitorCancel(5): "00000015 00000005",
    NiciraFlowMonitorPaused(): "00000016",
    NiciraFlowMonitorResumed(): "00000017",
    TlvTableMod(0, MAPS): "00000018 0000 000000000000 ffff 00 04 0000 0000 0102 80 7c 0005 0000",
    TlvTableRequest(): "00000019",
    TlvTableReply(256, 64, MAPS[1:]): "0000001a 00000100 0040 00000000000000000000 0102 80 7c 0005 0000",
    NiciraSetAsync2((AsyncProperty(1, b"\0\0\0\7"),)): "0000001b 0001 0008 00000007",
    Resume((PacketContinuation(b"abc"),)): "0000001c 0008 0007 616263 00",
    CtFlushZone(5): "0000001d 000000000000 0005",
    PacketIn2(
        (
            PacketData(b"abcde"),
            PacketFullLen(1500),
            PacketBufferId(9),
            PacketTableId(2),
            PacketCookie(7),
            PacketReason(1),
            PacketMetadata((Oxm.of("reg0", 5), Oxm.of("ip_ttl", 9))),
            PacketUserdata(b"\1"),
            UnknownPacketProperty(0x8000, b""),
        )
    ): "0000001e 0000 0009 6162636465 00000000000000 0001 0008 000005dc 0002 0008 00000009 0003 0005 02 000000"
    "0004 0010 00000000 0000000000000007 0005 0005 01 000000 0006 0011 00010004 00000005 00013a01 09 00000000000000"
    "0007 0005 01 000000 8000 0004 00000000",
    CtFlush(6, 2, (CtZone(5), UnknownCtProperty(9, b"12"))): "00000020 06 02 000000000000 0002 0008 0005 0000"
    "0009 0006 3132 0000",
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in Open vSwitch's nicira-ext.h."""
    body = bytes.fromhex("00002320" + BYTES[message])
    data = bytes([4, 4]) + (8 + len(body)).to_bytes(2, "big") + bytes(4) + body
    assert message.encode() == data
    assert decode(data) == message


def test_every_message_is_covered() -> None:
    """Each number that has a name has a class, and each class its bytes above."""
    classes = {number: cls for (who, number), cls in EXPERIMENTER_MESSAGES.items() if who == 0x2320}
    assert set(classes) == set(NiciraMessage)
    assert set(classes.values()) == {type(message) for message in BYTES}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00000011" + "00" * 16 + "0010 000000000000 00010004", "a match needs 16 bytes, 4 are left"),
        ("00000011" + "00" * 16 + "0008 000000000000 00010002 00000005 0000", "reg0 with a length of 2"),
        ("0000001e 0003 0006 0200 0000", "1 bytes left over after a property of a packet of kind 3"),
        ("0000001e 0003 0003 0200 0000", "a property of a packet of kind 3 with a length of 3"),
        ("00000018 0000 000000000000 ffff 00 04", "TlvMap is cut short"),
        ("0000001b 0000 0006 0001 0000", "a mask of reasons of 2 bytes at byte 18"),
        ("0000001b 000b 000c 0000000100000000 00000000", "a mask of reasons of 8 bytes at byte 18"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What a message cannot hold is refused."""
    body = bytes.fromhex("00002320" + text)
    with pytest.raises(DecodeError, match=reason):
        decode(bytes([4, 4]) + (8 + len(body)).to_bytes(2, "big") + bytes(4) + body)


SENT: dict[tuple[str, ...], Message] = {
    ("add-tlv-map", "{class=0xffff,type=0,len=4}->tun_metadata0,{class=0x102,type=0x80,len=124}->tun_metadata5"): (
        TlvTableMod(0, MAPS)
    ),
    ("del-tlv-map",): TlvTableMod(2),
    ("ct-flush-zone", "5"): CtFlushZone(5),
    ("ct-flush", "zone=5"): CtFlush(0, 0, (CtZone(5),)),
}


@pytest.mark.ovs
@pytest.mark.parametrize("command", SENT, ids=lambda command: command[0])
def test_what_ovs_sends(command: tuple[str, ...], tmp_path: Path) -> None:
    """What ovs-ofctl sends for a command is the message that we mean by it."""
    with Listener(tmp_path) as switch:
        (data,) = switch.ofctl(*command)
    assert decode(data).with_xid(0) == SENT[command]
    assert decode(data).encode() == data


def test_mask_of_another_length() -> None:
    """A mask of reasons that is not of 32 bits is an EncodeError."""
    with pytest.raises(EncodeError, match=r"AsyncProperty\.body: b'ab' is not a mask of 4 bytes"):
        NiciraSetAsync2((AsyncProperty(11, b"ab"),)).encode()


def test_text() -> None:
    """Words stand for numbers that have them; what is unknown is in hex."""
    assert str(SetPacketInFormat(9)).endswith("format=9")
    assert str(FlowModTableId(2)).endswith("set=2")
    assert str(TlvTableMod(2)).endswith(":\n  CLEAR")
    assert str(TlvTableMod(7)).startswith("EXPERIMENTER TlvTableMod (xid=0x0):\n  7 mapping table:")
    assert str(NiciraSetAsync2((AsyncProperty(99, b"\1"),))).endswith("\n  property 99: 01")
    said = str(PacketIn2((UnknownPacketProperty(9, b"\1"), PacketContinuation(b"ab"))))
    assert "(via no_match) data_len=0 (unbuffered)\n  property 9: 01\n  continuation=6162\n" in said
