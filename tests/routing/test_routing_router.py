"""The router: what each kind of punt leads to, in bytes for datapaths, and what becomes of routes."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from tests.routing.frames import ICMP, TCP, UDP, echo, ipv4, see
from tests.routing.simulator import messages
from tests.routing.world import UPLINK, Plan, Spot, World, host, local_mac, port_of, punt, uplink_mac

from daoli.ofproto import FlowMod, FlowModCommand, FlowModFlags, FlowRemoved, Match, PacketOut, PortNo
from daoli.routing.flows import Ended
from daoli.routing.model import ROUTER_MAC, Lead, Published
from daoli.routing.packet import (
    HOST_UNREACHABLE,
    NETWORK_UNREACHABLE,
    PORT_UNREACHABLE,
    PROHIBITED,
    PROTOCOL_UNREACHABLE,
    TIME_EXCEEDED,
)
from daoli.routing.packet import Unreachable as Kind
from daoli.routing.pipeline import COOKIE_ALL, DENY_COOKIE, KIND_MASK, STATIC_COOKIE, Priority, pair_cookie
from daoli.routing.router import Answer, Router, RouterSettings, Write
from daoli.routing.routes import BACK, FORTH, Route
from daoli.routing.rules import Kind as Naming
from daoli.routing.rules import Rule, Selector
from daoli.routing.verdict import Outcome
from daoli.routing.view import PortInfo

# Endpoints 0 and 1 on host 0, 2 on host 1, 3 on host 0 in another network, 4 on host 1 without its port.
PLAN = Plan((True, True), (Spot(0), Spot(0), Spot(1), Spot(0, 1), Spot(1, 0, up=False)))
H0, H1 = host(0).dpid, host(1).dpid
NOWHERE, OUTSIDE = bytes((10, 0, 9, 9)), bytes((8, 8, 8, 8))


class Bench:
    """A world whose punts are made by hand."""

    def __init__(self, settings: RouterSettings | None = None) -> None:
        self.world = World(PLAN, settings)
        self.router = self.world.router

    def frame(
        self, a: int, dst: bytes | int, *, ttl: int = 64, proto: int = UDP, payload: bytes = b"12345678"
    ) -> bytes:
        """Make what an endpoint sends to another, or to an address."""
        source = self.world.place(a)
        address = dst if isinstance(dst, bytes) else self.world.place(dst).ipv4
        return ipv4(source.mac, ROUTER_MAC, source.ipv4, address, ttl=ttl, proto=proto, payload=payload)

    def punt(self, a: int, dst: bytes | int, now: float = 0.0, *, ttl: int = 64) -> Answer:
        """Punt what an endpoint sends."""
        return self.router.punted(self.world.place(a).dpid, punt(port_of(a), self.frame(a, dst, ttl=ttl)), now)


@pytest.fixture(name="bench")
def _bench() -> Bench:
    return Bench()


def read(writes: list[Write]) -> list[tuple[int, FlowMod | PacketOut]]:
    """Decode writes, each message with its dpid."""
    result: list[tuple[int, FlowMod | PacketOut]] = []
    for dpid, packed in writes:
        for message in messages(packed):
            assert isinstance(message, FlowMod | PacketOut)
            result.append((dpid, message))
    return result


def check_icmp(bench: Bench, write: tuple[int, FlowMod | PacketOut], a: int, kind: Kind, sender: bytes) -> None:
    """Insist on an ICMP error from `sender` into the port of endpoint `a`."""
    dpid, message = write
    place = bench.world.place(a)
    assert isinstance(message, PacketOut)
    assert (dpid, message.actions[0].port) == (place.dpid, port_of(a))  # type: ignore[attr-defined]
    seen = see(message.data)
    assert (seen.proto, tuple(seen.payload[:2])) == (ICMP, kind)
    assert (seen.eth_dst, seen.eth_src) == (place.mac, ROUTER_MAC)
    assert (seen.ipv4_dst, seen.ipv4_src) == (place.ipv4, sender)


def check_drop(write: tuple[int, FlowMod | PacketOut], dpid: int, seconds: int, **match: object) -> None:
    """Insist on a drop flow that ends by itself."""
    assert write[0] == dpid
    flow = write[1]
    assert isinstance(flow, FlowMod)
    assert (flow.command, flow.cookie, flow.instructions) == (FlowModCommand.ADD, DENY_COOKIE, ())
    assert (flow.hard_timeout, flow.idle_timeout, flow.flags) == (seconds, 0, 0)
    assert flow.match == Match(**match)  # type: ignore[arg-type]


# -- what is forwarded


def test_same_host(bench: Bench) -> None:
    """Between two endpoints of a host: two flows on its datapath, and the packet after them."""
    answer = bench.punt(0, 1)
    writes = read(answer.writes)
    assert [dpid for dpid, _ in writes] == [H0] * 3
    back, forth, out = (message for _, message in writes)
    assert isinstance(forth, FlowMod)
    assert isinstance(back, FlowMod)
    assert isinstance(out, PacketOut)
    assert (forth.match.number("in_port"), back.match.number("in_port")) == (port_of(0), port_of(1))
    assert forth.flags == back.flags == FlowModFlags.SEND_FLOW_REM
    assert forth.idle_timeout == back.idle_timeout == 30
    assert forth.cookie == back.cookie == pair_cookie(0, 1)
    assert (out.in_port, see(out.data).ttl) == (PortNo.CONTROLLER, 63)
    assert answer.opened is bench.router.routes.find(bench.world.place(0).ipv4 + bench.world.place(1).ipv4)


def test_two_hosts(bench: Bench) -> None:
    """Between two hosts: the destination's flows, the source's, and the packet last, at the destination."""
    writes = read(bench.punt(0, 2).writes)
    assert [(dpid, type(message)) for dpid, message in writes] == [
        (H1, FlowMod),
        (H1, FlowMod),
        (H0, FlowMod),
        (H0, FlowMod),
        (H1, PacketOut),
    ]
    told = [message.flags == FlowModFlags.SEND_FLOW_REM for _, message in writes if isinstance(message, FlowMod)]
    assert told == [False, True, False, True]
    out = writes[-1][1]
    assert isinstance(out, PacketOut)
    seen = see(out.data)
    assert (seen.ttl, seen.eth_src, seen.eth_dst) == (62, ROUTER_MAC, bench.world.place(2).mac)


@pytest.mark.parametrize(
    ("destination", "ttl", "outcome", "sender"),
    [
        (1, 1, Outcome.EXPIRED, "gateway"),
        (1, 2, Outcome.FORWARD, None),
        (2, 1, Outcome.EXPIRED, "gateway"),
        (2, 2, Outcome.EXPIRED, "host"),
        (2, 3, Outcome.FORWARD, None),
    ],
)
def test_ttl(bench: Bench, destination: int, ttl: int, outcome: Outcome, sender: str | None) -> None:
    """A packet that expires at the first host hears from the gateway, at the second from that host's address."""
    answer = bench.punt(0, destination, ttl=ttl)
    assert answer.outcome is outcome
    if sender is None:
        out = read(answer.writes)[-1][1]
        assert isinstance(out, PacketOut)
        assert see(out.data).ttl == 1
        return
    (write,) = read(answer.writes)
    router = bench.world.place(0).gateway if sender == "gateway" else host(1).address
    check_icmp(bench, write, 0, TIME_EXCEEDED, router)
    assert (answer.opened, len(bench.router.routes)) == (None, 0)


def test_expired_on_arrival(bench: Bench) -> None:
    """What expires at the destination's uplink is reported at the source's datapath, from the destination host."""
    source, destination = bench.world.place(0), bench.world.place(2)
    frame = ipv4(uplink_mac(0), uplink_mac(1), source.ipv4, destination.ipv4, ttl=1)
    (write,) = read(bench.router.punted(H1, punt(UPLINK, frame), 0.0).writes)
    check_icmp(bench, write, 0, TIME_EXCEEDED, host(1).address)


def test_restore(bench: Bench) -> None:
    """What arrives by the uplink without a flow is delivered, one hop lower, with all flows of its route."""
    source, destination = bench.world.place(0), bench.world.place(2)
    frame = ipv4(uplink_mac(0), uplink_mac(1), source.ipv4, destination.ipv4, ttl=63)
    answer = bench.router.punted(H1, punt(UPLINK, frame), 0.0)
    writes = read(answer.writes)
    assert [dpid for dpid, _ in writes] == [H1, H1, H0, H0, H1]
    out = writes[-1][1]
    assert isinstance(out, PacketOut)
    assert see(out.data).ttl == 62
    assert answer.opened is not None
    assert (answer.opened.source, answer.opened.destination) == (source, destination)


def test_restore_while_the_source_is_away(bench: Bench) -> None:
    """What arrives from a host whose datapath is not connected is delivered; only this host's end is installed."""
    source, destination = bench.world.place(0), bench.world.place(2)
    bench.world.view.disconnect(H0)
    frame = ipv4(uplink_mac(0), uplink_mac(1), source.ipv4, destination.ipv4, ttl=63)
    answer = bench.router.punted(H1, punt(UPLINK, frame), 0.0)
    assert answer.outcome is Outcome.RESTORE
    assert [dpid for dpid, _ in read(answer.writes)] == [H1, H1, H1]
    bench.world.view.disconnect(H1)
    assert bench.router.punted(H0, punt(port_of(0), bench.frame(0, 2)), 0.0).outcome is Outcome.UNKNOWN_PORT


def test_grace(bench: Bench) -> None:
    """Punts right after an installation, in either direction, are passed on and install nothing."""
    bench.punt(0, 2, now=10.0)
    for a, b, dpid in ((0, 2, H1), (2, 0, H0)):
        answer = bench.punt(a, b, now=10.9)
        assert [(target, type(message)) for target, message in read(answer.writes)] == [(dpid, PacketOut)]
        assert (answer.outcome, answer.opened) == (Outcome.FORWARD, None)
    assert [route.generation for route in bench.router.routes] == [0]


def test_renew(bench: Bench) -> None:
    """A punt of a live route after the grace time installs it again, as the same route of the next generation."""
    opened = bench.punt(0, 2, now=10.0).opened
    answer = bench.punt(2, 0, now=11.0)
    writes = read(answer.writes)
    flows = [message for _, message in writes if isinstance(message, FlowMod)]
    assert {flow.cookie for flow in flows} == {pair_cookie(1, 1)}
    assert len(flows) == 4
    assert writes[-1][0] == H0
    assert answer.opened is None
    assert list(bench.router.routes) == [opened]


def test_renew_half_dead(bench: Bench) -> None:
    """A route that lost one direction is installed again at once, grace or not."""
    bench.punt(0, 2, now=10.0)
    bench.router.removed(FlowRemoved(cookie=pair_cookie(0, 1), match=Match(eth_type=0x800, ipv4_src=address(bench, 2))))
    (route,) = bench.router.routes
    assert route.alive == FORTH
    assert len(bench.punt(2, 0, now=10.1).writes) == 3
    assert (route.alive, route.generation) == (FORTH | BACK, 1)


def address(bench: Bench, number: int) -> bytes:
    """Give an endpoint's address."""
    return bench.world.place(number).ipv4


# -- what is not forwarded


@pytest.mark.parametrize(
    ("destination", "outcome", "kind"),
    [
        (3, Outcome.DENIED, PROHIBITED),
        (4, Outcome.UNREACHABLE, HOST_UNREACHABLE),
        (NOWHERE, Outcome.UNKNOWN_HOST, HOST_UNREACHABLE),
        (OUTSIDE, Outcome.UNKNOWN_NETWORK, NETWORK_UNREACHABLE),
    ],
)
def test_refused(bench: Bench, destination: int | bytes, outcome: Outcome, kind: Kind) -> None:
    """A refusal is a drop flow for these addresses, and an ICMP error from the gateway."""
    answer = bench.punt(0, destination)
    assert answer.outcome is outcome
    drop, error = read(answer.writes)
    source = bench.world.place(0)
    dst = destination if isinstance(destination, bytes) else address(bench, destination)
    fields = {"in_port": port_of(0), "eth_src": source.mac, "eth_type": 0x800, "ipv4_src": source.ipv4}
    check_drop(drop, H0, 1, **fields, ipv4_dst=dst)
    assert isinstance(drop[1], FlowMod)
    assert drop[1].priority == Priority.DENY
    check_icmp(bench, error, 0, kind, source.gateway)
    assert bench.router.outcomes[outcome] == 1


def test_pending(bench: Bench) -> None:
    """Of an endpoint whose container is not known a packet is dropped and no more, so that the next one may pass."""
    known = bench.world.place(1).endpoint
    bench.world.view.put_endpoint(replace(known, pending=True))
    answer = bench.punt(0, 1)
    assert (answer.outcome, answer.opened, answer.writes) == (Outcome.PENDING, None, [])
    assert bench.router.outcomes[Outcome.PENDING] == 1
    bench.world.view.put_endpoint(known)
    route = bench.punt(0, 1).opened
    assert route is not None
    bench.world.view.put_endpoint(replace(known, pending=True))
    assert bench.router.obsolete([route]) == [route]


def test_spoofed(bench: Bench) -> None:
    """A liar is dropped with what it claimed, and told nothing."""
    lie = ipv4(bench.world.place(1).mac, ROUTER_MAC, address(bench, 1), address(bench, 2))
    (drop,) = read(bench.router.punted(H0, punt(port_of(0), lie), 0.0).writes)
    fields = {"in_port": port_of(0), "eth_src": bench.world.place(1).mac, "eth_type": 0x800}
    check_drop(drop, H0, 1, **fields, ipv4_src=address(bench, 1), ipv4_dst=address(bench, 2))


def test_multicast(bench: Bench) -> None:
    """Multicast is dropped for a while without a word."""
    (drop,) = read(bench.punt(0, bytes((224, 0, 0, 251)), ttl=1).writes)
    assert isinstance(drop[1], FlowMod)
    assert drop[1].match["ipv4_dst"] == bytes((224, 0, 0, 251))


def test_not_ipv4(bench: Bench) -> None:
    """An EtherType that is never routed is dropped for a longer while, whatever its addresses."""
    frame = bytes(12) + b"\x86\xdd" + bytes(40)
    (drop,) = read(bench.router.punted(H0, punt(port_of(0), frame), 0.0).writes)
    check_drop(drop, H0, 60, in_port=port_of(0), eth_type=0x86DD)


def test_unknown_port(bench: Bench) -> None:
    """A port that belongs to nobody is not heard for a while."""
    (drop,) = read(bench.router.punted(H0, punt(77, bench.frame(0, 1)), 0.0).writes)
    check_drop(drop, H0, 1, in_port=77)
    assert isinstance(drop[1], FlowMod)
    assert drop[1].priority == Priority.MUTE


def test_stray(bench: Bench) -> None:
    """What arrives by the uplink from a stranger is dropped by its addresses; other hosts' packets still come."""
    frame = ipv4(uplink_mac(7), uplink_mac(0), OUTSIDE, address(bench, 0))
    (drop,) = read(bench.router.punted(H0, punt(UPLINK, frame), 0.0).writes)
    fields = {"in_port": UPLINK, "eth_src": uplink_mac(7), "eth_type": 0x800}
    check_drop(drop, H0, 1, **fields, ipv4_src=OUTSIDE, ipv4_dst=address(bench, 0))


def test_malformed(bench: Bench) -> None:
    """What cannot even be matched on leads to nothing."""
    assert bench.router.punted(H0, punt(port_of(0), b"\1\2\3"), 0.0).writes == []
    assert bench.router.punted(H0, punt(UPLINK, bytes(20)), 0.0).writes == []


def test_no_error_about_an_error(bench: Bench) -> None:
    """An ICMP error that is refused is dropped, and not answered with another (RFC 1122, 3.2.2)."""
    frame = bench.frame(0, NOWHERE, proto=ICMP, payload=echo(3))
    (drop,) = read(bench.router.punted(H0, punt(port_of(0), frame), 0.0).writes)
    assert isinstance(drop[1], FlowMod)
    expired = bench.frame(0, 1, ttl=1, proto=ICMP, payload=echo(11))
    assert bench.router.punted(H0, punt(port_of(0), expired), 0.0).writes == []


def test_gateway(bench: Bench) -> None:
    """The gateway answers a ping, and refuses whatever else is meant for it; no flow is installed for either."""
    gateway = bench.world.place(0).gateway
    ping = bench.frame(0, gateway, proto=ICMP, payload=echo(8))
    answer = bench.router.punted(H0, punt(port_of(0), ping), 0.0)
    ((dpid, out),) = read(answer.writes)
    assert isinstance(out, PacketOut)
    assert (answer.outcome, dpid) == (Outcome.ANSWER, H0)
    assert see(out.data).payload == echo(0)
    (write,) = read(bench.punt(0, gateway).writes)
    check_icmp(bench, write, 0, PORT_UNREACHABLE, gateway)
    other = bench.frame(0, gateway, proto=47)
    (write,) = read(bench.router.punted(H0, punt(port_of(0), other), 0.0).writes)
    check_icmp(bench, write, 0, PROTOCOL_UNREACHABLE, gateway)
    reply = bench.frame(0, gateway, proto=ICMP, payload=echo(0))
    assert bench.router.punted(H0, punt(port_of(0), reply), 0.0).writes == []


# -- budgets


def test_icmp_budget() -> None:
    """ICMP on behalf of one port is limited; drop flows are still installed, and other ports have their own."""
    bench = Bench(RouterSettings(icmp_rate=1.0, icmp_burst=2.0))
    sent = [len(bench.punt(0, bytes((10, 0, 9, n)), now=0.0).writes) for n in range(4)]
    assert sent == [2, 2, 1, 1]
    assert len(bench.punt(1, NOWHERE, now=0.0).writes) == 2
    assert len(bench.punt(0, NOWHERE, now=1.0).writes) == 2
    gateway = bench.frame(0, bench.world.place(0).gateway, proto=ICMP, payload=echo(8))
    assert bench.router.punted(H0, punt(port_of(0), gateway), 1.0).writes == []


def test_punt_budget() -> None:
    """A port over its budget is muted once per while, below its routes and ARP; other ports are heard."""
    bench = Bench(RouterSettings(punt_rate=1.0, punt_burst=2.0))
    for _ in range(2):
        assert bench.punt(0, 1, now=0.0).outcome is Outcome.FORWARD
    answer = bench.punt(0, 1, now=0.0)
    assert answer[:3] == (None, None, None)
    (mute,) = read(answer.writes)
    check_drop(mute, H0, 1, in_port=port_of(0))
    assert isinstance(mute[1], FlowMod)
    assert mute[1].priority == Priority.MUTE
    assert bench.punt(0, 1, now=0.1).writes == []
    assert len(bench.punt(0, 1, now=0.6).writes) == 1
    assert bench.router.over_budget == 3
    assert bench.punt(1, 2, now=0.6).outcome is Outcome.FORWARD
    assert bench.punt(0, 1, now=1.7).outcome is Outcome.FORWARD


def test_uplink_budget() -> None:
    """The uplink has a larger budget, and is muted above what restores routes, below the routes themselves."""
    bench = Bench(RouterSettings(punt_rate=1.0, punt_burst=2.0, uplink_factor=2.0))
    frame = ipv4(uplink_mac(1), uplink_mac(0), address(bench, 2), address(bench, 0), ttl=63)
    outcomes = [bench.router.punted(H0, punt(UPLINK, frame), 0.0).outcome for _ in range(5)]
    assert outcomes == [Outcome.RESTORE] * 4 + [None]
    bench = Bench(RouterSettings(punt_rate=0.0, punt_burst=1.0, uplink_factor=1.0))
    bench.router.punted(H0, punt(UPLINK, frame), 0.0)
    (mute,) = read(bench.router.punted(H0, punt(UPLINK, frame), 0.0).writes)
    check_drop(mute, H0, 1, in_port=UPLINK)
    assert isinstance(mute[1], FlowMod)
    assert mute[1].priority == Priority.MUTE_UPLINK


def test_forget_port() -> None:
    """A port that is gone leaves nothing behind, and its successor begins with a full budget."""
    bench = Bench(RouterSettings(punt_rate=0.0, punt_burst=1.0, icmp_rate=0.0, icmp_burst=1.0))
    assert len(bench.punt(0, NOWHERE).writes) == 2
    assert bench.punt(0, NOWHERE).outcome is None
    bench.router.forget_port(H0, port_of(0))
    assert len(bench.punt(0, NOWHERE).writes) == 2
    assert len(bench.punt(0, NOWHERE).writes) == 1
    bench.router.forget_port(H0, port_of(0))
    bench.router.forget_port(H0, 12345)
    router = bench.router
    assert not [*router._punts._buckets, *router._uplink_punts._buckets, *router._icmp._buckets, *router._muted]


# -- routes end


def ended(route: Route, ipv4_src: bytes, *, generation: int = 0) -> Ended:
    """Make the flow_removed of one direction, as a shape."""
    zero = dict.fromkeys(Ended._fields, 0)
    fields = {"cookie": pair_cookie(generation, route.id), "ipv4_src": ipv4_src}
    return Ended(**{**zero, **fields})  # type: ignore[arg-type]


def test_removed(bench: Bench) -> None:
    """A route ends with its second direction; news of other flows, or of earlier ones, is ignored."""
    route = bench.punt(0, 2).opened
    assert route is not None
    removed = bench.router.removed
    assert removed(ended(route, address(bench, 0), generation=1)) is None
    assert removed(FlowRemoved(cookie=STATIC_COOKIE)) is removed(FlowRemoved(cookie=12)) is None
    assert removed(FlowRemoved(cookie=pair_cookie(0, route.id))) is None
    assert removed(ended(route, address(bench, 0))) is None
    match = Match(eth_type=0x800, ipv4_src=address(bench, 2))
    assert removed(FlowRemoved(cookie=pair_cookie(0, route.id), match=match)) is route
    assert len(bench.router.routes) == 0


def test_revoke(bench: Bench) -> None:
    """Revoked routes are forgotten at once, and their flows deleted by exact cookie at both ends."""
    same, two = bench.punt(0, 1).opened, bench.punt(0, 2).opened
    assert same is not None
    assert two is not None
    taken, writes = bench.router.revoke([same, two])
    assert taken == [same, two]
    deletions = read(writes)
    assert [dpid for dpid, _ in deletions] == [H0, H0, H1]
    for (_, message), route in zip(deletions, (same, two, two), strict=True):
        assert isinstance(message, FlowMod)
        assert (message.command, message.table_id) == (FlowModCommand.DELETE, 255)
        assert (message.cookie, message.cookie_mask) == (pair_cookie(0, route.id), COOKIE_ALL)
        assert len(message.match) == 0
    assert bench.router.revoke([same, two]) == ([], [])


def test_lift_denials(bench: Bench) -> None:
    """Drop flows that may still stand are deleted on their datapaths, once; routes and static flows are not."""
    bench.punt(0, 3, now=0.0)
    bench.punt(2, NOWHERE, now=10.0)
    ((dpid, message),) = read(bench.router.lift_denials(10.5))
    assert isinstance(message, FlowMod)
    assert (dpid, message.command) == (H1, FlowModCommand.DELETE)
    assert (message.cookie, message.cookie_mask) == (DENY_COOKIE, KIND_MASK)
    assert bench.router.lift_denials(10.5) == []


def test_believed(bench: Bench) -> None:
    """Of the routes adopted on trust, those that send to another MAC than the uplink has are named, once."""
    right, wrong = bench.punt(0, 2).opened, bench.punt(0, 1).opened
    assert right is not None
    assert wrong is not None
    bench.router.believe(right, H1, uplink_mac(1))
    bench.router.believe(wrong, H1, uplink_mac(5))
    assert bench.router.disbelieved(H0) == []
    assert bench.router.disbelieved(H1) == [wrong]
    assert bench.router.disbelieved(H1) == []


def test_first_route_id() -> None:
    """Route ids begin where the controller says, so that a restarted one stays clear of its former ids."""
    world = World(PLAN)
    router = Router(world.view, first_route_id=0xABCDEF01)
    source, destination = world.place(0), world.place(1)
    frame = ipv4(source.mac, ROUTER_MAC, source.ipv4, destination.ipv4)
    opened = router.punted(H0, punt(port_of(0), frame), 0.0).opened
    assert opened is not None
    assert opened.id == 0xABCDEF01


def test_flows_after_the_port_changed(bench: Bench) -> None:
    """Flows are built from where the endpoints are now."""
    route = bench.punt(0, 1).opened
    assert route is not None
    bench.world.view.put_port(H0, replace_port(bench, 1, 40))
    ports = [
        flow.match.number("in_port") for _, flow in read(bench.router.flows_of(route)) if isinstance(flow, FlowMod)
    ]
    assert ports == [40, port_of(0)]


def replace_port(bench: Bench, number: int, port_no: int) -> PortInfo:
    """Report an endpoint's port under another number."""
    return bench.world.view.switches[H0].ports[f"p{number}"]._replace(number=port_no)


# -- published ports -------------------------------------------------------------------------------------------------

HOST0, HOST1 = host(0).address, host(1).address
DENIAL = Rule(
    "r1", allow=False, source=Selector(Naming.ENDPOINT, "e0"), destination=Selector(Naming.ENDPOINT, "e1"), priority=9
)
SYN, ACK = 0x02, 0x10


def published_world() -> World:
    """Endpoint 0 on host 0 and endpoint 1 on host 1, where port 8080 leads to its 80, as 8081 of all hosts does."""
    world = World(Plan((True, True), (Spot(0), Spot(1))), gateway=True)
    target = world.place(1).endpoint
    own = tuple(Published(protocol, 8080, 80) for protocol in (TCP, UDP))
    world.view.put_endpoint(replace(target, container="c1", published=own))
    for protocol in (TCP, UDP):
        world.view.doors.put_lead(Lead(f"p{protocol}", None, "c1", None, Published(protocol, 8081, 80)))
    return world


def segment(proto: int, source_port: int, destination_port: int, flags: int) -> bytes:
    """Make the head of a TCP segment or a UDP datagram."""
    head = struct.pack("!HH", source_port, destination_port)
    return head + (bytes(9) + bytes((flags,)) + bytes(6) if proto == TCP else struct.pack("!HH", 8, 0))


def say(
    world: World,
    address: bytes,
    port: int,
    proto: int = TCP,
    *,
    flags: int = SYN,
    fragment: int = 0,
    sport: int = 40000,
) -> Answer:
    """Have endpoint 0 say something to a host's port; give how that was answered."""
    me, before = world.place(0), len(world.answers)
    payload = segment(proto, sport, port, flags)
    world.send(0, ipv4(me.mac, ROUTER_MAC, me.ipv4, address, proto=proto, payload=payload, fragment=fragment))
    assert len(world.answers) == before + 1
    return world.answers[-1]


def hear(world: World, port: int, proto: int = TCP, *, flags: int = SYN | ACK, sport: int = 40000) -> Answer:
    """Have host 0 say something to endpoint 0 from a port; give how that was answered."""
    me, payload = world.place(0), segment(proto, port, sport, flags)
    world.send_from_host(0, ipv4(local_mac(0), ROUTER_MAC, HOST0, me.ipv4, proto=proto, payload=payload))
    return world.answers[-1]


@pytest.mark.parametrize("proto", [TCP, UDP])
@pytest.mark.parametrize(("address", "port"), [(HOST0, 8081), (HOST1, 8081), (HOST1, 8080)])
def test_published_port_of_a_denied_container(address: bytes, port: int, proto: int) -> None:
    """Who is denied a container is denied the ports that lead there, by name, however the packet looks."""
    world = published_world()
    opened = say(world, address, port, proto).opened
    assert opened is not None
    assert opened.connection is not None
    world.view.policy.put_rule(DENIAL)
    assert world.router.obsolete(world.router.affected([DENIAL])) == [opened]
    world.net.write(world.router.revoke([opened])[1])
    for flags in (SYN, ACK, SYN | ACK, 0):
        answer = say(world, address, port, proto, flags=flags, sport=41000 + flags)
        assert answer.outcome is Outcome.DENIED
        assert answer.verdict is not None
        assert answer.verdict.judgement is not None
        assert answer.verdict.judgement.rule == "r1"
        name = "h0" if address == HOST0 else "h1"
        assert answer.verdict.judgement.reason == (
            f"by published port {port} of {name}, which leads to e1: denied by rule r1"
        )
    assert say(world, address, 22, proto, sport=42000).outcome is Outcome.FORWARD
    world.view.policy.remove_rule("r1")
    assert say(world, address, port, proto, sport=43000).outcome is Outcome.FORWARD


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_published_port_does_not_answer_either(proto: int) -> None:
    """What comes from a published port to who is denied the container behind does not revive what was cut."""
    world = published_world()
    world.view.policy.put_rule(DENIAL)
    assert hear(world, 8081, proto).outcome is Outcome.DENIED
    assert hear(world, 9000, proto, sport=40001).outcome is Outcome.FORWARD
    world.view.policy.remove_rule("r1")
    assert hear(world, 8081, proto, sport=40002).outcome is Outcome.FORWARD


def test_fragments_to_a_host_with_a_denied_port() -> None:
    """Fragments show no ports, so that none pass to a host of which one port leads to a denied container."""
    world = published_world()
    assert say(world, HOST0, 9000, UDP, fragment=0x2000).outcome is Outcome.FORWARD
    world.view.policy.put_rule(DENIAL)
    world.net.write(world.router.revoke(world.router.obsolete(world.router.with_hosts()))[1])
    assert say(world, HOST0, 9000, UDP, fragment=0x2000).outcome is Outcome.DENIED


def test_no_pair_route_to_a_host() -> None:
    """By a route of the pair a container would come to every port of a host; those who are no hosts have one."""
    world = published_world()
    ping = echo(8)
    me = world.place(0)
    for address, pair in ((HOST0, False), (HOST1, False), (OUTSIDE, True)):
        world.send(0, ipv4(me.mac, ROUTER_MAC, me.ipv4, address, proto=ICMP, payload=ping))
        opened = world.answers[-1].opened
        assert opened is not None
        assert (opened.connection is None) is pair
    opened = hear(world, 9000, UDP).opened
    assert opened is not None
    assert opened.connection is not None


def test_container_reaches_itself_by_a_published_port() -> None:
    """What a container says to itself by a host is no matter between two."""
    world = published_world()
    own = Selector(Naming.NETWORK, "n0")
    world.view.policy.put_rule(Rule("r2", allow=False, source=own, destination=own))
    me = world.place(1)
    world.send(1, ipv4(me.mac, ROUTER_MAC, me.ipv4, HOST1, proto=TCP, payload=segment(TCP, 40000, 8080, SYN)))
    assert world.answers[-1].outcome is Outcome.FORWARD
    assert say(world, HOST1, 8080).outcome is Outcome.DENIED


def test_restarted_controller_judges_published_ports() -> None:
    """What goes by a published port is adopted by another controller, unless policy denies the container by then."""
    world = published_world()
    say(world, HOST1, 8080)
    say(world, HOST1, 22, sport=41000)
    world.restart()
    assert len(world.router.routes) == 2
    world.view.policy.put_rule(DENIAL)
    world.restart()
    [kept] = world.router.routes
    assert kept.connection is not None
    assert 22 in kept.connection
