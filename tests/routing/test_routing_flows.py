"""The flows themselves: as an operator reads them, as Open vSwitch does, and as the shapes pack them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.ofproto import FlowMod, Match, PortNo, decode, flow_text
from daoli.routing import flows
from daoli.routing.flows import (
    ARRIVE,
    COOKIE_ALL,
    DENY,
    DENY_COOKIE,
    DENY_TYPE,
    FORWARD,
    KIND_MASK,
    MAGIC,
    MAGIC_MASK,
    MUTE,
    STATIC_COOKIE,
    ArpPriority,
    Cookie,
    Kind,
    Priority,
    Table,
    connection_cookie,
    pair_cookie,
    static_flows,
)

UPLINK_MAC = bytes.fromhex("0200000000aa")
MAIN = "cookie=0xda01010000000000, table=0, "
ARP = "cookie=0xda01010000000000, table=1, "
ARP_ANSWER = (
    "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:02:da:01:1e:00:01->eth_src,set_field:2->arp_op,"
    "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:02:da:01:1e:00:01->arp_sha,"
    "move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[],move:NXM_OF_ARP_TPA[]->NXM_OF_ARP_SPA[],"
    "move:NXM_NX_REG0[]->NXM_OF_ARP_TPA[],IN_PORT"
)
WITHOUT_UPLINK = {
    MAIN + "priority=0 actions=CONTROLLER:65535",
    MAIN + "priority=40,arp actions=goto_table:1",
    MAIN + "priority=110,vlan_tci=0x1000/0x1000 actions=drop",
    MAIN + "priority=50,in_port=LOCAL actions=drop",
    MAIN + "priority=110,vlan_tci=0x1000/0x1000 actions=drop",
    ARP + "priority=0 actions=drop",
    ARP + "priority=10,arp,arp_op=1 actions=" + ARP_ANSWER,
    ARP + "priority=20,conj_id=1,arp actions=drop",
    ARP + "priority=30,arp,arp_spa=0.0.0.0 actions=drop",
}
GATEWAY = {
    MAIN + "priority=60,arp,in_port=LOCAL actions=goto_table:1",
    MAIN + "priority=60,ip,in_port=LOCAL,dl_dst=02:da:01:1e:00:01 actions=CONTROLLER:65535",
}
QUESTION = "dl_dst=02:da:01:1e:00:01,tp_dst=53 actions="
NAMES = {
    MAIN + "priority=106,udp,reg1=0," + QUESTION + "move:NXM_OF_IN_PORT[]->NXM_OF_ETH_DST[0..15],output:4",
    MAIN + "priority=106,in_port=4,dl_src=02:da:01:1d:00:00/ff:ff:ff:ff:00:00 "
    "actions=move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG0[0..15],set_field:02:da:01:1e:00:01->eth_src,output:NXM_NX_REG0[]",
    MAIN + "priority=106,in_port=4,dl_dst=02:da:01:1c:00:00/ff:ff:ff:ff:00:00 "
    "actions=move:NXM_OF_ETH_DST[0..15]->NXM_OF_IN_PORT[],set_field:02:da:01:1e:00:01->eth_dst,"
    "set_field:0x1->reg1,resubmit(,0)",
    MAIN + "priority=50,in_port=4 actions=drop",
    MAIN + "priority=108,udp,reg1=0,in_port=LOCAL," + QUESTION + "set_field:0x1->reg1,resubmit(,0)",
    MAIN + "priority=108,udp,reg1=0,in_port=7," + QUESTION + "set_field:0x1->reg1,resubmit(,0)",
}
UPLINK = {
    MAIN + "priority=50,in_port=7 actions=drop",
    MAIN + "priority=60,ip,in_port=7,dl_dst=02:00:00:00:00:aa actions=CONTROLLER:65535",
}


def text(flow: FlowMod) -> str:
    """Give a flow as `ovs-ofctl dump-flows --no-stats` does."""
    return flow_text(
        flow.table_id,
        flow.priority,
        flow.cookie,
        flow.idle_timeout,
        flow.hard_timeout,
        flow.flags,
        flow.match,
        flow.instructions,
    )


def same_bit() -> set[str]:
    """List the 64 flows that compare the asker's address with the one it asks for, bit by bit."""
    lines = set()
    for bit in range(32):
        one = ".".join(str(byte) for byte in (1 << bit).to_bytes(4, "big"))
        for value in ("0.0.0.0", one):
            masked = f"{value}/{1 if bit == 31 else one}"
            lines.add(f"{ARP}priority=20,arp,arp_spa={masked},arp_tpa={masked} actions=conjunction(1,{bit + 1}/32)")
    return lines


C = connection_cookie(3, 9)
LIVE = {
    "forward": FORWARD.pack(
        0, pair_cookie(3, 9), 30, 5, b"\2\0\0\0\0\1", b"\n\0\0\2", b"\n\0\0\3", UPLINK_MAC, b"\2\0\0\0\0\xbb", 7
    ),
    "arrive": ARRIVE.pack(0, pair_cookie(3, 9), 30, 7, UPLINK_MAC, b"\n\0\0\3", b"\n\0\0\2", b"\2\0\0\0\0\1", 5),
    "deny": DENY.pack(0, DENY_COOKIE, 1, 5, b"\2\0\0\0\0\1", b"\n\0\0\2", b"\n\0\0\3"),
    "deny type": DENY_TYPE.pack(0, DENY_COOKIE, 60, 5, 0x86DD),
    "forward tcp": flows.FORWARD_TCP.pack(
        0, C, 30, 5, b"\2\0\0\0\0\1", b"\n\0\0\2", b"\n\0\0\3", 80, 4000, UPLINK_MAC, b"\2\0\0\0\0\xbb", 7
    ),
    "forward udp": flows.FORWARD_UDP.pack(
        0, C, 30, 5, b"\2\0\0\0\0\1", b"\n\0\0\2", b"\n\0\0\3", 53, 4000, UPLINK_MAC, b"\2\0\0\0\0\xbb", 7
    ),
    "forward icmp": flows.FORWARD_PROTOCOL.pack(
        0, C, 30, PortNo.LOCAL, b"\2\0\0\0\0\1", b"\n\0\0\2", b"\n\0\0\3", 1, UPLINK_MAC, b"\2\0\0\0\0\xbb", 7
    ),
    "arrive tcp": flows.ARRIVE_TCP.pack(
        0, C, 30, 7, UPLINK_MAC, b"\n\0\0\3", b"\n\0\0\2", 80, 4000, b"\2\0\0\0\0\1", PortNo.LOCAL
    ),
    "arrive udp": flows.ARRIVE_UDP.pack(
        0, C, 30, 7, UPLINK_MAC, b"\n\0\0\3", b"\n\0\0\2", 53, 4000, b"\2\0\0\0\0\1", 5
    ),
    "arrive icmp": flows.ARRIVE_PROTOCOL.pack(0, C, 30, 7, UPLINK_MAC, b"\n\0\0\3", b"\n\0\0\2", 1, b"\2\0\0\0\0\1", 5),
    "mute": MUTE.pack(0, DENY_COOKIE, 1, Priority.MUTE, 5),
}
LIVE_TEXTS = {
    "forward": (
        "cookie=0xda01020300000009, table=0, idle_timeout=30, send_flow_rem "
        "priority=100,ip,in_port=5,dl_src=02:00:00:00:00:01,nw_src=10.0.0.2,nw_dst=10.0.0.3 "
        "actions=dec_ttl,set_field:02:00:00:00:00:aa->eth_src,set_field:02:00:00:00:00:bb->eth_dst,output:7"
    ),
    "arrive": (
        "cookie=0xda01020300000009, table=0, idle_timeout=30, "
        "priority=100,ip,in_port=7,dl_dst=02:00:00:00:00:aa,nw_src=10.0.0.3,nw_dst=10.0.0.2 "
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:01->eth_dst,output:5"
    ),
    "deny": (
        "cookie=0xda01030000000000, table=0, hard_timeout=1, "
        "priority=90,ip,in_port=5,dl_src=02:00:00:00:00:01,nw_src=10.0.0.2,nw_dst=10.0.0.3 actions=drop"
    ),
    "deny type": "cookie=0xda01030000000000, table=0, hard_timeout=60, priority=90,ipv6,in_port=5 actions=drop",
    "forward tcp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, send_flow_rem "
        "priority=104,tcp,in_port=5,dl_src=02:00:00:00:00:01,nw_src=10.0.0.2,nw_dst=10.0.0.3,tp_src=80,tp_dst=4000 "
        "actions=dec_ttl,set_field:02:00:00:00:00:aa->eth_src,set_field:02:00:00:00:00:bb->eth_dst,output:7"
    ),
    "forward udp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, send_flow_rem "
        "priority=104,udp,in_port=5,dl_src=02:00:00:00:00:01,nw_src=10.0.0.2,nw_dst=10.0.0.3,tp_src=53,tp_dst=4000 "
        "actions=dec_ttl,set_field:02:00:00:00:00:aa->eth_src,set_field:02:00:00:00:00:bb->eth_dst,output:7"
    ),
    "forward icmp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, send_flow_rem "
        "priority=104,icmp,in_port=LOCAL,dl_src=02:00:00:00:00:01,nw_src=10.0.0.2,nw_dst=10.0.0.3 "
        "actions=dec_ttl,set_field:02:00:00:00:00:aa->eth_src,set_field:02:00:00:00:00:bb->eth_dst,output:7"
    ),
    "arrive tcp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, "
        "priority=104,tcp,in_port=7,dl_dst=02:00:00:00:00:aa,nw_src=10.0.0.3,nw_dst=10.0.0.2,tp_src=80,tp_dst=4000 "
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:01->eth_dst,LOCAL"
    ),
    "arrive udp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, "
        "priority=104,udp,in_port=7,dl_dst=02:00:00:00:00:aa,nw_src=10.0.0.3,nw_dst=10.0.0.2,tp_src=53,tp_dst=4000 "
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:01->eth_dst,output:5"
    ),
    "arrive icmp": (
        "cookie=0xda01040300000009, table=0, idle_timeout=30, "
        "priority=104,icmp,in_port=7,dl_dst=02:00:00:00:00:aa,nw_src=10.0.0.3,nw_dst=10.0.0.2 "
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:01->eth_dst,output:5"
    ),
    "mute": "cookie=0xda01030000000000, table=0, hard_timeout=1, priority=30,in_port=5 actions=drop",
}


def test_static_flows() -> None:
    """A host's static flows are these, and no others."""
    assert {text(flow) for flow in static_flows(7, UPLINK_MAC)} == WITHOUT_UPLINK | UPLINK | same_bit()


def test_static_flows_without_uplink() -> None:
    """Without an uplink the flows that speak of it are left out, and the rest stay as they are."""
    assert {text(flow) for flow in static_flows(None, bytes(6))} == WITHOUT_UPLINK | same_bit()


def test_static_flows_of_a_gateway() -> None:
    """A host that is a way out hears its own stack; one with an agent for names shows it the questions."""
    always = WITHOUT_UPLINK | UPLINK | same_bit()
    assert {text(flow) for flow in static_flows(7, UPLINK_MAC, gateway=True)} == always | GATEWAY
    listed = [text(flow) for flow in static_flows(7, UPLINK_MAC, gateway=True, names=4)]
    assert set(listed) == always | GATEWAY | NAMES
    assert len(listed) == 82
    alone = {line for line in NAMES if "in_port=7" not in line}
    assert {text(flow) for flow in static_flows(None, bytes(6), names=4)} == WITHOUT_UPLINK | same_bit() | alone


@pytest.mark.parametrize("name", LIVE)
def test_live_flows(name: str) -> None:
    """Each live flow reads as it should."""
    flow = decode(LIVE[name])
    assert isinstance(flow, FlowMod)
    assert text(flow) == LIVE_TEXTS[name]


def as_ovs_prints(packed: bytes) -> str:
    """Let Open vSwitch say what it reads in a flow_mod."""
    done = subprocess.run(["ovs-ofctl", "ofp-print", packed.hex()], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.partition(": ")[2].removeprefix("ADD ").strip()


def normal(line: str) -> tuple[set[str], str]:
    """Take a flow's text apart, since Open vSwitch writes a flow_mod and a dumped flow in different order."""
    head, actions = line.split(" actions=")
    for ours, theirs in (("cookie:", "cookie="), ("idle:", "idle_timeout="), ("hard:", "hard_timeout=")):
        head = head.replace(ours, theirs)
    words = set(head.replace(",", " ").replace("table:", "table=").split())
    return words - {"table=0", "priority=0"}, actions


@pytest.mark.ovs
@pytest.mark.parametrize("name", LIVE)
def test_ovs_reads_live_flows(name: str) -> None:
    """Open vSwitch reads our bytes as the same flow."""
    assert normal(as_ovs_prints(LIVE[name])) == normal(LIVE_TEXTS[name])


@pytest.mark.ovs
def test_ovs_reads_static_flows() -> None:
    """Open vSwitch reads our static flows as the same text that an operator is shown."""
    some = [flow for flow in static_flows(7, UPLINK_MAC) if flow.priority != ArpPriority.OWN_ADDRESS]
    some += [flow for flow in static_flows(7, UPLINK_MAC) if flow.priority == ArpPriority.OWN_ADDRESS][:4]
    some += static_flows(7, UPLINK_MAC, gateway=True, names=4)[74:]
    for flow in some:
        assert normal(as_ovs_prints(flow.encode())) == normal(text(flow))


@pytest.mark.ovs
def test_ovs_accepts_the_texts(tmp_path: Path) -> None:
    """Every text of ours is one that `ovs-ofctl` takes as a flow."""
    lines = [*sorted(WITHOUT_UPLINK | UPLINK | GATEWAY | NAMES | same_bit()), *LIVE_TEXTS.values()]
    file = tmp_path / "flows"
    file.write_text("".join(f"{line.replace(', send_flow_rem ', ', send_flow_rem,')}\n" for line in lines))
    command = ["ovs-ofctl", "-O", "OpenFlow13", "parse-flows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("OFPT_FLOW_MOD") == len(lines)


# -- cookies


@given(st.integers(0, 0xFF), st.integers(0, 0xFFFF_FFFF))
def test_pair_cookie(generation: int, route_id: int) -> None:
    """A cookie says whose it is, what for, which generation and which route, and is told by mask."""
    cookie = pair_cookie(generation, route_id)
    assert Cookie.parse(cookie) == (Kind.PAIR, generation, route_id)
    assert Cookie.parse(connection_cookie(generation, route_id)) == (Kind.CONNECTION, generation, route_id)
    assert cookie & MAGIC_MASK == MAGIC << 48 == DENY_COOKIE & MAGIC_MASK == STATIC_COOKIE & MAGIC_MASK
    assert len({cookie & KIND_MASK, DENY_COOKIE & KIND_MASK, STATIC_COOKIE & KIND_MASK}) == 3
    assert cookie & COOKIE_ALL == cookie < 1 << 64


@given(st.integers(0, COOKIE_ALL))
def test_foreign_cookie(cookie: int) -> None:
    """A cookie without our magic number is not ours."""
    parsed = Cookie.parse(cookie)
    assert (parsed is not None) == (cookie >> 48 == MAGIC)


# -- the layout


def test_priorities() -> None:
    """What must win over what: no tags over routes over drops over restoring, and the guard over ARP from the LAN."""
    assert Priority.TAGGED > Priority.NOT_ASKED > Priority.NAMES > Priority.CONNECTION > Priority.PAIR
    assert Priority.PAIR > Priority.DENY > Priority.MUTE_UPLINK > Priority.UPLINK > Priority.GUARD
    assert Priority.GUARD > Priority.ARP > Priority.MUTE > Priority.MISS
    assert ArpPriority.PROBE > ArpPriority.OWN_ADDRESS > ArpPriority.ANSWER > ArpPriority.MISS
    assert Table.MAIN < Table.ARP


@given(st.integers(1, PortNo.MAX), st.binary(min_size=6, max_size=6))
def test_static_flows_are_distinct(uplink: int, mac: bytes) -> None:
    """No two static flows of a host replace each other, and none ever ends by itself."""
    listed = static_flows(uplink, mac, gateway=True, names=uplink - 1 or 2)
    assert len({(flow.table_id, flow.priority, frozenset(flow.match)) for flow in listed}) == len(listed)
    for flow in listed:
        assert (flow.cookie, flow.idle_timeout, flow.hard_timeout) == (STATIC_COOKIE, 0, 0)
        assert decode(flow.encode()) == flow


def test_static_flows_are_made_once() -> None:
    """The same uplink gives the same objects: a reconnecting host costs no encoding of the ARP responder."""
    assert static_flows(7, UPLINK_MAC) is static_flows(7, UPLINK_MAC)


# -- shapes

NAMES_OF_SHAPES = (
    *("FORWARD", "ARRIVE", "DENY", "DENY_TYPE", "MUTE", "FORGET"),
    *(f"{kind}_{protocol}" for kind in ("FORWARD", "ARRIVE") for protocol in ("TCP", "UDP", "PROTOCOL")),
)
SHAPES = [*(getattr(flows, name) for name in NAMES_OF_SHAPES), *flows.ENDINGS]


def values_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Draw any values of a shape's fields, read from its declaration."""
    fields = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        size = hint.__metadata__[0].sizeof()
        number = get_args(hint)[0] is int
        fields[name] = st.integers(0, (1 << 8 * size) - 1) if number else st.binary(min_size=size, max_size=size)
    return st.builds(kind, **fields)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind.__name__)
@given(st.data())
def test_shapes(shape: Any, data: st.DataObject) -> None:
    """Packing a shape gives its message's bytes, whatever the values, and unpacking gives the values back."""
    values = data.draw(values_of(shape.kind))
    packed = shape.pack(*values)
    assert packed == values.message().encode()
    assert shape.unpack(packed, 0, len(packed)) == values
    assert type(shape.unpack(b"\0" + packed + b"\0", 1, 1 + len(packed))) is shape.kind
    assert decode(packed) == values.message()
    assert shape.type == packed[1]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind.__name__)
@given(st.data())
def test_shapes_never_differ(shape: Any, data: st.DataObject) -> None:
    """What a shape takes of altered bytes is what the canonical decoder reads; the rest it declines."""
    packed = bytearray(shape.pack(*data.draw(values_of(shape.kind))))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    if (values := shape.unpack(bytes(packed), 0, len(packed))) is not None:
        assert decode(bytes(packed)) == values.message()


def test_ended_is_what_open_vswitch_sends() -> None:
    """The match of a flow_removed has the order of fields in which Open vSwitch writes it."""
    match = Match(in_port=5, eth_src=UPLINK_MAC, eth_type=0x800, ipv4_src="10.0.0.2", ipv4_dst="10.0.0.3")
    values = dict.fromkeys(flows.Ended._fields, 0)
    ended = flows.Ended(
        **{**values, "in_port": 5, "eth_src": UPLINK_MAC, "ipv4_src": b"\n\0\0\2", "ipv4_dst": b"\n\0\0\3"}  # type: ignore[arg-type]
    )
    assert ended.message().match == match
