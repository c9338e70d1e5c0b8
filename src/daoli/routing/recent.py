"""Conversations whose routes have idled out: a protocol without flags does not tell an answer from a question.

Either side of one that is known may speak again; of one that is not, only who may open it. Nobody knows which
conversations a pair's route carried.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from daoli.routing.packet import ICMP, TCP
from daoli.routing.routes import Route

KEPT: Final = 65_536
"""Conversations that are remembered, those that ended last: 10 MB."""


class Recent:
    """Names of connections, as `Connection.key` has them, seen from either end."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()
        """Each of the two names of a connection, with the other."""

    def remember(self, route: Route) -> None:
        """Note a route that has ended, if its packets do not tell themselves what they are."""
        if route.connection is None or route.connection.protocol in (TCP, ICMP):
            return
        forth, back = route.both_keys()
        for key, other in ((forth, back), (back, forth)):
            self._keys[key] = other
            self._keys.move_to_end(key)
        while len(self._keys) > 2 * self._kept:
            self._keys.pop(self._keys.popitem(last=False)[1], None)

    def __contains__(self, key: bytes) -> bool:
        """Tell whether a connection is remembered."""
        return key in self._keys
