"""Messages and flows in words: what logs, golden tests and people read.

Behind its name and xid a message reads as `ovs-ofctl ofp-print` prints it. Flows read as `ovs-ofctl dump-flows` prints
them, and `ovs-ofctl add-flow` accepts them (without counters), so that what the controller says of a flow can be
compared with what the datapath says, as text. What Open vSwitch has no words for (unknown fields and actions) is given
as hex.
"""

from collections.abc import Callable, Iterable
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
from daoli.ofproto.constants import TABLE_ALL, FlowModFlags, GroupNo, PortNo
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
from daoli.ofproto.number_text import group_name, port16_text, port_text
from daoli.ofproto.oxm_text import match_text

if TYPE_CHECKING:
    from daoli.ofproto.message import Message

FLAG_WORDS = (
    (FlowModFlags.SEND_FLOW_REM, "send_flow_rem"),
    (FlowModFlags.CHECK_OVERLAP, "check_overlap"),
    (FlowModFlags.RESET_COUNTS, "reset_counts"),
    (FlowModFlags.NO_PKT_COUNTS, "no_packet_counts"),
    (FlowModFlags.NO_BYT_COUNTS, "no_byte_counts"),
)


def describe(message: "Message") -> str:
    """Give a message: its name and xid, then what is in it, as Open vSwitch says it behind the xid."""
    head = f"{message.title()} (xid={message.xid:#x})"
    detail = f"{message.remark()}{message.detail()}"
    space = "" if detail.startswith("\n") else " "
    return f"{head}:{space}{detail}" if detail else head


def nested(message: "Message") -> str:
    """Give a message that stands in another, on lines of its own."""
    return "\n  " + describe(message).replace("\n", "\n  ")


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
    *,
    duration: str = "",
    counters: str = "",
) -> str:
    """Give a flow as `ovs-ofctl dump-flows` does; without `duration` and `counters`, as with `--no-stats`."""
    head = f"cookie={cookie:#x}, {duration}table={table_id}, {counters}"
    if idle_timeout:
        head += f"idle_timeout={idle_timeout}, "
    if hard_timeout:
        head += f"hard_timeout={hard_timeout}, "
    matched = match_text(match, priority)
    matched += " " if matched else ""
    return f"{head}{flow_flags_text(flags)}{matched}actions={instructions_text(instructions)}"


def flow_flags_text(flags: int) -> str:
    """Name a flow's flags, a space behind each; those without a name are given together in hex."""
    rest = flags & ~sum(FlowModFlags)
    return "".join(f"{word} " for flag, word in FLAG_WORDS if flags & flag) + (f"flags:{rest:#x} " if rest else "")


def selection_text(table_id: int, out_port: int, out_group: int, cookie: int, cookie_mask: int, match: Match) -> str:
    """Say which flows a request selects; what selects none is not said."""
    words = [f"table={table_id}"] if table_id != TABLE_ALL else []
    words += [f"out_port={port_text(out_port)}"] if out_port != PortNo.ANY else []
    words += [f"out_group={group_name(out_group)}"] if out_group != GroupNo.ANY else []
    words += [f"cookie={cookie:#x}/{cookie_mask:#x}"] if cookie or cookie_mask else []
    words += [match_text(match)] if len(match) else []
    return " ".join(words)


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
