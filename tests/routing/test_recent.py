"""Conversations without flags are remembered when their routes have ended, the last so many of them."""

from __future__ import annotations

from tests.routing.frames import ICMP, TCP, UDP
from tests.routing.world import Plan, Spot, World

from daoli.routing.policy import SAME_NETWORK
from daoli.routing.recent import Recent
from daoli.routing.routes import Connection, Route

WORLD = World(Plan((True, True), (Spot(0), Spot(1))))


def route(protocol: int, port: int = 5) -> Route:
    """Make a route of a connection."""
    return Route(1, WORLD.place(0), WORLD.place(1), SAME_NETWORK, 0.0, Connection(protocol, port, 80))


def test_both_names_are_known() -> None:
    """A conversation is found from either end, and only if its packets do not tell what they are."""
    recent = Recent()
    for protocol, known in ((UDP, True), (47, True), (TCP, False), (ICMP, False)):
        ended = route(protocol)
        recent.remember(ended)
        assert [key in recent for key in ended.both_keys()] == [known, known]
    recent.remember(Route(1, WORLD.place(0), WORLD.place(1), SAME_NETWORK, 0.0))
    assert WORLD.place(0).ipv4 + WORLD.place(1).ipv4 not in recent


def test_the_oldest_are_forgotten() -> None:
    """Of more than can be kept those go which ended first, by both names."""
    recent = Recent(kept=2)
    for port in (1, 2, 1, 3):
        recent.remember(route(UDP, port))
    known = {port: [key in recent for key in route(UDP, port).both_keys()] for port in (1, 2, 3)}
    assert known == {1: [True, True], 2: [False, False], 3: [True, True]}
