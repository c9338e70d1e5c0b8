"""Where no new network may be."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from tests.hosts.records import host

from daoli.hosts.occupied import occupied, overlap, unfit


def test_occupied() -> None:
    """What a host has of its own is told with its interface, its address without; each by the field that says so."""
    h1 = host(1, subnets={"172.17.0.0/16": "docker0"}).record()
    assert [(str(place), place.field) for place in occupied([h1])] == [
        ("172.17.0.0/16, on docker0 of host h1", "subnets"),
        ("192.0.2.1/32, the address of host h1", "address"),
    ]


@pytest.mark.parametrize(
    ("subnet", "where"),
    [
        ("172.17.5.0/24", "on docker0 of host h1"),
        ("172.16.0.0/12", "on docker0 of host h1"),
        ("192.0.2.0/24", "the address of host h1"),
        ("192.0.3.0/24", None),
    ],
)
def test_overlap(subnet: str, where: str | None) -> None:
    """A subnet overlaps what it holds and what it lies in."""
    found = overlap(IPv4Network(subnet), occupied([host(1, subnets={"172.17.0.0/16": "docker0"}).record()]))
    assert (found.where if found is not None else None) == where


@pytest.mark.parametrize(
    ("subnet", "why"),
    [
        ("169.254.7.0/24", "169.254.7.0/24 overlaps 169.254.0.0/16, which no router forwards"),
        ("8.0.0.0/8", "8.0.0.0/8 has public addresses, of which a network takes a /16 at most"),
        ("8.8.0.0/16", None),
        ("10.0.0.0/8", None),
    ],
)
def test_unfit(subnet: str, why: str | None) -> None:
    """Link-local subnets and large parts of the Internet are nobody's container network."""
    assert unfit(IPv4Network(subnet)) == why
