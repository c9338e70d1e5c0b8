"""Addresses as text."""

from __future__ import annotations

from daoli.routing.model import ROUTER_MAC, dpid_text, ipv4_text, mac_text


def test_texts() -> None:
    """MACs, addresses and datapath ids read as operators write them."""
    assert mac_text(ROUTER_MAC) == "02:da:01:1e:00:01"
    assert ipv4_text(bytes((10, 0, 0, 255))) == "10.0.0.255"
    assert dpid_text(0xDA01) == "000000000000da01"


def test_router_mac() -> None:
    """The router's MAC is one machine's and locally administered, so it can be nobody's card."""
    assert ROUTER_MAC[0] & 3 == 2
