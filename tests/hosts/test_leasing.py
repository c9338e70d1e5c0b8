"""Whose address it is, whatever is asked for and in whatever order."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.hosts.records import carry_out, endpoint, host, network, put

from daoli.hosts.errors import Clash, Invalid, InventoryError, NotFound
from daoli.hosts.lease import LeaseRequest
from daoli.hosts.leasing import Cursors, Granted, LeaseDifference, Release, Released, plan_lease_list, plan_leases
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import plan_endpoint, plan_host_removal, plan_list, plan_network_removal
from daoli.routing.model import ipv4_text
from daoli.routing.view import View


def ask(mirror: Mirror, cursors: Cursors, *requests: LeaseRequest | Release) -> list[Granted | Released | Exception]:
    """Have requests met and the mirror told."""
    plan, answers = plan_leases(mirror, requests, cursors)
    carry_out(mirror, plan)
    return answers


def grant(mirror: Mirror, cursors: Cursors | None = None, **fields: Any) -> Granted:
    """Have one lease granted."""
    request = LeaseRequest(**{"host": "h1", "network": "n1"} | fields)
    (answer,) = ask(mirror, {} if cursors is None else cursors, request)
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Granted)
    return answer


def test_next_free(mirror: Mirror) -> None:
    """Addresses are given out one after the other, in one batch or several, and those of endpoints are left out."""
    cursors: Cursors = {}
    put(mirror, endpoint(2))  # has 10.1.0.4
    given = [grant(mirror, cursors).lease.ipv4]
    request = LeaseRequest(host="h2", subnet="10.1.0.0/16")
    given += [a.lease.ipv4 for a in ask(mirror, cursors, request, request) if isinstance(a, Granted)]
    assert given == ["10.1.0.2", "10.1.0.3", "10.1.0.5"]
    assert [lease.host for lease in mirror.leases.values()] == ["h1", "h2", "h2"]


def test_not_again_at_once(mirror: Mirror) -> None:
    """What was given back is given out last; a new process goes on after the highest address leased."""
    put(mirror, network(2, subnet="10.2.0.0/29"))
    cursors: Cursors = {}
    given = [grant(mirror, cursors, network="n2").lease.ipv4 for _ in range(3)]
    ask(mirror, cursors, Release(given[0], "h1"), Release(given[1], "h1"))
    assert [grant(mirror, cursors, network="n2").lease.ipv4 for _ in range(2)] == ["10.2.0.5", "10.2.0.6"]
    assert grant(mirror, {}, network="n2").lease.ipv4 == given[0]


def test_exhausted(mirror: Mirror) -> None:
    """A network without a free address says so; gateway, reserved, network and broadcast address are never free."""
    put(mirror, network(2, subnet="10.2.0.0/29", gateway="10.2.0.3", reserved=("10.2.0.5",)))
    cursors: Cursors = {}
    given = [grant(mirror, cursors, network="n2").lease.ipv4 for _ in range(4)]
    assert given == ["10.2.0.1", "10.2.0.2", "10.2.0.4", "10.2.0.6"]
    with pytest.raises(Clash, match=r"all addresses of network n2 in 10\.2\.0\.0/29 are taken") as caught:
        grant(mirror, cursors, network="n2")
    assert caught.value.field == "network"


def test_range(mirror: Mirror) -> None:
    """Addresses come from the network's range, the ends of it too; one that is asked for may be elsewhere."""
    put(mirror, network(2, subnet="10.2.0.0/16", range="10.2.7.0/30"))
    cursors: Cursors = {}
    assert grant(mirror, cursors, network="n2", ipv4="10.2.9.9").created
    given = [grant(mirror, cursors, network="n2").lease.ipv4 for _ in range(4)]
    assert given == ["10.2.7.0", "10.2.7.1", "10.2.7.2", "10.2.7.3"]
    with pytest.raises(Clash):
        grant(mirror, cursors, network="n2")


def test_again(mirror: Mirror) -> None:
    """A host that asks for what it has gets it, and may name another MAC."""
    first = grant(mirror, ipv4="10.1.0.9", mac="02:42:0a:01:00:09")
    assert first.created
    assert grant(mirror, ipv4="10.1.0.9") == Granted(first.lease, created=False)
    assert grant(mirror, ipv4="10.1.0.9", mac="02:42:0a:01:00:0a").lease.mac == "02:42:0a:01:00:0a"


@pytest.mark.parametrize(
    ("fields", "error", "field", "words"),
    [
        ({"host": "h9"}, Invalid, "host", "there is no host h9"),
        ({"network": "n9"}, Invalid, "network", "there is no network n9"),
        ({"network": None}, Invalid, "network", "say the network or its subnet"),
        ({"network": None, "subnet": "10.1.0.0/24"}, Invalid, "subnet", "no network has the subnet 10.1.0.0/24"),
        ({"subnet": "10.2.0.0/16"}, Invalid, "subnet", "network n1 has the subnet 10.1.0.0/16"),
        ({"ipv4": "10.2.0.5"}, Invalid, "ipv4", "10.2.0.5 is not in 10.1.0.0/16"),
        ({"ipv4": "10.1.0.0"}, Invalid, "ipv4", "10.1.0.0 is the network address of 10.1.0.0/16"),
        ({"ipv4": "10.1.0.1"}, Invalid, "ipv4", "10.1.0.1 is the gateway of network n1"),
        ({"ipv4": "10.1.0.99"}, Clash, "ipv4", "10.1.0.99 is reserved in network n1"),
        ({"ipv4": "10.1.0.3"}, Clash, "ipv4", "10.1.0.3 is the address of web on host h2"),
        ({"ipv4": "10.1.0.7"}, Clash, "ipv4", "10.1.0.7 is leased by host h2"),
        ({"ipv4": "10.1.0.4"}, Clash, "ipv4", "10.1.0.4 is leased by host h2 for db"),
    ],
)
def test_refused(mirror: Mirror, fields: dict[str, Any], error: type[InventoryError], field: str, words: str) -> None:
    """What a host cannot have is refused by field, and whoever has it is named."""
    put(mirror, network(1, reserved=("10.1.0.99",)))
    put(mirror, endpoint(1, host="h2", name="web"), endpoint(2, host="h2", name="db"))
    grant(mirror, host="h2", ipv4="10.1.0.7")
    grant(mirror, host="h2", ipv4="10.1.0.4")
    with pytest.raises(error) as caught:
        grant(mirror, **fields)
    assert (caught.value.field, caught.value.detail) == (field, words)


def test_one_refusal_among_many(mirror: Mirror) -> None:
    """A request that is refused leaves the others of its batch as they are."""
    wanted = LeaseRequest(host="h1", network="n1", ipv4="10.1.0.9")
    other = LeaseRequest(host="h2", network="n1", ipv4="10.1.0.9")
    first, second, third = ask(mirror, {}, wanted, other, Release("10.1.0.9", "h1"))
    assert isinstance(first, Granted)
    assert isinstance(second, Clash)
    assert third == Released("10.1.0.9", None)
    assert mirror.leases == {}


def test_release(mirror: Mirror) -> None:
    """A lease is given back by the host that has it, and by no other."""
    grant(mirror, ipv4="10.1.0.9")
    unknown, others = ask(mirror, {}, Release("10.1.0.8", "h1"), Release("10.1.0.9", "h2"))
    assert isinstance(unknown, NotFound)
    assert isinstance(others, Clash)
    assert ask(mirror, {}, Release("10.1.0.9", "h1")) == [Released("10.1.0.9", None)]
    assert mirror.leases == {}


def test_list(mirror: Mirror) -> None:
    """A host's list releases what is not in it, takes what is free, and leaves out what others have."""
    cursors: Cursors = {}
    for ipv4 in ("10.1.0.5", "10.1.0.6"):
        grant(mirror, ipv4=ipv4)
    grant(mirror, host="h2", ipv4="10.1.0.7")
    plan, difference = plan_lease_list(mirror, "h1", ["10.1.0.6", "10.1.0.7", "10.1.0.8", "10.9.0.1"], cursors)
    carry_out(mirror, plan)
    assert difference == LeaseDifference(
        ("10.1.0.8",),
        ("10.1.0.5",),
        (("10.1.0.7", "10.1.0.7 is leased by host h2"), ("10.9.0.1", "10.9.0.1 is in no network")),
    )
    assert {lease.ipv4: lease.host for lease in mirror.leases.values()} == {
        "10.1.0.6": "h1",
        "10.1.0.7": "h2",
        "10.1.0.8": "h1",
    }
    with pytest.raises(NotFound):
        plan_lease_list(mirror, "h9", [], cursors)


def test_endpoint_of_another(mirror: Mirror) -> None:
    """No endpoint gets an address that another host leases, alone or in a list."""
    grant(mirror, host="h2", ipv4=endpoint(1).ipv4)
    with pytest.raises(Clash, match=r"10\.1\.0\.3 is leased by host h2") as caught:
        plan_endpoint(mirror, endpoint(1))
    assert caught.value.field == "ipv4"
    with pytest.raises(Clash, match=r"10\.1\.0\.3 is leased by host h2") as caught:
        plan_list(mirror, "h1", [endpoint(2), endpoint(1)])
    assert caught.value.field == "endpoints[1].ipv4"
    assert plan_endpoint(mirror, endpoint(1, host="h2")).created


def test_gone_with_host_and_network(mirror: Mirror) -> None:
    """A host or a network takes its leases along."""
    put(mirror, network(2))
    grant(mirror)
    grant(mirror, host="h2")
    grant(mirror, host="h2", network="n2")
    carry_out(mirror, plan_host_removal(mirror, "h1"))
    carry_out(mirror, plan_network_removal(mirror, "n2"))
    assert [(lease.host, lease.network) for lease in mirror.leases.values()] == [("h2", "n1")]


HOSTS = st.sampled_from(["h1", "h2", "h3"])
ADDRESSES = st.integers(0, 17).map("10.1.0.{}".format)


class Addresses(RuleBasedStateMachine):
    """Leases, endpoints, hosts and networks in any order: an address is never two hosts'."""

    @initialize()
    def begin(self) -> None:
        """Begin with a small network and three hosts."""
        self.cursors: Cursors = {}
        self.mirror = Mirror(View())
        put(self.mirror, *map(host, (1, 2, 3)), network(1, subnet="10.1.0.0/28", reserved=("10.1.0.4",)))

    @rule(hosts=st.lists(HOSTS, max_size=8), ipv4=st.none() | ADDRESSES)
    def lease(self, hosts: list[str], ipv4: str | None) -> None:
        """Ask for leases at once."""
        before = dict(self.mirror.leases)
        requests = [LeaseRequest(host=name, network="n1", ipv4=ipv4) for name in hosts]
        for request, answer in zip(requests, ask(self.mirror, self.cursors, *requests), strict=True):
            if isinstance(answer, Granted):
                assert answer.lease.host == request.host
                assert ipv4 in (None, answer.lease.ipv4)
                assert not (answer.created and answer.lease.ipv4 in before)
                assert self.mirror.leases[answer.lease.ipv4] == answer.lease

    @rule(name=HOSTS, ipv4=ADDRESSES)
    def give_back(self, name: str, ipv4: str) -> None:
        """Give an address back, whoever has it."""
        had = self.mirror.leases.get(ipv4)
        (answer,) = ask(self.mirror, self.cursors, Release(ipv4, name))
        assert isinstance(answer, Released) == (had is not None and had.host == name)
        assert (ipv4 in self.mirror.leases) == (had is not None and had.host != name)

    @rule(name=HOSTS, listed=st.lists(ADDRESSES, max_size=6))
    def list_all(self, name: str, listed: list[str]) -> None:
        """Send a host's list."""
        with suppress(NotFound):
            plan, difference = plan_lease_list(self.mirror, name, listed, self.cursors)
            carry_out(self.mirror, plan)
            refused = {ipv4 for ipv4, _ in difference.refused}
            own = {lease.ipv4 for lease in self.mirror.leases.values() if lease.host == name}
            assert own == set(listed) - refused

    @rule(name=HOSTS, n=st.integers(0, 12))
    def post_endpoint(self, name: str, n: int) -> None:
        """Post an endpoint."""
        with suppress(InventoryError):
            carry_out(self.mirror, plan_endpoint(self.mirror, endpoint(n, host=name)))

    @rule(name=HOSTS)
    def leave_and_join(self, name: str) -> None:
        """Remove a host, and have it back."""
        carry_out(self.mirror, plan_host_removal(self.mirror, name))
        put(self.mirror, host(int(name[1])))

    @invariant()
    def one_owner(self) -> None:
        """An address that is leased is usable, and its endpoint is on the host that leases it."""
        for lease in self.mirror.leases.values():
            assert lease.ipv4 not in {"10.1.0.0", "10.1.0.1", "10.1.0.4", "10.1.0.15", "10.1.0.16", "10.1.0.17"}
            assert lease.host in self.mirror.view.hosts
        for place in self.mirror.view.by_ipv4.values():
            held = self.mirror.leases.get(ipv4_text(place.ipv4))
            assert held is None or held.host == place.endpoint.host


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_round_is_bounded(mirror: Mirror) -> None:
    """A large network with few leases is not searched through."""
    put(mirror, network(9, subnet="11.0.0.0/8"))
    cursors: Cursors = {IPv4Network("11.0.0.0/8"): 0x0BFFFFFD}
    assert grant(mirror, cursors, network="n9").lease.ipv4 == "11.255.255.254"
    assert grant(mirror, cursors, network="n9").lease.ipv4 == "11.0.0.2"
