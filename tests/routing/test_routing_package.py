"""Routing as endpoints see it: frames go in, and come out of simulated switches that hold what the router wrote."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP, arp, echo, ipv4, see
from tests.routing.rulebook import rules
from tests.routing.ruled import ACK, FIRST, STEPS, SYN, WORTH, Again, Letter, Ruled
from tests.routing.simulator import Arrival, SimulatedSwitch
from tests.routing.world import NAMES, UPLINK, Plan, Spot, World, host, local_mac, network, plans, port_of, uplink_mac

from daoli.ofproto import FlowRemovedReason, PortNo
from daoli.routing.model import ROUTER_MAC
from daoli.routing.pipeline import KIND_MASK, MAGIC, Kind
from daoli.routing.router import RouterSettings
from daoli.routing.rules import Group, Rule, Selector
from daoli.routing.rules import Kind as By

ONE_HOST = Plan((True,), (Spot(0), Spot(0)))
TWO_HOSTS = Plan((True, True), (Spot(0), Spot(1)))
THREE_HOSTS = Plan((True, True, True), (Spot(0), Spot(1)))
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


# -- the outside

X = bytes((198, 51, 100, 7))
"""Somebody outside."""


def segment(source_port: int, destination_port: int, flags: int = 0) -> bytes:
    """Make the first 20 bytes of TCP or UDP."""
    return struct.pack("!HH9xB6x", source_port, destination_port, flags)


def outward(
    world: World, a: int, *, ttl: int = 64, proto: int = TCP, payload: bytes = segment(80, 4000), fragment: int = 0
) -> list[Arrival]:
    """Let an endpoint send to the outside."""
    place = world.place(a)
    frame = ipv4(place.mac, ROUTER_MAC, place.ipv4, X, ttl=ttl, proto=proto, payload=payload, fragment=fragment)
    return world.send(a, frame)


def inward(
    world: World,
    h: int,
    b: int,
    *,
    ttl: int = 64,
    proto: int = TCP,
    payload: bytes = segment(4000, 80),
    fragment: int = 0,
    src: bytes = X,
) -> list[Arrival]:
    """Let a host send to an endpoint what came from the outside."""
    dst = world.place(b).ipv4
    frame = ipv4(local_mac(h), ROUTER_MAC, src, dst, ttl=ttl, proto=proto, payload=payload, fragment=fragment)
    return world.send_from_host(h, frame)


def check_left(arrivals: list[Arrival], h: int, ttl: int) -> None:
    """Insist on one arrival, at a host's own stack."""
    assert [(arrival.dpid, arrival.port) for arrival in arrivals] == [(host(h).dpid, PortNo.LOCAL)]
    seen = see(arrivals[0].frame)
    assert (seen.eth_dst, seen.eth_src, seen.ttl) == (local_mac(h), ROUTER_MAC, ttl)


def check_entered(world: World, arrivals: list[Arrival], b: int, ttl: int) -> None:
    """Insist on one arrival, at an endpoint."""
    place = world.place(b)
    assert [(arrival.dpid, arrival.port) for arrival in arrivals] == [(place.dpid, port_of(b))]
    seen = see(arrivals[0].frame)
    assert (seen.eth_dst, seen.eth_src, seen.ttl) == (place.mac, ROUTER_MAC, ttl)


def test_to_the_outside_and_back() -> None:
    """An endpoint's way out is its own host, one hop away, for all protocols; so is the way back."""
    world = World(TWO_HOSTS, gateway=True)
    check_left(outward(world, 1), 1, 63)
    check_left(outward(world, 1, proto=UDP), 1, 63)
    check_entered(world, inward(world, 1, 1), 1, 63)
    assert world.net.punts == 1
    (route,) = world.router.routes
    assert (route.connection, route.outside) == (None, route.destination)


def test_from_the_outside_to_its_own_host() -> None:
    """What a host lets in to its own endpoint opens the same pair route, which the answer takes."""
    world = World(ONE_HOST, gateway=True)
    check_entered(world, inward(world, 0, 0), 0, 63)
    check_left(outward(world, 0), 0, 63)
    assert world.net.punts == 1


@pytest.mark.parametrize("proto", [TCP, UDP, ICMP, 47])
def test_from_the_outside_to_another_host(proto: int) -> None:
    """What a host lets in to another's endpoint is answered by the host that let it in, though the pair leads out."""
    world = World(TWO_HOSTS, gateway=True)
    there, back = (segment(4000, 80), segment(80, 4000)) if proto in (TCP, UDP) else (echo(8), echo(0))
    other = segment(81, 4000) if proto in (TCP, UDP) else segment(1, 1)
    check_left(outward(world, 1, proto=UDP if proto != UDP else TCP), 1, 63)
    check_entered(world, inward(world, 0, 1, proto=proto, payload=there), 1, 62)
    for _ in range(2):
        check_left(outward(world, 1, proto=proto, payload=back), 0, 62)
        check_entered(world, inward(world, 0, 1, proto=proto, payload=there), 1, 62)
    assert world.net.punts == 2
    if proto in (TCP, UDP):
        for _ in range(2):
            check_left(outward(world, 1, proto=proto, payload=other), 1, 63)
        assert world.net.punts == 3


def test_fragments_from_the_outside() -> None:
    """All fragments of a pair of addresses take one way, there and back, for switches see no ports in them."""
    world = World(TWO_HOSTS, gateway=True)
    for fragment in (0x2000, 1, 0x2001):
        check_entered(world, inward(world, 0, 1, proto=UDP, fragment=fragment), 1, 62)
        check_left(outward(world, 1, proto=UDP, fragment=fragment), 0, 62)
    assert world.net.punts == 1


def test_connections_end_alone() -> None:
    """Two connections of one pair are two routes, and either goes without the other."""
    world = World(TWO_HOSTS, gateway=True)
    inward(world, 0, 1)
    inward(world, 0, 1, payload=segment(4001, 80))
    one, other = world.router.routes
    for switch in world.net.switches.values():
        for flow in switch.with_cookie(one.id, 0xFFFFFFFF):
            switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT)
    world.tell_removals()
    assert list(world.router.routes) == [other]
    check_entered(world, inward(world, 0, 1), 1, 62)
    assert world.net.punts == 3


@pytest.mark.parametrize("lost", [0, 1])
def test_connection_is_restored(lost: int) -> None:
    """A host that lost its flows gets those of a connection again, by packets of either direction."""
    world = World(TWO_HOSTS, gateway=True)
    inward(world, 0, 1)
    world.now += 5
    world.net.switches[host(lost).dpid].flows = {f.key: f for f in world.static(host(lost).dpid)}
    check_left(outward(world, 1), 0, 62)
    world.now += 5
    world.net.switches[host(lost).dpid].flows = {f.key: f for f in world.static(host(lost).dpid)}
    check_entered(world, inward(world, 0, 1), 1, 62)
    assert len(world.router.routes) == 1


def test_connection_comes_in_elsewhere() -> None:
    """A connection that enters by another host than before is answered there from then on."""
    world = World(Plan((True, True, True), (Spot(0), Spot(1))), gateway=True)
    for h in (0, 2, 0):
        check_entered(world, inward(world, h, 1), 1, 62)
        check_left(outward(world, 1), h, 62)
        assert len(world.router.routes) == 1
        assert not world.net.switches[host(2 - h).dpid].with_cookie(CONNECTIONS, KIND_MASK)


@pytest.mark.parametrize("proto", [TCP, UDP])
@pytest.mark.parametrize("ruled", [False, True])
def test_connection_comes_in_by_the_own_host_too(proto: int, *, ruled: bool) -> None:
    """Whether a client comes by other hosts or the endpoint's own, it is answered by the one that it came to last."""
    world = World(THREE_HOSTS, gateway=True)
    if ruled:
        world.view.policy.put_rule(Rule("no", allow=False))
        rule = Rule("r", allow=True, destination=Selector(By.ENDPOINT, "e1"), protocol=proto, priority=200)
        world.view.policy.put_rule(replace(rule, ports=((80, 80),)))
    for h in (1, 0, 1, 2, 0, 1, 1, 2):
        came = inward(world, h, 1, proto=proto, payload=segment(4000, 80, SYN))
        check_entered(world, came, 1, 63 if h == 1 else 62)
        for _ in range(2):
            answer = outward(world, 1, proto=proto, payload=segment(80, 4000, SYN | ACK))
            check_left(answer, h, 63 if h == 1 else 62)
        for other in {0, 2} - {h}:
            assert not world.net.switches[host(other).dpid].with_cookie(CONNECTIONS, KIND_MASK)


def test_pair_gives_way() -> None:
    """While a connection comes in by another host the endpoint's own lets nothing in unnoticed; other talks go on."""
    world = World(THREE_HOSTS, gateway=True)
    own = segment(5000, 443)
    check_left(outward(world, 1, payload=own), 1, 63)
    (pair,) = world.router.routes
    check_entered(world, inward(world, 0, 1), 1, 62)
    assert world.answers[-1].replaced == (pair,)
    for _ in range(2):
        check_left(outward(world, 1, payload=own), 1, 63)
        check_entered(world, inward(world, 1, 1, payload=segment(443, 5000)), 1, 63)
        check_left(outward(world, 1), 0, 62)
    assert world.net.punts == 3
    idle_out(world)
    check_left(outward(world, 1, payload=own), 1, 63)
    assert [route.connection for route in world.router.routes] == [None]


def test_replaced_routes_are_told() -> None:
    """The route that gives way is named, and the packet held back until the switches have taken notice."""
    world = World(THREE_HOSTS, gateway=True)
    inward(world, 0, 1)
    (first,) = world.router.routes
    assert (world.answers[-1].replaced, world.answers[-1].held) == ((), ())
    check_entered(world, inward(world, 1, 1), 1, 63)
    answer = world.answers[-1]
    assert (answer.replaced, list(world.router.routes)) == ((first,), [answer.opened])
    assert [dpid for dpid, _ in answer.held] == [host(1).dpid]


def late(world: World, at: int, source: int, *, back: bool) -> list[Arrival]:
    """Let a packet of the connection come by the wire that a host had sent before it heard of a change."""
    there, macs = world.place(1).ipv4, (uplink_mac(source), uplink_mac(at))
    pair, payload = ((there, X), segment(80, 4000)) if back else ((X, there), segment(4000, 80))
    frame = ipv4(*macs, *pair, ttl=62, proto=UDP, payload=payload)
    return world.net.send(host(at).dpid, UPLINK, frame)


@pytest.mark.parametrize("last", [1, 2])
def test_late_packets_turn_nothing_back(last: int) -> None:
    """What was on its way when its connection came in elsewhere arrives where it was sent, and changes no route."""
    world = World(THREE_HOSTS, gateway=True)
    for h in (0, last):
        inward(world, h, 1, proto=UDP)
    routes = list(world.router.routes)
    (answer,) = late(world, 0, 1, back=True)
    assert (answer.dpid, answer.port) == (host(0).dpid, PortNo.LOCAL)
    assert late(world, 1, 0, back=False)[-1].port == port_of(1)
    assert list(world.router.routes) == routes
    check_left(outward(world, 1, proto=UDP), last, 63 if last == 1 else 62)


def test_wire_counts_when_it_is_not_late() -> None:
    """A host that still forwards by what it was told before, long after, is answered there."""
    world = World(THREE_HOSTS, gateway=True)
    for h in (0, 1):
        inward(world, h, 1, proto=UDP)
    world.now += 5
    assert late(world, 1, 0, back=False)[-1].port == port_of(1)
    check_left(outward(world, 1, proto=UDP), 0, 62)


def test_connection_that_came_back_sleeps() -> None:
    """An endpoint that speaks first leaves by its own host if its client came there last, though by others before."""
    world = World(THREE_HOSTS, gateway=True)
    for h in (0, 1):
        inward(world, h, 1)
        idle_out(world)
    check_left(outward(world, 1), 1, 63)


OWN = 443
"""A port of the outside that only the endpoint speaks to first."""
STEP = st.one_of(
    st.tuples(st.just("in"), st.sampled_from((0, 1, 2)), st.sampled_from((4000, 4001)), st.sampled_from((TCP, UDP))),
    st.tuples(st.just("out"), st.just(1), st.sampled_from((4000, 4001, OWN)), st.sampled_from((TCP, UDP))),
    st.sampled_from(["idle", "wait", "restart"]),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=20))
def test_answers_leave_where_the_client_came_to(steps: list[tuple[str, int, int, int] | str]) -> None:
    """Whatever came in where, idled out or was adopted before: an answer leaves where its question came in.

    But for what idled out and came back by the endpoint's own host, where a pair route may have taken it unnoticed.
    """
    world = World(THREE_HOSTS, gateway=True)
    came: dict[tuple[int, int], int] = {}
    slept: set[tuple[int, int]] = set()
    for step in steps:
        if step == "wait":
            world.now += 5
        elif isinstance(step, str):
            if step == "idle":
                idle_out(world)
                slept |= came.keys()
                came.clear()
            else:
                world.restart()
                slept.clear()
        else:
            way, h, port, proto = step
            if way == "in":
                check_entered(world, inward(world, h, 1, proto=proto, payload=segment(port, 80)), 1, 62 + (h == 1))
                if h != 1 or (proto, port) not in slept:
                    came[proto, port] = h
                    slept.discard((proto, port))
                continue
            left = outward(world, 1, proto=proto, payload=segment(80, port))
            if (proto, port) in came or port == OWN:
                h = came.get((proto, port), 1)
                check_left(left, h, 62 + (h == 1))


def test_connection_sleeps() -> None:
    """An endpoint that speaks first after its connection's route has idled out still reaches its client's entry."""
    world = World(TWO_HOSTS, gateway=True)
    inward(world, 0, 1)
    for switch in world.net.switches.values():
        for flow in switch.with_cookie(CONNECTIONS, KIND_MASK):
            switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT)
    world.tell_removals()
    assert len(world.router.routes) == 0
    check_left(outward(world, 1, payload=segment(81, 4000)), 1, 63)
    world.router.revoke(list(world.router.routes))
    world.net.switches[host(1).dpid].flows = {f.key: f for f in world.static(host(1).dpid)}
    check_left(outward(world, 1), 0, 62)
    check_entered(world, inward(world, 0, 1), 1, 62)


CONNECTIONS = MAGIC << 48 | Kind.CONNECTION << 40


@pytest.mark.parametrize("by_flows", [False, True])
def test_traceroute_to_the_outside(*, by_flows: bool) -> None:
    """The first hop on the way out is the network's gateway; the next ones are the host's own stack's to answer."""
    world = World(ONE_HOST, gateway=True)
    if by_flows:
        outward(world, 0)
    check_error(world, 0, outward(world, 0, ttl=1), TIME_EXCEEDED, world.place(0).gateway)
    check_left(outward(world, 0, ttl=2), 0, 1)


@pytest.mark.parametrize("by_flows", [False, True])
def test_traceroute_from_the_outside(*, by_flows: bool) -> None:
    """On the way in the first hop is the gateway of the network asked for, the next the endpoint's host."""
    world = World(TWO_HOSTS, gateway=True)
    if by_flows:
        inward(world, 0, 1)
    for ttl, router in ((1, world.place(1).gateway), (2, host(1).address)):
        (arrival,) = inward(world, 0, 1, ttl=ttl)
        assert (arrival.dpid, arrival.port) == (host(0).dpid, PortNo.LOCAL)
        seen = see(arrival.frame)
        assert (seen.payload[0], seen.ipv4_src, seen.ipv4_dst) == (TIME_EXCEEDED, router, X)
    check_entered(world, inward(world, 0, 1, ttl=3), 1, 1)


@pytest.mark.parametrize("h", [0, 1])
def test_errors_from_the_outside(h: int) -> None:
    """An ICMP error about what an endpoint has sent reaches it, from any host, and leaves no route."""
    world = World(TWO_HOSTS, gateway=True)
    place = world.place(1)
    sent = ipv4(place.mac, ROUTER_MAC, place.ipv4, X)[14:42]
    error = echo(TIME_EXCEEDED, sent, 0, 0)
    check_entered(world, inward(world, h, 1, proto=ICMP, payload=error, src=bytes((203, 0, 113, 1))), 1, 64 - 2 + h)
    assert len(world.router.routes) == 0
    expired = inward(world, h, 1, proto=ICMP, payload=error, ttl=1, src=bytes((203, 0, 113, 1)))
    assert expired == []


def unreachable(ipv4_src: bytes, ipv4_dst: bytes, payload: bytes, proto: int = UDP) -> bytes:
    """Make the payload of an ICMP error, port unreachable, about a packet."""
    return echo(
        DESTINATION_UNREACHABLE, ipv4(bytes(6), bytes(6), ipv4_src, ipv4_dst, proto=proto, payload=payload)[14:]
    )


def idle_out(world: World) -> None:
    """Have all routes idle out."""
    for switch in world.net.switches.values():
        for flow in [flow for flow in switch.flows.values() if flow.idle_timeout]:
            switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT)
    world.tell_removals()


@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("slept", [False, True])
@pytest.mark.parametrize("fragment", [0, 0x2000])
def test_errors_about_what_came_in_elsewhere(*, ruled: bool, slept: bool, fragment: int) -> None:
    """An endpoint's ICMP error leaves by the host that let in what it is about, also when that was long ago."""
    world = World(TWO_HOSTS, gateway=True)
    if ruled:
        world.view.policy.put_rule(Rule("no", allow=False))
        udp = Rule("r", allow=True, destination=Selector(By.ENDPOINT, "e1"), protocol=UDP, priority=200)
        world.view.policy.put_rule(replace(udp, ports=() if fragment else ((80, 80),)))
    asked = segment(4000, 80)
    check_entered(world, inward(world, 0, 1, proto=UDP, payload=asked, fragment=fragment), 1, 62)
    if slept:
        idle_out(world)
    routes = len(world.router.routes)
    error = unreachable(X, world.place(1).ipv4, asked)
    check_left(outward(world, 1, proto=ICMP, payload=error), 0, 62)
    assert len(world.router.routes) == routes


def test_errors_about_what_came_in_here() -> None:
    """An endpoint's ICMP error about anything else leaves by its own host."""
    world = World(TWO_HOSTS, gateway=True)
    inward(world, 0, 1, proto=UDP, payload=segment(4000, 80))
    error = unreachable(X, world.place(1).ipv4, segment(4001, 80))
    check_left(outward(world, 1, proto=ICMP, payload=error), 1, 63)


@pytest.mark.parametrize("h", [0, 1])
def test_errors_are_judged_by_what_they_quote(h: int) -> None:
    """Any router outside may tell an endpoint of a conversation that is allowed, and of no other."""
    world = World(TWO_HOSTS, gateway=True)
    world.view.policy.put_rule(Rule("no", allow=False))
    to_x = Rule("r", allow=True, destination=Selector(By.CIDR, "198.51.100.7/32"), protocol=TCP, priority=200)
    world.view.policy.put_rule(replace(to_x, ports=((443, 443),)))
    place, router = world.place(1), bytes((203, 0, 113, 1))
    for port, passes in ((443, True), (80, False)):
        error = unreachable(place.ipv4, X, segment(4000, port), TCP)
        came = inward(world, h, 1, proto=ICMP, payload=error, src=router)
        assert bool(came) is passes
    assert len(world.router.routes) == 0


def test_errors_that_endpoints_make_up() -> None:
    """An endpoint's ICMP error about somebody else's conversation is judged as one about its own."""
    world = World(TWO_HOSTS, gateway=True)
    world.view.policy.put_rule(Rule("no", allow=False, destination=Selector(By.ENDPOINT, "e1"), both_ways=True))
    error = unreachable(X, world.place(0).ipv4, segment(4000, 80))
    assert [arrival.port for arrival in outward(world, 1, proto=ICMP, payload=error)] == []


def test_answers_of_hosts_that_are_no_gateways() -> None:
    """What came in by another host is answered by it, though the endpoint's own host leads nowhere."""
    world = World(TWO_HOSTS, gateway=True)
    world.view.put_host(replace(world.view.hosts["h1"], gateway=False))
    check_entered(world, inward(world, 0, 1), 1, 62)
    idle_out(world)
    check_left(outward(world, 1), 0, 62)
    (error,) = outward(world, 1, payload=segment(81, 4000))
    assert (error.port, see(error.frame).payload[0]) == (port_of(1), DESTINATION_UNREACHABLE)


def test_internal_network() -> None:
    """An internal network has no way to the outside, nor from it, and both are told so."""
    world = World(ONE_HOST, gateway=True)
    world.view.put_network(replace(network(0), internal=True))
    check_error(world, 0, outward(world, 0), DESTINATION_UNREACHABLE, world.place(0).gateway)
    (arrival,) = inward(world, 0, 1)
    assert (arrival.port, see(arrival.frame).payload[0]) == (PortNo.LOCAL, DESTINATION_UNREACHABLE)
    check_delivery(world, 0, 1, 64, send(world, 0, 1))


def test_no_way_out() -> None:
    """A host that is no gateway says that the network is unreachable, and does not hear its own stack."""
    world = World(ONE_HOST)
    check_error(world, 0, outward(world, 0), DESTINATION_UNREACHABLE, world.place(0).gateway)
    punts = world.net.punts
    assert inward(world, 0, 0) == []
    assert world.net.punts == punts


@pytest.mark.parametrize("src", [bytes((10, 0, 0, 10)), bytes((10, 1, 0, 99)), bytes((127, 0, 0, 1)), bytes(4)])
def test_host_does_not_speak_for_containers(src: bytes) -> None:
    """What a host's own stack sends in the name of a network's address, or of nobody, is dropped unanswered."""
    world = World(TWO_HOSTS, gateway=True)
    assert inward(world, 0, 1, src=src) == []
    frame = ipv4(local_mac(1), ROUTER_MAC, X, world.place(1).ipv4)
    assert world.send_from_host(0, frame) == []


def test_outside_packet_by_the_wire() -> None:
    """What the LAN sends from the outside to an endpoint is dropped unless a host that is a gateway has sent it."""
    world = World(TWO_HOSTS, gateway=True)
    for mac in (bytes.fromhex("0200deadbeef"), uplink_mac(1)):
        frame = ipv4(mac, uplink_mac(1), X, world.place(1).ipv4, proto=TCP, payload=segment(4000, 80))
        assert world.net.send(host(1).dpid, UPLINK, frame) == []
    frame = ipv4(uplink_mac(0), uplink_mac(1), X, world.place(1).ipv4, proto=TCP, payload=segment(4001, 80))
    check_entered(world, world.net.send(host(1).dpid, UPLINK, frame), 1, 63)


def test_host_finds_containers() -> None:
    """A host's own stack is answered when it asks for a container's MAC, and when it pings the gateway."""
    world = World(ONE_HOST, gateway=True)
    asked = arp(1, local_mac(0), host(0).address, bytes(6), world.place(0).ipv4)
    (arrival,) = world.send_from_host(0, asked)
    assert (arrival.port, arrival.frame[22:28]) == (PortNo.LOCAL, ROUTER_MAC)
    ping = ipv4(local_mac(0), ROUTER_MAC, X, world.place(0).gateway, proto=ICMP, payload=echo(8))
    (arrival,) = world.send_from_host(0, ping)
    assert (arrival.port, see(arrival.frame).payload) == (PortNo.LOCAL, echo(0))
    nobody = ipv4(local_mac(0), ROUTER_MAC, X, bytes((10, 0, 9, 9)))
    (arrival,) = world.send_from_host(0, nobody)
    assert see(arrival.frame).payload[:2] == bytes((DESTINATION_UNREACHABLE, 1))


# -- names


def question(world: World, a: int, dst: bytes) -> bytes:
    """Make an endpoint's question to a name server."""
    place = world.place(a)
    return ipv4(place.mac, ROUTER_MAC, place.ipv4, dst, proto=UDP, payload=segment(4000, 53))


def test_question_is_shown_to_the_agent() -> None:
    """A question for a name goes to the agent, with the asker's port in its MAC, and to nobody else."""
    world = World(TWO_HOSTS, gateway=True)
    send(world, 0, 1)
    punts = world.net.punts
    for dst in (world.place(1).ipv4, X, world.place(0).gateway):
        asked = question(world, 0, dst)
        mac = bytes.fromhex("02da011e") + port_of(0).to_bytes(2, "big")
        assert world.send(0, asked) == [Arrival(host(0).dpid, NAMES, mac + asked[6:])]
    assert world.net.punts == punts


def test_agents_answer() -> None:
    """What the agent answers for a port goes there, from the router."""
    world = World(TWO_HOSTS, gateway=True)
    place = world.place(0)
    source = bytes.fromhex("02da011d") + port_of(0).to_bytes(2, "big")
    answer = ipv4(source, place.mac, X, place.ipv4, proto=UDP, payload=segment(53, 4000))
    sent = answer[:6] + ROUTER_MAC + answer[12:]
    assert world.net.send(host(0).dpid, NAMES, answer) == [Arrival(host(0).dpid, port_of(0), sent)]


def test_agent_passes_on() -> None:
    """A question that the agent does not answer goes on as if it had not been taken, first and later packets alike."""
    world = World(TWO_HOSTS, gateway=True)
    mac = bytes.fromhex("02da011c") + port_of(0).to_bytes(2, "big")
    for _ in range(2):
        passed_on = mac + question(world, 0, world.place(1).ipv4)[6:]
        check_entered(world, world.net.send(host(0).dpid, NAMES, passed_on), 1, 62)
        check_left(world.net.send(host(0).dpid, NAMES, mac + question(world, 0, X)[6:]), 0, 63)
    assert world.net.punts == 2


def test_agent_says_nothing_else() -> None:
    """Whatever else comes out of the agent's port is dropped, ARP too; so are questions of the LAN."""
    world = World(TWO_HOSTS, gateway=True)
    for frame in (
        question(world, 0, X),
        arp(1, bytes(6), X, bytes(6), world.place(0).ipv4),
        bytes(12) + b"\x86\xdd" + bytes(60),
    ):
        assert world.net.send(host(0).dpid, NAMES, frame) == []
    assert world.net.send(host(0).dpid, UPLINK, question(world, 1, X)) == []
    assert world.net.punts == 0


def test_host_asks_a_container() -> None:
    """A question of the host's own stack to a name server in a container is not shown to the agent."""
    world = World(ONE_HOST, gateway=True)
    check_entered(world, inward(world, 0, 0, proto=UDP, payload=segment(4000, 53)), 0, 63)


# -- policy


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORTH) | rules(), max_size=3), st.lists(STEPS, min_size=1, max_size=25))
@example([WORTH[0]], [Letter(0, 2, TCP, (40000, 80), SYN), Again(answer=True, flags=SYN)])
@example([WORTH[1]], [Letter(0, 2, ICMP, (0, 0), 8), Again(answer=True, flags=ACK), Letter(2, 0, ICMP, (0, 0), 8)])
@example([WORTH[1]], [Letter(0, 2, ICMP, (0, 0), 8), Letter(2, 0, ICMP, (0, 0), 8, FIRST)])
def test_what_gets_through_is_what_policy_allows(
    first: list[Rule], steps: list[Letter | Again | Rule | Group | str | int | None]
) -> None:
    """Whatever was sent, has idled out or was changed before, a packet gets through if and only if it is allowed.

    So no bare SYN passes by a route that was opened as an answer, and conversations resume from either side.
    """
    ruled, last = Ruled(), Letter(0, 2, TCP, (40000, 80), SYN)
    for step in [*first, *steps]:
        if isinstance(step, Letter | Again):
            last = step.of(last) if isinstance(step, Again) else step
            assert ruled.send(last) == ruled.passes(last), last
            ruled.wait()
        elif step is None:
            ruled.restart()
        elif isinstance(step, int):
            ruled.idle(step)
        else:
            ruled.change(step)
