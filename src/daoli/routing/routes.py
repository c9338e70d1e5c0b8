"""The table of live routes. Soft state: the switches hold the truth, and tell it again when they reconnect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from daoli.routing.policy import Judgement
from daoli.routing.view import Place

FORTH: Final = 1
"""Bit of `Route.alive`: the flow of the direction from source to destination is installed."""
BACK: Final = 2
"""Bit of `Route.alive`: the flow of the direction from destination to source is installed."""

_ID_MASK: Final = 0xFFFFFFFF
_GENERATION_MASK: Final = 0xFF


class Route:
    """The flows of one conversation. `source` is the endpoint that opened it."""

    __slots__ = (
        "_dpids",
        "alive",
        "destination",
        "generation",
        "id",
        "installed",
        "judgement",
        "opened",
        "pair",
        "source",
    )

    def __init__(self, route_id: int, source: Place, destination: Place, judgement: Judgement, now: float) -> None:
        self.id = route_id
        self.generation = 0
        """Counts installations of the same route, so that a late flow_removed of an earlier one is told apart."""
        self.source = source
        self.destination = destination
        self.judgement = judgement
        self.opened = now
        self.installed = now
        self.alive = FORTH | BACK
        self.pair = source.ipv4 + destination.ipv4
        a, b = source.dpid, destination.dpid
        self._dpids = (a,) if a == b else (a, b)

    def direction_from(self, ipv4_src: bytes) -> int:
        """Tell which direction a packet from this address goes in; 0 if it is neither end's."""
        if ipv4_src == self.source.ipv4:
            return FORTH
        return BACK if ipv4_src == self.destination.ipv4 else 0

    def dpids(self) -> tuple[int, ...]:
        """Name the datapaths that hold this route's flows, also when an endpoint's host has got another since."""
        return self._dpids

    def renew(self, now: float) -> None:
        """Note that all flows are installed anew, under the next generation."""
        self.generation = (self.generation + 1) & _GENERATION_MASK
        self.installed = now
        self.alive = FORTH | BACK


class RouteTable:
    """Live routes by id, by address pair in either direction, by endpoint and by datapath."""

    def __init__(self, first_id: int = 1) -> None:
        """Give out ids from `first_id` on; a random one keeps a restarted controller clear of its former ids."""
        self._next = first_id & _ID_MASK
        self._by_id: dict[int, Route] = {}
        self._by_pair: dict[bytes, Route] = {}
        self._by_endpoint: dict[str, set[Route]] = {}
        self._by_dpid: dict[int, set[Route]] = {}
        self.find = self._by_pair.get
        """`find(ipv4_src + ipv4_dst) -> Route | None`, in either direction."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._by_id.values())

    def get(self, route_id: int) -> Route | None:
        """Find a route by its id."""
        return self._by_id.get(route_id)

    def open(self, source: Place, destination: Place, judgement: Judgement, now: float) -> Route:
        """Make and add a route of a pair that has none."""
        while self._next in self._by_id:
            self._next = (self._next + 1) & _ID_MASK
        route = Route(self._next, source, destination, judgement, now)
        self._next = (self._next + 1) & _ID_MASK
        self.add(route)
        return route

    def add(self, route: Route) -> None:
        """Add a route whose id and pair are free."""
        self._by_id[route.id] = route
        self._by_pair[route.pair] = route
        self._by_pair[route.pair[4:] + route.pair[:4]] = route
        for key in (route.source.endpoint.id, route.destination.endpoint.id):
            of_endpoint = self._by_endpoint.get(key)
            if of_endpoint is None:
                of_endpoint = self._by_endpoint[key] = set()
            of_endpoint.add(route)
        for dpid in route.dpids():
            of_datapath = self._by_dpid.get(dpid)
            if of_datapath is None:
                of_datapath = self._by_dpid[dpid] = set()
            of_datapath.add(route)

    def remove(self, route: Route) -> None:
        """Remove a route."""
        del self._by_id[route.id]
        del self._by_pair[route.pair]
        del self._by_pair[route.pair[4:] + route.pair[:4]]
        for key in (route.source.endpoint.id, route.destination.endpoint.id):
            _discard(self._by_endpoint, key, route)
        for dpid in route.dpids():
            _discard(self._by_dpid, dpid, route)

    def of_endpoint(self, endpoint_id: str) -> list[Route]:
        """List the routes of one endpoint."""
        return list(self._by_endpoint.get(endpoint_id, ()))

    def of_datapath(self, dpid: int) -> list[Route]:
        """List the routes that have flows on one datapath."""
        return list(self._by_dpid.get(dpid, ()))

    def ended(self, route_id: int, generation: int, ipv4_src: bytes) -> Route | None:
        """Take note that the flow of one direction is gone; return the route if that ended it.

        An unknown id, an earlier generation and a direction that is gone already are fine: flow_removed messages may be
        late.
        """
        route = self._by_id.get(route_id)
        if route is None or route.generation != generation:
            return None
        route.alive &= ~route.direction_from(ipv4_src)
        if route.alive:
            return None
        self.remove(route)
        return route

    def take(self, routes: Iterable[Route]) -> list[Route]:
        """Remove and return those of `routes` that are live; one may be named twice."""
        taken = []
        for route in routes:
            if self._by_id.get(route.id) is route:
                self.remove(route)
                taken.append(route)
        return taken


def _discard(index: dict[str, set[Route]] | dict[int, set[Route]], key: str | int, route: Route) -> None:
    members = index[key]  # type: ignore[index]  # both indexes are used with their own kind of key
    members.discard(route)
    if not members:
        del index[key]  # type: ignore[arg-type]
