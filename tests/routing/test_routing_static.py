"""The static flows: as an operator reads them, and as Open vSwitch does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.printed import as_ovs_prints, check_accepted, normal, text

from daoli.ofproto import PortNo, decode
from daoli.routing.pipeline import STATIC_COOKIE, ArpPriority
from daoli.routing.static import static_flows

UPLINK_MAC = bytes.fromhex("0200000000aa")
MAIN = "cookie=0xda01010000000000, table=0, "
ARP = "cookie=0xda01010000000000, table=1, "
ARP_ANSWER = (
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:da:01:1e:00:01->eth_src,set_field:2->arp_op,"
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:02:da:01:1e:00:01->arp_sha,"
    "move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[],move:NXM_OF_ARP_TPA[]->NXM_OF_ARP_SPA[],"
    "move:NXM_NX_REG0[]->NXM_OF_ARP_TPA[],IN_PORT"
)
WITHOUT_UPLINK = {
    MAIN + "priority=0 actions=CONTROLLER:65535",
    MAIN + "priority=40,arp actions=goto_table:1",
    MAIN + "priority=110,vlan_tci=0x1000/0x1000 actions=drop",
    MAIN + "priority=50,in_port=LOCAL actions=drop",
    MAIN + "priority=110,vlan_tci=0x1000/0x1000 actions=drop",
    ARP + "priority=0 actions=drop",
    ARP + "priority=10,arp,arp_op=1 actions=" + ARP_ANSWER,
    ARP + "priority=20,conj_id=1,arp actions=drop",
    ARP + "priority=30,arp,arp_spa=0.0.0.0 actions=drop",
}
GATEWAY = {
    MAIN + "priority=60,arp,in_port=LOCAL actions=goto_table:1",
    MAIN + "priority=60,ip,in_port=LOCAL,dl_dst=02:da:01:1e:00:01 actions=CONTROLLER:65535",
}
QUESTION = "dl_dst=02:da:01:1e:00:01,tp_dst=53 actions="
NAMES = {
    MAIN + "priority=106,udp,reg1=0," + QUESTION + "move:NXM_OF_IN_PORT[]->NXM_OF_ETH_DST[0..15],output:4",
    MAIN + "priority=106,in_port=4,dl_src=02:da:01:1d:00:00/ff:ff:ff:ff:00:00 "
    "actions=move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG0[0..15],set_field:02:da:01:1e:00:01->eth_src,output:NXM_NX_REG0[]",
    MAIN + "priority=106,in_port=4,dl_dst=02:da:01:1c:00:00/ff:ff:ff:ff:00:00 "
    "actions=move:NXM_OF_ETH_DST[0..15]->NXM_OF_IN_PORT[],set_field:02:da:01:1e:00:01->eth_dst,"
    "set_field:0x1->reg1,resubmit(,0)",
    MAIN + "priority=50,in_port=4 actions=drop",
    MAIN + "priority=108,udp,reg1=0,in_port=LOCAL," + QUESTION + "set_field:0x1->reg1,resubmit(,0)",
    MAIN + "priority=108,udp,reg1=0,in_port=7," + QUESTION + "set_field:0x1->reg1,resubmit(,0)",
}
UPLINK = {
    MAIN + "priority=50,in_port=7 actions=drop",
    MAIN + "priority=60,ip,in_port=7,dl_dst=02:00:00:00:00:aa actions=CONTROLLER:65535",
}


def same_bit() -> set[str]:
    """List the 64 flows that compare the asker's address with the one it asks for, bit by bit."""
    lines = set()
    for bit in range(32):
        one = ".".join(str(byte) for byte in (1 << bit).to_bytes(4, "big"))
        for value in ("0.0.0.0", one):
            masked = f"{value}/{1 if bit == 31 else one}"
            lines.add(f"{ARP}priority=20,arp,arp_spa={masked},arp_tpa={masked} actions=conjunction(1,{bit + 1}/32)")
    return lines


def test_static_flows() -> None:
    """A host's static flows are these, and no others."""
    assert {text(flow) for flow in static_flows(7, UPLINK_MAC)} == WITHOUT_UPLINK | UPLINK | same_bit()


def test_static_flows_without_uplink() -> None:
    """Without an uplink the flows that speak of it are left out, and the rest stay as they are."""
    assert {text(flow) for flow in static_flows(None, bytes(6))} == WITHOUT_UPLINK | same_bit()


def test_static_flows_of_a_gateway() -> None:
    """A host that is a way out hears its own stack; one with an agent for names shows it the questions."""
    always = WITHOUT_UPLINK | UPLINK | same_bit()
    assert {text(flow) for flow in static_flows(7, UPLINK_MAC, gateway=True)} == always | GATEWAY
    listed = [text(flow) for flow in static_flows(7, UPLINK_MAC, gateway=True, names=4)]
    assert set(listed) == always | GATEWAY | NAMES
    assert len(listed) == 82
    alone = {line for line in NAMES if "in_port=7" not in line}
    assert {text(flow) for flow in static_flows(None, bytes(6), names=4)} == WITHOUT_UPLINK | same_bit() | alone


@pytest.mark.ovs
def test_ovs_reads_static_flows() -> None:
    """Open vSwitch reads our static flows as the same text that an operator is shown."""
    some = [flow for flow in static_flows(7, UPLINK_MAC) if flow.priority != ArpPriority.OWN_ADDRESS]
    some += [flow for flow in static_flows(7, UPLINK_MAC) if flow.priority == ArpPriority.OWN_ADDRESS][:4]
    some += static_flows(7, UPLINK_MAC, gateway=True, names=4)[74:]
    for flow in some:
        assert normal(as_ovs_prints(flow.encode())) == normal(text(flow))


@pytest.mark.ovs
def test_ovs_accepts_the_texts(tmp_path: Path) -> None:
    """Every text of ours is one that `ovs-ofctl` takes as a flow."""
    check_accepted(tmp_path / "flows", WITHOUT_UPLINK | UPLINK | GATEWAY | NAMES | same_bit())


@given(st.integers(1, PortNo.MAX), st.binary(min_size=6, max_size=6))
def test_static_flows_are_distinct(uplink: int, mac: bytes) -> None:
    """No two static flows of a host replace each other, and none ever ends by itself."""
    listed = static_flows(uplink, mac, gateway=True, names=uplink - 1 or 2)
    assert len({(flow.table_id, flow.priority, frozenset(flow.match)) for flow in listed}) == len(listed)
    for flow in listed:
        assert (flow.cookie, flow.idle_timeout, flow.hard_timeout) == (STATIC_COOKIE, 0, 0)
        assert decode(flow.encode()) == flow


def test_static_flows_are_made_once() -> None:
    """The same uplink gives the same objects: a reconnecting host costs no encoding of the ARP responder."""
    assert static_flows(7, UPLINK_MAC) is static_flows(7, UPLINK_MAC)
