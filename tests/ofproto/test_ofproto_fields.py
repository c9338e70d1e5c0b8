"""The table of fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto import FIELDS, EncodeError, Field, OxmClass, field_named
from daoli.ofproto.fields import BY_KEY, key_of

fields = st.sampled_from(list(FIELDS.values()))

WIDTHS = {
    **dict.fromkeys(("ipv6_src", "ipv6_dst", "ipv6_nd_target"), 16),
    **dict.fromkeys(("metadata", "tunnel_id"), 8),
    **dict.fromkeys(("eth_dst", "eth_src", "arp_sha", "arp_tha", "ipv6_nd_sll", "ipv6_nd_tll"), 6),
    **dict.fromkeys(("in_port", "in_phy_port", "ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa"), 4),
    **dict.fromkeys(("ipv6_flabel", "mpls_label"), 4),
    "pbb_isid": 3,
    **dict.fromkeys(("eth_type", "vlan_vid", "arp_op", "ipv6_exthdr"), 2),
    **dict.fromkeys(("tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst"), 2),
    **dict.fromkeys(("vlan_pcp", "ip_dscp", "ip_ecn", "ip_proto", "icmpv4_type", "icmpv4_code"), 1),
    **dict.fromkeys(("icmpv6_type", "icmpv6_code", "mpls_tc", "mpls_bos"), 1),
}
"""Bytes of each value in OpenFlow 1.3.5's own table (7.2.3.7)."""

MASKABLE = {
    *("metadata", "eth_dst", "eth_src", "vlan_vid", "ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "arp_sha", "arp_tha"),
    *("ipv6_src", "ipv6_dst", "ipv6_flabel", "pbb_isid", "tunnel_id", "ipv6_exthdr"),
}


def test_all_forty() -> None:
    """OpenFlow's own class has the 40 fields of 1.3.5, of its widths, and masks where it permits them."""
    basic = [field for field in FIELDS.values() if field.oxm_class == OxmClass.OPENFLOW_BASIC and field.number < 40]
    assert [field.number for field in basic] == list(range(40))
    assert {field.name: field.width for field in basic} == WIDTHS
    assert {field.name for field in basic if field.maskable} == MASKABLE


def test_headers() -> None:
    """Headers are those of the specification's and Open vSwitch's header files."""
    assert field_named("in_port").header == 0x80000004
    assert field_named("ipv4_dst").header == 0x80001804
    assert field_named("ipv4_dst").masked_header == 0x80001908
    assert field_named("conj_id").header == 0x00014A04
    assert field_named("reg7").header == 0x00010E04
    assert field_named("nxm_of_arp_op").header == 0x00001E02
    assert field_named("nxm_nx_arp_sha").header == 0x00012206
    assert field_named("xreg7").header == 0x80010E08
    assert field_named("ct_state").masked_header == 0x0001D308
    assert field_named("nsh_spi").header == 0xFFFF0808
    assert field_named("nsh_spi").reference == 0xFFFF0808005AD650
    assert field_named("reg7").reference == field_named("reg7").header
    assert field_named("tcp_flags").masked_header == 0xFFFF5508


def test_keys() -> None:
    """A field is found by what an action names it by."""
    for field in FIELDS.values():
        assert BY_KEY[key_of(field.reference)] == field


def test_unique() -> None:
    """No two fields share a header."""
    assert len(BY_KEY) == len(FIELDS)


def test_requirements_are_fields() -> None:
    """What a field requires is in the table, with values that it can have."""
    for field in FIELDS.values():
        for requirement in field.requires:
            for value, mask in requirement.wanted:
                field_named(requirement.field).pack(value)
                assert not value & ~mask


def test_no_such_field() -> None:
    """A name that is none is an EncodeError that says it."""
    with pytest.raises(EncodeError, match="no match field is called 'nw_dst'"):
        field_named("nw_dst")


@given(fields, st.data())
def test_values_read_as_written(field: Field, data: st.DataObject) -> None:
    """A value as number, as bytes and as the text it is written in is the same value."""
    number = data.draw(st.integers(0, (1 << field.bits) - 1))
    value = number.to_bytes(field.width, "big")
    written = [field.pack(one, field.width) for one in (number, value, field.format(value))]
    assert written == [value] * 3


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("in_port", 3, "3"),
        ("eth_type", 0x0800, "0x800"),
        ("eth_src", "02:00:00:00:00:01", "02:00:00:00:00:01"),
        ("ipv4_dst", "10.0.0.1", "10.0.0.1"),
        ("ipv6_dst", "fe80:0::1", "fe80::1"),
        ("reg0", 255, "0xff"),
        ("reg0", 0, "0"),
        ("tcp_flags", 0x12, "syn|ack"),
        ("tcp_flags", "fin|[800]", "fin|[800]"),
        ("tcp_flags", 0, "0"),
        ("tcp_flags", "2", "syn"),
        ("ct_state", "trk|dnat", "trk|dnat"),
        ("ct_state", 0x120, "0x120"),
        ("ip_frag", "later", "later"),
        ("ip_frag", 2, "0x2"),
        ("packet_type", "(1,0x894f)", "(1,0x894f)"),
    ],
)
def test_format(name: str, value: int | str, text: str) -> None:
    """Values are written as Open vSwitch writes them."""
    field = field_named(name)
    assert field.format(field.pack(value)) == text


@pytest.mark.parametrize(
    ("name", "value", "mask", "text"),
    [
        ("tcp_flags", 2, 0x12, "+syn-ack"),
        ("ct_state", 0, 1, "-new"),
        ("ct_state", 0x100, 0x100, "0x100/0x100"),
        ("tun_flags", 0, 0, "0/0"),
        ("ip_frag", 0, 2, "not_later"),
        ("ip_frag", 2, 2, "0x2/0x2"),
        ("ct_tp_dst", 0x100, 0xFF00, "0x100/0xff00"),
        ("tun_ipv4_dst", "10.0.0.0", "255.0.0.0", "10.0.0.0/8"),
        ("ct_mark", 0, 15, "0/0xf"),
    ],
)
def test_format_masked(name: str, value: int | str, mask: int | str, text: str) -> None:
    """A value with a mask is words where Open vSwitch has words for it."""
    field = field_named(name)
    assert field.format_masked(field.pack(value), field.pack(mask)) == text


@pytest.mark.parametrize(
    ("name", "mask", "text"),
    [
        ("ipv4_dst", "255.255.255.0", "24"),
        ("ipv4_dst", "0.0.0.0", "0"),
        ("ipv4_dst", "255.0.0.255", "255.0.0.255"),
        ("ipv6_dst", "ffff:ffff::", "32"),
        ("eth_dst", "01:00:00:00:00:00", "01:00:00:00:00:00"),
        ("metadata", 0xFF00, "0xff00"),
    ],
)
def test_format_mask(name: str, mask: int | str, text: str) -> None:
    """Masks are prefix lengths where they can be."""
    field = field_named(name)
    assert field.format_mask(field.pack(mask)) == text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("in_port", 1 << 32, "in_port: 4294967296 is not a number of 32 bits"),
        ("in_port", -1, "in_port: -1 is not a number of 32 bits"),
        ("in_port", b"123", "in_port: b'123' is 3 bytes, not 4"),
        ("in_port", "three", "in_port: 'three' is neither a number nor one of IN_PORT, "),
        ("ip_dscp", 64, "ip_dscp: 64 is not a number of 6 bits"),
        ("ip_dscp", b"\x40", "ip_dscp: 64 is not a number of 6 bits"),
        ("eth_src", "02:00:00:00:00", "eth_src: '02:00:00:00:00' is not a MAC address such as"),
        ("eth_src", "02:00:00:00:00:0g", "eth_src: '02:00:00:00:00:0g' is not a MAC address such as"),
        ("ipv4_src", "10.0.0.256", "ipv4_src: '10.0.0.256' is not an IPv4 address such as"),
        ("ipv4_src", "::1", "ipv4_src: '::1' is not an IPv4 address"),
        ("ipv6_src", "10.0.0.1", "ipv6_src: '10.0.0.1' is not an IPv6 address"),
        ("ipv6_src", "fe80::1%eth0", "ipv6_src: 'fe80::1%eth0' is not an IPv6 address"),
        ("tcp_flags", "syn|nak", "tcp_flags: 'syn|nak'"),
        ("ip_frag", "some", "ip_frag: 'some' is not one of no, first, later, yes, not_later"),
        ("packet_type", "(1)", r"packet_type: '\(1\)' is not a packet type such as"),
        ("tun_metadata0", bytes(125), "tun_metadata0: .* is 125 bytes, not 124"),
        ("in_port", True, "in_port: True is neither number nor bytes nor text"),
    ],
)
def test_pack_refuses(name: str, value: int | bytes | str, words: str) -> None:
    """What cannot be the field's value is an EncodeError that names the field and says why."""
    with pytest.raises(EncodeError, match=words) as refusal:
        field_named(name).pack(value)
    assert refusal.value.field == name
