"""What only one record may have."""

from __future__ import annotations

from tests.hosts.records import endpoint, host, network

from daoli.hosts.claims import Claim, claims


def test_host() -> None:
    """A host claims its dpid, its address and its uplink."""
    assert claims(host(1).record()) == (
        Claim("dpid", "dpid 0000000000000001"),
        Claim("address", "underlay address 192.0.2.1"),
        Claim("uplink", "port eth0 of host h1"),
    )


def test_endpoint() -> None:
    """An endpoint claims its address, its MAC and its port."""
    assert claims(endpoint(1).record()) == (
        Claim("ipv4", "address 10.1.0.3"),
        Claim("mac", "MAC 02:42:00:00:00:01"),
        Claim("port", "port veth1 of host h1"),
    )


def test_uplink_is_a_port() -> None:
    """An uplink and an endpoint's port of one host are the same claim, those of two hosts are not."""
    (_, _, uplink), (_, _, port) = claims(host(1).record()), claims(endpoint(1, port="eth0").record())
    assert uplink.what == port.what
    assert uplink.what != claims(host(2).record())[2].what


def test_network() -> None:
    """A network claims nothing by name: that its subnet overlaps another is looked up."""
    assert claims(network().record()) == ()
