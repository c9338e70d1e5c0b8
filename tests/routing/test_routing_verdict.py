"""What a punted packet turns out to be: every outcome, and why."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP, arp, echo, ipv4
from tests.routing.world import UPLINK, Plan, Spot, World, endpoint, host, local_mac, network, port_of, punt, uplink_mac

from daoli.ofproto import PacketInReason, PortNo
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import parse
from daoli.routing.policy import DIFFERENT_NETWORKS, SAME_NETWORK
from daoli.routing.routes import Connection
from daoli.routing.verdict import Outcome, connection_of, decide, obstacle
from daoli.routing.view import Outside

# Endpoints 0 and 1 on host 0, 2 and 3 on host 1 (3 without its port), 4 on host 0 in another network,
# 5 on host 2 whose uplink is missing.
PLAN = Plan((True, True, False), (Spot(0), Spot(0), Spot(1), Spot(1, 0, up=False), Spot(0, 1), Spot(2)))
MACS = {number: endpoint(number, spot).mac for number, spot in enumerate(PLAN.spots)}
IPS = {number: endpoint(number, spot).ipv4 for number, spot in enumerate(PLAN.spots)}
GATEWAY = bytes((10, 0, 0, 1))
STRANGER = bytes.fromhex("0200deadbeef")
H0, H1, H2 = (host(number).dpid for number in range(3))


def local(dst: bytes, *, src: int = 0, ttl: int = 64, eth_dst: bytes = ROUTER_MAC) -> bytes:
    """Make what endpoint `src` sends to an address."""
    return ipv4(MACS[src], eth_dst, IPS[src], dst, ttl=ttl)


def routed(src: int, dst: bytes, *, ttl: int = 63, sender: bytes | None = None) -> bytes:
    """Make what host 0's uplink receives from the host of endpoint `src`."""
    mac = uplink_mac(PLAN.spots[src].host) if sender is None else sender
    return ipv4(mac, uplink_mac(0), IPS[src], dst, ttl=ttl)


class Case(NamedTuple):
    """A punt on host 0, and what it is."""

    in_port: int
    frame: bytes
    outcome: Outcome
    source: int | None = None
    destination: int | None = None
    problem: str = ""
    reason: int = PacketInReason.NO_MATCH


P0, P1, P4 = port_of(0), port_of(1), port_of(4)
CASES = {
    "same host": Case(P0, local(IPS[1]), Outcome.FORWARD, 0, 1),
    "other host": Case(P0, local(IPS[2]), Outcome.FORWARD, 0, 2),
    "any frame's MAC": Case(P0, local(IPS[1], eth_dst=STRANGER), Outcome.FORWARD, 0, 1),
    "other network": Case(P0, local(IPS[4]), Outcome.DENIED, 0, 4),
    "denied before unreachable": Case(P4, local(IPS[3], src=4), Outcome.DENIED, 4, 3),
    "itself": Case(P0, local(IPS[0]), Outcome.UNREACHABLE, 0, 0, "does not reach itself"),
    "port missing": Case(P0, local(IPS[3]), Outcome.UNREACHABLE, 0, 3, "port p3 of e3 is not on host h1"),
    "uplink missing": Case(P0, local(IPS[5]), Outcome.UNREACHABLE, 0, 5, "uplink up0 is not on host h2"),
    "unknown host": Case(P0, local(bytes((10, 0, 9, 9))), Outcome.UNKNOWN_HOST, 0, None, "no endpoint of n0"),
    "unknown network": Case(P0, local(bytes((8, 8, 8, 8))), Outcome.UNKNOWN_NETWORK, 0, None, "no network holds"),
    "other gateway": Case(P0, local(bytes((10, 1, 0, 1))), Outcome.UNKNOWN_HOST, 0, None, "no endpoint of n1"),
    "gateway": Case(P0, local(GATEWAY), Outcome.ANSWER, 0),
    "gateway, TTL 1": Case(P0, local(GATEWAY, ttl=1), Outcome.ANSWER, 0),
    "TTL 1": Case(P0, local(IPS[1], ttl=1), Outcome.EXPIRED, 0),
    "TTL 0": Case(P0, local(IPS[1], ttl=0), Outcome.EXPIRED, 0),
    "TTL 1 to nobody": Case(P0, local(bytes((10, 0, 9, 9)), ttl=1), Outcome.EXPIRED, 0),
    "TTL 2": Case(P0, local(IPS[2], ttl=2), Outcome.FORWARD, 0, 2),
    "INVALID_TTL": Case(P0, local(IPS[1]), Outcome.EXPIRED, 0, None, "", PacketInReason.INVALID_TTL),
    "multicast": Case(P0, local(bytes((224, 0, 0, 251))), Outcome.MULTICAST, 0),
    "multicast, TTL 1": Case(P0, local(bytes((224, 0, 0, 22)), ttl=1), Outcome.MULTICAST, 0),
    "broadcast": Case(P0, local(b"\xff" * 4), Outcome.MULTICAST, 0),
    "subnet broadcast": Case(P0, local(bytes((10, 0, 255, 255)), eth_dst=b"\xff" * 6), Outcome.MULTICAST, 0),
    "other's MAC": Case(P0, ipv4(MACS[1], ROUTER_MAC, IPS[0], IPS[1]), Outcome.SPOOFED, 0),
    "other's address": Case(P0, ipv4(MACS[0], ROUTER_MAC, IPS[1], IPS[2]), Outcome.SPOOFED, 0),
    "other's both": Case(P0, ipv4(MACS[1], ROUTER_MAC, IPS[1], IPS[2]), Outcome.SPOOFED, 0),
    "no address yet": Case(P0, ipv4(MACS[0], b"\xff" * 6, bytes(4), b"\xff" * 4), Outcome.SPOOFED, 0),
    "unknown port": Case(99, local(IPS[1]), Outcome.UNKNOWN_PORT),
    "unknown port, no IPv4": Case(99, bytes(60), Outcome.UNKNOWN_PORT),
    "IPv6": Case(P0, bytes(12) + b"\x86\xdd" + bytes(40), Outcome.NOT_IPV4, 0, None, "EtherType 0x86dd"),
    "ARP": Case(P0, arp(1, MACS[0], IPS[0], bytes(6), IPS[1]), Outcome.NOT_IPV4, 0, None, "EtherType 0x0806"),
    "short IPv4": Case(P0, local(IPS[1])[:30], Outcome.MALFORMED, 0),
    "short frame": Case(P0, b"\1\2\3", Outcome.MALFORMED, 0),
    "empty frame": Case(P0, b"", Outcome.MALFORMED, 0),
    "arrives without flow": Case(UPLINK, routed(2, IPS[0]), Outcome.RESTORE, 2, 0),
    "arrives with TTL 1": Case(UPLINK, routed(2, IPS[0], ttl=1), Outcome.EXPIRED, 2, 0),
    "expires on arrival": Case(UPLINK, routed(2, IPS[0], ttl=9), Outcome.EXPIRED, 2, 0, "", PacketInReason.INVALID_TTL),
    "arrives, denied": Case(UPLINK, routed(2, IPS[4]), Outcome.DENIED, 2, 4),
    "arrives from elsewhere": Case(UPLINK, routed(2, IPS[0], sender=STRANGER), Outcome.SPOOFED, None, None, "not sent"),
    "arrives, unknown source": Case(
        UPLINK, ipv4(STRANGER, uplink_mac(0), bytes((8, 8, 8, 8)), IPS[0]), Outcome.STRAY, None, None, "8.8.8.8"
    ),
    "arrives from here": Case(UPLINK, routed(1, IPS[0]), Outcome.STRAY, None, None, "no other host has 10.0.0.11"),
    "arrives for elsewhere": Case(UPLINK, routed(2, IPS[2]), Outcome.STRAY, 2, None, "10.0.0.12 is not on this host"),
    "arrives for nobody": Case(UPLINK, routed(2, bytes((10, 0, 9, 9))), Outcome.STRAY, 2, None, "is not on this host"),
    "arrives, no IPv4": Case(UPLINK, bytes(60), Outcome.MALFORMED),
    "arrives for missing port": Case(
        UPLINK, ipv4(uplink_mac(0), uplink_mac(1), IPS[0], IPS[3], ttl=63), Outcome.STRAY, None, None, "no other host"
    ),
}


@pytest.fixture(scope="module", name="world")
def _world() -> World:
    return World(PLAN)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_decide(world: World, case: Case) -> None:
    """Each kind of packet has its outcome, with the places that were found and a reason."""
    verdict = decide(world.view, H0, punt(case.in_port, case.frame, case.reason))
    assert verdict.outcome is case.outcome
    assert verdict.source is (None if case.source is None else world.place(case.source))
    assert verdict.destination is (None if case.destination is None else world.place(case.destination))
    assert case.problem in verdict.problem
    assert bool(case.problem) == bool(verdict.problem)


X = bytes((198, 51, 100, 7))


def in_from(
    h: int, dst: bytes, *, src: bytes = X, mac: bytes | None = None, ttl: int = 64, error: bool = False
) -> bytes:
    """Make what a host's own stack sends, be it an ICMP error about what `dst` has sent."""
    quoted = ipv4(MACS[0], ROUTER_MAC, dst, X)[14:42]
    return ipv4(
        local_mac(h) if mac is None else mac,
        ROUTER_MAC,
        src,
        dst,
        ttl=ttl,
        proto=ICMP if error else TCP,
        payload=echo(11, quoted) if error else struct.pack("!HH16x", 4000, 80),
    )


LOCAL = PortNo.LOCAL
IN_OUT = Connection(TCP, 4000, 80)
TOLD = Connection(ICMP)
UP = ipv4(uplink_mac(1), uplink_mac(0), X, IPS[0], proto=TCP, payload=struct.pack("!HH16x", 4000, 80))
OUT_BY_US = ipv4(uplink_mac(1), uplink_mac(0), IPS[2], X, proto=TCP, payload=struct.pack("!HH16x", 4000, 80))


class OutsideCase(NamedTuple):
    """A punt on host 0, which is a gateway, and what it is; ends are numbers of endpoints, or of hosts as "h0"."""

    in_port: int
    frame: bytes
    outcome: Outcome
    source: int | str | None = None
    destination: int | str | None = None
    connection: Connection | None = None
    reason: int = PacketInReason.NO_MATCH


OUTSIDE_CASES = {
    "out": OutsideCase(P0, local(X), Outcome.FORWARD, 0, "h0"),
    "out, TTL 1": OutsideCase(P0, local(X, ttl=1), Outcome.EXPIRED, 0),
    "to the stack itself": OutsideCase(P0, local(bytes((127, 0, 0, 1))), Outcome.UNKNOWN_NETWORK, 0),
    "out of an internal network": OutsideCase(P4, local(X, src=4), Outcome.DENIED, 4, "h0"),
    "to nobody inside": OutsideCase(P0, local(bytes((10, 0, 9, 9))), Outcome.UNKNOWN_HOST, 0),
    "in": OutsideCase(LOCAL, in_from(0, IPS[0]), Outcome.FORWARD, "h0", 0),
    "in to another host": OutsideCase(LOCAL, in_from(0, IPS[2]), Outcome.FORWARD, "h0", 2, IN_OUT),
    "in to a missing port": OutsideCase(LOCAL, in_from(0, IPS[3]), Outcome.UNREACHABLE, "h0", 3),
    "in to a missing uplink": OutsideCase(LOCAL, in_from(0, IPS[5]), Outcome.UNREACHABLE, "h0", 5),
    "in to an internal network": OutsideCase(LOCAL, in_from(0, IPS[4]), Outcome.DENIED, "h0", 4),
    "in, TTL 1": OutsideCase(LOCAL, in_from(0, IPS[0], ttl=1), Outcome.EXPIRED, "h0"),
    "in, INVALID_TTL": OutsideCase(
        LOCAL, in_from(0, IPS[0]), Outcome.EXPIRED, "h0", None, None, PacketInReason.INVALID_TTL
    ),
    "in to nobody": OutsideCase(LOCAL, in_from(0, bytes((10, 0, 9, 9))), Outcome.UNKNOWN_HOST, "h0"),
    "through": OutsideCase(LOCAL, in_from(0, bytes((8, 8, 8, 8))), Outcome.UNKNOWN_NETWORK),
    "in to the gateway": OutsideCase(LOCAL, in_from(0, GATEWAY), Outcome.ANSWER, "h0"),
    "in as an endpoint": OutsideCase(LOCAL, in_from(0, IPS[0], src=IPS[2]), Outcome.SPOOFED),
    "in as nobody": OutsideCase(LOCAL, in_from(0, IPS[0], src=bytes(4)), Outcome.SPOOFED),
    "in as a group": OutsideCase(LOCAL, in_from(0, IPS[0], src=bytes((224, 0, 0, 1))), Outcome.SPOOFED),
    "in by another MAC": OutsideCase(LOCAL, in_from(0, IPS[0], mac=STRANGER), Outcome.SPOOFED),
    "in, no IPv4": OutsideCase(LOCAL, bytes(60), Outcome.MALFORMED),
    "error about what was sent": OutsideCase(LOCAL, in_from(0, IPS[0], error=True), Outcome.REPORT, "h0", 0, TOLD),
    "error for another host": OutsideCase(LOCAL, in_from(0, IPS[2], error=True), Outcome.REPORT, "h0", 2, TOLD),
    "let in by another host": OutsideCase(UPLINK, UP, Outcome.RESTORE, "h1", 0, IN_OUT),
    "sent out by this host": OutsideCase(UPLINK, OUT_BY_US, Outcome.RESTORE, 2, "h0", IN_OUT),
    "let in by a stranger": OutsideCase(UPLINK, ipv4(STRANGER, uplink_mac(0), X, IPS[0]), Outcome.STRAY),
    "let in by itself": OutsideCase(UPLINK, ipv4(uplink_mac(0), uplink_mac(0), X, IPS[0]), Outcome.STRAY),
    "let in for elsewhere": OutsideCase(UPLINK, ipv4(uplink_mac(1), uplink_mac(0), X, IPS[2]), Outcome.STRAY),
    "let in as an endpoint": OutsideCase(
        UPLINK, ipv4(uplink_mac(1), uplink_mac(0), bytes((10, 0, 9, 9)), IPS[0]), Outcome.STRAY
    ),
}


@pytest.fixture(scope="module", name="open_world")
def _open_world() -> World:
    world = World(PLAN, gateway=True)
    world.view.put_network(replace(network(1), internal=True))
    return world


@pytest.mark.parametrize("case", OUTSIDE_CASES.values(), ids=OUTSIDE_CASES)
def test_decide_about_the_outside(open_world: World, case: OutsideCase) -> None:
    """Each kind of packet from or to the outside has its outcome, with the ends that were found."""
    verdict = decide(open_world.view, H0, punt(case.in_port, case.frame, case.reason))
    assert verdict.outcome is case.outcome
    for end, wanted in ((verdict.source, case.source), (verdict.destination, case.destination)):
        if isinstance(wanted, str):
            assert isinstance(end, Outside)
            assert (end.switch.host.name, end.ipv4) == (wanted, X)
        else:
            assert end is (None if wanted is None else open_world.place(wanted))
    assert verdict.connection == case.connection


PENDING_CASES = {
    "from it": (0, P0, local(IPS[1])),
    "to it": (1, P0, local(IPS[1])),
    "from it, where policy denies": (0, P0, local(IPS[4])),
    "from it to another host": (0, P0, local(IPS[2])),
    "to it on another host": (2, P0, local(IPS[2])),
    "arriving for it": (0, UPLINK, routed(2, IPS[0])),
    "arriving from it": (2, UPLINK, routed(2, IPS[0])),
    "from it to the outside": (0, P0, local(X)),
    "to it from the outside": (0, LOCAL, in_from(0, IPS[0])),
    "to it by another host": (2, LOCAL, in_from(0, IPS[2])),
    "to it, let in by another host": (0, UPLINK, UP),
    "from it, sent out by this host": (2, UPLINK, OUT_BY_US),
    "about what it has sent": (0, LOCAL, in_from(0, IPS[0], error=True)),
}


@pytest.mark.parametrize("case", PENDING_CASES.values(), ids=PENDING_CASES)
def test_no_verdict_before_the_container_is_known(case: tuple[int, int, bytes]) -> None:
    """Whatever policy would say of an endpoint without name and labels, nothing passes to or from it."""
    number, in_port, frame = case
    world = World(PLAN, gateway=True)
    known = endpoint(number, PLAN.spots[number])
    world.view.put_endpoint(replace(known, pending=True))
    verdict = decide(world.view, H0, punt(in_port, frame))
    assert (verdict.outcome, verdict.judgement) == (Outcome.PENDING, None)
    assert verdict.problem == f"the container of endpoint e{number} is not known yet"
    world.view.put_endpoint(known)
    assert decide(world.view, H0, punt(in_port, frame)).outcome is not Outcome.PENDING


def test_gateway_answers_a_container_that_is_not_known() -> None:
    """What no policy has a say in does not wait for it."""
    world = World(PLAN)
    world.view.put_endpoint(replace(endpoint(0, PLAN.spots[0]), pending=True))
    assert decide(world.view, H0, punt(P0, local(GATEWAY))).outcome is Outcome.ANSWER


def test_every_outcome_is_tested() -> None:
    """The tables above leave no outcome out."""
    inside = {case.outcome for case in CASES.values()}
    assert inside | {case.outcome for case in OUTSIDE_CASES.values()} | {Outcome.PENDING} == set(Outcome)


def test_connection_of() -> None:
    """A connection is told by its ports where Open vSwitch sees them, and by its protocol alone elsewhere."""
    ports = struct.pack("!HH16x", 4000, 80)
    for proto, fragment, payload, wanted in (
        (TCP, 0, ports, (TCP, 4000, 80)),
        (UDP, 0x4000, ports, (UDP, 4000, 80)),
        (UDP, 0x2000, ports, (UDP, 0, 0)),
        (UDP, 1, ports, (UDP, 0, 0)),
        (TCP, 0, b"", (TCP, 0, 0)),
        (ICMP, 0, ports, (ICMP, 0, 0)),
    ):
        data = ipv4(MACS[0], ROUTER_MAC, IPS[0], X, proto=proto, fragment=fragment, payload=payload)
        frame = parse(data)
        assert frame is not None
        assert connection_of(data, frame) == wanted


def test_no_local_port() -> None:
    """A host whose port LOCAL is not known is no way out."""
    world = World(PLAN, gateway=True)
    world.view.remove_port(H0, "daoli", LOCAL)
    verdict = decide(world.view, H0, punt(P0, local(X)))
    assert (verdict.outcome, verdict.problem) == (Outcome.UNREACHABLE, "port LOCAL is not on host h0")


def test_judgement_is_told(world: World) -> None:
    """A conversation's verdict says what policy said."""
    assert decide(world.view, H0, punt(P0, local(IPS[1]))).judgement is SAME_NETWORK
    assert decide(world.view, H0, punt(P0, local(IPS[4]))).judgement is DIFFERENT_NETWORKS


def test_obstacles() -> None:
    """Each thing that may be in the way is named, whichever end it is at, and both orders find one."""
    world = World(PLAN)
    a, b, far = world.place(0), world.place(1), world.place(2)
    assert obstacle(a, b) == obstacle(a, far) == obstacle(far, a) == ""
    world.view.disconnect(H1)
    assert obstacle(a, far) == obstacle(far, a) == "host h1 is not connected"
    assert obstacle(a, world.place(5)) == obstacle(world.place(5), a) == "uplink up0 is not on host h2"
    world.view.remove_port(H0, "up0", UPLINK)
    assert obstacle(a, b) == ""
    world.view.remove_port(H0, "p1", b.port_no or 0)
    assert obstacle(a, b) == obstacle(b, a) == "port p1 of e1 is not on host h0"


@given(st.sampled_from((P0, UPLINK, 99)), st.binary(max_size=80), st.integers(0, 255))
def test_any_frame(in_port: int, frame: bytes, reason: int) -> None:
    """Any bytes from any port for any reason have an outcome, and none of them is forwarded."""
    verdict = decide(SHARED.view, H0, punt(in_port, frame, reason))
    assert verdict.outcome not in (Outcome.FORWARD, Outcome.RESTORE, Outcome.ANSWER)


@given(st.sampled_from((P0, P1, P4, UPLINK)), st.integers(0, 5), st.integers(0, 5), st.integers(0, 255))
def test_nobody_speaks_for_another(in_port: int, a: int, b: int, ttl: int) -> None:
    """Whoever sends, only its own endpoint's packets are forwarded, and from the uplink only other hosts'."""
    mac = MACS[a] if in_port != UPLINK else uplink_mac(PLAN.spots[a].host)
    verdict = decide(SHARED.view, H0, punt(in_port, ipv4(mac, uplink_mac(0), IPS[a], IPS[b], ttl=ttl, proto=ICMP)))
    if verdict.outcome is Outcome.FORWARD:
        assert in_port == port_of(a)
        assert ttl > 1
    if verdict.outcome is Outcome.RESTORE:
        assert in_port == UPLINK
        assert (PLAN.spots[a].host, PLAN.spots[b].host) == (1, 0)


SHARED = World(PLAN)
