"""Who may talk to whom, and why. Enforcement, `explain` and the tests all call `judge`.

The default alone, so far: endpoints of one network may talk, endpoints of two networks may not.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from daoli.routing.model import Endpoint, Network


class Judgement(NamedTuple):
    """What policy says about one endpoint opening a conversation with another."""

    allowed: bool
    reason: str
    rule: str | None = None
    """Id of the rule that decided; None where a default did."""


SAME_NETWORK: Final = Judgement(allowed=True, reason="same network")
DIFFERENT_NETWORKS: Final = Judgement(allowed=False, reason="different networks")


OUTSIDE: Final = Judgement(allowed=True, reason="outside, by a host")
INTERNAL: Final = Judgement(allowed=False, reason="internal network")


def judge_outside(network: Network) -> Judgement:
    """Decide whether a network's endpoints and the outside may talk, whoever begins."""
    return INTERNAL if network.internal else OUTSIDE


def judge(source: Endpoint, destination: Endpoint) -> Judgement:
    """Decide whether `source` may open a conversation with `destination`."""
    return SAME_NETWORK if source.network == destination.network else DIFFERENT_NETWORKS
