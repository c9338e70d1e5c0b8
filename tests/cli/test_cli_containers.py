"""Containers, as their endpoints tell of them."""

from __future__ import annotations

from tests.cli.fake import CONTAINER, endpoint

from daoli.cli.containers import gathered


def test_gathers_networks() -> None:
    """A container on two networks is one, reachable if both its endpoints are; others are no containers."""
    found = gathered(
        [
            endpoint("b", name="zeta", container="b" * 64),
            endpoint("e1"),
            endpoint("e2", network="red", ipv4="10.2.0.2", reachable=False, aliases=("www",)),
            endpoint("x", container=None),
        ]
    )
    assert [container["name"] for container in found] == ["web", "zeta"]
    assert found[0]["container"] == CONTAINER
    assert found[0]["reachable"] is False
    assert [(e["id"], e["network"], e["aliases"]) for e in found[0]["endpoints"]] == [
        ("e1", "blue", []),
        ("e2", "red", ["www"]),
    ]
