"""What is known of conversations: from live routes, and from those that have idled out."""

from __future__ import annotations

from tests.routing.world import Plan, Spot, World, host

from daoli.routing.memory import Memory
from daoli.routing.packet import TCP, UDP
from daoli.routing.policy import OUTSIDE, SAME_NETWORK
from daoli.routing.routes import Connection, Route, RouteTable
from daoli.routing.view import Outside

WORLD = World(Plan((True, True), (Spot(0), Spot(1))), gateway=True)
X = bytes((198, 51, 100, 7))


def test_stands_alone() -> None:
    """What has gone by another host goes alone, and so does all between its addresses while it does."""
    routes = RouteTable()
    memory = Memory(routes)
    place, connection = WORLD.place(1), Connection(TCP, 80, 4000)

    def alone(port: int, ipv4_dst: bytes = X) -> bool:
        return memory.stands_alone(Connection(TCP, 80, port), place.ipv4, ipv4_dst)

    outside = Outside(WORLD.view.switches[host(0).dpid], X, place.gateway)
    assert not alone(4000)
    for route in (
        Route(1, outside, place, OUTSIDE, 0.0, connection.back()),
        Route(2, place, outside, OUTSIDE, 0.0, connection),
    ):
        routes.add(route)
        assert (alone(4000), alone(4001), alone(4000, bytes(4))) == (True, True, False)
        routes.remove(route)
    memory.remember(Route(1, outside, place, OUTSIDE, 0.0, connection.back()))
    assert (alone(4000), alone(4001)) == (True, False)
    routes.open(place, Outside(place.switch, X, place.gateway), OUTSIDE, 0.0, Connection(TCP, 80, 4001))
    assert (alone(4001), alone(4002)) == (True, False)


def test_knows() -> None:
    """A conversation is known while it has a route; without flags of its own also when that has idled out."""
    routes = RouteTable()
    memory = Memory(routes)
    for protocol, remembered in ((UDP, True), (TCP, False)):
        route = routes.open(WORLD.place(0), WORLD.place(1), SAME_NETWORK, 0.0, Connection(protocol, 5, 80))
        assert all(map(memory.knows, route.both_keys()))
        routes.remove(route)
        assert not any(map(memory.knows, route.both_keys()))
        memory.remember(route)
        assert [memory.knows(key) for key in route.both_keys()] == [remembered, remembered]


def test_entry() -> None:
    """Where a connection came in is told by its route, or by what is remembered of it."""
    routes = RouteTable()
    memory = Memory(routes)
    place, connection = WORLD.place(1), Connection(TCP, 4000, 80)
    outside = Outside(WORLD.view.switches[host(0).dpid], X, place.gateway)
    key = connection.back().key(place.ipv4, X)
    assert memory.entry(key) is None
    route = routes.open(outside, place, OUTSIDE, 0.0, connection)
    assert memory.entry(key) == host(0).dpid
    routes.remove(route)
    assert memory.entry(key) is None
    memory.remember(route)
    assert memory.entry(key) == host(0).dpid
    inside = routes.open(WORLD.place(0), place, SAME_NETWORK, 0.0, connection)
    assert memory.entry(inside.both_keys()[0]) is None
