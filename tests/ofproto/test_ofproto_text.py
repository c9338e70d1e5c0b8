"""Flows in words, against what Open vSwitch itself prints and accepts."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from tests.ofproto.examples import ARP_RESPONDER, EXAMPLES, PAIR, ROUTED
from tests.ofproto.oracles import ovs_flow, ovs_texts
from tests.ofproto.recorder import read
from tests.ofproto.strategies import messages
from tests.ofproto.test_ofproto_nicira import CORPUS as NICIRA

from daoli.ofproto import (
    FIELDS,
    Action,
    ApplyActions,
    BarrierRequest,
    ClearActions,
    Conjunction,
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    DecNwTtl,
    FlowStats,
    FlowStatsReply,
    GotoTable,
    Group,
    Instruction,
    Match,
    Message,
    Meter,
    Output,
    Oxm,
    PopMpls,
    PopPbb,
    PopVlan,
    PortNo,
    PushMpls,
    PushPbb,
    PushVlan,
    RegLoad,
    RegMove,
    ResubmitTable,
    SetField,
    SetMplsTtl,
    SetNwTtl,
    SetQueue,
    TableFeaturesReply,
    TableFeaturesRequest,
    UnknownAction,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownInstruction,
    UnknownMessage,
    UnknownMultipartReply,
    UnknownMultipartRequest,
    WriteActions,
    WriteMetadata,
    decode,
    describe,
    flow_text,
    match_text,
)
from daoli.ofproto.text import action_text, instructions_text

MATCHES = {
    "": Match(),
    "in_port=3": Match(in_port=3),
    "in_port=LOCAL": Match(in_port=PortNo.LOCAL),
    "ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10,nw_dst=10.1.0.20": PAIR,
    "tcp,in_port=1,nw_src=10.0.0.1,nw_dst=10.0.0.0/8,tp_src=80,tp_dst=443": Match(
        in_port=1, eth_type=0x0800, ipv4_src="10.0.0.1", ipv4_dst="10.0.0.0/8", ip_proto=6, tcp_src=80, tcp_dst=443
    ),
    "udp,tp_dst=53": Match(eth_type=0x0800, ip_proto=17, udp_dst=53),
    "icmp,icmp_type=8,icmp_code=0": Match(eth_type=0x0800, ip_proto=1, icmpv4_type=8, icmpv4_code=0),
    "sctp,tp_dst=9": Match(eth_type=0x0800, ip_proto=132, sctp_dst=9),
    "ip,nw_proto=47": Match(eth_type=0x0800, ip_proto=47),
    "ip,nw_tos=40,nw_ecn=1": Match(eth_type=0x0800, ip_dscp=10, ip_ecn=1),
    "ip,nw_dst=10.0.0.1/255.0.0.255": Match(eth_type=0x0800, ipv4_dst=("10.0.0.1", "255.0.0.255")),
    "arp,arp_op=2": Match(eth_type=0x0806, arp_op=2),
    "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1,arp_sha=02:00:00:00:00:01,arp_tha=00:00:00:00:00:00": Match(
        eth_type=0x0806,
        arp_op=1,
        arp_spa="10.0.0.1",
        arp_tpa="10.0.0.2",
        arp_sha="02:00:00:00:00:01",
        arp_tha="00:00:00:00:00:00",
    ),
    "rarp": Match(eth_type=0x8035),
    "dl_type=0x88cc": Match(eth_type=0x88CC),
    "dl_src=02:00:00:00:00:01,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00": Match(
        eth_dst="01:00:00:00:00:00/01:00:00:00:00:00", eth_src="02:00:00:00:00:01"
    ),
    "conj_id=7,ip": Match(conj_id=7, eth_type=0x0800),
    "conj_id=3,tcp,reg3=0x1,in_port=4,dl_src=02:00:00:00:00:01,nw_src=10.0.0.1": Match(
        eth_type=0x0800,
        ip_proto=6,
        ipv4_src="10.0.0.1",
        reg3=1,
        conj_id=3,
        in_port=4,
        eth_src="02:00:00:00:00:01",
    ),
    "reg0=0xa,reg1=0x9,reg15=0x10/0x10": Match(reg0=10, reg1=9, reg15=(16, 16)),
    "reg1=0x1/0xff,tun_id=0x5,metadata=0x1/0x3": Match(metadata=(1, 3), reg1=(1, 0xFF), tunnel_id=5),
    "pkt_mark=0x3,in_port=2": Match(pkt_mark=3, in_port=2),
    "dl_vlan=5": Match(vlan_vid=0x1005),
    "dl_vlan=5,dl_vlan_pcp=3": Match(vlan_vid=0x1005, vlan_pcp=3),
    "vlan_tci=0x1000/0x1000": Match(vlan_vid=(0x1000, 0x1000)),
    "vlan_tci=0x0000/0x1fff": Match(vlan_vid=0),
    "mpls,mpls_label=100,mpls_tc=2,mpls_bos=1": Match(eth_type=0x8847, mpls_label=100, mpls_tc=2, mpls_bos=1),
    "tcp6,tp_dst=80": Match(eth_type=0x86DD, ip_proto=6, tcp_dst=80),
    "udp6,ipv6_label=0x00012,tp_src=80": Match(eth_type=0x86DD, ip_proto=17, udp_src=80, ipv6_flabel=0x12),
    "icmp6,ipv6_src=fe80::/64,ipv6_dst=::1,icmp_type=135,nd_target=fe80::1,nd_sll=02:00:00:00:00:01": Match(
        eth_type=0x86DD,
        ipv6_src="fe80::/64",
        ipv6_dst="::1",
        ip_proto=58,
        icmpv6_type=135,
        ipv6_nd_target="fe80::1",
        ipv6_nd_sll="02:00:00:00:00:01",
    ),
}
"""Matches by their text, each field that Open vSwitch knows in at least one."""


def header(name: str) -> int:
    """Give the header of a field, for a move or load."""
    return FIELDS[name].header


ACTIONS: dict[str, Action] = {
    "output:1": Output(1),
    "CONTROLLER:65535": Output(PortNo.CONTROLLER),
    "CONTROLLER:128": Output(PortNo.CONTROLLER, 128),
    "IN_PORT": Output(PortNo.IN_PORT),
    "NORMAL": Output(PortNo.NORMAL),
    "FLOOD": Output(PortNo.FLOOD),
    "ALL": Output(PortNo.ALL),
    "LOCAL": Output(PortNo.LOCAL),
    "dec_ttl": DecNwTtl(),
    "mod_nw_ttl:64": SetNwTtl(64),
    "group:4": Group(4),
    "set_queue:3": SetQueue(3),
    "push_vlan:0x8100": PushVlan(0x8100),
    "pop_vlan": PopVlan(),
    "push_mpls:0x8847": PushMpls(0x8847),
    "pop_mpls:0x0800": PopMpls(0x0800),
    "set_mpls_ttl(3)": SetMplsTtl(3),
    "dec_mpls_ttl": DecMplsTtl(),
    "set_field:02:00:00:00:00:01->eth_src": SetField.of(eth_src="02:00:00:00:00:01"),
    "set_field:10.0.0.1->ip_src": SetField.of(ipv4_src="10.0.0.1"),
    "set_field:10.0.0.2->ip_dst": SetField.of(ipv4_dst="10.0.0.2"),
    "set_field:::1->ipv6_src": SetField.of(ipv6_src="::1"),
    "set_field:80->tcp_dst": SetField.of(tcp_dst=80),
    "set_field:10->ip_dscp": SetField.of(ip_dscp=10),
    "set_field:1->nw_ecn": SetField.of(ip_ecn=1),
    "set_field:4101->vlan_vid": SetField.of(vlan_vid=0x1005),
    "set_field:5->mpls_label": SetField.of(mpls_label=5),
    "set_field:2->arp_op": SetField.of(arp_op=2),
    "set_field:10.0.0.1->arp_spa": SetField.of(arp_spa="10.0.0.1"),
    "set_field:02:00:00:00:00:01->arp_sha": SetField.of(arp_sha="02:00:00:00:00:01"),
    "set_field:1->icmp_type": SetField.of(icmpv4_type=1),
    "set_field:0x5->tun_id": SetField.of(tunnel_id=5),
    "set_field:0x5->reg0": SetField.of(reg0=5),
    "set_field:0x5->metadata": SetField.of(metadata=5),
    "set_field:0x3->pkt_mark": SetField.of(pkt_mark=3),
    "conjunction(1234,2/2)": Conjunction(1, 2, 1234),
    "resubmit(,2)": ResubmitTable(0xFFF8, 2),
    "resubmit(3,4)": ResubmitTable(3, 4),
    "resubmit:3": ResubmitTable(3, 255),
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]": RegMove(48, 0, 0, header("nxm_of_eth_src"), header("nxm_of_eth_dst")),
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]": RegMove(48, 0, 0, header("arp_sha"), header("nxm_nx_arp_tha")),
    "move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[]": RegMove(32, 0, 0, header("arp_spa"), header("reg0")),
    "move:NXM_NX_REG0[0..15]->NXM_NX_REG1[8..23]": RegMove(16, 0, 8, header("reg0"), header("reg1")),
    "load:0x2->NXM_OF_ARP_OP[]": RegLoad(15, header("nxm_of_arp_op"), 2),
    "load:0x2da011e0001->NXM_NX_ARP_SHA[]": RegLoad(47, header("nxm_nx_arp_sha"), 0x02DA011E0001),
    "load:0x7->NXM_NX_REG2[8..23]": RegLoad(8 << 6 | 15, header("reg2"), 7),
    "load:0x1->NXM_NX_REG2[3]": RegLoad(3 << 6, header("reg2"), 1),
    "load:0x2->OXM_OF_METADATA[]": RegLoad(63, header("metadata"), 2),
}
"""Actions by their text."""

INSTRUCTIONS: dict[str, tuple[Instruction, ...]] = {
    "drop": (),
    "goto_table:3": (GotoTable(3),),
    "dec_ttl,output:1,goto_table:3": (ApplyActions((DecNwTtl(), Output(1))), GotoTable(3)),
    "write_metadata:0x5,goto_table:1": (WriteMetadata(5), GotoTable(1)),
    "write_metadata:0x5/0xff": (WriteMetadata(5, 0xFF),),
    "write_actions(dec_ttl,output:1)": (WriteActions((DecNwTtl(), Output(1))),),
    "clear_actions": (ClearActions(),),
    "meter:3,output:2,clear_actions,write_actions(group:1),write_metadata:0x1,goto_table:9": (
        Meter(3),
        ApplyActions((Output(2),)),
        ClearActions(),
        WriteActions((Group(1),)),
        WriteMetadata(1),
        GotoTable(9),
    ),
}
"""Instructions by their text."""


@pytest.mark.parametrize("text", MATCHES)
def test_match(text: str) -> None:
    """A match is written with Open vSwitch's words, in its order."""
    assert match_text(MATCHES[text]) == text


@pytest.mark.parametrize("text", ACTIONS)
def test_action(text: str) -> None:
    """An action is written with Open vSwitch's words."""
    assert action_text(ACTIONS[text]) == text


@pytest.mark.parametrize("text", INSTRUCTIONS)
def test_instructions(text: str) -> None:
    """Instructions are written in the order in which they are carried out, whatever the order they came in."""
    assert instructions_text(INSTRUCTIONS[text]) == instructions_text(reversed(INSTRUCTIONS[text])) == text


def test_flow() -> None:
    """A flow of the pipeline reads as `ovs-ofctl dump-flows --no-stats` prints it."""
    assert flow_text(0, 100, 0xDA01, 30, 0, 1, PAIR, ROUTED) == (
        "cookie=0xda01, table=0, idle_timeout=30, send_flow_rem "
        "priority=100,ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10,nw_dst=10.1.0.20 "
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:02->eth_dst,output:7"
    )


def test_flow_of_every_packet() -> None:
    """The default priority goes without saying."""
    assert flow_text(0, 0, 0, 0, 5, 0, Match(), ()) == "cookie=0x0, table=0, hard_timeout=5, priority=0 actions=drop"
    assert flow_text(0, 0x8000, 0, 0, 0, 0, Match(), ()) == "cookie=0x0, table=0, actions=drop"


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (CopyTtlIn(), "copy_ttl_in"),
        (CopyTtlOut(), "copy_ttl_out"),
        (PushPbb(0x88E7), "push_pbb:0x88e7"),
        (PopPbb(), "pop_pbb"),
        (UnknownAction(99, b"\1\2\3\4"), "action_99(01020304)"),
        (SetField(Oxm(0x12340001, b"\1")), "set_field:01->oxm_1234_0"),
        (RegLoad(7, 0x12340002, 1), "load:0x1->0x12340002[0..7]"),
    ],
)
def test_what_ovs_has_no_words_for(action: Action, text: str) -> None:
    """What Open vSwitch does not know is written by its name or number."""
    assert action_text(action) == text


def test_unknown_match_and_instruction() -> None:
    """A field or instruction without a class is given as hex."""
    assert match_text(Match.of([Oxm(0x12340402, b"ab")])) == "oxm_1234_2=6162"
    assert instructions_text([UnknownInstruction(9, b"\1\2\3\4")]) == "instruction_9(01020304)"


def test_nameless_flags() -> None:
    """Flags without a name are given in hex."""
    assert flow_text(0, 0x8000, 0, 0, 0, 0x21, Match(), ()) == (
        "cookie=0x0, table=0, send_flow_rem flags:0x20 actions=drop"
    )


@given(messages)
def test_every_message_has_a_text(message: Message) -> None:
    """Whatever came can be shown, as printable text without a line break in a value."""
    text = describe(message)
    assert text == str(message)
    assert f"(xid={message.xid:#x})" in text
    assert all(line.isprintable() for line in text.split("\n  "))


def test_without_fields() -> None:
    """A message that says nothing more is its name and xid."""
    assert str(BarrierRequest(xid=7)) == "BARRIER_REQUEST (xid=0x7)"


# Oracles


@pytest.mark.ovs
def test_ovs_prints_the_same() -> None:
    """Open vSwitch prints each flow above just as we do."""
    flows = [FlowStats(table_id=n % 3, match=match, priority=n) for n, match in enumerate(MATCHES.values())]
    flows += [FlowStats(flags=n % 32, instructions=(ApplyActions((act,)),)) for n, act in enumerate(ACTIONS.values())]
    flows += [FlowStats(idle_timeout=n, hard_timeout=n, instructions=do) for n, do in enumerate(INSTRUCTIONS.values())]
    flows += [FlowStats(cookie=0xDA01, match=PAIR, instructions=ROUTED), FlowStats(instructions=(ARP_RESPONDER,))]
    assert ovs_flow(FlowStatsReply(tuple(flows)).encode()) == [flow.text(counters=False) for flow in flows]


@pytest.mark.ovs
def test_ovs_accepts_it() -> None:
    """Open vSwitch's own parser accepts what we write of the pipeline's flows, and means the same by it."""
    flows = [FlowStats(priority=5, match=match, instructions=(GotoTable(9),)) for match in MATCHES.values()]
    flows += [
        FlowStats(idle_timeout=30, flags=1, match=PAIR, instructions=ROUTED),
        FlowStats(match=Match(eth_type=0x0806, arp_op=1), instructions=(ARP_RESPONDER,)),
        FlowStats(instructions=(ApplyActions((Output(PortNo.CONTROLLER),)),)),
        FlowStats(match=Match(in_port=1), hard_timeout=5),
        FlowStats(match=Match(eth_type=0x0800), instructions=(ApplyActions((Conjunction(0, 2, 7),)),)),
    ]
    for flow in flows:
        command = ["ovs-ofctl", "-O", "OpenFlow13", "parse-flow", flow.text(counters=False)]
        parsed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (parsed.returncode, parsed.stderr) == (0, ""), flow
        actions = instructions_text(flow.instructions)
        assert parsed.stdout.rstrip().endswith(f"actions={actions}")
        assert match_text(flow.match) in parsed.stdout


UNSAID = (
    r" ?\bout_group[=:]\S+",  # of requests and flow_mods
    r" ?\bcookie=0x\w+/0x\w+",  # of requests
    r"\bpriority=100,(?=reg0)",  # of flow updates
    r" config=0x\w+",  # of table_mods
    r" experimenter_0x\w+:\w+",  # properties of queues
    r" copy_ttl_(out|in)( 0x\w+)?",  # kinds of actions
    r"(?<=_ver=2)/0x2|(?<=_dir=1)/0x1|(?<=_hwid=0x3)/0x3|(?<=gtpu_flags=0x30)/0x30",  # masks of tunnels' fields
    r"\btun_erspan_idx=\S+ ",
    r"^id=\d+$",  # of Open vSwitch's own flow monitor that is cancelled
    r"^port=\d+$",  # of a port without queues
)
"""What Open vSwitch leaves out, for which there is a place in the message; we do say it."""

UNALIKE = (TableFeaturesReply, TableFeaturesRequest)
"""Of a table's features Open vSwitch says what they amount to, we say what was sent."""

UNKNOWN = (
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownMessage,
    UnknownMultipartReply,
    UnknownMultipartRequest,
)
"""Of these Open vSwitch says only that it does not know them; we give the bytes."""


def lines(text: str) -> list[str]:
    """Take a text apart: heads without names, then lines without indentation and spaces beside spaces."""
    bare = re.sub(r"^\s*[A-Z][\w ]*?( \(OF1\.3\))? \((xid=0x\w+)\):?", r"\2\n", text, flags=re.MULTILINE)
    return [" ".join(line.split()) for line in bare.splitlines() if line.strip()]


def as_ovs(text: str) -> list[str]:
    """Take our text apart, without what Open vSwitch leaves out."""
    return [kept for line in lines(text) if (kept := re.sub("|".join(UNSAID), "", line).strip())]


def traffic() -> Iterable[Message]:
    """Give an example of each class, and the messages that were recorded of Open vSwitch's programs."""
    yield from EXAMPLES.values()
    recorded = [frame.data for frame in read()] + [bytes.fromhex(data) for _, data, _ in NICIRA]
    yield from map(decode, dict.fromkeys(recorded))


@pytest.mark.ovs
def test_ovs_prints_messages_the_same(tmp_path: Path) -> None:
    """What we say of a message is what Open vSwitch says of it; if that leaves something out, or refuses it, more."""
    shown = [message for message in traffic() if not isinstance(message, (*UNALIKE, *UNKNOWN))]
    said = ovs_texts([message.encode() for message in shown], tmp_path)
    understood = [pair for pair in zip(shown, said, strict=True) if "***decode error" not in pair[1]]
    assert len(understood) > 0.95 * len(shown) > 600
    exactly = sum(lines(str(message)) == lines(text) for message, text in understood)
    assert exactly > 0.95 * len(understood)
    for message, text in understood:
        assert as_ovs(str(message)) == as_ovs(text), message
