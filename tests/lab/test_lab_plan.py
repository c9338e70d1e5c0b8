"""Numbering: every address and name in a lab follows from its place."""

import json
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daoli.lab import UsageError
from daoli.lab.plan import DEFAULT_TARGET, EndpointPlan, HostPlan, NetworkPlan, Plan, check_name, free_address

sizes = st.tuples(st.integers(1, 200), st.integers(0, 6), st.integers(1, 12))


@given(sizes)
@settings(deadline=None)  # other work on the machine is no failure
def test_unique_and_inside(size: tuple[int, int, int]) -> None:
    """No two endpoints share an id, address, MAC or port, and each address is in its network, clear of the gateway."""
    hosts, endpoints, networks = size
    plan = Plan.of(hosts, endpoints, networks)
    assert len(plan.endpoints) == hosts * endpoints
    for attribute in ("id", "ipv4", "mac", "port", "place"):
        assert len({getattr(endpoint, attribute) for endpoint in plan.endpoints}) == len(plan.endpoints)
    for endpoint in plan.endpoints:
        network = plan.network(endpoint.network)
        assert IPv4Address(endpoint.ipv4) in IPv4Network(network.subnet)
        assert endpoint.ipv4 != network.gateway
        assert len(endpoint.port) <= 15


@given(sizes)
@settings(deadline=None)  # other work on the machine is no failure
def test_stored(size: tuple[int, int, int]) -> None:
    """A plan survives being written as JSON."""
    plan = Plan.of(*size)
    assert Plan.from_dict(json.loads(json.dumps(asdict(plan)))) == plan


def test_default() -> None:
    """Two hosts with two endpoints each on one /24, counted from .10, whose bridges look for the lab's controller."""
    plan = Plan.of()
    assert [e.place for e in plan.endpoints] == ["h1/c1", "h1/c2", "h2/c1", "h2/c2"]
    assert [e.ipv4 for e in plan.endpoints] == ["10.1.0.10", "10.1.0.11", "10.1.0.12", "10.1.0.13"]
    assert plan.networks == (NetworkPlan("dnet1", "10.1.0.0/24", "10.1.0.1"),)
    assert plan.controller == DEFAULT_TARGET == "tcp:10.254.0.250:6653"


def test_docker() -> None:
    """Docker hosts are numbered like others, with neither networks nor endpoints; the plan survives JSON."""
    plan = Plan.of_docker(3)
    assert [host.address for host in plan.hosts] == ["10.254.0.1", "10.254.0.2", "10.254.0.3"]
    assert (plan.networks, plan.endpoints, plan.controller, plan.docker) == ((), (), "", True)
    assert Plan.from_dict(json.loads(json.dumps(asdict(plan)))) == plan
    with pytest.raises(UsageError, match="number of hosts 0"):
        Plan.of_docker(0)


def test_networks_in_turn() -> None:
    """Endpoints are spread over the networks in turn, across hosts."""
    plan = Plan.of(2, 3, 2)
    assert [e.network for e in plan.endpoints] == ["dnet1", "dnet2", "dnet1", "dnet2", "dnet1", "dnet2"]
    assert [e.ipv4 for e in plan.endpoints][:3] == ["10.1.0.10", "10.2.0.10", "10.1.0.11"]


def test_large_network() -> None:
    """More than 200 endpoints make the networks a /16."""
    assert Plan.of(100, 2).networks[0].subnet == "10.1.0.0/24"
    assert Plan.of(67, 3).networks[0].subnet == "10.1.0.0/16"


def test_host_body() -> None:
    """A host is posted with exactly what the API takes."""
    assert HostPlan(1).body() == {"name": "h1", "dpid": "0000000000000001", "address": "10.254.0.1", "uplink": "eth1"}


def test_host_macs() -> None:
    """The three MACs of a host differ, are local, and end in its number."""
    host = HostPlan(200)
    assert host.bridge_mac == "02:dd:00:00:00:c8"
    assert host.uplink_mac == "02:dd:00:01:00:c8"
    assert host.management_mac == "02:dd:00:02:00:c8"


def test_endpoint_body() -> None:
    """An endpoint is posted with exactly what the API takes; its MAC holds its address, as Docker's does."""
    assert EndpointPlan.at("h1", "c1", "dnet1", "10.1.0.10").body() == {
        "id": "h1-c1",
        "name": "h1-c1",
        "host": "h1",
        "network": "dnet1",
        "mac": "02:42:0a:01:00:0a",
        "ipv4": "10.1.0.10",
        "port": "dl0e92b781c7fd",
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((0, 1, 1), "number of hosts 0: 1 to 200"),
        ((201, 1, 1), "number of hosts 201"),
        ((1, -1, 1), "number of endpoints -1"),
        ((1, 251, 1), "number of endpoints 251"),
        ((1, 1, 0), "number of networks 0"),
        ((1, 1, 1, "10.254.0.250:6653"), "bad controller '10.254.0.250:6653'"),
    ],
)
def test_refused(arguments: tuple[int, int, int], complaint: str) -> None:
    """What cannot be numbered is refused, and the refusal says what is possible."""
    with pytest.raises(UsageError, match=complaint):
        Plan.of(*arguments)


@pytest.mark.parametrize("name", ["", "../etc", "a/b", "-x", "A", "a b", "x" * 32, "c\n"])
def test_bad_name(name: str) -> None:
    """A name that could be mistaken for a path or an option is refused."""
    with pytest.raises(UsageError, match="bad lab name"):
        check_name(name, "lab")


def test_free_address() -> None:
    """The lowest address that nobody has is next; a full network is refused."""
    network = NetworkPlan("n", "10.9.0.0/28", "10.9.0.1")
    assert free_address(network, {"10.9.0.10", "10.9.0.12"}) == "10.9.0.11"
    with pytest.raises(UsageError, match="is full"):
        free_address(network, {f"10.9.0.{n}" for n in range(16)})


def test_unknown_network() -> None:
    """A network that is not there is refused with the list of those that are."""
    with pytest.raises(UsageError, match="no network 'x'; there are: dnet1, dnet2"):
        Plan.of(networks=2).network("x")
