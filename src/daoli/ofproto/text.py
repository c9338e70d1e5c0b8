"""Messages and flows in words: what logs, golden tests and people read.

Flows read as `ovs-ofctl dump-flows --no-stats` prints them, and `ovs-ofctl add-flow` accepts them, so that what the
controller says of a flow can be compared with what the datapath says, as text. What Open vSwitch has no words for
(unknown fields and actions) is given as hex.
"""

from collections.abc import Callable, Iterable
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING

from daoli.ofproto.actions import (
    Action,
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    DecNwTtl,
    Group,
    Output,
    PopMpls,
    PopPbb,
    PopVlan,
    PushMpls,
    PushPbb,
    PushVlan,
    SetField,
    SetMplsTtl,
    SetNwTtl,
    SetQueue,
    UnknownAction,
)
from daoli.ofproto.constants import TABLE_ALL, EtherType, FlowModFlags, IpProto, PortNo
from daoli.ofproto.fields import BY_KEY, key_of
from daoli.ofproto.instructions import (
    ApplyActions,
    ClearActions,
    GotoTable,
    Instruction,
    Meter,
    UnknownInstruction,
    WriteActions,
    WriteMetadata,
)
from daoli.ofproto.match import Match
from daoli.ofproto.nicira import Conjunction, RegLoad, RegLoad2, RegMove, ResubmitTable
from daoli.ofproto.oxm import Oxm

if TYPE_CHECKING:
    from daoli.ofproto.message import Message

DEFAULT_PRIORITY = 0x8000
"""The priority that Open vSwitch leaves unsaid."""

_UNKNOWN_DURATION = 0xFFFF_FFFF
_UNKNOWN_COUNTER = 0xFFFF_FFFF_FFFF_FFFF
_VID_PRESENT = 0x1000  # OFPVID_PRESENT (7.2.3.7): there is a tag

FLAG_WORDS = (
    (FlowModFlags.SEND_FLOW_REM, "send_flow_rem"),
    (FlowModFlags.CHECK_OVERLAP, "check_overlap"),
    (FlowModFlags.RESET_COUNTS, "reset_counts"),
    (FlowModFlags.NO_PKT_COUNTS, "no_packet_counts"),
    (FlowModFlags.NO_BYT_COUNTS, "no_byte_counts"),
)


def name_of(enum: type[IntEnum], value: int) -> str:
    """Name a number, or give it in digits if it has no name."""
    return enum(value).name if value in list(enum) else str(value)


def flags_text(enum: type[IntFlag], value: int) -> str:
    """Name the bits that are set; those without a name are given together in hex."""
    words = [flag.name for flag in enum if value & flag and flag.name]
    rest = value & ~sum(enum)
    return " ".join((*words, f"{rest:#x}") if rest else words) or "0"


def duration_text(seconds: int, nanoseconds: int) -> str:
    """Give a duration as Open vSwitch does, without decimals or with 3, 6 or 9; all ones is unknown."""
    if seconds == _UNKNOWN_DURATION:
        return "?"
    decimals = f".{nanoseconds:09}" if nanoseconds else ""
    while decimals.endswith("000"):
        decimals = decimals[:-3]
    return f"{seconds}{decimals}s"


def counter_text(value: int) -> str:
    """Give a counter; all ones is one that the datapath lacks."""
    return "?" if value == _UNKNOWN_COUNTER else str(value)


def port_text(port: int) -> str:
    """Name a port as Open vSwitch does."""
    return PortNo(port).name if PortNo.MAX < port <= PortNo.ANY and port in list(PortNo) else str(port)


def port16_text(port: int) -> str:
    """Name a port of 16 bits: the reserved ones stand at its end too (0xfff8 is IN_PORT)."""
    return port_text(port | 0xFFFF_0000 if port >= PortNo.MAX & 0xFFFF else port)


def describe(message: "Message") -> str:
    """Give a message as one line (a list of flows or ports has one line each)."""
    head = f"{message.title()} (xid={message.xid:#x})"
    detail = message.detail()
    return f"{head}: {detail}" if detail else head


def value_text(name: str, value: object) -> str:
    """Write a field's value: bytes, cookies and bitmaps in hex, ports by name, a match as a flow has it."""
    if isinstance(value, Match):
        return match_text(value) or "any"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)
    if isinstance(value, int):
        if name in ("port_no", "out_port"):
            return port_text(value)
        return f"{value:#x}" if name in _HEX else str(value)
    return str(value)


_HEX = ("datapath_id", "capabilities", "cookie", "cookie_mask", "config", "state")


def flow_text(
    table_id: int,
    priority: int,
    cookie: int,
    idle_timeout: int,
    hard_timeout: int,
    flags: int,
    match: Match,
    instructions: Iterable[Instruction],
) -> str:
    """Give a flow as `ovs-ofctl dump-flows --no-stats` does."""
    head = f"cookie={cookie:#x}, table={table_id}, "
    if idle_timeout:
        head += f"idle_timeout={idle_timeout}, "
    if hard_timeout:
        head += f"hard_timeout={hard_timeout}, "
    head += "".join(f"{word} " for flag, word in FLAG_WORDS if flags & flag)
    matched = match_text(match, priority)
    matched += " " if matched else ""
    return f"{head}{matched}actions={instructions_text(instructions)}"


# Matches

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
_RANK = {name: rank for rank, name in enumerate(_FIELD_WORDS)}


def match_text(match: Match, priority: int = DEFAULT_PRIORITY) -> str:
    """Give a match as Open vSwitch does, with the flow's priority before it."""
    words = [] if priority == DEFAULT_PRIORITY else [f"priority={priority}"]
    protocol, spent = _protocol(match)
    shown = [oxm for oxm in match if oxm.name not in spent and oxm != _ETHERNET]
    oxms = sorted(shown, key=lambda oxm: _RANK.get(oxm.name, len(_RANK)))
    early = [oxm for oxm in oxms if oxm.name in _EARLY]
    words += map(_oxm_text, early)
    words += [protocol] if protocol else []
    words += [_oxm_text(oxm) for oxm in oxms if oxm not in early]
    return ",".join(words)


def _protocol(match: Match) -> tuple[str, tuple[str, ...]]:
    """Give the word that stands for ethertype and IP protocol, and the fields that it says."""
    eth_type, ip_proto = match.number("eth_type"), match.number("ip_proto")
    if (eth_type, ip_proto) in _PROTOCOL_WORDS:
        return _PROTOCOL_WORDS[eth_type, ip_proto], ("eth_type", "ip_proto")
    return (_TYPE_WORDS[eth_type], ("eth_type",)) if eth_type in _TYPE_WORDS else ("", ())


_ETHERNET = Oxm.of("packet_type", 0)  # goes without saying


def _oxm_text(oxm: Oxm) -> str:
    field = oxm.field
    if field is None:
        return f"{oxm.name}={oxm.payload.hex()}"
    if field.name == "vlan_vid":
        return _vlan_text(oxm)
    word, mask = _FIELD_WORDS.get(field.name, field.name), oxm.mask
    value = oxm.text(field)
    if mask is not None and not any(mask):
        return word if field.elastic else f"{word}={value}"
    if field.elastic and mask is not None and set(mask) == {0xFF}:
        value = field.format(oxm.value)
    if field.name in ("in_port", "actset_output"):
        value = port_text(int.from_bytes(oxm.value, "big"))
    if field.name == "ip_dscp":
        value = str(oxm.value[0] << 2)
    if field.name == "ipv6_flabel":
        value = f"0x{oxm.value.hex()[3:]}" + (f"/0x{mask.hex()[3:]}" if mask else "")
    if field.name in _HEX_ZERO and value == "0":
        value = "0x0"
    return f"{word}={value}"


_HEX_ZERO = ("nsh_spi", "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4")


def _vlan_text(oxm: Oxm) -> str:
    """Write a tag as `dl_vlan`, or what is no single tag as the bits of a TCI."""
    value = int.from_bytes(oxm.value, "big")
    if oxm.mask is None and value & _VID_PRESENT:
        return f"dl_vlan={value & 0xFFF}"
    mask = 0x1FFF if oxm.mask is None else int.from_bytes(oxm.mask, "big")
    return f"vlan_tci={value:#06x}/{mask:#06x}"


# Actions and instructions


def _output(action: Output) -> str:
    if action.port == PortNo.CONTROLLER:
        return f"CONTROLLER:{action.max_len}"
    name = port_text(action.port)
    return f"output:{name}" if name.isdecimal() else name


def _set_field(action: SetField | RegLoad2) -> str:
    oxm = action.oxm
    field, mask = oxm.field, oxm.mask
    if field is None:
        return f"set_field:{oxm.payload.hex()}->{oxm.name}"
    value = field.format(oxm.value) + (f"/{field.format_mask(mask)}" if mask is not None else "")
    return f"set_field:{value}->{_SET_WORDS.get(field.name, field.name)}"


_SET_WORDS = {
    "tunnel_id": "tun_id",
    "tun_ipv4_src": "tun_src",
    "tun_ipv4_dst": "tun_dst",
    "ip_ttl": "nw_ttl",
    "ipv4_src": "ip_src",
    "ipv4_dst": "ip_dst",
    "ip_ecn": "nw_ecn",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "ipv6_flabel": "ipv6_label",
    "ipv6_nd_target": "nd_target",
    "ipv6_nd_sll": "nd_sll",
    "ipv6_nd_tll": "nd_tll",
    "nxm_nx_arp_sha": "arp_sha",
    "nxm_nx_arp_tha": "arp_tha",
}


def bits_text(reference: int, offset: int, n_bits: int) -> str:
    """Name some bits of a field, as moves and loads do."""
    field = BY_KEY.get(key_of(reference))
    name, width = (field.symbol, field.bits) if field else (f"{reference:#010x}", 0)
    if field and field.elastic:
        width = 8 * (reference & 0xFF)
    if offset == 0 and n_bits == width:
        return f"{name}[]"
    return f"{name}[{offset}]" if n_bits == 1 else f"{name}[{offset}..{offset + n_bits - 1}]"


def _move(action: RegMove) -> str:
    source = bits_text(action.src, action.src_ofs, action.n_bits)
    return f"move:{source}->{bits_text(action.dst, action.dst_ofs, action.n_bits)}"


def slice_text(reference: int, ofs_nbits: int) -> str:
    """Name the bits of a field that an `ofs_nbits` means."""
    return bits_text(reference, ofs_nbits >> 6, (ofs_nbits & 0x3F) + 1)


def _load(action: RegLoad) -> str:
    value = f"{action.value:#x}" if action.value else "0"
    return f"load:{value}->{slice_text(action.dst, action.ofs_nbits)}"


def _resubmit(action: ResubmitTable) -> str:
    port = "" if action.in_port == PortNo.IN_PORT & 0xFFFF else port16_text(action.in_port)
    return f"resubmit:{port}" if action.table_id == TABLE_ALL and port else f"resubmit({port},{action.table_id})"


_ACTIONS: dict[type[Action], Callable[..., str]] = {
    Output: _output,
    SetField: _set_field,
    CopyTtlOut: lambda _: "copy_ttl_out",
    CopyTtlIn: lambda _: "copy_ttl_in",
    SetMplsTtl: lambda action: f"set_mpls_ttl({action.ttl})",
    DecMplsTtl: lambda _: "dec_mpls_ttl",
    PushVlan: lambda action: f"push_vlan:{action.ethertype:#06x}",
    PopVlan: lambda _: "pop_vlan",
    PushMpls: lambda action: f"push_mpls:{action.ethertype:#06x}",
    PopMpls: lambda action: f"pop_mpls:{action.ethertype:#06x}",
    PushPbb: lambda action: f"push_pbb:{action.ethertype:#06x}",
    PopPbb: lambda _: "pop_pbb",
    SetQueue: lambda action: f"set_queue:{action.queue_id}",
    Group: lambda action: f"group:{action.group_id}",
    SetNwTtl: lambda action: f"mod_nw_ttl:{action.ttl}",
    DecNwTtl: lambda _: "dec_ttl",
    RegMove: _move,
    RegLoad: _load,
    ResubmitTable: _resubmit,
    RegLoad2: _set_field,
    Conjunction: lambda action: f"conjunction({action.id},{action.clause + 1}/{action.n_clauses})",
    UnknownAction: lambda action: f"action_{action.kind}({action.body.hex()})",
}


def words(cls: type[Action]) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Make a function the words of a class of actions."""

    def declare(say: Callable[..., str]) -> Callable[..., str]:
        _ACTIONS[cls] = say
        return say

    return declare


def action_text(action: Action) -> str:
    """Give one action as Open vSwitch does."""
    say = _ACTIONS.get(type(action))
    return say(action) if say else repr(action)


def actions_text(actions: Iterable[Action]) -> str:
    """Give a list of actions as Open vSwitch does."""
    return ",".join(map(action_text, actions)) or "drop"


def _metadata(instruction: WriteMetadata) -> str:
    mask = "" if instruction.mask == 0xFFFF_FFFF_FFFF_FFFF else f"/{instruction.mask:#x}"
    return f"write_metadata:{instruction.metadata:#x}{mask}"


# In the order a table carries them out (5.9), which is the one Open vSwitch prints.
_INSTRUCTIONS: dict[type[Instruction], Callable[..., str]] = {
    Meter: lambda instruction: f"meter:{instruction.meter_id}",
    ApplyActions: lambda instruction: ",".join(map(action_text, instruction.actions)),
    ClearActions: lambda _: "clear_actions",
    WriteActions: lambda instruction: f"write_actions({actions_text(instruction.actions)})",
    WriteMetadata: _metadata,
    GotoTable: lambda instruction: f"goto_table:{instruction.table_id}",
    UnknownInstruction: lambda instruction: f"instruction_{instruction.kind}({instruction.body.hex()})",
}
_TURN = {cls: turn for turn, cls in enumerate(_INSTRUCTIONS)}


def instructions_text(instructions: Iterable[Instruction]) -> str:
    """Give a flow's instructions as Open vSwitch does; none at all drop the packet."""
    ordered = sorted(instructions, key=lambda instruction: _TURN.get(type(instruction), len(_TURN)))
    texts = (_INSTRUCTIONS.get(type(instruction), repr)(instruction) for instruction in ordered)
    return ",".join(filter(None, texts)) or "drop"
