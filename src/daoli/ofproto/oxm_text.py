"""Match fields in words, as `ovs-ofctl dump-flows` prints them and `ovs-ofctl add-flow` reads them."""

import struct
from collections.abc import Iterable

from daoli.ofproto.constants import EtherType, IpProto
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.match import Match
from daoli.ofproto.oxm import Oxm

DEFAULT_PRIORITY = 0x8000
"""The priority that Open vSwitch leaves unsaid."""

_TCI = struct.Struct("!HH")
_VID, _VID_PRESENT, _PCP = 0x0FFF, 0x1000, 0xE000  # of a TCI; OFPVID_PRESENT (7.2.3.7): there is a tag

_PROTOCOL_WORDS: dict[tuple[int | None, int | None], str] = {
    (EtherType.IPV4, IpProto.ICMP): "icmp",
    (EtherType.IPV4, IpProto.TCP): "tcp",
    (EtherType.IPV4, IpProto.UDP): "udp",
    (EtherType.IPV4, IpProto.SCTP): "sctp",
    (EtherType.IPV6, IpProto.ICMPV6): "icmp6",
    (EtherType.IPV6, IpProto.TCP): "tcp6",
    (EtherType.IPV6, IpProto.UDP): "udp6",
    (EtherType.IPV6, IpProto.SCTP): "sctp6",
}
_TYPE_WORDS: dict[int | None, str] = {
    EtherType.IPV4: "ip",
    EtherType.IPV6: "ipv6",
    EtherType.ARP: "arp",
    EtherType.RARP: "rarp",
    EtherType.MPLS: "mpls",
    EtherType.MPLS_MULTICAST: "mplsm",
}

# In the order Open vSwitch prints them, with its words; eth_type and ip_proto have gone into the protocol's word, which
# stands behind the first of these.
_EARLY = {
    name: name
    for name in (
        "pkt_mark",
        "recirc_id",
        "dp_hash",
        "conj_id",
        "actset_output",
        "ct_state",
        "ct_zone",
        "ct_mark",
        "ct_label",
        "ct_nw_src",
        "ct_ipv6_src",
        "ct_nw_dst",
        "ct_ipv6_dst",
        "ct_nw_proto",
        "ct_tp_src",
        "ct_tp_dst",
        "packet_type",
    )
}
_FIELD_WORDS = {
    **_EARLY,
    **{f"xxreg{number}": f"xxreg{number}" for number in range(4)},
    **{f"xreg{number}": f"xreg{number}" for number in range(8)},
    **{f"reg{number}": f"reg{number}" for number in range(16)},
    "tunnel_id": "tun_id",
    "tun_ipv4_src": "tun_src",
    "tun_ipv4_dst": "tun_dst",
    "tun_ipv6_src": "tun_ipv6_src",
    "tun_ipv6_dst": "tun_ipv6_dst",
    "tun_gbp_id": "tun_gbp_id",
    "tun_gbp_flags": "tun_gbp_flags",
    "tun_erspan_ver": "tun_erspan_ver",
    "tun_erspan_idx": "tun_erspan_idx",
    "tun_erspan_dir": "tun_erspan_dir",
    "tun_erspan_hwid": "tun_erspan_hwid",
    "tun_gtpu_flags": "gtpu_flags",
    "tun_gtpu_msgtype": "gtpu_msgtype",
    "tun_flags": "tun_flags",
    **{f"tun_metadata{number}": f"tun_metadata{number}" for number in range(64)},
    "metadata": "metadata",
    "in_port": "in_port",
    "vlan_vid": "vlan_vid",
    "vlan_pcp": "dl_vlan_pcp",
    "eth_src": "dl_src",
    "eth_dst": "dl_dst",
    "eth_type": "dl_type",
    "ipv6_src": "ipv6_src",
    "ipv6_dst": "ipv6_dst",
    "ipv6_flabel": "ipv6_label",
    "arp_spa": "arp_spa",
    "arp_tpa": "arp_tpa",
    **{name: name for name in ("nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si")},
    **{f"nsh_c{number}": f"nsh_c{number}" for number in (1, 2, 3, 4)},
    "ipv4_src": "nw_src",
    "ipv4_dst": "nw_dst",
    "arp_op": "arp_op",
    "ip_proto": "nw_proto",
    "arp_sha": "arp_sha",
    "arp_tha": "arp_tha",
    "nxm_nx_arp_sha": "arp_sha",
    "nxm_nx_arp_tha": "arp_tha",
    "ip_dscp": "nw_tos",
    "ip_ecn": "nw_ecn",
    "ip_ttl": "nw_ttl",
    "mpls_label": "mpls_label",
    "mpls_tc": "mpls_tc",
    "mpls_ttl": "mpls_ttl",
    "mpls_bos": "mpls_bos",
    "ip_frag": "nw_frag",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "icmpv6_type": "icmp_type",
    "icmpv6_code": "icmp_code",
    "ipv6_nd_target": "nd_target",
    "ipv6_nd_sll": "nd_sll",
    "ipv6_nd_tll": "nd_tll",
    "nd_reserved": "nd_reserved",
    "nd_options_type": "nd_options_type",
    "tcp_src": "tp_src",
    "tcp_dst": "tp_dst",
    "udp_src": "tp_src",
    "udp_dst": "tp_dst",
    "sctp_src": "tp_src",
    "sctp_dst": "tp_dst",
    "tcp_flags": "tcp_flags",
    "oxm_of_tcp_flags": "tcp_flags",
    "nxm_nx_tcp_flags": "tcp_flags",
}
_OLD_NAMES = {
    "nxm_of_in_port": "in_port",
    "nxm_of_eth_dst": "eth_dst",
    "nxm_of_eth_src": "eth_src",
    "nxm_of_eth_type": "eth_type",
    "nxm_of_vlan_tci": "vlan_vid",
    "nxm_of_ip_tos": "ip_dscp",
    "nxm_of_ip_proto": "ip_proto",
    "nxm_of_ip_src": "ipv4_src",
    "nxm_of_ip_dst": "ipv4_dst",
    "nxm_of_tcp_src": "tcp_src",
    "nxm_of_tcp_dst": "tcp_dst",
    "nxm_of_udp_src": "udp_src",
    "nxm_of_udp_dst": "udp_dst",
    "nxm_of_icmp_type": "icmpv4_type",
    "nxm_of_icmp_code": "icmpv4_code",
    "nxm_of_arp_op": "arp_op",
    "nxm_of_arp_spa": "arp_spa",
    "nxm_of_arp_tpa": "arp_tpa",
    "nxm_nx_tun_id": "tunnel_id",
    "nxm_nx_ipv6_src": "ipv6_src",
    "nxm_nx_ipv6_dst": "ipv6_dst",
    "nxm_nx_ipv6_label": "ipv6_flabel",
    "nxm_nx_ip_ecn": "ip_ecn",
    "nxm_nx_icmpv6_type": "icmpv6_type",
    "nxm_nx_icmpv6_code": "icmpv6_code",
    "nxm_nx_nd_target": "ipv6_nd_target",
    "nxm_nx_nd_sll": "ipv6_nd_sll",
    "nxm_nx_nd_tll": "ipv6_nd_tll",
    "nxoxm_et_dp_hash": "dp_hash",
    "oxm_of_actset_output": "actset_output",
}
"""Fields of another numbering, which have the same words."""

_UNMASKED = ("gtpu_flags", "gtpu_msgtype", "tun_erspan_ver", "tun_erspan_idx", "tun_erspan_dir", "tun_erspan_hwid")
"""Words of fields whose masks Open vSwitch leaves unsaid."""

_RANK = {name: rank for rank, name in enumerate(_FIELD_WORDS)}
_RANK |= {old: _RANK[name] for old, name in _OLD_NAMES.items()}


def match_text(match: Match, priority: int = DEFAULT_PRIORITY) -> str:
    """Give a match as Open vSwitch does, with the flow's priority before it."""
    words = [] if priority == DEFAULT_PRIORITY else [f"priority={priority}"]
    protocol, spent = _protocol(match)
    shown = [oxm for oxm in _one_tag(match) if oxm.name not in spent and oxm != _ETHERNET]
    oxms = sorted(shown, key=lambda oxm: _RANK.get(oxm.name, len(_RANK)))
    early = [oxm for oxm in oxms if _OLD_NAMES.get(oxm.name, oxm.name) in _EARLY]
    words += map(_oxm_text, early)
    words += [protocol] if protocol else []
    words += [_oxm_text(oxm) for oxm in oxms if oxm not in early]
    return ",".join(words)


def _one_tag(match: Match) -> list[Oxm]:
    """Give the fields, those of a VLAN tag made one: its TCI."""
    vid, pcp = match.oxm("vlan_vid"), match.oxm("vlan_pcp")
    if vid is None or pcp is None:
        return list(match)
    number, mask = (int.from_bytes(part, "big") for part in (vid.value, vid.mask or b"\x1f\xff"))
    tag = Oxm(FIELDS["nxm_of_vlan_tci"].masked_header, _TCI.pack(number | pcp.value[0] << 13 & _PCP, mask | _PCP))
    return [tag, *(oxm for oxm in match if oxm not in (vid, pcp))]


def _protocol(match: Match) -> tuple[str, tuple[str, ...]]:
    """Give the word that stands for ethertype and IP protocol, and the fields that it says."""
    types, protocols = ("eth_type", "nxm_of_eth_type"), ("ip_proto", "nxm_of_ip_proto")
    eth_type, ip_proto = _first(match, types), _first(match, protocols)
    if (eth_type, ip_proto) in _PROTOCOL_WORDS:
        return _PROTOCOL_WORDS[eth_type, ip_proto], (*types, *protocols)
    return (_TYPE_WORDS[eth_type], types) if eth_type in _TYPE_WORDS else ("", ())


def _first(match: Match, names: Iterable[str]) -> int | None:
    return next((number for name in names if (number := match.number(name)) is not None), None)


_ETHERNET = Oxm.of("packet_type", 0)  # goes without saying


def _oxm_text(oxm: Oxm) -> str:
    field = oxm.field
    if field is None:
        return f"{oxm.name}={oxm.payload.hex()}"
    if field.name in ("vlan_vid", "nxm_of_vlan_tci"):
        return _vlan_text(oxm)
    name, mask = _OLD_NAMES.get(field.name, field.name), oxm.mask
    word = _FIELD_WORDS.get(name, name)
    value = oxm.text(field)
    if mask is not None and not any(mask):
        return word if field.elastic else f"{word}={value}"
    if mask is not None and (word in _UNMASKED or (field.elastic and set(mask.lstrip(b"\0")) == {0xFF})):
        value = field.format(oxm.value)
    if field.name == "ip_dscp":
        value = str(oxm.value[0] << 2)
    if word == "tun_flags":
        value = field.format_masked(oxm.value, b"\0\1")  # there is one flag
    if word == "dl_type":
        value = f"0x{oxm.value.hex()}"
    if word == "ipv6_label":
        value = f"0x{oxm.value.hex()[3:]}" + (f"/0x{mask.hex()[3:]}" if mask else "")
    if field.name in _HEX_ZERO and value == "0":
        value = "0x0"
    return f"{word}={value}"


_HEX_ZERO = ("nsh_spi", "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4")


def _vlan_text(oxm: Oxm) -> str:
    """Write a tag as `dl_vlan` and `dl_vlan_pcp`, or what is no single tag as the bits of a TCI."""
    value, every = int.from_bytes(oxm.value, "big"), 0xFFFF if oxm.name == "nxm_of_vlan_tci" else 0x1FFF
    mask = every if oxm.mask is None else int.from_bytes(oxm.mask, "big")
    vid, pcp = mask & _VID, mask & _PCP
    if value & mask & _VID_PRESENT and (vid or pcp) and vid in (0, _VID) and pcp in (0, _PCP):
        words = [f"dl_vlan={value & _VID}"] if vid else []
        return ",".join([*words, *([f"dl_vlan_pcp={value >> 13}"] if pcp else [])])
    return f"vlan_tci={value:#06x}" + ("" if mask == 0xFFFF else f"/{mask:#06x}")
