"""A packet in words: the line of its headers that `ovs-ofctl` prints of one.

What a frame is too short for reads as zeros, as in Open vSwitch; one that is too short for Ethernet is given in hex
too. The payload is not shown; it is in the message.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from daoli.ofproto.constants import EtherType, IpProto

_ETHERNET, _ARP, _IPV4, _IPV6, _LSE = 14, 28, 20, 40, 4
_MAC = 6
_VLANS = (0x8100, 0x88A8)
_MAX_VLANS, _MAX_LSES = 2, 3
_LEAST_TYPE, _NO_TYPE = 0x600, 0x5FF  # below it a length stands there (802.3)
_SNAP = bytes.fromhex("aaaa03000000")
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, _IGMP = 0, 43, 44, 51, 60, 2
_SOLICIT, _ADVERT = 135, 136


def packet_text(frame: bytes) -> str:
    """Give the headers of an Ethernet frame, and the checksum of its innermost one."""
    whole = frame if len(frame) >= _ETHERNET else bytes(_ETHERNET)
    kind, at = _number(whole, 12, 2), _ETHERNET
    tags: list[int] = []
    while kind in _VLANS and len(tags) < _MAX_VLANS and len(whole) >= at + 4:
        tags.append(_number(whole, at, 2))
        kind, at = _number(whole, at + 2, 2), at + 4
    if kind < _LEAST_TYPE and len(frame) >= _ETHERNET:
        snap = whole[at : at + 6] == _SNAP and len(whole) >= at + 8
        kind, at = (_number(whole, at + 6, 2), at + 8) if snap else (_NO_TYPE, at)
    macs = f"{_vlans(tags)},dl_src={_mac(whole[6:12])},dl_dst={_mac(whole[:6])}"
    cut = f" data={frame.hex()}" if 0 < len(frame) < _ETHERNET else ""
    return _network(kind, macs, whole[at:]) + cut


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")


def _mac(data: bytes) -> str:
    return data.ljust(_MAC, b"\0").hex(":")


def _vlans(tags: list[int]) -> str:
    words = []
    for place, tag in enumerate([*tags, None][:_MAX_VLANS]):
        which = place or ""
        words.append(
            f"vlan_tci{which}=0x0000" if tag is None else f"dl_vlan{which}={tag & 0xFFF},dl_vlan_pcp{which}={tag >> 13}"
        )
    return ",".join(words)


def _network(kind: int, macs: str, data: bytes) -> str:
    match kind:
        case EtherType.IPV4:
            return _ipv4(macs, data)
        case EtherType.IPV6:
            return _ipv6(macs, data)
        case EtherType.ARP | EtherType.RARP:
            return f"{EtherType(kind).name.lower()},{macs},{_arp(data)}"
        case EtherType.MPLS | EtherType.MPLS_MULTICAST:
            return f"{'mpls' if kind == EtherType.MPLS else 'mplsm'},{macs},{_mpls(data)}"
    return f"{macs},dl_type={kind:#06x}"


def _arp(data: bytes) -> str:
    arp = data if len(data) >= _ARP and data[:6] == bytes.fromhex("000108000604") else bytes(_ARP)
    operation = _number(arp, 6, 2) if not arp[6] else 0
    addresses = f"arp_spa={IPv4Address(arp[14:18])},arp_tpa={IPv4Address(arp[24:28])}"
    return f"{addresses},arp_op={operation},arp_sha={_mac(arp[8:14])},arp_tha={_mac(arp[18:24])}"


def _mpls(data: bytes) -> str:
    lses: list[int] = []
    for at in range(0, min(len(data) // _LSE, _MAX_LSES) * _LSE, _LSE):
        lses.append(_number(data, at, _LSE))
        if lses[-1] >> 8 & 1:
            break
    first, *more = lses or [0]
    head = f"mpls_label={first >> 12},mpls_tc={first >> 9 & 7},mpls_ttl={first & 0xFF},mpls_bos={first >> 8 & 1}"
    return ",".join((head, *(f"mpls_lse{place}={lse}" for place, lse in enumerate(more, 1))))


class _Ip(NamedTuple):
    """What a header of IP says, of either version; `data` is what follows it."""

    family: str
    addresses: str
    proto: int = 0
    traffic: int = 0
    ttl: int = 0
    fragment: str = "no"
    data: bytes = b""


_V4 = {IpProto.ICMP: "icmp", IpProto.TCP: "tcp", IpProto.UDP: "udp", IpProto.SCTP: "sctp"}
_V6 = {IpProto.ICMPV6: "icmp6", IpProto.TCP: "tcp6", IpProto.UDP: "udp6", IpProto.SCTP: "sctp6"}


def _ipv4(macs: str, data: bytes) -> str:
    size = 4 * (data[0] & 0xF) if data else 0
    total = _number(data, 2, 2)
    if not _IPV4 <= size <= total <= len(data):
        return _ip(macs, _Ip("ip", "nw_src=0.0.0.0,nw_dst=0.0.0.0"))
    place = _number(data, 6, 2)
    fragment = "later" if place & 0x1FFF else "first" if place & 0x2000 else "no"
    addresses = f"nw_src={IPv4Address(data[12:16])},nw_dst={IPv4Address(data[16:20])}"
    return _ip(macs, _Ip("ip", addresses, data[9], data[1], data[8], fragment, data[size:total]))


def _ipv6(macs: str, data: bytes) -> str:
    if len(data) < _IPV6 + _number(data, 4, 2):
        return _ip(macs, _Ip("ipv6", "ipv6_src=::,ipv6_dst=::,ipv6_label=0x00000"))
    head = _number(data, 0, 4)
    proto, fragment, rest = _extensions(data[6], data[_IPV6 : _IPV6 + _number(data, 4, 2)])
    addresses = f"ipv6_src={IPv6Address(data[8:24])},ipv6_dst={IPv6Address(data[24:40])}"
    addresses += f",ipv6_label={head & 0xFFFFF:#07x}"
    return _ip(macs, _Ip("ipv6", addresses, proto, head >> 20 & 0xFF, data[7], fragment, rest))


def _extensions(proto: int, data: bytes) -> tuple[int, str, bytes]:
    """Step over the extension headers; give the protocol behind them, the kind of fragment and what follows."""
    fragment = "no"
    while proto in (_HOP_BY_HOP, _ROUTING, _DESTINATION, _AUTHENTICATION, _FRAGMENT) and len(data) >= 8:
        if proto == _FRAGMENT:
            place = _number(data, 2, 2)
            fragment = "later" if place & 0xFFF8 else "first" if place & 1 else fragment
            if fragment == "later":
                return proto, fragment, b""
            size = 8
        else:
            size = 4 * (data[1] + 2) if proto == _AUTHENTICATION else 8 * (data[1] + 1)
        proto, data = data[0], data[size:]
    return proto, fragment, data


def _ip(macs: str, ip: _Ip) -> str:
    names = _V4 if ip.family == "ip" else _V6
    known = ip.proto in names
    words = [names[IpProto(ip.proto)] if known else ip.family, macs, ip.addresses]
    words += [] if known else [f"nw_proto={ip.proto}"]
    words += [f"nw_tos={ip.traffic & 0xFC}", f"nw_ecn={ip.traffic & 3}", f"nw_ttl={ip.ttl}", f"nw_frag={ip.fragment}"]
    transport, checksum = _transport(ip.proto if known or ip.proto == _IGMP else None, ip.data)
    words += [transport] if transport and ip.fragment != "later" else []
    return ",".join(words) + checksum


def _transport(proto: int | None, data: bytes) -> tuple[str, str]:
    """Give the fields of a transport header, and its checksum if the header is whole."""
    match proto:
        case IpProto.TCP:
            return f"{_ports(data, 20)},tcp_flags={_tcp_flags(data)}", _checksum("tcp", data, 20, 16, 2)
        case IpProto.UDP:
            return _ports(data, 8), _checksum("udp", data, 8, 6, 2)
        case IpProto.SCTP:
            return _ports(data, 12), _checksum("sctp", data, 12, 8, 4)
        case IpProto.ICMP:
            return _icmp(data, 8), _checksum("icmp", data, 8, 2, 2)
        case IpProto.ICMPV6:
            return _icmp(data, 4) + _neighbour(data), _checksum("icmp6", data, 4, 2, 2)
        case 2 if data:
            return f"tp_src={data[0]},tp_dst={_number(data, 1, 1)}", ""
    return "", ""


def _ports(data: bytes, size: int) -> str:
    whole = data if len(data) >= size else bytes(size)
    return f"tp_src={_number(whole, 0, 2)},tp_dst={_number(whole, 2, 2)}"


_TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]")


def _tcp_flags(data: bytes) -> str:
    flags = _number(data, 12, 2) & 0xFFF if len(data) >= 20 else 0
    return "|".join(name for bit, name in enumerate(_TCP_FLAGS) if flags >> bit & 1) or "0"


def _icmp(data: bytes, size: int) -> str:
    kind, code = (data[0], data[1]) if len(data) >= size else (0, 0)
    return f"icmp_type={kind},icmp_code={code}"


def _neighbour(data: bytes) -> str:
    """Give what a neighbour solicitation or advertisement says (RFC 4861, 4.3 and 4.4)."""
    if not data or data[0] not in (_SOLICIT, _ADVERT):
        return ""
    target = IPv6Address(data[8:24]) if len(data) >= 24 else IPv6Address(0)
    macs = {1: bytes(_MAC), 2: bytes(_MAC)}
    options = data[24:]
    while len(options) >= 8 * max(1, options[1] if len(options) > 1 else 1):
        if options[1] == 1 and options[0] in macs:
            macs[options[0]] = options[2:8]
        options = options[8 * options[1] :] if options[1] else b""
    return f",nd_target={target},nd_sll={_mac(macs[1])},nd_tll={_mac(macs[2])}"


def _checksum(name: str, data: bytes, size: int, at: int, width: int) -> str:
    return f" {name}_csum:{_number(data, at, width):x}" if len(data) >= size else ""
