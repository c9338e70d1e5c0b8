"""Open vSwitch's own actions on the wire, and the flows that have them, against what ovs-ofctl itself sends."""

import re
from pathlib import Path

import pytest
from tests.ofproto.capture import Listener
from tests.ofproto.refusals import check_misfit, check_refused

from daoli.ofproto import (
    FIELDS,
    Action,
    Bits,
    Bundle,
    BundleLoad,
    CheckPktLarger,
    Clone,
    Conjunction,
    Controller,
    Controller2,
    Ct,
    CtClear,
    Decap,
    DecNshTtl,
    DecTtlCntIds,
    DeleteField,
    EdProperty,
    Encap,
    Exit,
    FinTimeout,
    FlowMod,
    Learn,
    Learn2,
    LearnSpec,
    Match,
    Members,
    Multipath,
    Nat,
    NatRange,
    NiciraDecMplsTtl,
    NiciraDecTtl,
    NiciraGroup,
    NiciraPopMpls,
    NiciraPushMpls,
    NiciraSetMplsTtl,
    NiciraSetQueue,
    NiciraSubtype,
    NiciraWriteMetadata,
    Note,
    Output,
    OutputReg,
    OutputReg2,
    OutputTrunc,
    Oxm,
    PopQueue,
    RegLoad,
    RegLoad2,
    RegMove,
    Resubmit,
    ResubmitTable,
    ResubmitTableCt,
    Sample,
    Sample2,
    Sample3,
    SetMplsLabel,
    SetMplsTc,
    SetTunnel,
    SetTunnel64,
    StackPop,
    StackPush,
    ToController,
    ToMaxLen,
    ToMeter,
    ToPause,
    ToReason,
    ToUserdata,
    UnknownAction,
    UnknownControllerProperty,
    decode,
)
from daoli.ofproto.actions import ACTION

CORPUS = [
    tuple(entry.split("\n"))
    for entry in (Path(__file__).parent / "corpus" / "nicira.hex").read_text().rstrip("\n").split("\n\n")
]
"""Flows as people write them, the flow_mod that ovs-ofctl 3.1 sends for each, and how the flow reads then."""


def ref(name: str) -> int:
    """Give the header of a field, for an action."""
    return FIELDS[name].reference


BYTES: dict[Action, str] = {
    Resubmit(7): "ffff 0010 00002320 0001 0007 00000000",
    SetTunnel(5): "ffff 0010 00002320 0002 0000 00000005",
    NiciraSetQueue(5): "ffff 0010 00002320 0004 0000 00000005",
    PopQueue(): "ffff 0010 00002320 0005 000000000000",
    RegMove(
        48, 0, 0, ref("nxm_of_eth_src"), ref("nxm_of_eth_dst")
    ): "ffff 0018 00002320 0006 0030 0000 0000 00000406 00000206",
    RegMove(
        8, 0, 0, ref("tun_gtpu_flags"), ref("reg0")
    ): "ffff 0020 00002320 0006 0008 0000 0000 ffff1e05 00002320 00010004 00000000",
    RegLoad(15, ref("nxm_of_arp_op"), 2): "ffff 0018 00002320 0007 000f 00001e02 0000000000000002",
    Note(b"\1\0\0\0\0\0"): "ffff 0010 00002320 0008 010000000000",
    SetTunnel64(5): "ffff 0018 00002320 0009 000000000000 0000000000000005",
    Multipath(
        5, 1024, 3, 7, 5, 5 << 6 | 5, ref("reg1")
    ): "ffff 0020 00002320 000a 0005 0400 0000 0003 0007 00000005 0000 0145 00010204",
    Bundle(
        1, 0, 50, 2, Members((1, 2, 3))
    ): "ffff 0028 00002320 000c 0001 0000 0032 00000002 0003 0000 00000000 00000000 0001 0002 0003 0000",
    BundleLoad(
        1, 1, 60, 2, Members((2, 3), 31, ref("reg0"))
    ): "ffff 0028 00002320 000d 0001 0001 003c 00000002 0002 001f 00010004 00000000 0002 0003 00000000",
    ResubmitTable(0xFFF8, 4): "ffff 0010 00002320 000e fff8 04 000000",
    OutputReg(31, ref("reg0")): "ffff 0018 00002320 000f 001f 00010004 ffff 000000000000",
    Learn(
        hard_timeout=60,
        specs=(
            LearnSpec(12, LearnSpec.MATCH, Bits(ref("nxm_of_vlan_tci")), Bits(ref("nxm_of_vlan_tci"))),
            LearnSpec(32, LearnSpec.LOAD, b"\0\0\0\5", Bits(ref("reg0"))),
            LearnSpec(16, LearnSpec.OUTPUT, Bits(ref("nxm_of_in_port"))),
        ),
    ): "ffff 0048 00002320 0010 0000 003c 8000 0000000000000000 0000 01 00 0000 0000"
    "000c 00000802 0000 00000802 0000  2820 00000005 00010004 0000  1010 00000002 0000  000000000000",
    Exit(): "ffff 0010 00002320 0011 000000000000",
    NiciraDecTtl(): "ffff 0010 00002320 0012 000000000000",
    FinTimeout(5, 10): "ffff 0010 00002320 0013 0005 000a 0000",
    Controller(300, 5, 2): "ffff 0010 00002320 0014 012c 0005 02 00",
    DecTtlCntIds((1, 2, 3)): "ffff 0018 00002320 0015 0003 00000000 0001 0002 0003 0000",
    NiciraWriteMetadata(5, 15): "ffff 0020 00002320 0016 000000000000 0000000000000005 000000000000000f",
    NiciraPushMpls(0x8847): "ffff 0010 00002320 0017 8847 00000000",
    NiciraPopMpls(0x0800): "ffff 0010 00002320 0018 0800 00000000",
    NiciraSetMplsTtl(3): "ffff 0010 00002320 0019 03 0000000000",
    NiciraDecMplsTtl(): "ffff 0010 00002320 001a 000000000000",
    StackPush(5, ref("reg0"), 5): "ffff 0018 00002320 001b 0005 00010004 0005 00000000 0000",
    StackPop(0, ref("tun_erspan_idx"), 10): "ffff 0018 00002320 001c 0000 ffff1608 00002320 000a 0000",
    Sample(100, 1, 2, 3): "ffff 0018 00002320 001d 0064 00000001 00000002 00000003",
    SetMplsLabel(5): "ffff 0010 00002320 001e 0000 00000005",
    SetMplsTc(3): "ffff 0010 00002320 001f 03 0000000000",
    OutputReg2(7, 0xFFFF, ref("tun_gtpu_flags")): "ffff 0018 00002320 0020 0007 ffff ffff1e05 00002320 0000",
    RegLoad2(Oxm.of("tun_metadata5", (0x11, 0x33))): "ffff 0010 00002320 0021 00015b02 1133",
    Conjunction(1, 2, 1234): "ffff 0010 00002320 0022 01 02 000004d2",
    Ct(
        1, 0, 5, 3, 21, (Nat(1),)
    ): "ffff 0028 00002320 0023 0001 00000000 0005 03 000000 0015 ffff 0010 00002320 0024 0000 0001 0000",
    Nat(
        0x11, NatRange(b"\n\0\0\1", b"\n\0\0\x09", proto_min=1000, proto_max=2000)
    ): "ffff 0020 00002320 0024 0000 0011 0033 0a000001 0a000009 03e8 07d0 00000000",
    Controller2(
        (ToMaxLen(64), ToController(3), ToReason(0), ToUserdata(b"\xaa"), ToPause(), ToMeter(9))
    ): "ffff 0040 00002320 0025 000000000000 0000 0008 0040 0000 0001 0008 0003 0000 0002 0005 00 000000"
    "0003 0005 aa 000000 0004 0004 00000000 0005 0008 00000009",
    Controller2((UnknownControllerProperty(9, b"\1\2"),)): "ffff 0018 00002320 0025 000000000000 0009 0006 0102 0000",
    Sample2(100, 1, 2, 3, 4): "ffff 0020 00002320 0026 0064 00000001 00000002 00000003 0004 00 0000000000",
    OutputTrunc(3, 100): "ffff 0010 00002320 0027 0003 00000064",
    NiciraGroup(5): "ffff 0010 00002320 0028 0000 00000005",
    Sample3(100, 0, 0, 0, 4, 2): "ffff 0020 00002320 0029 0064 00000000 00000000 00000000 0004 02 0000000000",
    Clone((Output(1),)): "ffff 0020 00002320 002a 000000000000 0000 0010 00000001 ffff 000000000000",
    CtClear(): "ffff 0010 00002320 002b 000000000000",
    ResubmitTableCt(0xFFF8, 3): "ffff 0010 00002320 002c fff8 03 000000",
    Learn2(
        flags=4, table_id=4, limit=100, result_dst=Bits(ref("reg0"), 5)
    ): "ffff 0030 00002320 002d 0000 0000 8000 0000000000000000 0004 04 00 0000 0000"
    "00000064 0005 0000 00010004 00000000",
    Encap(0, 0x1894F, (EdProperty(4, 1, b"\1"),)): "ffff 0018 00002320 002e 0000 0001894f 0004 01 05 01 000000",
    Decap(): "ffff 0010 00002320 002f 0000 0000fffe",
    DecNshTtl(): "ffff 0010 00002320 0030 000000000000",
    CheckPktLarger(1500, 0, ref("reg0")): "ffff 0018 00002320 0031 05dc 0000 00010004 00000000 0000",
    DeleteField(0x0001507C): "ffff 0018 00002320 0032 0001507c 00000000000000000000",
}


@pytest.mark.parametrize("action", BYTES, ids=repr)
def test_bytes(action: Action) -> None:
    """Each action is laid out as in Open vSwitch's nicira-ext.h."""
    data = bytes.fromhex(BYTES[action])
    assert ACTION.write(action) == data
    assert ACTION.parse(data) == action


def test_every_action_is_covered() -> None:
    """Each subtype that has a name has a class, and each class its bytes above."""
    nicira = bytes.fromhex("ffff00002320")
    subtypes = {int.from_bytes(key[6:], "big"): cls for key, cls in ACTION.classes.items() if key.startswith(nicira)}
    assert set(subtypes) == set(NiciraSubtype)
    assert set(subtypes.values()) == {type(action) for action in BYTES}


@pytest.mark.parametrize(
    "text",
    [
        "ffff 0010 00002320 00fe 00000000 0000",  # a subtype without a class
        "ffff 0010 00001234 0006 00000000 0000",  # another experimenter's
        "ffff 0008 00002320",  # too short for a subtype
    ],
)
def test_unknown(text: str) -> None:
    """An experimenter's action without a class is carried as it came."""
    data = bytes.fromhex(text)
    assert ACTION.parse(data) == UnknownAction(0xFFFF, data[4:])
    assert ACTION.write(ACTION.parse(data)) == data


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ffff 0018 00002320 002e 0000 0001894f 0004 01 03 01 000000", "a property with a length of 3"),
        ("ffff 0010 00002320 0015 ffff 00000000", "what was counted needs 131070 bytes, 0 are left"),
        ("ffff 0018 00002320 000c 0001 0000 0032 00000002 0003 0000", "the head of a bundle needs 12 bytes"),
        ("ffff 0010 00002320 001b 0005 ffff1608", "an experimenter's id needs 4 bytes, 0 are left"),
        ("ffff 0018 00002320 0011 000000000000 0000000000000000", "8 bytes left over"),
        ("ffff 0018 00002320 0021 00010b04 00000001 00000000 0000", "reg5 with a length of 4"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What an action cannot hold is refused, with the place of it."""
    check_refused(text, reason)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Note(b"12345"), r"Note\.note: 5 bytes after 10 do not fill 8s"),
        (StackPush(0, 0xFFFF0004, 1), r"StackPush\.field: 0xffff0004 is no header of a field"),
        (Bundle(0, 0, 0, 2, Members((70000,))), r"Bundle\.members"),
        (Clone((5,)), r"Clone\.actions: 5 is not an action"),  # type: ignore[arg-type]
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Action) else "",
)
def test_misfits(action: Action, words: str) -> None:
    """A value that does not fit is an EncodeError that names it."""
    check_misfit(action, words)


# What ovs-ofctl sends


def test_corpus_is_large() -> None:
    """The corpus holds at least 120 flows, each different, with nearly all of the actions."""
    assert len({flow for flow, _, _ in CORPUS}) == len(CORPUS) >= 120
    spoken = {name for flow, _, _ in CORPUS for name in re.findall(r"[a-z_0-9]+(?=[(:])|\w+$", flow)}
    assert {"ct", "learn", "clone", "bundle_load", "multipath", "encap", "nat", "sample", "check_pkt_larger"} <= spoken


@pytest.mark.parametrize(("flow", "data", "_text"), CORPUS, ids=[flow for flow, _, _ in CORPUS])
def test_corpus(flow: str, data: str, _text: str) -> None:
    """What ovs-ofctl sends for a flow is read in full, and encodes to the same bytes."""
    message = decode(bytes.fromhex(data))
    assert isinstance(message, FlowMod), flow
    assert message.encode().hex() == data
    assert "Unknown" not in repr(message)
    assert all(oxm.field for oxm in message.match)
    assert Match.of(message.match) == message.match


@pytest.mark.ovs
def test_corpus_is_what_ovs_sends(tmp_path: Path) -> None:
    """The Open vSwitch of this machine still sends the same for every flow of the corpus; xids apart."""
    flows = tmp_path / "flows"
    flows.write_text("".join(f"{flow}\n" for flow, _, _ in CORPUS))
    with Listener(tmp_path) as switch:
        heard = switch.ofctl("add-flows", str(flows))
    assert [data[8:].hex() for data in heard] == [data[16:] for _, data, _ in CORPUS]
