"""The table of live routes. Soft state: the switches hold the truth, and tell it again when they reconnect."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from daoli.routing.packet import ICMP, TCP, UDP
from daoli.routing.policy import Judgement
from daoli.routing.view import End, Outside

FORTH: Final = 1
"""Bit of `Route.alive`: the flow of the direction from source to destination is installed."""
BACK: Final = 2
"""Bit of `Route.alive`: the flow of the direction from destination to source is installed."""

_PORTS: Final = struct.Struct("!BHH")
_ID_MASK: Final = 0xFFFFFFFF
_GENERATION_MASK: Final = 0xFF


class Connection(NamedTuple):
    """What tells one connection from the others of a pair; ports are 0 where the protocol has none, or none to see.

    ICMP requests and replies have their types in place of ports: each side's own first.
    """

    protocol: int
    source_port: int = 0
    destination_port: int = 0

    @property
    def is_query(self) -> bool:
        """Whether it is an ICMP request with its replies."""
        return self.protocol == ICMP and self.source_port != self.destination_port

    def back(self) -> Connection:
        """Describe the same connection as its destination sees it."""
        return Connection(self.protocol, self.destination_port, self.source_port)

    def key(self, ipv4_src: bytes, ipv4_dst: bytes) -> bytes:
        """Name it among all the routes; pairs have shorter names."""
        return ipv4_src + ipv4_dst + _PORTS.pack(*self)


def key_of(connection: Connection | None, source: End, destination: End) -> bytes:
    """Name what is between two ends: all of it, or one connection."""
    if connection is None:
        return source.ipv4 + destination.ipv4
    return connection.key(source.ipv4, destination.ipv4)


def selector(connection: Connection | None) -> tuple[int, ...]:
    """Give the fields by which a connection's flows tell it from the others of its pair."""
    if connection is None:
        return ()
    if connection.protocol in (TCP, UDP):
        return connection[1:]
    return connection[1:2] if connection.is_query else connection[:1]


class Route:
    """The flows of one conversation. `source` is the end that opened it.

    Without a `connection` it is a pair route: all of IPv4 between two addresses.
    """

    __slots__ = (
        "_dpids",
        "alive",
        "answering",
        "connection",
        "destination",
        "generation",
        "id",
        "installed",
        "judgement",
        "opened",
        "pair",
        "source",
    )

    def __init__(
        self,
        route_id: int,
        source: End,
        destination: End,
        judgement: Judgement,
        now: float,
        connection: Connection | None = None,
    ) -> None:
        self.id = route_id
        self.generation = 0
        """Counts installations of the same route, so that a late flow_removed of an earlier one is told apart."""
        self.source = source
        self.destination = destination
        self.judgement = judgement
        self.connection = connection
        self.answering = 0
        """Directions, as in `alive`, in which a TCP connection may not be opened: their flows want an ACK."""
        self.opened = now
        self.installed = now
        self.alive = FORTH | BACK
        self.pair = source.ipv4 + destination.ipv4
        a, b = source.dpid, destination.dpid
        self._dpids = (a,) if a == b else (a, b)

    @property
    def outside(self) -> Outside | None:
        """The end that is no endpoint, if there is one."""
        for end in (self.source, self.destination):
            if isinstance(end, Outside):
                return end
        return None

    @property
    def outward(self) -> bytes | None:
        """The addresses of endpoint and outside, in this order; None if both ends are endpoints."""
        if self.source.endpoint is None:
            return self.pair[4:] + self.pair[:4]
        return self.pair if self.destination.endpoint is None else None

    @property
    def elsewhere(self) -> bytes | None:
        """The same if this is a connection that goes by another host than the endpoint's; else None."""
        return None if self.connection is None or len(self._dpids) == 1 else self.outward

    def both_keys(self) -> tuple[bytes, bytes]:
        """Give the names under which a packet of either direction finds this route."""
        src, dst = self.pair[:4], self.pair[4:]
        if self.connection is None:
            return self.pair, dst + src
        return self.connection.key(src, dst), self.connection.back().key(dst, src)

    def ends(self) -> tuple[End, End]:
        """Give both ends, the one that opened it first."""
        return self.source, self.destination

    def direction_from(self, ipv4_src: bytes) -> int:
        """Tell which direction a packet from this address goes in; 0 if it is neither end's."""
        if ipv4_src == self.source.ipv4:
            return FORTH
        return BACK if ipv4_src == self.destination.ipv4 else 0

    def joins(self, dpid: int, other: int) -> bool:
        """Tell whether this route is between these two datapaths, which may be one."""
        return {dpid, other} == set(self._dpids)

    def dpids(self) -> tuple[int, ...]:
        """Name the datapaths that hold this route's flows, also when an endpoint's host has got another since."""
        return self._dpids

    def renew(self, now: float) -> None:
        """Note that all flows are installed anew, under the next generation."""
        self.generation = (self.generation + 1) & _GENERATION_MASK
        self.installed = now
        self.alive = FORTH | BACK


class RouteTable:
    """Live routes by id, by what a packet of either direction carries, by endpoint, outside address and datapath.

    And those connections with the outside that go by another host than the endpoint's, by the addresses of the two.
    """

    def __init__(self, first_id: int = 1) -> None:
        """Give out ids from `first_id` on; a random one keeps a restarted controller clear of its former ids."""
        self._next = first_id & _ID_MASK
        self._by_id: dict[int, Route] = {}
        self._by_key: dict[bytes, Route] = {}
        self._by_endpoint: dict[str, set[Route]] = {}
        self._by_dpid: dict[int, set[Route]] = {}
        self._elsewhere: dict[bytes, set[Route]] = {}
        self._by_outside: dict[bytes, set[Route]] = {}
        self.find = self._by_key.get
        """`find(ipv4_src + ipv4_dst) -> Route | None`, in either direction; connections by their `Connection.key`."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._by_id.values())

    def get(self, route_id: int) -> Route | None:
        """Find a route by its id."""
        return self._by_id.get(route_id)

    def open(
        self, source: End, destination: End, judgement: Judgement, now: float, connection: Connection | None = None
    ) -> Route:
        """Make and add a route of a pair, or a connection, that has none."""
        while self._next in self._by_id:
            self._next = (self._next + 1) & _ID_MASK
        route = Route(self._next, source, destination, judgement, now, connection)
        self._next = (self._next + 1) & _ID_MASK
        self.add(route)
        return route

    def add(self, route: Route) -> None:
        """Add a route whose id and keys are free."""
        self._by_id[route.id] = route
        forth, back = route.both_keys()
        self._by_key[forth] = self._by_key[back] = route
        for end in (route.source, route.destination):
            if end.endpoint is None:
                self._by_outside.setdefault(end.ipv4, set()).add(route)
                continue
            of_endpoint = self._by_endpoint.get(end.endpoint.id)
            if of_endpoint is None:
                of_endpoint = self._by_endpoint[end.endpoint.id] = set()
            of_endpoint.add(route)
        for dpid in route.dpids():
            of_datapath = self._by_dpid.get(dpid)
            if of_datapath is None:
                of_datapath = self._by_dpid[dpid] = set()
            of_datapath.add(route)
        if route.connection is not None and (addresses := route.elsewhere) is not None:
            self._elsewhere.setdefault(addresses, set()).add(route)

    def remove(self, route: Route) -> None:
        """Remove a route."""
        del self._by_id[route.id]
        for key in route.both_keys():
            del self._by_key[key]
        for end in (route.source, route.destination):
            if end.endpoint is None:
                _discard(self._by_outside, end.ipv4, route)
            else:
                _discard(self._by_endpoint, end.endpoint.id, route)
        for dpid in route.dpids():
            _discard(self._by_dpid, dpid, route)
        if (addresses := route.elsewhere) is not None:
            _discard(self._elsewhere, addresses, route)

    def of_endpoint(self, endpoint_id: str) -> list[Route]:
        """List the routes of one endpoint."""
        return list(self._by_endpoint.get(endpoint_id, ()))

    def of_outside(self, ipv4: bytes) -> list[Route]:
        """List the routes with one address outside all networks."""
        return list(self._by_outside.get(ipv4, ()))

    def of_datapath(self, dpid: int) -> list[Route]:
        """List the routes that have flows on one datapath."""
        return list(self._by_dpid.get(dpid, ()))

    def go_elsewhere(self, addresses: bytes | None) -> bool:
        """Tell whether connections between two addresses, as `Route.outward` has them, go by another host."""
        return addresses in self._elsewhere

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


def _discard(
    index: dict[str, set[Route]] | dict[int, set[Route]] | dict[bytes, set[Route]],
    key: str | int | bytes,
    route: Route,
) -> None:
    members = index[key]  # type: ignore[index]  # each index is used with its own kind of key
    members.discard(route)
    if not members:
        del index[key]  # type: ignore[arg-type]
