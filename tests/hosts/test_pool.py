"""Subnets for networks that bring none."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hosts.records import host, network

from daoli.hosts.errors import Clash
from daoli.hosts.pool import DEFAULT_POOL, free_subnet
from daoli.routing.view import View

SMALL = IPv4Network("10.5.0.0/22")


@given(st.integers(0, 2**32))
def test_any_draw(draw: int) -> None:
    """Whatever is drawn, the subnet is a /24 of the pool."""
    subnet = free_subnet(View(), DEFAULT_POOL, draw)
    assert subnet.prefixlen == 24
    assert subnet.subnet_of(DEFAULT_POOL)


def test_taken() -> None:
    """What a network lies in, or what is a host's own, is passed over, round the end; then there is none left."""
    view = View()
    view.put_network(network(5, subnet="10.5.2.128/25").record())
    view.put_host(host(1, address="10.5.3.7").record())
    assert free_subnet(view, SMALL, 2) == IPv4Network("10.5.0.0/24")
    view.put_network(network(6, subnet="10.5.0.0/24").record())
    view.put_host(host(2, subnets={"10.5.1.64/26": "br-1"}).record())
    with pytest.raises(Clash, match=r"no /24 of the pool 10\.5\.0\.0/22 is free; give a subnet"):
        free_subnet(view, SMALL, 1)
