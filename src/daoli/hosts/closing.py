"""How much went by a route, told by its flows as they go. A route that is cut is over when they have all told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from daoli.hosts.facts import Counts
from daoli.routing.routes import BACK, FORTH, Route, RouteTable


class Pending(NamedTuple):
    """A route that was cut, and the directions (`FORTH`, `BACK`) whose flows have not told yet."""

    route: Route
    why: str
    seconds: float
    missing: int


class Closing:
    """Counts of routes some of whose flows are gone."""

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._counts: dict[int, Counts] = {}
        self._pending: dict[int, Pending] = {}

    def counted(self, route_id: int, ipv4_src: bytes, packets: int, size: int) -> Pending | None:
        """Take the counts of a flow that is gone; give the cut route if that was the last to be waited for."""
        pending = self._pending.get(route_id)
        route = pending.route if pending else self._routes.get(route_id)
        if route is None or not (direction := route.direction_from(ipv4_src)):
            return None
        counts = self._counts.get(route_id)
        if counts is None:
            self._prune()
            counts = self._counts[route_id] = {}
        before = counts.get(direction, (0, 0))
        counts[direction] = (before[0] + packets, before[1] + size)
        return None if pending is None else self._told(pending, direction)

    def begin(self, route: Route, why: str, seconds: float, missing: int) -> bool:
        """Wait for the flows of a route that was cut; False if there is none to wait for."""
        if missing:
            self._pending[route.id] = Pending(route, why, seconds, missing)
        return bool(missing)

    def taken(self, route: Route) -> Counts:
        """Give what was counted of a route, and forget it."""
        self._pending.pop(route.id, None)
        return self._counts.pop(route.id, {})

    def late(self, route: Route) -> Pending | None:
        """Give a cut route whose flows have not all told."""
        found = self._pending.get(route.id)
        return found if found is not None and found.route is route else None

    def away(self, dpid: int) -> Iterator[Pending]:
        """Give the cut routes that wait only for flows of a datapath that has gone; it will not tell."""
        for pending in list(self._pending.values()):
            gone = sum(bit for bit, end in ends(pending.route) if end == dpid)
            if (over := self._told(pending, gone)) is not None:
                yield over

    def _told(self, pending: Pending, directions: int) -> Pending | None:
        left = pending._replace(missing=pending.missing & ~directions)
        self._pending[pending.route.id] = left
        return None if left.missing else left

    def _prune(self) -> None:
        """Forget routes that ended while nobody wanted to hear of it."""
        if len(self._counts) > len(self._routes) + len(self._pending):
            live = {route.id for route in self._routes} | self._pending.keys()
            self._counts = {route_id: counts for route_id, counts in self._counts.items() if route_id in live}


def ends(route: Route) -> tuple[tuple[int, int], ...]:
    """Give each direction with the datapath where its packets start, whose flow tells."""
    return (FORTH, route.source.dpid), (BACK, route.destination.dpid)
