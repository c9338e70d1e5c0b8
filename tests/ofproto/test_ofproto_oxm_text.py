"""Fields in words: those of older numberings and odd masks; all others are in the tests of `text` and `nicira_text`."""

from pathlib import Path

import pytest
from tests.ofproto.oracles import ovs_texts

from daoli.ofproto import FIELDS, FlowMod, Match, Oxm, match_text


def old(**fields: str) -> Match:
    """Make a match of fields of the first numbering, as `new` does."""
    return new(**{f"nxm_of_{name}": digits for name, digits in fields.items()})


def new(**fields: str) -> Match:
    """Make a match of fields by hex; twice as much as a field has, or any of an elastic one, is a value and a mask."""
    oxms = []
    for name, digits in fields.items():
        field, payload = FIELDS[name], bytes.fromhex(digits)
        header = field.header if len(payload) == field.width else field.masked_header
        payload = (field.experimenter.to_bytes(4, "big") if field.experimenter else b"") + payload
        oxms.append(Oxm(header & ~0xFF | len(payload), payload))
    return Match.of(oxms)


MATCHES = {
    "vlan_tci=0x0000": old(vlan_tci="0000"),
    "vlan_tci=0x0005": old(vlan_tci="0005"),
    "dl_vlan=5,dl_vlan_pcp=0": old(vlan_tci="1005"),
    "dl_vlan=5": old(vlan_tci="10051fff"),
    "dl_vlan_pcp=1": old(vlan_tci="3000f000"),
    "vlan_tci=0x1000/0x1000": old(vlan_tci="10001000"),
    "vlan_tci=0x0005/0x0fff": old(vlan_tci="00050fff"),
    "tcp,in_port=LOCAL,nw_src=10.0.0.0,nw_tos=40,tp_src=80,tp_dst=0x100/0xff00": old(
        in_port="fffe",
        eth_type="0800",
        ip_proto="06",
        tcp_src="0050",
        ip_tos="28",
        ip_src="0a000000",
        tcp_dst="0100ff00",
    ),
    "arp,arp_spa=97.98.99.100,arp_op=1": old(eth_type="0806", arp_op="0001", arp_spa="61626364"),
    "icmp,icmp_type=6": old(eth_type="0800", ip_proto="01", icmp_type="06"),
    "dl_type=0x88cc": old(eth_type="88cc"),
    "ip,nw_proto=47": old(eth_type="0800", ip_proto="2f"),
    "dl_type=0x05ff": old(eth_type="05ff"),
    "dl_type=0x0000": new(eth_type="0000"),
    "tcp,tcp_flags=syn|ack": new(eth_type="0800", ip_proto="06", tcp_flags="00120fff"),
    "tcp,tcp_flags=0": new(eth_type="0800", ip_proto="06", nxm_nx_tcp_flags="0000ffff"),
    "tcp,tcp_flags=+syn-ack": new(eth_type="0800", ip_proto="06", nxm_nx_tcp_flags="00020012"),
    "ct_state=new|trk,ip": new(eth_type="0800", ct_state="00000021000000ff"),
    "ct_state=est|trk,ip": new(eth_type="0800", ct_state="00000022ffffffff"),
    "tun_flags=+oam": new(tun_flags="0001"),
    "tun_flags=-oam": new(tun_flags="0000ffff"),
    "gtpu_flags=0x30": new(tun_gtpu_flags="3030"),
    "gtpu_msgtype=3": new(tun_gtpu_msgtype="0307"),
    "tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=0x1": new(
        tun_erspan_ver="0202", tun_erspan_dir="0101", tun_erspan_hwid="0103"
    ),
    "tun_erspan_ver=1,tun_erspan_idx=0x2": new(tun_erspan_ver="01", tun_erspan_idx="0000000200000002"),
    "dl_vlan_pcp=7": new(vlan_vid="10001000", vlan_pcp="07"),
    "dl_vlan=5,dl_vlan_pcp=6": new(vlan_vid="1005", vlan_pcp="06"),
    "vlan_tci=0xf005/0xf00f": new(vlan_vid="1005100f", vlan_pcp="07"),
    "tun_metadata1=0x5": new(tun_metadata1="00000005000000ff"),
    "tun_metadata2=0x5/0xf": new(tun_metadata2="0005000f"),
    "tun_id=0x7,metadata=0x9,in_port=1": new(
        in_port="00000001", metadata="0000000000000009", nxm_nx_tun_id="0000000000000007"
    ),
    "dp_hash=0x5,ip,in_port=CONTROLLER": new(eth_type="0800", in_port="fffffffd", nxoxm_et_dp_hash="00000005"),
    "actset_output=LOCAL,in_port=1": new(in_port="00000001", oxm_of_actset_output="fffffffe"),
    "ipv6,ipv6_label=0x00005/0x00007,nw_ecn=1": new(
        eth_type="86dd", nxm_nx_ipv6_label="0000000500000007", nxm_nx_ip_ecn="01"
    ),
    "icmp6,ipv6_src=::5,icmp_type=135,icmp_code=0,nd_target=::9,nd_sll=02:00:00:00:00:07": new(
        eth_type="86dd",
        ip_proto="3a",
        nxm_nx_ipv6_src="00" * 15 + "05",
        nxm_nx_icmpv6_type="87",
        nxm_nx_icmpv6_code="00",
        nxm_nx_nd_target="00" * 15 + "09",
        nxm_nx_nd_sll="020000000007",
    ),
}
"""Matches by their text."""


@pytest.mark.parametrize("text", MATCHES)
def test_match(text: str) -> None:
    """The words are those of the same fields of OpenFlow 1.3."""
    assert match_text(MATCHES[text]) == text


@pytest.mark.ovs
def test_ovs_prints_the_same(tmp_path: Path) -> None:
    """Open vSwitch prints each match above just as we do."""
    texts = ovs_texts([FlowMod(match=match).encode() for match in MATCHES.values()], tmp_path)
    assert [text.split()[4] for text in texts] == list(MATCHES)
