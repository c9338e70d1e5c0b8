"""By which host connections came in from the outside, kept for a while after their routes have idled out.

A client may be silent for longer than a route lives, and the container may be the first to speak again. Its packet must
leave by the host that let the client in, since no other has translated the addresses of this connection.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from daoli.routing.routes import Route

KEPT: Final = 65_536
"""Connections that are remembered, those that ended last: 10 MB."""


class Entries:
    """Datapath ids by `Connection.key` as the endpoint's packets have it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._dpids: OrderedDict[bytes, int] = OrderedDict()

    def remember(self, route: Route) -> None:
        """Note a route that has ended, if it came in by another host than its endpoint's; else that this is over."""
        outside = route.outside
        if route.connection is None or outside is None:
            return
        forth, back = route.both_keys()
        key = back if outside is route.source else forth
        if route.elsewhere is None:
            self._dpids.pop(key, None)
            return
        self._dpids[key] = outside.dpid
        self._dpids.move_to_end(key)
        if len(self._dpids) > self._kept:
            self._dpids.popitem(last=False)

    def find(self, key: bytes) -> int | None:
        """Name the datapath by which a connection came in; None if that is not known."""
        return self._dpids.get(key)
