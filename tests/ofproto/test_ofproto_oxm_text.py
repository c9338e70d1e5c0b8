"""Fields of Open vSwitch's first numbering in words; all others are in the tests of `text` and `nicira_text`."""

from pathlib import Path

import pytest
from tests.ofproto.oracles import ovs_texts

from daoli.ofproto import FIELDS, FlowMod, Match, Oxm, match_text


def old(**fields: str) -> Match:
    """Make a match of fields by hex; twice as much as a field has is a value and a mask."""
    oxms = []
    for name, digits in fields.items():
        field, payload = FIELDS[f"nxm_of_{name}"], bytes.fromhex(digits)
        oxms.append(Oxm(field.header if len(payload) == field.width else field.masked_header, payload))
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
