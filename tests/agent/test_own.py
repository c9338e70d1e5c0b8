"""What a host has of its own."""

from __future__ import annotations

from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from daoli.agent.links import Link, Way
from daoli.agent.own import own_subnets, taken
from daoli.hosts.spec import OWN_SUBNETS

NETWORKS = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.integers(0x0A000000, 0x0A0000FF),
    st.integers(24, 32),
)


def link(name: str, *addresses: str) -> Link:
    return Link(name, "", 1500, up=True, addresses=addresses)


def way(to: str, nic: str, *, gateway: bool = False) -> Way:
    return Way(IPv4Network(to), nic, gateway=gateway)


def test_own_subnets() -> None:
    """Interfaces' subnets, routed ones and the controller count; loopback, our bridge, halves and aggregates do not."""
    found = [
        link("lo", "127.0.0.1/8", "198.51.100.1/32"),
        link("eth0", "192.0.2.1/24"),
        link("docker0", "172.17.0.1/16"),
        link("daoli", "10.9.0.1/24"),
    ]
    ways = [
        way("192.0.2.0/24", "eth0"),
        way("10.1.0.0/24", "daoli"),
        way("0.0.0.0/1", "tun0"),
        way("10.0.0.0/8", "eth0", gateway=True),
        way("10.8.5.0/24", "eth0", gateway=True),
        way("10.3.0.0/16", "wg0"),
    ]
    assert own_subnets(found, ways, "eth0", "203.0.113.9") == {
        IPv4Network("198.51.100.1/32"): "lo",
        IPv4Network("192.0.2.0/24"): "eth0",
        IPv4Network("172.17.0.0/16"): "docker0",
        IPv4Network("10.8.5.0/24"): "eth0",
        IPv4Network("10.3.0.0/16"): "wg0",
        IPv4Network("203.0.113.9/32"): "eth0",
    }


def test_a_controller_without_an_address_of_its_own() -> None:
    """One within a subnet of the host's adds nothing, nor does one by IPv6 or on this host."""
    for controller in ("192.0.2.9", "[2001:db8::1]", "", "127.0.0.1"):
        assert own_subnets([link("eth0", "192.0.2.1/24")], [], "eth0", controller) == {
            IPv4Network("192.0.2.0/24"): "eth0"
        }, controller


def test_bounded() -> None:
    """However many routes there are, the list that the controller gets is bounded, the largest first."""
    ways = [way(f"10.{n // 250}.{n % 250}.0/24", "eth0", gateway=True) for n in range(OWN_SUBNETS + 9)]
    own = own_subnets([link("eth0", "192.0.0.1/16")], ways, "eth0", "")
    assert len(own) == OWN_SUBNETS
    assert IPv4Network("192.0.0.0/16") in own


@given(NETWORKS, st.lists(NETWORKS, max_size=4))
def test_taken(subnet: IPv4Network, own: list[IPv4Network]) -> None:
    """A route takes something where, for an address that is the host's own, none of its own is as exact."""
    subnets = dict.fromkeys(own, "eth0")
    in_force = [each for each in own if each.prefixlen > subnet.prefixlen and each.prefixlen < 32]
    hit = [each for each in own if each.overlaps(subnet) and each not in in_force]
    assert (taken(subnet, subnets) is not None) == bool(hit)
