"""Open vSwitch's own fields and actions in words, against what it prints and reads itself."""

from pathlib import Path

import pytest
from tests.ofproto.capture import Listener
from tests.ofproto.oracles import ovs_flow
from tests.ofproto.test_ofproto_nicira import CORPUS

from daoli.ofproto import (
    FIELDS,
    Action,
    Bits,
    Bundle,
    Clone,
    Controller,
    Controller2,
    CopyField,
    Ct,
    DeleteField,
    EdProperty,
    Encap,
    FlowMod,
    FlowStats,
    FlowStatsReply,
    Learn,
    LearnSpec,
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
    NiciraWriteMetadata,
    Output,
    OutputReg2,
    RegLoad,
    RegMove,
    Resubmit,
    Sample2,
    SetMplsLabel,
    SetMplsTc,
    SetTunnel,
    SetTunnel64,
    ToReason,
    ToUserdata,
    UnknownControllerProperty,
    decode,
)
from daoli.ofproto.text import action_text

OVS_CANNOT_SAY = ("tun_erspan_idx", "ct_nw_src=10", "ct_nw_proto=6", "ct_ipv6")
"""Of these flows Open vSwitch does not print all that it was sent, or refuses to read what it sent itself."""

OVS_TAKES_BACK = ("packet_type=(0,0)", "enqueue", "/0xff,actions=drop")
"""These flows read, for Open vSwitch too, as others that mean the same."""

TUN_METADATA = FIELDS["tun_metadata0"].reference

FLOWS = {flow: (data, text) for flow, data, text in CORPUS}


def stats_of(data: str) -> FlowStats:
    """Give the flow that a flow_mod adds."""
    mod = decode(bytes.fromhex(data))
    assert isinstance(mod, FlowMod)
    return FlowStats(
        table_id=mod.table_id,
        priority=mod.priority,
        idle_timeout=mod.idle_timeout,
        hard_timeout=mod.hard_timeout,
        flags=mod.flags,
        cookie=mod.cookie,
        match=mod.match,
        instructions=mod.instructions,
    )


@pytest.mark.parametrize("flow", FLOWS)
def test_corpus(flow: str) -> None:
    """Each flow of the corpus reads as is written beside it."""
    data, text = FLOWS[flow]
    assert stats_of(data).text(counters=False) == text


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (Resubmit(7), "resubmit:7"),
        (Resubmit(0xFFFE), "resubmit:LOCAL"),
        (Controller(), "CONTROLLER:65535"),
        (Controller(reason=9), "controller(reason=9)"),
        (Controller2((ToUserdata(b""),)), "CONTROLLER:65535"),
        (Controller2((UnknownControllerProperty(9, b"\1"),)), "controller(property_9=01)"),
        (OutputReg2(7, 0xFFFF, FIELDS["tun_gtpu_flags"].reference), "output:NXOXM_ET_GTPU_FLAGS[]"),
        (OutputReg2(7, 0xFFFF, 0xFFFF120400001234), "output:0xffff120400001234[0..7]"),
        (DeleteField(0x12345678), "delete_field:0x12345678"),
        (Clone(()), "clone(drop)"),
        (Controller(reason=3), "controller(reason=action_set)"),
        (Controller2((ToReason(4),)), "controller(reason=group)"),
        (RegLoad(31, TUN_METADATA & ~0xFF | 4, 5), "load:0x5->NXM_NX_TUN_METADATA0[0..31]"),
        (RegMove(992, 0, 0, TUN_METADATA, TUN_METADATA), "move:NXM_NX_TUN_METADATA0[]->NXM_NX_TUN_METADATA0[]"),
        (Ct(alg=99, actions=(Output(1), Nat())), "ct(exec(output:1,nat),alg=99)"),
        (Nat(2, NatRange(proto_min=80)), "nat(dst=:80)"),
        (
            Sample2(1, 2, 3, 4, 5, 9),
            "sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4,sampling_port=5,direction=9)",
        ),
        (Bundle(7, 99, 1, 2, Members((1,))), "bundle(<99>,1,<7>,ofport,members:1)"),
        (Multipath(0, 0, 9, 1, 0, 31, FIELDS["reg0"].header), "multipath(eth_src,0,<9>,2,0,NXM_NX_REG0[])"),
        (Encap(0, 0x10800), "encap((ns=1,type=0x800))"),
        (Encap(0, 0, (EdProperty(7, 8, b"\1"),)), "encap(ethernet(property(7,8,01)))"),
        (
            Learn(specs=(LearnSpec(8, LearnSpec.MATCH, b"\0\5", Bits(FIELDS["reg3"].header, 8)),)),
            "learn(table=1,NXM_NX_REG3[8..15]=0x5)",
        ),
        (
            CopyField(8, 0, 8, FIELDS["reg0"].header, FIELDS["reg1"].header),
            "move:NXM_NX_REG0[0..7]->NXM_NX_REG1[8..15]",
        ),
        (NiciraDecTtl(), "dec_ttl"),
        (NiciraDecMplsTtl(), "dec_mpls_ttl"),
        (NiciraSetQueue(5), "set_queue:5"),
        (NiciraGroup(5), "group:5"),
        (NiciraPushMpls(0x8847), "push_mpls:0x8847"),
        (NiciraPopMpls(0x800), "pop_mpls:0x0800"),
        (NiciraSetMplsTtl(5), "set_mpls_ttl(5)"),
        (SetMplsLabel(5), "set_mpls_label(5)"),
        (SetMplsTc(5), "set_mpls_tc(5)"),
        (SetTunnel(5), "set_tunnel:0x5"),
        (SetTunnel64(5), "set_tunnel64:0x5"),
        (NiciraWriteMetadata(5, 15), "write_metadata:0x5/0xf"),
    ],
    ids=repr,
)
def test_what_ovs_does_not_send(action: Action, text: str) -> None:
    """What ovs-ofctl would not send in OpenFlow 1.3 has words as well."""
    assert action_text(action) == text


@pytest.mark.ovs
def test_ovs_prints_the_same() -> None:
    """Open vSwitch prints the flows of the corpus as they are written there."""
    shown = {flow: both for flow, both in FLOWS.items() if not any(word in flow for word in OVS_CANNOT_SAY)}
    assert len(shown) > 200
    printed = ovs_flow(FlowStatsReply(tuple(stats_of(data) for data, _ in shown.values())).encode())
    assert printed == [text for _, text in shown.values()]


@pytest.mark.ovs
def test_ovs_reads_it_back(tmp_path: Path) -> None:
    """What we write of a flow, ovs-ofctl sends as the very bytes that it was read from."""
    back = {flow: both for flow, both in FLOWS.items() if not any(word in flow for word in (*OVS_TAKES_BACK, "gtpu"))}
    assert len(back) > 200
    flows = tmp_path / "flows"
    flows.write_text("".join(f"{text}\n" for _, text in back.values()))
    with Listener(tmp_path) as switch:
        heard = switch.ofctl("add-flows", str(flows))
    assert [data[8:].hex() for data in heard] == [data[16:] for data, _ in back.values()]
