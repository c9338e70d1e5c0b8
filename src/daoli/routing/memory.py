"""What is known of a conversation apart from its packet: whether it has been opened, and by which host it came in."""

from __future__ import annotations

from daoli.routing.entries import Entries
from daoli.routing.recent import Recent
from daoli.routing.routes import Connection, Route, RouteTable


class Memory:
    """Live routes, and what is kept of those that have idled out. Asked by the `Connection.key` of a packet."""

    def __init__(self, routes: RouteTable) -> None:
        self._routes = routes
        self._entries = Entries()
        self._recent = Recent()

    def remember(self, route: Route) -> None:
        """Note a route that has idled out, or was cut."""
        self._entries.remember(route)
        self._recent.remember(route)

    def knows(self, key: bytes) -> bool:
        """Tell whether a conversation has a route, or had one that has idled out or was cut."""
        return self._routes.find(key) is not None or key in self._recent

    def entry(self, key: bytes) -> int | None:
        """Name the datapath by which a connection came in from the outside; None if that is not known."""
        route = self._routes.find(key)
        if route is None:
            return self._entries.find(key)
        outside = route.outside
        return None if outside is None else outside.dpid

    def stands_alone(self, connection: Connection, ipv4_src: bytes, ipv4_dst: bytes) -> bool:
        """Tell whether what an endpoint says to the outside by its own host needs a route of its connection.

        It does if that has gone by another host, and while others of the two addresses do: by a route of the pair such
        a client could come to the endpoint's own host unnoticed, and be answered by the other.
        """
        others = self._routes.go_elsewhere(ipv4_src + ipv4_dst)
        return others or self.entry(connection.key(ipv4_src, ipv4_dst)) is not None
