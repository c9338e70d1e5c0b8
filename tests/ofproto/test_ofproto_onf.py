"""The ONF's extensions on the wire: copy_field, bundles and flow monitors."""

import re
from pathlib import Path

import pytest
from tests.ofproto.capture import Listener
from tests.ofproto.oracles import ovs_flow, ovs_print

from daoli.ofproto import (
    FIELDS,
    ApplyActions,
    BarrierRequest,
    BundleAdd,
    BundleControl,
    BundleControlType,
    Bundled,
    BundleProperty,
    CopyField,
    DecodeError,
    EncodeError,
    FlowMod,
    FlowModCommand,
    FlowMonitor,
    FlowMonitorCancel,
    FlowMonitorPaused,
    FlowMonitorReply,
    FlowMonitorRequest,
    FlowMonitorResumed,
    FlowStats,
    FlowStatsReply,
    FlowUpdate,
    FlowUpdateAbbrev,
    GotoTable,
    Hello,
    Match,
    Message,
    UnknownFlowUpdate,
    UnknownMessage,
    decode,
)
from daoli.ofproto.actions import ACTION

COPY = CopyField(8, 0, 16, FIELDS["reg0"].reference, FIELDS["nsh_ttl"].reference)
COPY_BYTES = "ffff 0020 4f4e4600 0c80 0000 0008 0000 0010 0000 00010004 ffff1405 005ad650"

BARRIER = "04140008 00000007"

BYTES: dict[Message, str] = {
    BundleControl(3, BundleControlType.COMMIT_REQUEST, 3): "04 000008fc 00000003 0004 0003",
    BundleAdd(3, 2, Bundled(BarrierRequest(xid=7))): f"04 000008fd 00000003 0000 0002 {BARRIER}",
    BundleAdd(
        3, 2, Bundled(BarrierRequest(xid=7), (BundleProperty(9, b"ab"),))
    ): f"04 000008fd 00000003 0000 0002 {BARRIER} 0009 0006 6162 0000",
    BundleAdd(
        3, 0, Bundled(UnknownMessage(200, b"abc", xid=7), (BundleProperty(9, b""),))
    ): "04 000008fd 00000003 0000 0000 04c8000b 00000007 616263 0000000000 0009 0004 00000000",
    BundleAdd(3, 0, Bundled(Hello(version=6))): "04 000008fd 00000003 0000 0000 06000008 00000000",
    FlowMonitorCancel(5): "04 0000074e 00000005",
    FlowMonitorPaused(): "04 0000074f",
    FlowMonitorResumed(): "04 00000750",
    FlowMonitorRequest(
        (FlowMonitor(1, 0x3E, 3, 5, Match(reg0=5)), FlowMonitor(2, 1))
    ): "12 0000074e 00000001 003e 000c 00000003 05 000000 0001 000c 00010004 00000005 00000000"
    "00000002 0001 0004 ffffffff ff 000000 0001 0004 00000000",
    FlowMonitorReply(
        (
            FlowUpdate(2, 0, 100, 30, 60, 5, 7, Match(reg0=5), (GotoTable(9),)),
            FlowUpdateAbbrev(99),
            UnknownFlowUpdate(9, b"\1\2"),
        )
    ): "13 0000074e 0030 0002 0000 0064 001e 003c 000c 05 00 0000000000000007"
    "0001 000c 00010004 00000005 00000000 0001 0008 09 000000  0008 0003 00000063  0006 0009 0102",
}


def framed(text: str) -> bytes:
    """Frame a message of the ONF's from its type, and what stands behind the ONF's id."""
    kind, *body = bytes.fromhex(text)
    multipart = "ffff 0000 00000000" if kind in (18, 19) else ""
    data = bytes.fromhex(multipart) + bytes.fromhex("4f4e4600") + bytes(body)
    return bytes([4, kind]) + (8 + len(data)).to_bytes(2, "big") + bytes(4) + data


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in its extension."""
    assert message.encode() == framed(BYTES[message])
    assert decode(framed(BYTES[message])) == message


def test_copy_field() -> None:
    """An experimenter's fields are copied too."""
    assert ACTION.write(COPY) == bytes.fromhex(COPY_BYTES)
    assert ACTION.parse(bytes.fromhex(COPY_BYTES)) == COPY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("04 000008fd 00000003 0000 0000 04140007 00000000", "a message in a bundle with a length of 7"),
        ("04 000008fd 00000003 0000 0000 04140009 00000000", "a message in a bundle needs 1 bytes, 0 are left"),
        ("04 000008fd 00000003 0000 0000 01140008 00000000", "type 20 in version 1"),
        ("04 000008fd 00000003 0000 0000 04140009 00000000 00", "1 bytes left over after a message in a bundle"),
        ("04 000008fd 00000003 0000 0000 04140008 00000000 00", "the head of a property of a bundle needs 4 bytes"),
        ("12 0000074e 00000002 0001 0008 ffffffff ff 000000 0001 0004 00000000", "a match with two lengths"),
        ("13 0000074e 0006 0003 0001", "FlowUpdateAbbrev is cut short"),
        ("13 0000074e 0003 00", "an event needs 2 bytes, 1 are left"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What a message cannot hold is refused."""
    with pytest.raises(DecodeError, match=reason):
        decode(framed(text))


def test_misfit() -> None:
    """An event that is none of a full update's cannot be written as one."""
    with pytest.raises(EncodeError, match=r"FlowMonitorReply\.updates: 3 is no event of a FlowUpdate"):
        FlowMonitorReply((FlowUpdate(3),)).encode()


def test_text() -> None:
    """Bundles and monitors are shown with what they hold."""
    assert "type=COMMIT_REQUEST flags=atomic ordered" in str(BundleControl(3, 4, 3))
    assert str(BundleAdd(3, 3, Bundled(BarrierRequest(xid=7)))).endswith(
        "flags=atomic ordered\n  BARRIER_REQUEST (xid=0x7)"
    )
    lines = str(FlowMonitorReply((FlowUpdate(0, cookie=7, table_id=5), FlowUpdate(7), FlowUpdateAbbrev(9)))).split("\n")
    assert lines[1:3] == ["  event=ADDED table=5 cookie=0x7", "  event=7 table=0 cookie=0"]


@pytest.mark.ovs
@pytest.mark.parametrize("bundle_id", [0, 1, 0xFFFF_FFFF])
def test_text_of_a_bundle_id(bundle_id: int) -> None:
    """A bundle's id is in hex, and zero without a prefix, as ovs-ofctl prints it."""
    for message in (BundleControl(bundle_id, 4, 3), BundleAdd(bundle_id, 3, Bundled(FlowMod()))):
        (said,) = re.findall(r"bundle_id=\w+ ", str(message))
        assert f"\n {said}" in ovs_print(message.encode())


def test_text_of_what_is_bundled() -> None:
    """Whatever type of message is read within a bundle, known or not, it has a text and a repr."""
    for kind in range(256):
        for size in range(0, 64, 8):
            inner = bytes([4, kind, 0, 8 + size]) + bytes(4 + size)
            try:
                message = decode(framed(f"04 000008fd 00000003 0000 0000 {inner.hex()}"))
            except DecodeError:
                continue
            assert str(message)
            assert repr(message)
    unknown = BundleAdd(1, 0, Bundled(UnknownMessage(99, b"ab")))
    assert str(unknown).endswith("\n  type 99 (xid=0x0): body=6162")


@pytest.mark.ovs
def test_ovs_reads_updates() -> None:
    """Open vSwitch reads the updates as we mean them, and a copy_field as a move."""
    text = ovs_print(
        FlowMonitorReply((FlowUpdate(0, 0, 100, 30, 60, 5, 7, Match(reg0=5)), FlowUpdateAbbrev(9))).encode()
    )
    assert "event=ADDED table=5 idle_timeout=30 hard_timeout=60 cookie=0x7 reg0=0x5" in text
    assert "event=ABBREV xid=0x9" in text
    flow = FlowStats(instructions=(ApplyActions((CopyField(8, 0, 8, 0x10004, 0x10204),)),))
    assert ovs_flow(FlowStatsReply((flow,)).encode()) == [flow.text(counters=False)]


@pytest.mark.ovs
def test_ovs_sends_bundles(tmp_path: Path) -> None:
    """A bundle of ovs-ofctl's is read in full and encodes to the same bytes."""
    flows = tmp_path / "flows"
    flows.write_text("reg0=1,actions=drop\ndelete reg0=2\n")
    with Listener(tmp_path) as switch:
        heard = switch.ofctl("--bundle", "add-flows", str(flows))
    messages = [decode(data) for data in heard]
    assert [message.encode() for message in messages] == heard
    commit, add, delete = messages[-1], *messages[-3:-1]
    assert isinstance(commit, BundleControl)
    assert commit.type == BundleControlType.COMMIT_REQUEST
    assert isinstance(add, BundleAdd)
    assert add.bundled.message.with_xid(0) == FlowMod(match=Match(reg0=1))
    assert isinstance(delete, BundleAdd)
    assert isinstance(delete.bundled.message, FlowMod)
    assert delete.bundled.message.command == FlowModCommand.DELETE
