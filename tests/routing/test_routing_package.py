"""Routing as endpoints see it: frames go in, and come out of simulated switches that hold what the router wrote."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.frames import ICMP, arp, echo, ipv4, see
from tests.routing.simulator import Arrival, SimulatedSwitch
from tests.routing.world import Plan, Spot, World, host, plans, port_of, uplink_mac

from daoli.ofproto import FlowRemovedReason
from daoli.routing.flows import KIND_MASK, MAGIC, Kind
from daoli.routing.model import ROUTER_MAC
from daoli.routing.router import RouterSettings

ONE_HOST = Plan((True,), (Spot(0), Spot(0)))
TWO_HOSTS = Plan((True, True), (Spot(0), Spot(1)))
DESTINATION_UNREACHABLE = 3
TIME_EXCEEDED = 11
PAIRS = (MAGIC << 48 | Kind.PAIR << 40, KIND_MASK)


def frame_between(world: World, a: int, b: int, ttl: int = 64) -> bytes:
    """Make what one endpoint sends to another: to the router's MAC, as ARP told it."""
    source, destination = world.place(a), world.place(b)
    return ipv4(source.mac, ROUTER_MAC, source.ipv4, destination.ipv4, ttl=ttl)


def send(world: World, a: int, b: int, ttl: int = 64) -> list[Arrival]:
    """Let one endpoint send to another."""
    return world.send(a, frame_between(world, a, b, ttl))


def hops_of(world: World, a: int, b: int) -> int | None:
    """Say how many routers lie between two endpoints, from the plan alone; None if there is no way."""
    one, other = world.plan.spots[a], world.plan.spots[b]
    if a == b or one.network != other.network or not other.up:
        return None
    if one.host == other.host:
        return 1
    return 2 if world.plan.uplinks[one.host] and world.plan.uplinks[other.host] else None


def check_delivery(world: World, a: int, b: int, ttl: int, arrivals: list[Arrival]) -> None:
    """Insist on one arrival, at the right port, changed as a chain of routers changes it."""
    destination, hops = world.place(b), hops_of(world, a, b)
    assert hops is not None
    assert [(arrival.dpid, arrival.port) for arrival in arrivals] == [(destination.dpid, port_of(b))]
    seen, sent = see(arrivals[0].frame), see(frame_between(world, a, b, ttl))
    assert seen == sent._replace(eth_dst=destination.mac, eth_src=ROUTER_MAC, ttl=ttl - hops)


def check_error(world: World, a: int, arrivals: list[Arrival], kind: int, sender: bytes) -> None:
    """Insist on one ICMP error, at the port of who sent the packet."""
    source = world.place(a)
    assert [(arrival.dpid, arrival.port) for arrival in arrivals] == [(source.dpid, port_of(a))]
    seen = see(arrivals[0].frame)
    assert (seen.eth_dst, seen.eth_src, seen.ipv4_dst) == (source.mac, ROUTER_MAC, source.ipv4)
    assert (seen.proto, seen.payload[0], seen.ipv4_src) == (ICMP, kind, sender)


@pytest.mark.parametrize("plan", [ONE_HOST, TWO_HOSTS])
def test_second_packet(plan: Plan) -> None:
    """The first packet of a conversation goes by the controller, later ones in both directions by flows."""
    world = World(plan)
    check_delivery(world, 0, 1, 64, send(world, 0, 1))
    assert world.net.punts == 1
    for a, b in ((0, 1), (1, 0), (0, 1)):
        check_delivery(world, a, b, 64, send(world, a, b))
    assert world.net.punts == 1


@pytest.mark.parametrize("by_flows", [False, True])
@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (ONE_HOST, {1: "gateway", 2: "delivered", 3: "delivered"}),
        (TWO_HOSTS, {1: "gateway", 2: "destination host", 3: "delivered"}),
    ],
)
def test_traceroute(plan: Plan, expected: dict[int, str], *, by_flows: bool) -> None:
    """Each host on the way is one hop, whether the controller or the flows lower the TTL."""
    world = World(plan)
    if by_flows:
        send(world, 0, 1)
    for ttl, answer in expected.items():
        arrivals = send(world, 0, 1, ttl)
        if answer == "delivered":
            check_delivery(world, 0, 1, ttl, arrivals)
        else:
            sender = world.place(0).gateway if answer == "gateway" else host(1).address
            check_error(world, 0, arrivals, TIME_EXCEEDED, sender)


def test_time_exceeded_quotes_what_was_sent() -> None:
    """An expired packet is quoted as its sender sent it, header and 8 bytes, though a route has seen it."""
    world = World(ONE_HOST)
    send(world, 0, 1)
    sent = frame_between(world, 0, 1, 1)
    assert see(world.send(0, sent)[0].frame).payload[8:] == sent[14 : 14 + 20 + 8]


def test_denied() -> None:
    """A packet to another network gets one ICMP prohibited, and its like are then dropped unheard."""
    world = World(Plan((True,), (Spot(0, 0), Spot(0, 1))))
    check_error(world, 0, send(world, 0, 1), DESTINATION_UNREACHABLE, world.place(0).gateway)
    assert send(world, 0, 1) == []
    assert world.net.punts == 1


def test_uplink_guard() -> None:
    """What the LAN sends to other MACs, or that is not IPv4, neither arrives nor reaches the controller."""
    world = World(TWO_HOSTS)
    source, destination = world.place(0), world.place(1)
    for frame in (
        ipv4(uplink_mac(0), uplink_mac(7), source.ipv4, destination.ipv4),
        ipv4(uplink_mac(0), b"\xff" * 6, source.ipv4, destination.ipv4),
        arp(1, uplink_mac(0), source.ipv4, bytes(6), destination.ipv4),
        uplink_mac(1) + uplink_mac(0) + b"\x86\xdd" + bytes(60),
    ):
        assert world.net.send(destination.dpid, 1, frame) == []
    assert world.net.punts == 0


def test_tagged() -> None:
    """A frame with a VLAN tag goes nowhere, whoever sends it and whatever is in it."""
    world = World(TWO_HOSTS)
    send(world, 0, 1)
    frame = frame_between(world, 0, 1)
    assert world.send(0, frame[:12] + b"\x81\x00\x00\x05" + frame[12:]) == []
    assert world.net.send(host(1).dpid, 1, frame[:12] + b"\x81\x00\x00\x00" + frame[12:]) == []
    assert world.net.punts == 1


def test_restored() -> None:
    """When the flow at the destination is lost, what arrives there is delivered and the flow put back."""
    world = World(TWO_HOSTS)
    send(world, 0, 1)
    world.now += 10
    switch = world.net.switches[host(1).dpid]
    for flow in switch.with_cookie(*PAIRS):
        switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT, told=False)
    for _ in range(2):
        check_delivery(world, 0, 1, 64, send(world, 0, 1))
    assert world.net.punts == 2


def test_muted_port() -> None:
    """A port over its budget is not heard, but its routes go on, and so does its ARP."""
    world = World(Plan((True,), (Spot(0), Spot(0), Spot(0))), RouterSettings(punt_rate=0.0, punt_burst=1.0))
    check_delivery(world, 0, 1, 64, send(world, 0, 1))
    assert send(world, 0, 2) == []
    punts = world.net.punts
    assert send(world, 0, 2) == []
    check_delivery(world, 0, 1, 64, send(world, 0, 1))
    assert len(asked(world, 0, world.place(0).ipv4, world.place(2).ipv4)) == 1
    assert world.net.punts == punts
    check_delivery(world, 2, 1, 64, send(world, 2, 1))


def test_muted_uplink() -> None:
    """An uplink over its budget restores no more routes; those that stand go on."""
    world = World(
        Plan((True, True), (Spot(0), Spot(1), Spot(0))),
        RouterSettings(punt_rate=0.0, punt_burst=3.0, uplink_factor=0.0),
    )
    check_delivery(world, 0, 1, 64, send(world, 0, 1))
    frame = ipv4(uplink_mac(0), uplink_mac(1), world.place(2).ipv4, world.place(1).ipv4, ttl=63)
    for _ in range(2):
        assert world.net.send(host(1).dpid, 1, frame) == []
    assert world.net.punts == 2
    check_delivery(world, 0, 1, 64, send(world, 0, 1))


def test_ping_gateway() -> None:
    """The gateway answers pings, also ones whose TTL is 1: they are not forwarded (RFC 1812, 4.2.2.9)."""
    world = World(ONE_HOST)
    source = world.place(0)
    for ttl in (64, 1):
        frame = ipv4(source.mac, ROUTER_MAC, source.ipv4, source.gateway, ttl=ttl, proto=ICMP, payload=echo(8))
        (arrival,) = world.send(0, frame)
        seen = see(arrival.frame)
        assert (arrival.port, seen.eth_dst, seen.ipv4_src) == (port_of(0), source.mac, source.gateway)
        assert seen.payload == echo(0)


def asked(world: World, number: int, spa: bytes, tpa: bytes, op: int = 1) -> list[bytes]:
    """Let an endpoint send ARP; give the frames that come back into its port, and insist that no others do."""
    source = world.place(number)
    arrivals = world.send(number, arp(op, source.mac, spa, bytes(6), tpa))
    assert all((arrival.dpid, arrival.port) == (source.dpid, port_of(number)) for arrival in arrivals)
    return [arrival.frame for arrival in arrivals]


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_arp(spa: bytes, tpa: bytes) -> None:
    """Every ARP request is answered with the router's MAC, whoever asks for whatever."""
    world = World(ONE_HOST)
    frames = asked(world, 0, spa, tpa)
    expected = arp(2, ROUTER_MAC, tpa, world.place(0).mac, spa, eth_dst=world.place(0).mac)
    assert frames == ([] if spa in (bytes(4), tpa) else [expected])
    assert world.net.punts == 0


@given(st.binary(min_size=4, max_size=4), st.integers(0, 31))
@settings(max_examples=30, deadline=None)
def test_arp_not_answered(address: bytes, bit: int) -> None:
    """A probe, a question for one's own address and an ARP reply are not answered; one bit more or less is."""
    world = World(ONE_HOST)
    other = (int.from_bytes(address, "big") ^ 1 << bit).to_bytes(4, "big")
    assert asked(world, 0, bytes(4), address) == []
    assert asked(world, 0, address, address) == []
    assert asked(world, 0, address, other, op=2) == []
    assert len(asked(world, 0, address, other)) == (address != bytes(4))


@given(plans(), st.data())
@settings(max_examples=60, deadline=None)
def test_any_world(plan: Plan, data: st.DataObject) -> None:
    """What policy allows and the wiring permits arrives once, rightly changed; nothing else arrives anywhere."""
    world = World(plan, RouterSettings(icmp_burst=1e9))
    senders = [number for number, spot in enumerate(plan.spots) if spot.up]
    flows: set[frozenset[int]] = set()
    refused: set[tuple[int, int]] = set()
    for _ in range(data.draw(st.integers(1, 12)) if senders else 0):
        a = data.draw(st.sampled_from(senders), "from")
        b = data.draw(st.integers(0, len(plan.spots) - 1), "to")
        ttl = data.draw(st.sampled_from((1, 2, 3, 64, 255)), "ttl")
        world.now += data.draw(st.sampled_from((0.0, 0.1, 5.0)), "later")
        punts, hops = world.net.punts, hops_of(world, a, b)
        arrivals = send(world, a, b, ttl)
        if (a, b) in refused:
            assert arrivals == []
        elif ttl == 1:
            check_error(world, a, arrivals, TIME_EXCEEDED, world.place(a).gateway)
        elif hops is None:
            check_error(world, a, arrivals, DESTINATION_UNREACHABLE, world.place(a).gateway)
            refused.add((a, b))
        elif ttl <= hops:
            check_error(world, a, arrivals, TIME_EXCEEDED, world.place(b).switch.host.address)
        else:
            check_delivery(world, a, b, ttl, arrivals)
            assert world.net.punts - punts == (frozenset((a, b)) not in flows)
            flows.add(frozenset((a, b)))


def lose(switch: SimulatedSwitch, index: int, *, told: bool) -> None:
    """Let one live flow of a switch end, if it has any."""
    if flows := switch.with_cookie(*PAIRS):
        switch.remove(flows[index % len(flows)], FlowRemovedReason.IDLE_TIMEOUT, told=told)


@given(plans(all_up=True), st.data())
@settings(max_examples=60, deadline=None)
def test_flows_get_lost(plan: Plan, data: st.DataObject) -> None:
    """Whatever flows end, announced or not, at any time: what is allowed still arrives exactly once."""
    world = World(plan)
    for _ in range(data.draw(st.integers(1, 15))):
        a = data.draw(st.integers(0, len(plan.spots) - 1), "from")
        b = data.draw(st.integers(0, len(plan.spots) - 1), "to")
        world.now += data.draw(st.sampled_from((0.0, 0.1, 5.0)), "later")
        arrivals = send(world, a, b)
        if hops_of(world, a, b) is not None:
            check_delivery(world, a, b, 64, arrivals)
        if data.draw(st.booleans(), "lose"):
            switch = data.draw(st.sampled_from(list(world.net.switches.values())))
            lose(switch, data.draw(st.integers(0, 50)), told=data.draw(st.booleans(), "told"))
            world.tell_removals()
