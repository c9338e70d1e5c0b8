"""Who was not let in lately: an agent with the wrong token is silent otherwise. Bounded, whoever knocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

PEERS: Final = 64
"""Addresses that are remembered; the one that has been silent for the longest time makes room."""
LATELY: Final = 120.0
"""Seconds in which an agent that is refused asks again, with much to spare."""


class Knock(NamedTuple):
    """What is known of an address that was refused."""

    address: str
    times: int
    last: float
    """Seconds since 1970."""
    reason: str


class Refusals:
    """Requests that had no token, or a wrong one, by the address that they came from."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._peers: dict[str, Knock] = {}

    def note(self, address: str, reason: str) -> None:
        """Take note of a refused request."""
        before = self._peers.pop(address, None)
        if len(self._peers) == PEERS:
            del self._peers[next(iter(self._peers))]
        self._peers[address] = Knock(address, before.times + 1 if before else 1, self.clock(), reason)

    def lately(self) -> list[Knock]:
        """Give those who were refused within `LATELY`, the last one first."""
        since = self.clock() - LATELY
        return [knock for knock in reversed(self._peers.values()) if knock.last >= since]

    @property
    def counters(self) -> dict[str, int]:
        """What was counted since the start, named as metrics are."""
        return {f"api_refused_total{{peer={knock.address}}}": knock.times for knock in self._peers.values()}
