"""Open vSwitch's own actions in words, as `ovs-ofctl dump-flows` prints them and `ovs-ofctl add-flow` reads them."""

from daoli.ofproto.async_text import PACKET_IN, reason_text
from daoli.ofproto.constants import CML_NO_BUFFER, TABLE_ALL, PacketInReason, PortNo
from daoli.ofproto.fields import BY_KEY, Field, field_named, key_of
from daoli.ofproto.nicira import (
    Bundle,
    BundleLoad,
    CheckPktLarger,
    Clone,
    Controller,
    Controller2,
    Decap,
    DecNshTtl,
    DecTtlCntIds,
    DeleteField,
    EdProperty,
    Encap,
    Exit,
    FinTimeout,
    Multipath,
    NiciraDecMplsTtl,
    NiciraDecTtl,
    NiciraGroup,
    NiciraPopMpls,
    NiciraPushMpls,
    NiciraSetMplsTtl,
    NiciraSetQueue,
    NiciraWriteMetadata,
    Note,
    OutputReg,
    OutputReg2,
    OutputTrunc,
    PopQueue,
    Resubmit,
    ResubmitTableCt,
    Sample,
    Sample2,
    Sample3,
    SetMplsLabel,
    SetMplsTc,
    SetTunnel,
    SetTunnel64,
    StackPop,
    StackPush,
    ToController,
    ToMaxLen,
    ToMeter,
    ToPause,
    ToReason,
    ToUserdata,
    UnknownControllerProperty,
)
from daoli.ofproto.nicira_learn import Learn, Learn2, LearnSpec
from daoli.ofproto.nicira_nat import Ct, CtClear, Nat, NatRange
from daoli.ofproto.number_text import port16_text
from daoli.ofproto.text import action_text, actions_text, bits_text, slice_text, words

# Going elsewhere


@words(Resubmit)
def _resubmit(action: Resubmit) -> str:
    return f"resubmit:{port16_text(action.in_port)}"


@words(ResubmitTableCt)
def _resubmit_ct(action: ResubmitTableCt) -> str:
    port = "" if action.in_port == PortNo.IN_PORT & 0xFFFF else port16_text(action.in_port)
    table = "" if action.table_id == TABLE_ALL else str(action.table_id)
    return f"resubmit({port},{table},ct)"


@words(OutputReg)
@words(OutputReg2)
def _output_reg(action: OutputReg | OutputReg2) -> str:
    return f"output:{slice_text(action.src, action.ofs_nbits)}"


@words(OutputTrunc)
def _output_trunc(action: OutputTrunc) -> str:
    return f"output(port={port16_text(action.port)},max_len={action.max_len})"


@words(Controller)
def _controller(action: Controller) -> str:
    return _to_controller(action.max_len, action.controller_id, action.reason, [])


@words(Controller2)
def _controller2(action: Controller2) -> str:
    max_len, controller_id, reason = CML_NO_BUFFER, 0, int(PacketInReason.ACTION)
    more: list[str] = []
    for said in action.properties:
        match said:
            case ToMaxLen():
                max_len = said.max_len
            case ToController():
                controller_id = said.controller_id
            case ToReason():
                reason = said.reason
            case ToUserdata(userdata):
                more += [f"userdata={userdata.hex('.')}"] if userdata else []
            case ToPause():
                more.append("pause")
            case ToMeter(meter_id):
                more.append(f"meter_id={meter_id}")
            case UnknownControllerProperty(kind, body):
                more.append(f"property_{kind}={body.hex()}")
    return _to_controller(max_len, controller_id, reason, more)


def _to_controller(max_len: int, controller_id: int, reason: int, more: list[str]) -> str:
    if reason == PacketInReason.ACTION and not controller_id and not more:
        return f"CONTROLLER:{max_len}"
    parts = [] if reason == PacketInReason.ACTION else [f"reason={reason_text(PACKET_IN, reason)}"]
    parts += [] if max_len == CML_NO_BUFFER else [f"max_len={max_len}"]
    parts += [f"id={controller_id}"] if controller_id else []
    return f"controller({','.join(parts + more)})"


@words(Clone)
def _clone(action: Clone) -> str:
    return f"clone({actions_text(action.actions)})"


# Bits


@words(StackPush)
def _push(action: StackPush) -> str:
    return f"push:{bits_text(action.field, action.ofs, action.n_bits)}"


@words(StackPop)
def _pop(action: StackPop) -> str:
    return f"pop:{bits_text(action.field, action.ofs, action.n_bits)}"


@words(CheckPktLarger)
def _check_pkt_larger(action: CheckPktLarger) -> str:
    return f"check_pkt_larger({action.pkt_len})->{bits_text(action.dst, action.ofs, 1)}"


@words(DeleteField)
def _delete_field(action: DeleteField) -> str:
    field = BY_KEY.get(key_of(action.field))
    return f"delete_field:{field.name if field else f'{action.field:#x}'}"


@words(Note)
def _note(action: Note) -> str:
    return f"note:{action.note.hex('.')}"


# Sampling


@words(Sample)
@words(Sample2)
@words(Sample3)
def _sample(action: Sample | Sample2 | Sample3) -> str:
    ids = f"obs_domain_id={action.obs_domain_id},obs_point_id={action.obs_point_id}"
    text = f"probability={action.probability},collector_set_id={action.collector_set_id},{ids}"
    if not isinstance(action, Sample):
        text += f",sampling_port={port16_text(action.sampling_port)}"
        text += {0: "", 1: ",ingress", 2: ",egress"}.get(action.direction, f",direction={action.direction}")
    return f"sample({text})"


# Queues, TTLs and MPLS


@words(FinTimeout)
def _fin_timeout(action: FinTimeout) -> str:
    idle = [f"idle_timeout={action.fin_idle_timeout}"] if action.fin_idle_timeout else []
    hard = [f"hard_timeout={action.fin_hard_timeout}"] if action.fin_hard_timeout else []
    return f"fin_timeout({','.join(idle + hard)})"


words(Exit)(lambda _: "exit")
words(CtClear)(lambda _: "ct_clear")
words(PopQueue)(lambda _: "pop_queue")
words(DecNshTtl)(lambda _: "dec_nsh_ttl")
words(NiciraDecTtl)(lambda _: "dec_ttl")
words(NiciraDecMplsTtl)(lambda _: "dec_mpls_ttl")
words(DecTtlCntIds)(lambda action: f"dec_ttl({','.join(map(str, action.cnt_ids))})")
words(NiciraSetQueue)(lambda action: f"set_queue:{action.queue_id}")
words(NiciraGroup)(lambda action: f"group:{action.group_id}")
words(NiciraPushMpls)(lambda action: f"push_mpls:{action.ethertype:#06x}")
words(NiciraPopMpls)(lambda action: f"pop_mpls:{action.ethertype:#06x}")
words(NiciraSetMplsTtl)(lambda action: f"set_mpls_ttl({action.ttl})")
words(SetMplsLabel)(lambda action: f"set_mpls_label({action.label})")
words(SetMplsTc)(lambda action: f"set_mpls_tc({action.tc})")
words(SetTunnel)(lambda action: f"set_tunnel:{action.tun_id:#x}")
words(SetTunnel64)(lambda action: f"set_tunnel64:{action.tun_id:#x}")
words(NiciraWriteMetadata)(lambda action: f"write_metadata:{action.metadata:#x}/{action.mask:#x}")


# Choosing by a hash

_HASHED = ("eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3")
_BUNDLE_ALGORITHMS = ("active_backup", "hrw")
_MULTIPATH_ALGORITHMS = ("modulo_n", "hash_threshold", "hrw", "iter_hash")


def _nth(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else f"<{number}>"


@words(Bundle)
@words(BundleLoad)
def _bundle(action: Bundle | BundleLoad) -> str:
    parts = [_nth(_HASHED, action.fields), str(action.basis), _nth(_BUNDLE_ALGORITHMS, action.algorithm), "ofport"]
    members = action.members
    if isinstance(action, BundleLoad):
        parts.append(slice_text(members.dst, members.ofs_nbits))
    name = "bundle_load" if isinstance(action, BundleLoad) else "bundle"
    return f"{name}({','.join(parts)},members:{','.join(map(port16_text, members.ports))})"


@words(Multipath)
def _multipath(action: Multipath) -> str:
    algorithm = _nth(_MULTIPATH_ALGORITHMS, action.algorithm)
    to = slice_text(action.dst, action.ofs_nbits)
    return (
        f"multipath({_nth(_HASHED, action.fields)},{action.basis},{algorithm},{action.max_link + 1},{action.arg},{to})"
    )


# Connection tracking

_ALGS = {21: "ftp", 69: "tftp"}


@words(Ct)
def _ct(action: Ct) -> str:
    parts = ["commit"] if action.flags & 1 else []
    parts += ["force"] if action.flags & 2 else []
    parts += [] if action.recirc_table == TABLE_ALL else [f"table={action.recirc_table}"]
    if action.zone_src:
        parts.append(f"zone={slice_text(action.zone_src, action.zone)}")
    elif action.zone:
        parts.append(f"zone={action.zone}")
    rest = list(action.actions)
    if rest and isinstance(rest[0], Nat):
        parts.append(action_text(rest.pop(0)))
    parts += [f"exec({','.join(map(action_text, rest))})"] if rest else []
    parts += [f"alg={_ALGS.get(action.alg, action.alg)}"] if action.alg else []
    return f"ct({','.join(parts)})"


_NAT_FLAGS = {4: "persistent", 8: "hash", 16: "random"}


@words(Nat)
def _nat(action: Nat) -> str:
    if not action.flags & 3:
        return "nat"
    where = "src" if action.flags & 1 else "dst"
    to = _range(action.range)
    parts = [f"{where}={to}" if to else where, *(word for bit, word in _NAT_FLAGS.items() if action.flags & bit)]
    return f"nat({','.join(parts)})"


def _range(range_: NatRange) -> str:
    v4 = range_.ipv4_min is not None
    address = "ipv4_src" if v4 else "ipv6_src"
    first, last = (range_.ipv4_min, range_.ipv4_max) if v4 else (range_.ipv6_min, range_.ipv6_max)
    text = field_named(address).format(first) if first is not None else ""
    text += f"-{field_named(address).format(last)}" if last is not None else ""
    if range_.proto_min is not None:
        text = f"[{text}]" if not v4 and text else text
        text += f":{range_.proto_min}" + ("" if range_.proto_max is None else f"-{range_.proto_max}")
    return text


# Learning flows


@words(Learn)
@words(Learn2)
def _learn(action: Learn | Learn2) -> str:
    parts = [f"table={action.table_id}"]
    for name in ("idle_timeout", "hard_timeout", "fin_idle_timeout", "fin_hard_timeout"):
        parts += [f"{name}={value}"] if (value := getattr(action, name)) else []
    parts += [] if action.priority == 0x8000 else [f"priority={action.priority}"]
    parts += ["send_flow_rem"] if action.flags & 1 else []
    parts += ["delete_learned"] if action.flags & 2 else []
    parts += [f"cookie={action.cookie:#x}"] if action.cookie else []
    if isinstance(action, Learn2):
        parts += [f"limit={action.limit}"] if action.limit else []
        result = action.result_dst
        parts += [f"result_dst={bits_text(result.field, result.ofs, 1)}"] if result else []
    return f"learn({','.join([*parts, *map(_spec, action.specs)])})"


def _spec(spec: LearnSpec) -> str:
    if spec.dst is None:
        return f"output:{_source(spec)}"
    dst = bits_text(spec.dst.field, spec.dst.ofs, spec.n_bits)
    if spec.kind == LearnSpec.LOAD:
        return f"load:{_source(spec)}->{dst}"
    if isinstance(spec.src, bytes):
        field = BY_KEY.get(key_of(spec.dst.field))
        if field and spec.dst.ofs == 0 and spec.n_bits == field.bits:
            return f"{_LEARN_WORDS.get(field.symbol, field.name)}={_constant(field, spec.src)}"
        return f"{dst}={_source(spec)}"
    source = _source(spec)
    return dst if source == dst else f"{dst}={source}"


def _constant(field: Field, data: bytes) -> str:
    return field.format(data[-field.width :].rjust(field.width, b"\0"))


def _source(spec: LearnSpec) -> str:
    if isinstance(spec.src, bytes):
        number = int.from_bytes(spec.src, "big")
        return f"{number:#x}" if number else "0"
    return bits_text(spec.src.field, spec.src.ofs, spec.n_bits)


_LEARN_WORDS = {
    "NXM_OF_IN_PORT": "in_port",
    "NXM_OF_ETH_DST": "eth_dst",
    "NXM_OF_ETH_SRC": "eth_src",
    "NXM_OF_ETH_TYPE": "eth_type",
    "NXM_OF_VLAN_TCI": "vlan_tci",
    "NXM_OF_IP_TOS": "nw_tos",
    "NXM_OF_IP_PROTO": "nw_proto",
    "NXM_OF_IP_SRC": "ip_src",
    "NXM_OF_IP_DST": "ip_dst",
    "NXM_OF_TCP_SRC": "tcp_src",
    "NXM_OF_TCP_DST": "tcp_dst",
    "NXM_OF_UDP_SRC": "udp_src",
    "NXM_OF_UDP_DST": "udp_dst",
    "NXM_OF_ICMP_TYPE": "icmp_type",
    "NXM_OF_ICMP_CODE": "icmp_code",
    "NXM_OF_ARP_OP": "arp_op",
    "NXM_OF_ARP_SPA": "arp_spa",
    "NXM_OF_ARP_TPA": "arp_tpa",
    "NXM_NX_ARP_SHA": "arp_sha",
    "NXM_NX_ARP_THA": "arp_tha",
    "NXM_NX_TUN_ID": "tun_id",
    "NXM_NX_TUN_IPV4_SRC": "tun_src",
    "NXM_NX_TUN_IPV4_DST": "tun_dst",
    "NXM_NX_IP_TTL": "nw_ttl",
    "NXM_NX_IP_ECN": "nw_ecn",
    "NXM_NX_IPV6_SRC": "ipv6_src",
    "NXM_NX_IPV6_DST": "ipv6_dst",
    "NXM_NX_IPV6_LABEL": "ipv6_label",
    "NXM_NX_ND_TARGET": "nd_target",
    "NXM_NX_ND_SLL": "nd_sll",
    "NXM_NX_ND_TLL": "nd_tll",
    "NXM_NX_TCP_FLAGS": "tcp_flags",
}
"""What Open vSwitch calls a field that a learned flow matches, by what it calls it in a move."""


# Encapsulation

_PACKET_TYPES = {0: "ethernet", 0x1894F: "nsh", 0x18847: "mpls", 0x18848: "mpls_mc"}
_NSH_CLASS, _NSH_MD_TYPE, _NSH_TLV = 4, 1, 2
_USE_NEXT_PROTOCOL = 0xFFFE


@words(Encap)
def _encap(action: Encap) -> str:
    name = _PACKET_TYPES.get(action.new_packet_type, _packet_type(action.new_packet_type))
    return f"encap({name}{_properties(action.properties)})"


@words(Decap)
def _decap(action: Decap) -> str:
    kind = "" if action.new_packet_type == _USE_NEXT_PROTOCOL else f"packet_type{_packet_type(action.new_packet_type)}"
    return f"decap({kind}{_properties(action.properties)})"


def _packet_type(number: int) -> str:
    kind = f"{number & 0xFFFF:#x}" if number & 0xFFFF else "0"
    return f"(ns={number >> 16},type={kind})"


def _properties(properties: tuple[EdProperty, ...]) -> str:
    return f"({','.join(map(_property, properties))})" if properties else ""


def _property(said: EdProperty) -> str:
    data = said.data
    if (said.prop_class, said.kind) == (_NSH_CLASS, _NSH_MD_TYPE) and len(data) == 1:
        return f"md_type={data[0]}"
    if (said.prop_class, said.kind) == (_NSH_CLASS, _NSH_TLV) and len(data) >= 4 + data[3]:
        return f"tlv(0x{data[:2].hex()},{data[2]},0x{data[4 : 4 + data[3]].hex()})"
    return f"property({said.prop_class},{said.kind},{data.hex()})"
