"""The fields of a packet that a flow can match and set: one table of all of them.

The 40 of OpenFlow 1.3.5 (7.2.3.7), and those of Open vSwitch (its ovs-fields(7)). A field is known by its
specification name (`ipv4_dst`), and to Open vSwitch by two more: the one in a flow's text (`nw_dst`) and the one in a
move or load (`NXM_OF_IP_DST`). A field that Open vSwitch also has under an older number is a second line, named after
that (`nxm_of_ip_dst`). A new field is a new line.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import NamedTuple

from daoli.ofproto.addresses import ADDRESSES, address_bytes
from daoli.ofproto.constants import NICIRA, NSH, ONF, EtherType, IpProto, OxmClass, VlanId
from daoli.ofproto.errors import EncodeError, shown
from daoli.ofproto.number_text import port16_text, port_named, port_text

_EXACT = -1
"""A mask of all ones, however wide the field."""


class Requirement(NamedTuple):
    """What must be matched before a field may be (7.2.3.6): another field, so that one of some (value, mask) holds."""

    field: str
    wanted: tuple[tuple[int, int], ...]

    def admits(self, value: bytes, mask: bytes | None) -> bool:
        """Tell whether what is matched on that value, under that mask, is what is required."""
        number = int.from_bytes(value, "big")
        kept = _EXACT if mask is None else int.from_bytes(mask, "big")
        return any(kept & bits == bits and number & bits == wanted for wanted, bits in self.wanted)

    def __str__(self) -> str:
        said = "|".join(self._text(value, mask) for value, mask in self.wanted if mask)
        return f"{self.field}={said}" if said else self.field

    def _text(self, value: int, mask: int) -> str:
        field = FIELDS[self.field]
        return f"{value:#x}" if mask == _EXACT else field.format_masked(field.pack(value), field.pack(mask))


_FLAGS: dict[str, tuple[str, ...]] = {
    "tcp_flags": ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"),
    "ct_state": ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"),
    "tun_flags": ("oam",),
}
"""The names of a notation's bits, the lowest first."""

_FRAGMENTS = {"no": (0, 3), "first": (1, 3), "later": (3, 3), "yes": (1, 1), "not_later": (0, 2)}
"""Kinds of IP fragments as value and mask; the first three have a value alone."""


_WRITTEN = {
    "packet_type": "a packet type such as '(1,0x894f)'",
    "frag": f"one of {', '.join(_FRAGMENTS)}",
    **{notation: f"made of {', '.join(names)}" for notation, names in _FLAGS.items()},
}
"""What text of a notation is; of the others it is a number."""


class Field(NamedTuple):
    """A match field.

    `bits` are those that mean something, `width` the bytes they are written in; where `elastic`, that is the most they
    can be, as a datapath may map the field to fewer. `notation` is how people write a value: number, hex, port, mac,
    ipv4, ipv6, frag, packet_type, or the flags of that name; `symbol` what Open vSwitch calls the field in a move or
    load.
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
    experimenter: int = 0
    elastic: bool = False

    @property
    def header(self) -> int:
        """The OXM header of an exact match: class 16, field 7, has-mask 1, length 8 (7.2.3.2)."""
        return self.oxm_class << 16 | self.number << 9 | self.width + (4 if self.experimenter else 0)

    @property
    def masked_header(self) -> int:
        """The OXM header of a match with a mask."""
        return self.oxm_class << 16 | self.number << 9 | 1 << 8 | 2 * self.width + (4 if self.experimenter else 0)

    @property
    def reference(self) -> int:
        """What actions name the field by: its header, or for an experimenter's field that and the id behind it."""
        return self.header << 32 | self.experimenter if self.experimenter else self.header

    @property
    def key(self) -> int:
        """What tells the field from all others: its experimenter, its class and its number."""
        return self.experimenter << 23 | self.header >> 9

    def pack(self, value: object, width: int = 0) -> bytes:
        """Give the bytes of a value that people wrote, of an elastic field at least `width` of them.

        EncodeError says why it cannot be one.
        """
        if isinstance(value, str):
            value = self._parse(value)
        if isinstance(value, bytes):
            if len(value) != self.width and not (self.elastic and width <= len(value) <= self.width):
                raise EncodeError(self.name, f"{shown(value)} is {len(value)} bytes, not {self.width}")
            width = max(width, len(value))
            value = int.from_bytes(value, "big")
        if not isinstance(value, int) or (isinstance(value, bool) and self.bits > 1):
            raise EncodeError(self.name, f"{shown(value)} is neither number nor bytes nor text")
        if not 0 <= value < 1 << self.bits:
            raise EncodeError(self.name, f"{shown(value)} is not a number of {self.bits} bits")
        return value.to_bytes(max(width, 1, (value.bit_length() + 7) // 8) if self.elastic else self.width, "big")

    def _parse(self, text: str) -> int | bytes:
        if self.notation in ADDRESSES:
            return address_bytes(self.notation, self.name, text)
        if self.notation == "port" and not text[:1].isdecimal():
            return port_named(self.name, text) & (1 << self.bits) - 1
        try:
            if self.notation in _FLAGS and not text[:1].isdecimal():
                return sum({1 << _FLAGS[self.notation].index(name) for name in text.split("|")})
            if self.notation == "frag" and text in _FRAGMENTS:
                return _FRAGMENTS[text][0]
            if self.notation == "packet_type":
                namespace, _, kind = text.removeprefix("(").removesuffix(")").partition(",")
                return int(namespace, 0) << 16 | int(kind, 0)
            return int(text, 0)
        except ValueError as error:
            written = _WRITTEN.get(self.notation, "a number")
            raise EncodeError(self.name, f"{shown(text)} is not {written}") from error

    def parse_words(self, text: str) -> tuple[int, int] | None:
        """Give value and mask of words that stand for both: `+syn-ack`, `not_later`; None if these are none."""
        if self.notation == "frag":
            return _FRAGMENTS.get(text)
        if self.notation not in _FLAGS or text[:1] not in ("+", "-"):
            return None
        value = mask = 0
        for word in text.replace("+", " +").replace("-", " -").split():
            bit = self._parse(word[1:])
            if not isinstance(bit, int) or word[1:].isdecimal():
                raise EncodeError(self.name, f"{shown(text)} is not {_WRITTEN[self.notation]}")
            if mask & bit:
                raise EncodeError(self.name, f"{shown(text)} says {word[1:]} more than once")
            mask |= bit
            value |= bit if word[0] == "+" else 0
        return value, mask

    def format(self, value: bytes) -> str:
        """Write a value the way Open vSwitch does."""
        if self.notation == "mac":
            return value.hex(":")
        if self.notation in ("ipv4", "ipv6"):
            return str(ip_address(value))
        number = int.from_bytes(value, "big")
        if self.notation == "packet_type":
            return f"({number >> 16},{_hex(number & 0xFFFF)})"
        if self.notation == "frag":
            return next((word for word, both in _FRAGMENTS.items() if both == (number, 3)), _hex(number))
        if self.notation in _FLAGS:
            names = _FLAGS[self.notation]
            words = [name for bit, name in enumerate(names) if number >> bit & 1]
            rest = number >> len(names) << len(names)
            return _hex(number) if rest else "|".join(words) or "0"
        if self.notation == "port":
            return port16_text(number) if self.width == 2 else port_text(number)
        return _hex(number) if self.notation == "hex" else str(number)

    def format_masked(self, value: bytes, mask: bytes) -> str:
        """Write a value and its mask the way Open vSwitch does."""
        number, kept = int.from_bytes(value, "big"), int.from_bytes(mask, "big")
        if self.notation == "frag":
            return next((word for word, both in _FRAGMENTS.items() if both == (number, kept)), f"{number:#x}/{kept:#x}")
        if self.notation in _FLAGS:
            names = _FLAGS[self.notation]
            every = (1 << len(names)) - 1
            if kept & every == every and self.notation != "tun_flags":
                return self.format((number & every).to_bytes(self.width, "big"))
            if kept and kept >> len(names) == 0:
                bits = ((number >> bit & 1, name) for bit, name in enumerate(names) if kept >> bit & 1)
                return "".join(f"{'+' if on else '-'}{name}" for on, name in bits)
            return f"{_hex(number)}/{_hex(kept)}"
        if self.notation in ("number", "port") and self.bits > 8:
            return f"{_hex(number)}/{_hex(kept)}"
        return f"{self.format(value)}/{self.format_mask(mask)}"

    def format_mask(self, mask: bytes) -> str:
        """Write a mask the way Open vSwitch does: a prefix length where it can be one."""
        if self.notation in ("ipv4", "ipv6"):
            holes = (1 << self.bits) - 1 - int.from_bytes(mask, "big")
            return str(self.bits - holes.bit_length()) if holes & (holes + 1) == 0 else str(ip_address(mask))
        return mask.hex(":") if self.notation == "mac" else _hex(int.from_bytes(mask, "big"))


def _hex(number: int) -> str:
    """Write a number as C's %#x does: nothing before a zero."""
    return f"{number:#x}" if number else "0"


def _when(field: str, *values: int) -> Requirement:
    return Requirement(field, tuple((value, _EXACT) for value in values))


_IN_PORT = Requirement("in_port", ((0, 0),))
_VLAN = Requirement("vlan_vid", ((VlanId.PRESENT, VlanId.PRESENT),))
_IP = _when("eth_type", EtherType.IPV4, EtherType.IPV6)
_IPV4 = _when("eth_type", EtherType.IPV4)
_IPV6 = _when("eth_type", EtherType.IPV6)
_ARP = _when("eth_type", EtherType.ARP, EtherType.RARP)
_MPLS = _when("eth_type", EtherType.MPLS, EtherType.MPLS_MULTICAST)
_PBB = _when("eth_type", EtherType.PBB)
_NSH = _when("eth_type", EtherType.NSH)
_CT = Requirement(  # on any of +new, +est, +rel, +rpl, +snat and +dnat, or else on +trk-inv
    "ct_state", (*((bit, bit) for bit in (0x01, 0x02, 0x04, 0x08, 0x40, 0x80)), (0x20, 0x30))
)
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
    number: int,
    name: str,
    bits: int,
    *requires: Requirement,
    mask: bool = True,
    notation: str = "hex",
    width: int = 0,
    symbol: str = "",
    elastic: bool = False,
) -> Field:
    """Give a field of Open vSwitch's own."""
    symbol = symbol or f"NXM_NX_{name.upper()}"
    width = width or bits // 8
    return Field(name, OxmClass.NXM_1, number, bits, width, mask, requires, notation, symbol, elastic=elastic)


def _experimental(
    experimenter: int,
    number: int,
    name: str,
    bits: int,
    *requires: Requirement,
    mask: bool = True,
    notation: str = "hex",
    width: int = 0,
    symbol: str,
) -> Field:
    """Give an experimenter's field: its id stands before the value, and is counted by the header's length."""
    width = width or (bits + 7) // 8
    return Field(name, OxmClass.EXPERIMENTER, number, bits, width, mask, requires, notation, symbol, experimenter)


def _legacy(number: int, name: str, bits: int, *requires: Requirement, notation: str = "number") -> Field:
    """Give a field of NXM's first class: for moves and loads; matches use OpenFlow's own of the same meaning."""
    return Field(name, OxmClass.NXM_0, number, bits, bits // 8, False, requires, notation, name.upper())


_TABLE = (
    _basic(0, "in_port", 32, notation="port"),
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
    _basic(19, "icmpv4_type", 8, _IPV4, _ICMPV4, symbol="NXM_OF_ICMP_TYPE"),
    _basic(20, "icmpv4_code", 8, _IPV4, _ICMPV4, symbol="NXM_OF_ICMP_CODE"),
    _basic(21, "arp_op", 16, _ARP, symbol="NXM_OF_ARP_OP"),
    _basic(22, "arp_spa", 32, _ARP, mask=True, notation="ipv4", symbol="NXM_OF_ARP_SPA"),
    _basic(23, "arp_tpa", 32, _ARP, mask=True, notation="ipv4", symbol="NXM_OF_ARP_TPA"),
    _basic(24, "arp_sha", 48, _ARP, mask=True, notation="mac", symbol="NXM_NX_ARP_SHA"),
    _basic(25, "arp_tha", 48, _ARP, mask=True, notation="mac", symbol="NXM_NX_ARP_THA"),
    _basic(26, "ipv6_src", 128, _IPV6, mask=True, notation="ipv6", symbol="NXM_NX_IPV6_SRC"),
    _basic(27, "ipv6_dst", 128, _IPV6, mask=True, notation="ipv6", symbol="NXM_NX_IPV6_DST"),
    _basic(28, "ipv6_flabel", 20, _IPV6, mask=True, notation="hex", symbol="NXM_NX_IPV6_LABEL", width=4),
    _basic(29, "icmpv6_type", 8, _IPV6, _ICMPV6, symbol="NXM_NX_ICMPV6_TYPE"),
    _basic(30, "icmpv6_code", 8, _IPV6, _ICMPV6, symbol="NXM_NX_ICMPV6_CODE"),
    _basic(31, "ipv6_nd_target", 128, _ND, notation="ipv6", symbol="NXM_NX_ND_TARGET"),
    _basic(32, "ipv6_nd_sll", 48, _ND_SOLICIT, notation="mac", symbol="NXM_NX_ND_SLL"),
    _basic(33, "ipv6_nd_tll", 48, _ND_ADVERT, notation="mac", symbol="NXM_NX_ND_TLL"),
    _basic(34, "mpls_label", 20, _MPLS, width=4),
    _basic(35, "mpls_tc", 3, _MPLS),
    _basic(36, "mpls_bos", 1, _MPLS),
    _basic(37, "pbb_isid", 24, _PBB, mask=True, notation="hex"),
    _basic(38, "tunnel_id", 64, mask=True, notation="hex", symbol="NXM_NX_TUN_ID"),
    _basic(39, "ipv6_exthdr", 9, _IPV6, mask=True, notation="hex"),
    _basic(42, "oxm_of_tcp_flags", 12, _TCP, mask=True, notation="tcp_flags", symbol="NXM_NX_TCP_FLAGS"),
    _basic(43, "oxm_of_actset_output", 32, notation="port", symbol="ONFOXM_ET_ACTSET_OUTPUT"),
    _basic(44, "packet_type", 32, notation="packet_type"),
    *(
        Field(f"xreg{number}", OxmClass.PACKET_REGS, number, 64, 8, True, (), "hex", f"OXM_OF_PKT_REG{number}")
        for number in range(8)
    ),
    *(_nicira(number, f"reg{number}", 32) for number in range(16)),
    _nicira(16, "nxm_nx_tun_id", 64, symbol="NXM_NX_TUN_ID"),
    _nicira(17, "nxm_nx_arp_sha", 48, _ARP, notation="mac", symbol="NXM_NX_ARP_SHA"),
    _nicira(18, "nxm_nx_arp_tha", 48, _ARP, notation="mac", symbol="NXM_NX_ARP_THA"),
    _nicira(19, "nxm_nx_ipv6_src", 128, _IPV6, notation="ipv6", symbol="NXM_NX_IPV6_SRC"),
    _nicira(20, "nxm_nx_ipv6_dst", 128, _IPV6, notation="ipv6", symbol="NXM_NX_IPV6_DST"),
    _nicira(21, "nxm_nx_icmpv6_type", 8, _IPV6, _ICMPV6, mask=False, notation="number", symbol="NXM_NX_ICMPV6_TYPE"),
    _nicira(22, "nxm_nx_icmpv6_code", 8, _IPV6, _ICMPV6, mask=False, notation="number", symbol="NXM_NX_ICMPV6_CODE"),
    _nicira(23, "nxm_nx_nd_target", 128, _ND, notation="ipv6", symbol="NXM_NX_ND_TARGET"),
    _nicira(24, "nxm_nx_nd_sll", 48, _ND_SOLICIT, notation="mac", symbol="NXM_NX_ND_SLL"),
    _nicira(25, "nxm_nx_nd_tll", 48, _ND_ADVERT, notation="mac", symbol="NXM_NX_ND_TLL"),
    _nicira(26, "ip_frag", 2, _IP, notation="frag", width=1),
    _nicira(27, "nxm_nx_ipv6_label", 20, _IPV6, width=4, symbol="NXM_NX_IPV6_LABEL"),
    _nicira(28, "nxm_nx_ip_ecn", 2, _IP, mask=False, notation="number", width=1, symbol="NXM_NX_IP_ECN"),
    _nicira(29, "ip_ttl", 8, _IP, mask=False, notation="number"),
    _nicira(30, "mpls_ttl", 8, _MPLS, mask=False, notation="number"),
    _nicira(31, "tun_ipv4_src", 32, notation="ipv4"),
    _nicira(32, "tun_ipv4_dst", 32, notation="ipv4"),
    _nicira(33, "pkt_mark", 32),
    _nicira(34, "nxm_nx_tcp_flags", 12, _TCP, notation="tcp_flags", width=2, symbol="NXM_NX_TCP_FLAGS"),
    _nicira(35, "dp_hash", 32),
    _nicira(36, "recirc_id", 32, mask=False),
    _nicira(37, "conj_id", 32, mask=False, notation="number"),
    _nicira(38, "tun_gbp_id", 16, notation="number"),
    _nicira(39, "tun_gbp_flags", 8),
    *(_nicira(40 + number, f"tun_metadata{number}", 992, elastic=True) for number in range(64)),
    _nicira(104, "tun_flags", 1, notation="tun_flags", width=2),
    _nicira(105, "ct_state", 32, notation="ct_state"),
    _nicira(106, "ct_zone", 16, mask=False, notation="number"),
    _nicira(107, "ct_mark", 32),
    _nicira(108, "ct_label", 128),
    _nicira(109, "tun_ipv6_src", 128, notation="ipv6"),
    _nicira(110, "tun_ipv6_dst", 128, notation="ipv6"),
    *(_nicira(111 + number, f"xxreg{number}", 128) for number in range(4)),
    _nicira(119, "ct_nw_proto", 8, _CT, mask=False, notation="number"),
    _nicira(120, "ct_nw_src", 32, _IPV4, _CT, notation="ipv4"),
    _nicira(121, "ct_nw_dst", 32, _IPV4, _CT, notation="ipv4"),
    _nicira(122, "ct_ipv6_src", 128, _IPV6, _CT, notation="ipv6"),
    _nicira(123, "ct_ipv6_dst", 128, _IPV6, _CT, notation="ipv6"),
    _nicira(124, "ct_tp_src", 16, _CT, notation="number"),
    _nicira(125, "ct_tp_dst", 16, _CT, notation="number"),
    _experimental(ONF, 42, "tcp_flags", 12, _TCP, notation="tcp_flags", symbol="NXM_NX_TCP_FLAGS"),
    _experimental(ONF, 43, "actset_output", 32, mask=False, notation="port", symbol="ONFOXM_ET_ACTSET_OUTPUT"),
    _experimental(NICIRA, 0, "nxoxm_et_dp_hash", 32, symbol="NXM_NX_DP_HASH"),
    _experimental(NICIRA, 11, "tun_erspan_idx", 20, width=4, symbol="NXOXM_ET_ERSPAN_IDX"),
    _experimental(NICIRA, 12, "tun_erspan_ver", 4, notation="number", symbol="NXOXM_ET_ERSPAN_VER"),
    _experimental(NICIRA, 13, "tun_erspan_dir", 1, notation="number", symbol="NXOXM_ET_ERSPAN_DIR"),
    _experimental(NICIRA, 14, "tun_erspan_hwid", 6, symbol="NXOXM_ET_ERSPAN_HWID"),
    _experimental(NICIRA, 15, "tun_gtpu_flags", 8, symbol="NXOXM_ET_GTPU_FLAGS"),
    _experimental(NICIRA, 16, "tun_gtpu_msgtype", 8, notation="number", symbol="NXOXM_ET_GTPU_MSGTYPE"),
    _experimental(NSH, 1, "nsh_flags", 8, _NSH, notation="number", symbol="NXOXM_NSH_FLAGS"),
    _experimental(NSH, 2, "nsh_mdtype", 8, _NSH, mask=False, notation="number", symbol="NXOXM_NSH_MDTYPE"),
    _experimental(NSH, 3, "nsh_np", 8, _NSH, mask=False, notation="number", symbol="NXOXM_NSH_NP"),
    _experimental(NSH, 4, "nsh_spi", 24, _NSH, mask=False, width=4, symbol="NXOXM_NSH_SPI"),
    _experimental(NSH, 5, "nsh_si", 8, _NSH, mask=False, notation="number", symbol="NXOXM_NSH_SI"),
    *(
        _experimental(NSH, 5 + number, f"nsh_c{number}", 32, _NSH, symbol=f"NXOXM_NSH_C{number}")
        for number in (1, 2, 3, 4)
    ),
    _experimental(NSH, 10, "nsh_ttl", 8, _NSH, mask=False, notation="number", symbol="NXOXM_NSH_TTL"),
    Field("nd_reserved", OxmClass.ERICSSON, 1, 32, 4, False, (_ND,), "number", "ERICOXM_OF_ICMPV6_ND_RESERVED"),
    Field("nd_options_type", OxmClass.ERICSSON, 2, 8, 1, False, (_ND,), "number", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE"),
    _legacy(0, "nxm_of_in_port", 16, notation="port"),
    _legacy(1, "nxm_of_eth_dst", 48, notation="mac"),
    _legacy(2, "nxm_of_eth_src", 48, notation="mac"),
    _legacy(3, "nxm_of_eth_type", 16, notation="hex"),
    _legacy(4, "nxm_of_vlan_tci", 16, notation="hex"),
    _legacy(5, "nxm_of_ip_tos", 8, _IP),
    _legacy(6, "nxm_of_ip_proto", 8, _IP),
    _legacy(7, "nxm_of_ip_src", 32, _IPV4, notation="ipv4"),
    _legacy(8, "nxm_of_ip_dst", 32, _IPV4, notation="ipv4"),
    _legacy(9, "nxm_of_tcp_src", 16, _TCP),
    _legacy(10, "nxm_of_tcp_dst", 16, _TCP),
    _legacy(11, "nxm_of_udp_src", 16, _UDP),
    _legacy(12, "nxm_of_udp_dst", 16, _UDP),
    _legacy(13, "nxm_of_icmp_type", 8, _IPV4, _ICMPV4),
    _legacy(14, "nxm_of_icmp_code", 8, _IPV4, _ICMPV4),
    _legacy(15, "nxm_of_arp_op", 16, _ARP),
    _legacy(16, "nxm_of_arp_spa", 32, _ARP, notation="ipv4"),
    _legacy(17, "nxm_of_arp_tpa", 32, _ARP, notation="ipv4"),
)


FIELDS: Mapping[str, Field] = MappingProxyType({field.name: field for field in _TABLE})
"""Every field, by name."""

BY_KEY: Mapping[int, Field] = MappingProxyType({field.key: field for field in _TABLE})
"""Every field, by experimenter, class and number: the upper 23 bits of its header, before them the experimenter's."""


READ_ONLY: Mapping[str, str] = MappingProxyType(
    {
        name: why
        for why, names in {
            "it says where the packet came in": ("in_port", "in_phy_port"),
            "it says what headers the packet has, which actions that push and pop change": (
                *("eth_type", "ip_proto", "mpls_bos", "ipv6_exthdr", "packet_type", "nsh_mdtype", "nsh_np"),
                *("nxm_of_eth_type", "nxm_of_ip_proto", "ip_frag"),
            ),
            "it belongs to the ends of the connection": ("tcp_flags", "oxm_of_tcp_flags", "nxm_nx_tcp_flags"),
            "the datapath alone decides it": (
                *("dp_hash", "nxoxm_et_dp_hash", "recirc_id", "conj_id", "actset_output", "oxm_of_actset_output"),
                *("ct_state", "ct_zone", "ct_nw_proto", "ct_nw_src", "ct_nw_dst", "ct_ipv6_src", "ct_ipv6_dst"),
                *("ct_tp_src", "ct_tp_dst", "tun_gtpu_flags", "tun_gtpu_msgtype"),
            ),
        }.items()
        for name in names
    }
)
"""The fields that no set_field may set, and why (7.2.5); these are the ones that Open vSwitch refuses."""


def key_of(reference: int) -> int:
    """Give the key of the field that a header means, or a header and an experimenter's id of 8 bytes together."""
    return (reference & 0xFFFF_FFFF) << 23 | reference >> 41 if reference >> 32 else reference >> 9


def field_named(name: str) -> Field:
    """Give the field of that name; EncodeError if there is none."""
    try:
        return FIELDS[name]
    except KeyError:
        raise EncodeError(name, f"no match field is called {name!r}") from None
