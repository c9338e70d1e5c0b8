"""The flows themselves: as an operator reads them, as Open vSwitch does, and as the shapes pack them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.printed import as_ovs_prints, check_accepted, normal, text

from daoli.ofproto import FlowMod, Match, PortNo, decode
from daoli.routing import flows
from daoli.routing.flows import ARRIVE, DENY, DENY_TYPE, FORWARD, MUTE
from daoli.routing.pipeline import (
    DENY_COOKIE,
    Priority,
    connection_cookie,
    pair_cookie,
)

UPLINK_MAC = bytes.fromhex("0200000000aa")
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


@pytest.mark.parametrize("name", LIVE)
def test_live_flows(name: str) -> None:
    """Each live flow reads as it should."""
    flow = decode(LIVE[name])
    assert isinstance(flow, FlowMod)
    assert text(flow) == LIVE_TEXTS[name]


@pytest.mark.ovs
@pytest.mark.parametrize("name", LIVE)
def test_ovs_reads_live_flows(name: str) -> None:
    """Open vSwitch reads our bytes as the same flow."""
    assert normal(as_ovs_prints(LIVE[name])) == normal(LIVE_TEXTS[name])


@pytest.mark.ovs
def test_ovs_accepts_the_texts(tmp_path: Path) -> None:
    """Every text of ours is one that `ovs-ofctl` takes as a flow."""
    check_accepted(tmp_path / "flows", LIVE_TEXTS.values())


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
