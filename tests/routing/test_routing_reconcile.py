"""A datapath's flow table is made right: good flows stay, wrong ones go, missing ones come, foreign ones are let be."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP, echo, ipv4, see
from tests.routing.simulator import Flow, SimulatedSwitch, altered
from tests.routing.world import (
    UPLINK,
    Plan,
    Spot,
    World,
    host,
    local_mac,
    network,
    plans,
    port_of,
    static_of,
    uplink_mac,
)

from daoli.ofproto import (
    ApplyActions,
    FlowMod,
    FlowModFlags,
    FlowRemovedReason,
    FlowStats,
    FlowStatsReply,
    Match,
    Output,
    PortNo,
    decode,
)
from daoli.routing.flows import Arrive, Forward, ForwardProtocol
from daoli.routing.model import ROUTER_MAC
from daoli.routing.pipeline import (
    DENY_COOKIE,
    KIND_MASK,
    MAGIC,
    STATIC_COOKIE,
    Cookie,
    Kind,
    Priority,
    connection_cookie,
    pair_cookie,
)
from daoli.routing.policy import SAME_NETWORK
from daoli.routing.reconcile import Reconciler, Repair
from daoli.routing.router import Router, RouterSettings
from daoli.routing.routes import BACK, FORTH
from daoli.routing.view import PortInfo

# Endpoints 0 and 1 on host 0, 2 on host 1, 3 on host 0 in another network.
PLAN = Plan((True, True), (Spot(0), Spot(0), Spot(1), Spot(0, 1)))
H0, H1 = host(0).dpid, host(1).dpid
PAIRS = (MAGIC << 48 | Kind.PAIR << 40, KIND_MASK)
STRANGER = bytes.fromhex("0200deadbeef")


def talk(world: World, a: int, b: int) -> int:
    """Let an endpoint send to another; count the frames that arrive, which must all be at the right port."""
    source, destination = world.place(a), world.place(b)
    arrivals = world.send(a, ipv4(source.mac, ROUTER_MAC, source.ipv4, destination.ipv4))
    right = [x for x in arrivals if (x.dpid, x.port) == (destination.dpid, port_of(b))]
    assert all(see(arrival.frame).eth_dst == destination.mac for arrival in right)
    return len(right)


def settled() -> World:
    """Make a world with a route on one host and one between two."""
    world = World(PLAN)
    for a, b in ((0, 1), (2, 0)):
        assert talk(world, a, b) == 1
    return world


def restart(world: World) -> None:
    """Give the world a controller that knows the records and ports, and no routes."""
    world.router = Router(world.view, RouterSettings(), first_route_id=0x9999_0000)


def repair(world: World, dpid: int, now: float = 100.0) -> Repair:
    """Dump a datapath, do what the reconciler says, and tell the router what ended."""
    reconciler = Reconciler(world.router, world.view.switches[dpid], now)
    for flow in world.net.switches[dpid].flows.values():
        reconciler.take(decoded(flow))
    done = reconciler.finish(now)
    world.net.write([(dpid, packed) for packed in done.writes])
    world.tell_removals()
    return done


@lru_cache(maxsize=4096)
def decoded(flow: Flow) -> FlowStats:
    """Send a flow through a dump's bytes, so that what is compared has been read off the wire."""
    reply = decode(FlowStatsReply(flows=(flow.stats(),)).encode())
    assert isinstance(reply, FlowStatsReply)
    return reply.flows[0]


def put(switch: SimulatedSwitch, flow: Flow) -> Flow:
    """Put a flow into a table as it is."""
    switch.flows[flow.key] = flow
    return flow


# -- nothing to do


def test_good_flows_are_untouched() -> None:
    """Feeding back exactly what was installed leads to no write at all, nor does doing so again."""
    world = settled()
    before = {dpid: dict(switch.flows) for dpid, switch in world.net.switches.items()}
    for dpid in (H0, H1, H0):
        assert repair(world, dpid) == Repair([], 0, 0, 0, 0, [])
    assert {dpid: switch.flows for dpid, switch in world.net.switches.items()} == before


@pytest.mark.parametrize("order", [(H0, H1), (H1, H0)])
def test_adopted(order: tuple[int, int]) -> None:
    """A restarted controller adopts the routes that were installed, whichever datapath comes first."""
    world = settled()
    before = {route.id: (route.generation, {route.pair[:4], route.pair[4:]}) for route in world.router.routes}
    restart(world)
    for dpid in order:
        done = repair(world, dpid)
        assert (done.writes, done.stale_removed, done.static_added) == ([], 0, 0)
    adopted = {route.id: (route.generation, {route.pair[:4], route.pair[4:]}) for route in world.router.routes}
    assert adopted == before
    assert all(route.alive == FORTH | BACK for route in world.router.routes)
    assert all(route.judgement is SAME_NETWORK for route in world.router.routes)
    assert [talk(world, a, b) for a, b in ((0, 1), (1, 0), (0, 2), (2, 0))] == [1, 1, 1, 1]
    assert world.net.punts == 2


def test_adopted_count() -> None:
    """A route is adopted once, by the first datapath that tells of it."""
    world = settled()
    restart(world)
    assert repair(world, H0).adopted == 2
    assert repair(world, H1).adopted == 0


def test_adopted_routes_end() -> None:
    """An adopted route ends as any other does: with its flows, or when it is revoked."""
    world = settled()
    restart(world)
    for dpid in (H0, H1):
        repair(world, dpid)
    world.net.write(world.router.revoke(list(world.router.routes))[1])
    assert not [flow for switch in world.net.switches.values() for flow in switch.with_cookie(*PAIRS)]


# -- static flows


def test_flow_that_ends_between_dump_and_comparison() -> None:
    """A flow whose end was told after it was dumped is not adopted: nobody would tell of its end again."""
    world = settled()
    restart(world)
    reconciler = Reconciler(world.router, world.view.switches[H1], 100.0)
    dumped = [decoded(flow) for flow in world.net.switches[H1].flows.values()]
    (sent,) = [flow for flow in dumped if Cookie.parse(flow.cookie) and "eth_src" in flow.match]
    reconciler.removed(sent.cookie, sent.match["ipv4_src"])
    for flow in dumped:
        reconciler.take(flow)
    assert reconciler.finish(100.0).adopted == 0
    assert len(world.router.routes) == 0


def test_empty_table() -> None:
    """A datapath that lost everything gets all its static flows."""
    world = World(PLAN)
    world.net.switches[H0].flows.clear()
    done = repair(world, H0)
    assert done.static_added == len(done.writes) == len(static_of(UPLINK, uplink_mac(0)))
    assert world.net.switches[H0].flows == {flow.key: flow for flow in static_of(UPLINK, uplink_mac(0))}


def as_flow(mod: FlowMod) -> Flow:
    """Read a flow_mod as the flow that it makes."""
    switch = SimulatedSwitch()
    switch.write(mod.encode())
    (flow,) = switch.flows.values()
    return flow


@pytest.mark.parametrize(
    "change",
    [
        {"instructions": ()},
        {"instructions": (ApplyActions((Output(3),)),)},
        {"hard_timeout": 5},
        {"idle_timeout": 5},
        {"cookie": STATIC_COOKIE | 1},
    ],
)
def test_altered_static_flow(change: dict[str, object]) -> None:
    """A static flow that is not as it should be is replaced, without being away for a moment."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    right = static_of(UPLINK, uplink_mac(0))[0]
    put(switch, altered(right, **change))
    done = repair(world, H0)
    assert (done.static_added, done.stale_removed, len(done.writes)) == (1, 0, 1)
    assert switch.flows[right.key] == right


def test_outdated_static_flow() -> None:
    """A static flow that no longer belongs, such as the guard of a former uplink, is removed and nothing else."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    before = dict(switch.flows)
    former = [
        flow for flow in static_of(66, STRANGER) if "in_port" in flow.match and flow.match.number("in_port") == 66
    ]
    assert len(former) == 2
    for flow in former:
        put(switch, flow)
    done = repair(world, H0)
    assert (done.static_added, done.stale_removed) == (0, 2)
    assert switch.flows == before


def test_new_uplink() -> None:
    """When the uplink got another number the flows that speak of it are replaced, and the others stay."""
    world = World(PLAN)
    world.view.put_port(H0, PortInfo(44, "up0", STRANGER))
    done = repair(world, H0)
    assert (done.static_added, done.stale_removed) == (2, 2)
    assert world.net.switches[H0].flows == {flow.key: flow for flow in static_of(44, STRANGER)}


def test_unknown_kind() -> None:
    """A flow of ours of a kind that this version does not know is removed."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    before = dict(switch.flows)
    put(switch, Flow(3, 7, Match(in_port=5), MAGIC << 48 | 9 << 40))
    assert repair(world, H0).stale_removed == 1
    assert switch.flows == before


# -- what is not ours


def test_foreign_flows() -> None:
    """Flows that somebody else put there are counted and left alone, though they look like ours."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    foreign = {put(switch, Flow(0, 100, Match(in_port=5), cookie)).key for cookie in (0x1234,)} | {
        put(switch, Flow(5, 0, Match(), 0xDA02 << 48 | 1 << 40)).key
    }
    done = repair(world, H0)
    assert (done.foreign, done.writes) == (2, [])
    assert foreign <= set(switch.flows)


def test_deny_flows() -> None:
    """Drop flows end by themselves, and are neither removed nor foreign."""
    world = World(PLAN)
    put(world.net.switches[H0], Flow(0, Priority.DENY, Match(in_port=5), DENY_COOKIE, hard_timeout=1))
    assert repair(world, H0) == Repair([], 0, 0, 0, 0, [])


# -- live flows that are wrong

MAC = b"\2\0\0\0\1\x07"


def wrong_forward(world: World, **change: object) -> Flow:
    """Make the flow from endpoint 0 to endpoint 1, with something else."""
    a, b = world.place(0), world.place(1)
    right = Forward(0, pair_cookie(0, 5), 30, port_of(0), a.mac, a.ipv4, b.ipv4, ROUTER_MAC, b.mac, port_of(1))
    return as_flow(right._replace(**change).message())  # type: ignore[arg-type]


def wrong_remote(world: World, **change: object) -> Flow:
    """Make the flow from endpoint 0 to endpoint 2 on the other host, with something else."""
    a, b = world.place(0), world.place(2)
    right = Forward(0, pair_cookie(0, 5), 30, port_of(0), a.mac, a.ipv4, b.ipv4, uplink_mac(0), uplink_mac(1), UPLINK)
    return as_flow(right._replace(**change).message())  # type: ignore[arg-type]


def wrong_arrival(world: World, **change: object) -> Flow:
    """Make the flow that brings endpoint 2's packets to endpoint 0, with something else."""
    a, b = world.place(0), world.place(2)
    right = Arrive(0, pair_cookie(0, 5), 30, UPLINK, uplink_mac(0), b.ipv4, a.ipv4, a.mac, port_of(0))
    return as_flow(right._replace(**change).message())  # type: ignore[arg-type]


WRONG: dict[str, Callable[[World], Flow]] = {
    "out of another port": lambda world: wrong_forward(world, out_port=77),
    "to another MAC": lambda world: wrong_forward(world, new_dst=MAC),
    "from another MAC": lambda world: wrong_forward(world, new_src=MAC),
    "in by another port": lambda world: wrong_forward(world, in_port=77),
    "of another MAC": lambda world: wrong_forward(world, eth_src=MAC),
    "to an unknown address": lambda world: wrong_forward(world, ipv4_dst=b"\n\0\x07\x07"),
    "from an unknown address": lambda world: wrong_forward(world, ipv4_src=b"\n\0\x07\x07"),
    "to a denied address": lambda world: wrong_forward(world, ipv4_dst=world.place(3).ipv4),
    "to itself": lambda world: wrong_forward(world, ipv4_dst=world.place(0).ipv4),
    "of another priority": lambda world: altered(wrong_forward(world), priority=99),
    "in another table": lambda world: altered(wrong_forward(world), table_id=1),
    "with a hard timeout": lambda world: altered(wrong_forward(world), hard_timeout=9),
    "without flow_removed": lambda world: altered(wrong_forward(world), flags=0),
    "that does nothing": lambda world: altered(wrong_forward(world), instructions=()),
    "with an action more": lambda world: altered(
        wrong_forward(world), instructions=(ApplyActions((*wrong_forward(world).actions, Output(5))),)
    ),
    "that matches more": lambda world: altered(
        wrong_forward(world), match=Match(eth_type=0x800, ipv4_src="10.0.0.10", ipv4_dst="10.0.0.11")
    ),
    "that matches everything": lambda world: altered(wrong_forward(world), match=Match()),
    "to another uplink": lambda world: wrong_remote(world, new_dst=MAC),
    "from another uplink": lambda world: wrong_remote(world, new_src=MAC),
    "not out of the uplink": lambda world: wrong_remote(world, out_port=77),
    "arriving by another port": lambda world: wrong_arrival(world, in_port=77),
    "arriving for another MAC": lambda world: wrong_arrival(world, eth_dst=MAC),
    "arriving at another MAC": lambda world: wrong_arrival(world, new_dst=MAC),
    "arriving at another port": lambda world: wrong_arrival(world, out_port=77),
    "arriving from the unknown": lambda world: wrong_arrival(world, ipv4_src=b"\n\0\x07\x07"),
    "arriving for elsewhere": lambda world: wrong_arrival(world, ipv4_src=b"\n\0\0\n", ipv4_dst=b"\n\0\0\x0c"),
    "arriving with a hard timeout": lambda world: altered(wrong_arrival(world), hard_timeout=9),
    "arriving in another table": lambda world: altered(wrong_arrival(world), table_id=1),
}


def test_the_right_ones_are_right() -> None:
    """What the wrong flows below are made from is right."""
    world = World(PLAN)
    for make in (wrong_forward, wrong_arrival):
        put(world.net.switches[H0], make(world))
    assert repair(world, H0).writes == []
    world = World(PLAN)
    put(world.net.switches[H0], wrong_remote(world))
    assert repair(world, H0).adopted == 1


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_wrong_flow(make: Callable[[World], Flow]) -> None:
    """A live flow that is wrong in anything is removed, and no route is made of it."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    before = dict(switch.flows)
    put(switch, make(world))
    done = repair(world, H0)
    assert (done.stale_removed, done.adopted, done.static_added) == (1, 0, 0)
    assert switch.flows == before
    assert len(world.router.routes) == 0


def test_wrong_datapath() -> None:
    """A flow between two endpoints that are both elsewhere is removed."""
    world = World(PLAN)
    put(world.net.switches[H1], wrong_forward(world))
    assert repair(world, H1).stale_removed == 1
    assert world.net.switches[H1].with_cookie(*PAIRS) == []


@pytest.mark.parametrize("gone", ["p0", "p1", "up0"])
def test_ports_gone(gone: str) -> None:
    """Flows that lead to or from a port that is gone are removed."""
    world = World(PLAN)
    switch = world.net.switches[H0]
    put(switch, wrong_remote(world) if gone == "up0" else wrong_forward(world))
    if gone == "up0":
        put(switch, wrong_arrival(world))
    world.view.remove_port(H0, gone, world.view.switches[H0].ports[gone].number)
    repair(world, H0)
    assert switch.with_cookie(*PAIRS) == []


def test_id_of_another_route() -> None:
    """A flow whose route id is in use by another pair is not adopted under it."""
    world = World(PLAN)
    world.router.routes.open(world.place(0), world.place(2), SAME_NETWORK, 0.0)
    put(world.net.switches[H0], wrong_forward(world, cookie=pair_cookie(0, 1)))
    assert repair(world, H0).stale_removed == 1


def test_earlier_generation() -> None:
    """A flow of an earlier installation of a live route is removed, also where it arrives."""
    world = settled()
    route = world.router.routes.find(world.place(0).ipv4 + world.place(2).ipv4)
    assert route is not None
    route.renew(50.0)
    assert repair(world, H0, 60.0).stale_removed == 2
    assert len(world.net.switches[H0].with_cookie(*PAIRS)) == 2  # those of the other route


# -- a host that is not there yet


def test_believed() -> None:
    """Flows towards a host that has not connected are believed until it tells its uplink's MAC."""
    for mac, trusted in ((uplink_mac(1), True), (STRANGER, False)):
        world = settled()
        restart(world)
        ports = list(world.view.switches[H1].ports.values())
        world.view.disconnect(H1)
        assert repair(world, H0).writes == []
        assert len(world.router.routes) == 2
        world.view.set_ports(H1, [p._replace(mac=mac) if p.name == "up0" else p for p in ports])
        route = world.router.routes.find(world.place(0).ipv4 + world.place(2).ipv4)
        assert world.router.disbelieved(H1) == ([] if trusted else [route])


def test_disconnected_destination_is_not_a_wrong_uplink() -> None:
    """What is believed must still be right in everything else."""
    world = World(PLAN)
    world.view.disconnect(H1)
    put(world.net.switches[H0], wrong_remote(world, out_port=77))
    assert repair(world, H0).stale_removed == 1


# -- routes of a controller that went on


def test_reconnected_empty() -> None:
    """A datapath that comes back empty ends its own routes; those with another end elsewhere are half alive."""
    world = settled()
    world.net.switches[H0].flows.clear()
    done = repair(world, H0)
    (same,) = done.ended
    assert {same.source, same.destination} == {world.place(0), world.place(1)}
    (route,) = world.router.routes
    assert (route.source, route.alive) == (world.place(2), FORTH)
    world.now = 200.0
    assert [talk(world, a, b) for a, b in ((2, 0), (0, 2), (0, 1), (1, 0))] == [1, 1, 1, 1]
    assert world.net.punts == 4
    assert route.alive == FORTH | BACK


def test_installed_meanwhile() -> None:
    """A route installed after the dump began is not missed in it."""
    world = World(PLAN)
    reconciler = Reconciler(world.router, world.view.switches[H0], 10.0)
    world.now = 10.0
    assert talk(world, 0, 1) == 1
    done = reconciler.finish(11.0)
    assert done.ended == []
    assert [route.alive for route in world.router.routes] == [FORTH | BACK]


def test_flow_lost_by_one_direction() -> None:
    """Of a route that lost the flow of one direction just that is noted."""
    world = settled()
    switch = world.net.switches[H0]
    (flow,) = [flow for flow in switch.with_cookie(*PAIRS) if flow.match.get("ipv4_src") == world.place(1).ipv4]
    switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT, told=False)
    assert repair(world, H0).ended == []
    route = world.router.routes.find(world.place(0).ipv4 + world.place(1).ipv4)
    assert route is not None
    assert route.alive == FORTH


# -- anything at all

CHANGES: dict[str, Callable[[Flow], Flow]] = {
    "nothing done": lambda flow: altered(flow, instructions=()),
    "priority": lambda flow: altered(flow, priority=flow.priority + 1),
    "table": lambda flow: altered(flow, table_id=2),
    "route": lambda flow: altered(flow, cookie=flow.cookie ^ 3),
    "generation": lambda flow: altered(flow, cookie=flow.cookie ^ 1 << 32),
    "kind": lambda flow: altered(flow, cookie=flow.cookie ^ 1 << 45),
    "output": lambda flow: altered(flow, instructions=(ApplyActions((*flow.actions[:-1], Output(66))),)),
    "timeout": lambda flow: altered(flow, hard_timeout=77),
}


def check_tables(world: World, expected: set[tuple[int, Flow]]) -> None:
    """Insist on the static flows, on live flows right but for their cookies, and on a route table that knows them."""
    live: set[tuple[int, bytes]] = set()
    for dpid, switch in world.net.switches.items():
        statics = {flow.key: flow for flow in world.static(dpid)}
        pairs = switch.with_cookie(*PAIRS)
        assert {key: flow for key, flow in switch.flows.items() if flow not in pairs} == statics
        for flow in pairs:
            assert (dpid, altered(flow, cookie=0)) in expected
            cookie = Cookie.parse(flow.cookie)
            assert cookie is not None
            if flow.flags & FlowModFlags.SEND_FLOW_REM:
                live.add((cookie.generation << 32 | cookie.route_id, flow.match["ipv4_src"]))
    known = set()
    for route in world.router.routes:
        for place, direction in ((route.source, FORTH), (route.destination, BACK)):
            if route.alive & direction:
                known.add((route.generation << 32 | route.id, place.ipv4))
    assert known == live


def damage(switch: SimulatedSwitch, data: st.DataObject) -> None:
    """Lose and alter some flows, most of them live ones."""
    hurt = data.draw(st.lists(st.sampled_from(list(switch.flows.values())), max_size=2), "of all")
    if pairs := switch.with_cookie(*PAIRS):
        hurt += data.draw(st.lists(st.sampled_from(pairs), max_size=4), "of pairs")
    for flow in dict.fromkeys(hurt):
        switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT, told=False)
        how = data.draw(st.sampled_from(["lost", *CHANGES]), "how")
        if how != "lost":
            put(switch, CHANGES[how](flow))


@given(plans(all_up=True), st.booleans(), st.data())
@settings(max_examples=80, deadline=None)
def test_any_damage(plan: Plan, restarted: bool, data: st.DataObject) -> None:
    """Whatever was lost or altered: after the repair tables are right, known, stay so, and packets arrive."""
    world = World(plan)
    numbers = range(len(plan.spots))
    pairs = st.tuples(st.sampled_from(numbers), st.sampled_from(numbers))
    talks = [(a, b) for a, b in data.draw(st.lists(pairs, max_size=5)) if a != b]
    talks = [(a, b) for a, b in talks if plan.spots[a].network == plan.spots[b].network]
    for a, b in talks:
        assert talk(world, a, b) == 1
    expected = {
        (dpid, altered(flow, cookie=0))
        for dpid, switch in world.net.switches.items()
        for flow in switch.with_cookie(*PAIRS)
    }
    for switch in world.net.switches.values():
        damage(switch, data)
    if restarted:
        restart(world)
    for dpid in data.draw(st.permutations(sorted(world.net.switches)), "order"):
        repair(world, dpid)
    check_tables(world, expected)
    for dpid in world.net.switches:  # what arrives was judged before its route, with another cookie, was found
        repair(world, dpid)
    check_tables(world, expected)
    for dpid in world.net.switches:
        assert repair(world, dpid).writes == []
    world.now = 200.0
    for a, b in talks:
        assert talk(world, a, b) == talk(world, b, a) == 1


# -- the outside

X = bytes((198, 51, 100, 7))
CONNECTIONS = (MAGIC << 48 | Kind.CONNECTION << 40, KIND_MASK)


def way_in(world: World, h: int, b: int, proto: int) -> int:
    """Let a host send to an endpoint what came from the outside; count what arrives there."""
    payload = echo(8) if proto == ICMP else struct.pack("!HH16x", 4000, 80)
    frame = ipv4(local_mac(h), ROUTER_MAC, X, world.place(b).ipv4, proto=proto, payload=payload)
    return len(world.send_from_host(h, frame))


def way_out(world: World, a: int, proto: int) -> list[int]:
    """Let an endpoint answer to the outside; name the datapaths at whose stack that arrives."""
    payload = echo(0) if proto == ICMP else struct.pack("!HH16x", 80, 4000)
    place = world.place(a)
    frame = ipv4(place.mac, ROUTER_MAC, place.ipv4, X, proto=proto, payload=payload)
    return [arrival.dpid for arrival in world.send(a, frame)]


def open_world() -> World:
    """Make a world of gateways: endpoint 2 of host 1 has three conversations let in by host 0, and then goes out."""
    world = World(PLAN, gateway=True)
    assert way_out(world, 0, TCP) == [H0]
    for proto in (TCP, UDP, ICMP):
        assert way_in(world, 0, 2, proto) == 1
    assert way_out(world, 2, 47) == [H1]
    return world


def described(world: World) -> dict[int, tuple[object, ...]]:
    """Describe the live routes without regard to which end began."""
    return {
        route.id: (route.generation, frozenset(route.both_keys()), frozenset(route.dpids()), route.alive)
        for route in world.router.routes
    }


@pytest.mark.parametrize("order", [(H0, H1), (H1, H0)])
def test_outside_is_adopted(order: tuple[int, int]) -> None:
    """Routes to and from the outside are adopted, whichever datapath comes first, and nothing is written."""
    world = open_world()
    before, flows = described(world), {dpid: dict(switch.flows) for dpid, switch in world.net.switches.items()}
    restart(world)
    for dpid in order:
        assert repair(world, dpid).writes == []
    assert described(world) == before
    assert {dpid: switch.flows for dpid, switch in world.net.switches.items()} == flows
    punts = world.net.punts
    assert [way_out(world, 2, proto) for proto in (47, TCP, UDP, ICMP)] == [[H1], [H0], [H0], [H0]]
    assert world.net.punts == punts
    connection = next(route for route in world.router.routes if route.connection)
    assert (connection.source.endpoint, connection.destination) == (None, world.place(2))


def test_unclear_until_the_other_host_connects() -> None:
    """A flow to an uplink that nobody has yet is kept, and adopted once the host that has it is there."""
    world = open_world()
    before = described(world)
    fresh = World(PLAN, gateway=True)
    fresh.net = world.net
    fresh.net.controller = fresh.punted
    ports = list(fresh.view.switches[H0].ports.values())
    fresh.view.disconnect(H0)
    fresh.view.by_uplink.clear()
    fresh.view.switches[H0].uplink_mac = bytes(6)
    first = repair(fresh, H1)
    assert (first.writes, first.unclear, first.adopted) == ([], True, 1)
    fresh.view.set_ports(H0, ports)
    assert repair(fresh, H0).writes == []
    second = repair(fresh, H1)
    assert (second.writes, second.unclear) == ([], False)
    assert described(fresh) == before


def test_pair_beside_what_comes_in_elsewhere() -> None:
    """A pair route goes that was opened while it was unclear that connections of the two come in by another host."""
    world = open_world()
    kept = {dpid: dict(switch.flows) for dpid, switch in world.net.switches.items()}
    for switch in world.net.switches.values():
        for flow in switch.with_cookie(*CONNECTIONS):
            switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT)
    world.tell_removals()
    assert way_out(world, 2, 47) == [H1]
    (pair,) = [route for route in world.router.routes if route.joins(H1, H1)]
    for dpid, switch in world.net.switches.items():
        switch.flows |= kept[dpid]
    assert repair(world, H0).ended == []
    assert repair(world, H1).ended == [pair]
    assert not world.net.switches[H1].with_cookie(*PAIRS)
    assert way_in(world, 1, 2, UDP) == 1
    assert way_out(world, 2, UDP) == [H1]


def test_unclear_without_hope() -> None:
    """When all hosts are there, a flow to an uplink that none of them has goes."""
    world = open_world()
    switch = world.net.switches[H1]
    for flow in switch.with_cookie(*CONNECTIONS):
        switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT, told=False)
    restart(world)
    place = world.place(2)
    wrong = ForwardProtocol(
        0, connection_cookie(0, 5), 30, port_of(2), place.mac, place.ipv4, X, ICMP, uplink_mac(1), STRANGER, UPLINK
    )
    put(switch, as_flow(wrong.message()))
    done = repair(world, H1)
    assert (done.stale_removed, done.unclear) == (1, False)


@pytest.mark.parametrize("reason", ["internal", "no gateway", "inside", "another MAC"])
def test_outside_is_not_adopted(reason: str) -> None:
    """Routes to the outside that would not be installed today are taken away at both hosts."""
    world = open_world()
    restart(world)
    view = world.view
    if reason == "internal":
        view.put_network(replace(network(0), internal=True))
    elif reason == "no gateway":
        for h in (0, 1):
            view.put_host(host(h))
    elif reason == "inside":
        view.put_network(replace(network(1), subnet=IPv4Network("198.51.0.0/16"), gateway=bytes((198, 51, 0, 1))))
    else:
        for dpid in (H0, H1):
            view.put_port(dpid, PortInfo(PortNo.LOCAL, "daoli", STRANGER))
    for dpid in (H0, H1):
        repair(world, dpid)
    assert world.net.switches[H0].with_cookie(*PAIRS) == world.net.switches[H1].with_cookie(*PAIRS) == []
    assert world.net.switches[H0].with_cookie(*CONNECTIONS) == []
    assert not any(route.outside for route in world.router.routes) or reason == "another MAC"


def test_kind_and_match_disagree() -> None:
    """A flow whose cookie says pair and whose match says connection, or the other way round, goes."""
    world = open_world()
    switch = world.net.switches[H0]
    for cookie, flow in (
        (pair_cookie(0, 77), switch.with_cookie(*CONNECTIONS)[0]),
        (connection_cookie(0, 78), switch.with_cookie(*PAIRS)[0]),
    ):
        put(switch, altered(flow, cookie=cookie))
    assert repair(world, H0).stale_removed == 2
