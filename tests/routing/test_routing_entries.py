"""By which host a connection came in, after its route has ended."""

from __future__ import annotations

from tests.routing.world import Plan, Spot, World, host

from daoli.routing.entries import Entries
from daoli.routing.packet import TCP
from daoli.routing.policy import OUTSIDE, SAME_NETWORK
from daoli.routing.routes import Connection, Route
from daoli.routing.view import Outside

WORLD = World(Plan((True, True), (Spot(0), Spot(1))), gateway=True)
X = bytes((198, 51, 100, 7))
CONNECTION = Connection(TCP, 4000, 80)
H0, H1 = host(0).dpid, host(1).dpid


def entered(connection: Connection | None = CONNECTION, dpid: int = H0) -> Route:
    """Make a route that came in by a host."""
    place = WORLD.place(1)
    return Route(1, Outside(WORLD.view.switches[dpid], X, place.gateway), place, OUTSIDE, 0.0, connection)


def test_remember() -> None:
    """A connection that came in by another host is found by what the endpoint sends, whichever end opened its route."""
    entries, place = Entries(), WORLD.place(1)
    key = CONNECTION.back().key(place.ipv4, X)
    assert entries.find(key) is None
    entries.remember(entered())
    assert entries.find(key) == H0
    again = Entries()
    outside = Outside(WORLD.view.switches[H0], X, place.gateway)
    again.remember(Route(1, place, outside, OUTSIDE, 0.0, CONNECTION.back()))
    assert again.find(key) == H0


def test_over() -> None:
    """A connection that came in by the endpoint's own host last is forgotten."""
    entries = Entries()
    entries.remember(entered())
    entries.remember(entered(dpid=H1))
    assert entries.find(CONNECTION.back().key(WORLD.place(1).ipv4, X)) is None


def test_not_remembered() -> None:
    """Routes of pairs, between endpoints, and by the endpoint's own host need no memory."""
    entries, place = Entries(), WORLD.place(1)
    entries.remember(entered(None))
    entries.remember(entered(dpid=H1))
    entries.remember(Route(1, WORLD.place(0), place, SAME_NETWORK, 0.0, CONNECTION))
    assert entries.find(CONNECTION.back().key(place.ipv4, X)) is None


def test_bounded() -> None:
    """Those that ended first are forgotten first."""
    entries, place = Entries(kept=2), WORLD.place(1)
    for port in (1, 2, 1, 3):
        entries.remember(entered(Connection(TCP, port, 80)))
    found = [entries.find(Connection(TCP, 80, port).key(place.ipv4, X)) for port in (1, 2, 3)]
    assert found == [H0, None, H0]
