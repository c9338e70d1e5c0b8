"""What went by a route, as its flows tell when they go."""

from __future__ import annotations

from tests.hosts.test_facts import RULE, A, B

from daoli.hosts.closing import Closing, ends
from daoli.routing.routes import BACK, FORTH, Route, RouteTable


def test_counts_of_both_directions_are_added() -> None:
    """A direction that idled out and came back is counted as a whole; what was taken is forgotten."""
    table = RouteTable()
    closing, route = Closing(table), table.open(A, B, RULE, 0.0)
    for source, packets in ((A, 1), (A, 2), (B, 5)):
        assert closing.counted(route.id, source.ipv4, packets, packets * 100) is None
    assert closing.taken(route) == {FORTH: (3, 300), BACK: (5, 500)}
    assert closing.taken(route) == {}


def test_strangers_are_not_counted() -> None:
    """An unknown route, and an address that is neither end's, count for nothing."""
    table = RouteTable()
    closing, route = Closing(table), table.open(A, B, RULE, 0.0)
    assert closing.counted(route.id + 1, A.ipv4, 1, 1) is None
    assert closing.counted(route.id, bytes(4), 1, 1) is None
    assert closing.taken(route) == {}


def test_a_cut_route_is_over_when_all_flows_have_told() -> None:
    """It is given back with the last one that is waited for."""
    table = RouteTable()
    closing, route = Closing(table), table.open(A, B, RULE, 0.0)
    table.take([route])
    assert closing.begin(route, "why", 3.0, FORTH | BACK)
    assert closing.counted(route.id, A.ipv4, 1, 100) is None
    over = closing.counted(route.id, B.ipv4, 2, 200)
    assert over is not None
    assert (over.route, over.why, over.seconds) == (route, "why", 3.0)
    assert closing.taken(route) == {FORTH: (1, 100), BACK: (2, 200)}
    assert closing.late(route) is None


def test_nothing_to_wait_for() -> None:
    """A route none of whose flows can tell is over at once."""
    assert not Closing(RouteTable()).begin(Route(1, A, B, RULE, 0.0), "why", 3.0, 0)


def test_late() -> None:
    """A route whose flows have not told is known by itself, not by its id."""
    closing, route = Closing(RouteTable()), Route(1, A, B, RULE, 0.0)
    closing.begin(route, "why", 3.0, FORTH)
    found = closing.late(route)
    assert found is not None
    assert found.missing == FORTH
    assert closing.late(Route(1, A, B, RULE, 0.0)) is None


def test_away() -> None:
    """A datapath that has gone is not waited for; another still is."""
    closing, one, other = Closing(RouteTable()), Route(1, A, B, RULE, 0.0), Route(2, A, B, RULE, 0.0)
    closing.begin(one, "why", 3.0, FORTH)
    closing.begin(other, "why", 3.0, FORTH | BACK)
    assert [over.route for over in closing.away(A.dpid)] == [one]
    closing.taken(one)
    assert [over.route for over in closing.away(B.dpid)] == [other]
    assert ends(one) == ((FORTH, 2), (BACK, 3))


def test_routes_that_ended_unheard_are_forgotten() -> None:
    """What is counted is bounded by the routes that there are."""
    table = RouteTable()
    closing, route = Closing(table), table.open(A, B, RULE, 0.0)
    closing.counted(route.id, A.ipv4, 1, 100)
    table.take([route])
    for _ in range(2):
        following = table.open(A, B, RULE, 0.0)
        closing.counted(following.id, A.ipv4, 1, 100)
        table.take([following])
    assert len(closing._counts) < 3
