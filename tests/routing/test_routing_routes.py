"""The table of live routes: its indexes agree, and late news of earlier flows changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.routing.world import Plan, Spot, World, host

from daoli.routing.policy import SAME_NETWORK
from daoli.routing.routes import BACK, FORTH, Route, RouteTable

PLAN = Plan((True, True), tuple(Spot(number % 2) for number in range(5)))
WORLD = World(PLAN)
PLACES = [WORLD.place(number) for number in range(5)]
ANY_PLACE = st.integers(0, 4)


class RoutesMachine(RuleBasedStateMachine):
    """Routes open, end, are renewed and taken; a model keeps them in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.table = RouteTable(first_id=0xFFFFFFFE)
        self.live: list[Route] = []
        self.gone: list[Route] = []

    @rule(a=ANY_PLACE, b=ANY_PLACE)
    def open(self, a: int, b: int) -> None:
        """Open a route where there is none."""
        source, destination = PLACES[a], PLACES[b]
        if a != b and self.table.find(source.ipv4 + destination.ipv4) is None:
            route = self.table.open(source, destination, SAME_NETWORK, 1.0)
            assert (route.generation, route.alive) == (0, FORTH | BACK)
            self.live.append(route)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), both=st.booleans())
    def ended(self, data: st.DataObject, *, both: bool) -> None:
        """Hear that the flow of one direction ended, or of both: only the last ends the route."""
        route = data.draw(st.sampled_from(self.live))
        ends = [route.source, route.destination]
        if not both:
            ends = [data.draw(st.sampled_from(ends))]
        for place in ends:
            bit = FORTH if place is route.source else BACK
            left = route.alive & ~bit
            assert self.table.ended(route.id, route.generation, place.ipv4) is (None if left else route)
            assert route.alive == left
            if not left:
                break
        if not route.alive:
            self.live.remove(route)
            self.gone.append(route)

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def late_news(self, data: st.DataObject) -> None:
        """Hear of flows of an earlier installation, an unknown route or another address: nothing happens."""
        route = data.draw(st.sampled_from(self.live))
        before = route.alive
        assert self.table.ended(route.id, (route.generation - 1) & 0xFF, route.source.ipv4) is None
        assert self.table.ended(0x7777_7777, 0, route.source.ipv4) is None
        assert self.table.ended(route.id, route.generation, bytes(4)) is None
        assert route.alive == before

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Install all flows of a route anew."""
        route = data.draw(st.sampled_from(self.live))
        generation = route.generation
        route.renew(9.0)
        assert (route.generation, route.installed, route.alive) == ((generation + 1) % 256, 9.0, FORTH | BACK)

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        """Take some routes, among them ones that are gone already."""
        some = data.draw(st.lists(st.sampled_from(self.live), unique=True) if self.live else st.just([]))
        assert self.table.take(some + self.gone[-2:]) == some
        self.live = [route for route in self.live if route not in some]
        self.gone += some

    @invariant()
    def indexes(self) -> None:
        """Every index holds exactly the live routes."""
        table = self.table
        assert len(table) == len(self.live)
        assert set(table) == set(self.live)
        assert len({route.id for route in self.live}) == len(self.live)
        for route in self.live:
            a, b = route.source.ipv4, route.destination.ipv4
            assert table.get(route.id) is table.find(a + b) is table.find(b + a) is route
            assert (route.direction_from(a), route.direction_from(b)) == (FORTH, BACK)
        for place in PLACES:
            mine = {route for route in self.live if place in (route.source, route.destination)}
            assert set(table.of_endpoint(place.endpoint.id)) == mine
        for dpid in (host(0).dpid, host(1).dpid):
            assert set(table.of_datapath(dpid)) == {route for route in self.live if dpid in route.dpids()}
        assert all(table.get(route.id) is not route for route in self.gone)

    def teardown(self) -> None:
        """Without routes nothing is kept in any index."""
        self.table.take(self.live)
        assert not [*self.table._by_id, *self.table._by_key, *self.table._by_endpoint, *self.table._by_dpid]


RoutesMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestRoutes = RoutesMachine.TestCase


def test_ids_wrap_around() -> None:
    """Ids are 32 bits, start where they are told to, and one that is in use is skipped."""
    table = RouteTable(first_id=0x1_FFFF_FFFF)
    first = table.open(PLACES[0], PLACES[1], SAME_NETWORK, 0.0)
    table.add(Route(0, PLACES[0], PLACES[2], SAME_NETWORK, 0.0))
    second = table.open(PLACES[0], PLACES[3], SAME_NETWORK, 0.0)
    assert (first.id, second.id) == (0xFFFFFFFF, 1)


def test_datapaths() -> None:
    """A route has flows on one datapath or on two."""
    table = RouteTable()
    assert table.open(PLACES[0], PLACES[2], SAME_NETWORK, 0.0).dpids() == (host(0).dpid,)
    assert table.open(PLACES[0], PLACES[1], SAME_NETWORK, 0.0).dpids() == (host(0).dpid, host(1).dpid)


def test_host_gets_another_datapath() -> None:
    """A route stays known by the datapaths that hold its flows, though an endpoint's host has another now."""
    world = World(PLAN)
    routes = world.router.routes
    route = routes.open(world.place(0), world.place(1), SAME_NETWORK, 0.0)
    world.view.put_host(replace(host(1), dpid=0xEEE))
    assert route.dpids() == (host(0).dpid, host(1).dpid)
    assert routes.of_datapath(host(1).dpid) == [route]
    taken, writes = world.router.revoke([route])
    assert taken == [route]
    assert [dpid for dpid, _ in writes] == [host(0).dpid, host(1).dpid]
    assert (len(routes), routes.of_datapath(host(1).dpid)) == (0, [])
