"""The default policy."""

from __future__ import annotations

from tests.routing.world import Spot, endpoint

from daoli.routing.policy import DIFFERENT_NETWORKS, SAME_NETWORK, judge


def test_same_network() -> None:
    """Endpoints of one network may talk, on whatever hosts they are."""
    assert judge(endpoint(0, Spot(0)), endpoint(1, Spot(1))) == SAME_NETWORK
    assert SAME_NETWORK.allowed
    assert SAME_NETWORK.rule is None


def test_different_networks() -> None:
    """Endpoints of two networks may not, though they share a host."""
    assert judge(endpoint(0, Spot(0, 0)), endpoint(1, Spot(0, 1))) == DIFFERENT_NETWORKS
    assert not DIFFERENT_NETWORKS.allowed
