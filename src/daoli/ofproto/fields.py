"""The fields of a packet that a flow can match and set: one table of all of them.

The 40 of OpenFlow 1.3.5 (7.2.3.7), and those of Open vSwitch (its nicira-ext.h) that the pipeline uses. A field is
known by its specification name (`ipv4_dst`), and to Open vSwitch by two more: the one in a flow's text (`nw_dst`) and
the one in a move or load (`NXM_OF_IP_DST`). A new field is a new line.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import NamedTuple

from daoli.ofproto.constants import EtherType, IpProto, OxmClass

ANY_BUT_ZERO: tuple[int, ...] = ()
"""As a requirement's values: the field must be matched, on something other than zero."""


class Requirement(NamedTuple):
    """What must be matched before a field may be (7.2.3.6): another field, on one of some values."""

    field: str
    values: tuple[int, ...]

    def __str__(self) -> str:
        values = "|".join(f"{value:#x}" for value in self.values)
        return f"{self.field}={values}" if values else self.field


class Field(NamedTuple):
    """A match field.

    `bits` are those that mean something, `width` the bytes they are written in. `notation` is how people write a value:
    number, hex, mac, ipv4 or ipv6; `symbol` what Open vSwitch calls the field in a move or load.
    """

    name: str
    oxm_class: int
    number: int
    bits: int
    width: int
    maskable: bool
    requires: tuple[Requirement, ...]
    notation: str
    symbol: str

    @property
    def header(self) -> int:
        """The OXM header of an exact match: class 16, field 7, has-mask 1, length 8 (7.2.3.2)."""
        return self.oxm_class << 16 | self.number << 9 | self.width

    @property
    def masked_header(self) -> int:
        """The OXM header of a match with a mask."""
        return self.oxm_class << 16 | self.number << 9 | 1 << 8 | 2 * self.width

    def pack(self, value: int | bytes | str) -> bytes:
        """Give the bytes of a value that people wrote; ValueError says why it cannot be one."""
        if isinstance(value, str):
            value = self._parse(value)
        if isinstance(value, bytes):
            if len(value) != self.width:
                raise ValueError(f"{self.name} takes {self.width} bytes, not {len(value)}")
            value = int.from_bytes(value, "big")
        if not 0 <= value < 1 << self.bits:
            raise ValueError(f"{self.name} takes a number of {self.bits} bits, not {value}")
        return value.to_bytes(self.width, "big")

    def _parse(self, text: str) -> int | bytes:
        try:
            if self.notation == "mac":
                return bytes.fromhex(text.replace(":", " "))
            if self.notation in ("ipv4", "ipv6"):
                return ip_address(text).packed
            return int(text, 0)
        except ValueError as error:
            raise ValueError(f"{self.name} cannot be {text!r}") from error

    def format(self, value: bytes) -> str:
        """Write a value the way Open vSwitch does."""
        if self.notation == "mac":
            return value.hex(":")
        if self.notation in ("ipv4", "ipv6"):
            return str(ip_address(value))
        number = int.from_bytes(value, "big")
        return f"{number:#x}" if self.notation == "hex" else str(number)

    def format_mask(self, mask: bytes) -> str:
        """Write a mask the way Open vSwitch does: a prefix length where it can be one."""
        if self.notation in ("ipv4", "ipv6"):
            holes = (1 << self.bits) - 1 - int.from_bytes(mask, "big")
            return str(self.bits - holes.bit_length()) if holes & (holes + 1) == 0 else str(ip_address(mask))
        return mask.hex(":") if self.notation == "mac" else f"{int.from_bytes(mask, 'big'):#x}"


def _when(field: str, *values: int) -> Requirement:
    return Requirement(field, values)


_IN_PORT = _when("in_port", *ANY_BUT_ZERO)
_VLAN = _when("vlan_vid", *ANY_BUT_ZERO)
_IP = _when("eth_type", EtherType.IPV4, EtherType.IPV6)
_IPV4 = _when("eth_type", EtherType.IPV4)
_IPV6 = _when("eth_type", EtherType.IPV6)
_ARP = _when("eth_type", EtherType.ARP)
_MPLS = _when("eth_type", EtherType.MPLS, EtherType.MPLS_MULTICAST)
_PBB = _when("eth_type", EtherType.PBB)
_TCP = _when("ip_proto", IpProto.TCP)
_UDP = _when("ip_proto", IpProto.UDP)
_SCTP = _when("ip_proto", IpProto.SCTP)
_ICMPV4 = _when("ip_proto", IpProto.ICMP)
_ICMPV6 = _when("ip_proto", IpProto.ICMPV6)
_ND = _when("icmpv6_type", 135, 136)
_ND_SOLICIT = _when("icmpv6_type", 135)
_ND_ADVERT = _when("icmpv6_type", 136)


def _basic(
    number: int,
    name: str,
    bits: int,
    *requires: Requirement,
    mask: bool = False,
    notation: str = "number",
    width: int = 0,
    symbol: str = "",
) -> Field:
    """Give a field of OpenFlow's own; `width` where the specification has more bytes than the bits need."""
    width = width or (bits + 7) // 8
    symbol = symbol or f"OXM_OF_{name.upper()}"
    return Field(name, OxmClass.OPENFLOW_BASIC, number, bits, width, mask, requires, notation, symbol)


def _nicira(
    number: int, name: str, bits: int, *requires: Requirement, notation: str = "hex", symbol: str = ""
) -> Field:
    """Give a field of Open vSwitch's own."""
    symbol = symbol or f"NXM_NX_{name.upper()}"
    return Field(name, OxmClass.NXM_1, number, bits, bits // 8, True, requires, notation, symbol)


def _legacy(number: int, name: str, bits: int, *, notation: str = "number") -> Field:
    """Give a field of NXM's first class: for moves and loads; matches use OpenFlow's own of the same meaning."""
    return Field(name, OxmClass.NXM_0, number, bits, bits // 8, False, (), notation, name.upper())


_TABLE = (
    _basic(0, "in_port", 32),
    _basic(1, "in_phy_port", 32, _IN_PORT),
    _basic(2, "metadata", 64, mask=True, notation="hex"),
    _basic(3, "eth_dst", 48, mask=True, notation="mac", symbol="NXM_OF_ETH_DST"),
    _basic(4, "eth_src", 48, mask=True, notation="mac", symbol="NXM_OF_ETH_SRC"),
    _basic(5, "eth_type", 16, notation="hex", symbol="NXM_OF_ETH_TYPE"),
    _basic(6, "vlan_vid", 13, mask=True),
    _basic(7, "vlan_pcp", 3, _VLAN),
    _basic(8, "ip_dscp", 6, _IP),
    _basic(9, "ip_ecn", 2, _IP, symbol="NXM_NX_IP_ECN"),
    _basic(10, "ip_proto", 8, _IP, symbol="NXM_OF_IP_PROTO"),
    _basic(11, "ipv4_src", 32, _IPV4, mask=True, notation="ipv4", symbol="NXM_OF_IP_SRC"),
    _basic(12, "ipv4_dst", 32, _IPV4, mask=True, notation="ipv4", symbol="NXM_OF_IP_DST"),
    _basic(13, "tcp_src", 16, _TCP, symbol="NXM_OF_TCP_SRC"),
    _basic(14, "tcp_dst", 16, _TCP, symbol="NXM_OF_TCP_DST"),
    _basic(15, "udp_src", 16, _UDP, symbol="NXM_OF_UDP_SRC"),
    _basic(16, "udp_dst", 16, _UDP, symbol="NXM_OF_UDP_DST"),
    _basic(17, "sctp_src", 16, _SCTP),
    _basic(18, "sctp_dst", 16, _SCTP),
    _basic(19, "icmpv4_type", 8, _ICMPV4, symbol="NXM_OF_ICMP_TYPE"),
    _basic(20, "icmpv4_code", 8, _ICMPV4, symbol="NXM_OF_ICMP_CODE"),
    _basic(21, "arp_op", 16, _ARP, symbol="NXM_OF_ARP_OP"),
    _basic(22, "arp_spa", 32, _ARP, mask=True, notation="ipv4", symbol="NXM_OF_ARP_SPA"),
    _basic(23, "arp_tpa", 32, _ARP, mask=True, notation="ipv4", symbol="NXM_OF_ARP_TPA"),
    _basic(24, "arp_sha", 48, _ARP, mask=True, notation="mac", symbol="NXM_NX_ARP_SHA"),
    _basic(25, "arp_tha", 48, _ARP, mask=True, notation="mac", symbol="NXM_NX_ARP_THA"),
    _basic(26, "ipv6_src", 128, _IPV6, mask=True, notation="ipv6", symbol="NXM_NX_IPV6_SRC"),
    _basic(27, "ipv6_dst", 128, _IPV6, mask=True, notation="ipv6", symbol="NXM_NX_IPV6_DST"),
    _basic(28, "ipv6_flabel", 20, _IPV6, mask=True, notation="hex", symbol="NXM_NX_IPV6_LABEL", width=4),
    _basic(29, "icmpv6_type", 8, _ICMPV6, symbol="NXM_NX_ICMPV6_TYPE"),
    _basic(30, "icmpv6_code", 8, _ICMPV6, symbol="NXM_NX_ICMPV6_CODE"),
    _basic(31, "ipv6_nd_target", 128, _ND, notation="ipv6", symbol="NXM_NX_ND_TARGET"),
    _basic(32, "ipv6_nd_sll", 48, _ND_SOLICIT, notation="mac", symbol="NXM_NX_ND_SLL"),
    _basic(33, "ipv6_nd_tll", 48, _ND_ADVERT, notation="mac", symbol="NXM_NX_ND_TLL"),
    _basic(34, "mpls_label", 20, _MPLS, width=4),
    _basic(35, "mpls_tc", 3, _MPLS),
    _basic(36, "mpls_bos", 1, _MPLS),
    _basic(37, "pbb_isid", 24, _PBB, mask=True, notation="hex"),
    _basic(38, "tunnel_id", 64, mask=True, notation="hex", symbol="NXM_NX_TUN_ID"),
    _basic(39, "ipv6_exthdr", 9, _IPV6, mask=True, notation="hex"),
    *(_nicira(number, f"reg{number}", 32) for number in range(16)),
    _nicira(17, "nxm_nx_arp_sha", 48, _ARP, notation="mac", symbol="NXM_NX_ARP_SHA"),
    _nicira(18, "nxm_nx_arp_tha", 48, _ARP, notation="mac", symbol="NXM_NX_ARP_THA"),
    _nicira(33, "pkt_mark", 32),
    _nicira(37, "conj_id", 32, notation="number"),
    _legacy(0, "nxm_of_in_port", 16),
    _legacy(1, "nxm_of_eth_dst", 48, notation="mac"),
    _legacy(2, "nxm_of_eth_src", 48, notation="mac"),
    _legacy(3, "nxm_of_eth_type", 16, notation="hex"),
    _legacy(5, "nxm_of_ip_tos", 8),
    _legacy(6, "nxm_of_ip_proto", 8),
    _legacy(7, "nxm_of_ip_src", 32, notation="ipv4"),
    _legacy(8, "nxm_of_ip_dst", 32, notation="ipv4"),
    _legacy(9, "nxm_of_tcp_src", 16),
    _legacy(10, "nxm_of_tcp_dst", 16),
    _legacy(11, "nxm_of_udp_src", 16),
    _legacy(12, "nxm_of_udp_dst", 16),
    _legacy(13, "nxm_of_icmp_type", 8),
    _legacy(14, "nxm_of_icmp_code", 8),
    _legacy(15, "nxm_of_arp_op", 16),
    _legacy(16, "nxm_of_arp_spa", 32, notation="ipv4"),
    _legacy(17, "nxm_of_arp_tpa", 32, notation="ipv4"),
)


FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _TABLE})
"""Every field, by name."""

BY_KEY: Mapping[int, Field] = MappingProxyType({field.header >> 9: field for field in _TABLE})
"""Every field, by class and number: the upper 23 bits of its header."""


def field_named(name: str) -> Field:
    """Give the field of that name; ValueError if there is none."""
    try:
        return FIELDS[name]
    except KeyError:
        raise ValueError(f"no match field is called {name!r}") from None
