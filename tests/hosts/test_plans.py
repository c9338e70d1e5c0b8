"""What a request comes to: refused by field, or what is to be written and no more."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hosts.records import carry_out, endpoint, host, listed, network, put, values

from daoli.hosts.errors import Clash, InUse, Invalid, InventoryError, NotFound
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import (
    Difference,
    Plan,
    plan_endpoint,
    plan_endpoint_removal,
    plan_host,
    plan_host_removal,
    plan_list,
    plan_network_removal,
)
from daoli.hosts.plans import plan_network as plan_network_in
from daoli.hosts.pool import DEFAULT_POOL
from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkRequest, NetworkSpec


def plan_network(mirror: Mirror, request: NetworkRequest, draw: int = 7) -> Plan:
    return plan_network_in(mirror, request, DEFAULT_POOL, draw)


# -- hosts -------------------------------------------------------------------------------------------------------------


def test_host(mirror: Mirror) -> None:
    """A host is created, changed, or as it should be."""
    assert plan_host(mirror, host(3)) == Plan({"hosts/h3": host(3).record()}, created=True)
    assert plan_host(mirror, host(1, site="s")) == Plan({"hosts/h1": host(1, site="s").record()})
    assert plan_host(mirror, host(1)) == Plan({})


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (host(1, dpid="00000000000000ff"), "name", "another machine"),
        (host(3, dpid="0000000000000001"), "dpid", "host h1"),
        (host(3, address="192.0.2.1"), "address", "host h1"),
        (host(1, uplink="veth1"), "uplink", "endpoint e1"),
    ],
)
def test_host_clash(mirror: Mirror, spec: HostSpec, field: str, words: str) -> None:
    """A host that takes what another has is refused by field, with the owner's name."""
    put(mirror, endpoint(1))
    with pytest.raises(Clash, match=words) as caught:
        plan_host(mirror, spec)
    assert caught.value.field == field


def test_what_is_a_hosts_own(mirror: Mirror) -> None:
    """A network that would take a subnet or the address of a host is refused, with the host and interface."""
    carry_out(mirror, plan_host(mirror, host(3, subnets={"172.17.0.0/16": "docker0"})))
    for subnet, words in (
        ("172.17.5.0/24", r"172\.17\.5\.0/24 overlaps 172\.17\.0\.0/16, on docker0 of host h3"),
        ("192.0.2.0/30", r"overlaps 192\.0\.2\.1/32, the address of host h1"),
    ):
        with pytest.raises(Clash, match=words) as caught:
            plan_network(mirror, network(9, subnet=subnet))
        assert caught.value.field == "subnet"
    with pytest.raises(Invalid, match="which no router forwards"):
        plan_network(mirror, network(9, subnet="169.254.7.0/24"))


def test_host_in_a_network(mirror: Mirror) -> None:
    """A host that joins with something of its own that a network has is refused, with the network's name."""
    for fields, field, words in (
        (
            {"subnets": {"10.1.7.0/24": "eth1"}},
            "subnets",
            r"10\.1\.7\.0/24, on eth1 of host h3, overlaps 10\.1\.0\.0/16",
        ),
        ({"address": "10.1.0.9"}, "address", r"10\.1\.0\.9/32, the address of host h3, .* which is network n1"),
    ):
        with pytest.raises(Clash, match=words) as caught:
            plan_host(mirror, host(3, **fields))
        assert caught.value.field == field


def test_host_that_was_in_a_network_before(mirror: Mirror) -> None:
    """A host that the fabric took with an overlap may change, but bring no other one."""
    before = {"10.1.7.0/24": "eth1"}
    put(mirror, host(3, subnets=before))
    assert plan_host(mirror, host(3, subnets=before, mtu=9000)).changes
    with pytest.raises(Clash, match=r"10\.1\.8\.0/24, on br-1 of host h3"):
        plan_host(mirror, host(3, subnets=before | {"10.1.8.0/24": "br-1"}))


def test_host_removal(mirror: Mirror) -> None:
    """A host leaves with its endpoints."""
    put(mirror, endpoint(1), endpoint(2), endpoint(3, host="h2"))
    plan = plan_host_removal(mirror, "h1")
    assert plan.changes == dict.fromkeys(["hosts/h1", "endpoints/e1", "endpoints/e2"])
    assert plan.endpoints == Difference(removed=("e1", "e2"))


# -- networks ----------------------------------------------------------------------------------------------------------


def test_network(mirror: Mirror) -> None:
    """A network again, with its gateway or without, changes nothing; with another gateway it is refused."""
    plan = carry_out(mirror, plan_network(mirror, network(2, gateway="10.2.0.254")))
    assert plan == Plan({"networks/n2": network(2, gateway="10.2.0.254").record()}, created=True)
    assert plan_network(mirror, network(2)) == Plan({})
    assert plan_network(mirror, network(2, gateway="10.2.0.254")) == Plan({})
    with pytest.raises(Clash, match=r"10\.2\.0\.254") as caught:
        plan_network(mirror, network(2, gateway="10.2.0.1"))
    assert caught.value.field == "gateway"


@pytest.mark.parametrize(
    "spec", [network(1, subnet="10.9.0.0/16"), network(2, subnet="10.1.7.0/24"), network(2, subnet="10.0.0.0/8")]
)
def test_network_clash(mirror: Mirror, spec: NetworkSpec) -> None:
    """A network keeps its subnet, and shares no address with another."""
    with pytest.raises(Clash, match="n1") as caught:
        plan_network(mirror, spec)
    assert caught.value.field == "subnet"


def test_network_of_the_pool(mirror: Mirror) -> None:
    """A network without a subnet gets the one that was drawn; asked for again, it has it already."""
    request = NetworkRequest(name="n2", internal=True)
    plan = carry_out(mirror, plan_network(mirror, request))
    assert plan.changes == {"networks/n2": network(2, subnet="10.210.7.0/24", internal=True).record()}
    assert plan_network(mirror, request, draw=99) == Plan({})


def test_network_again(mirror: Mirror) -> None:
    """What is said of a network that is there must be so, but for labels, which change; what is not said stays."""
    spec = network(2, range="10.2.1.0/24", reserved=("10.2.0.9",), labels={"a": "b"})
    carry_out(mirror, plan_network(mirror, spec))
    assert plan_network(mirror, spec) == plan_network(mirror, NetworkRequest(name="n2")) == Plan({})
    again: list[tuple[str, Any, str]] = [
        ("range", "10.2.2.0/24", r"n2 has the range 10\.2\.1\.0/24"),
        ("reserved", (), r"n2 has the reserved list 10\.2\.0\.9"),
        ("internal", True, "n2 is not internal"),
    ]
    for field, value, words in again:
        with pytest.raises(Clash, match=words) as caught:
            plan_network(mirror, NetworkRequest.model_validate({"name": "n2", "subnet": "10.2.0.0/16", field: value}))
        assert caught.value.field == field
    changed = plan_network(mirror, NetworkRequest(name="n2", labels={"c": "d"}))
    assert changed == Plan({"networks/n2": network(2, **{**dict(spec), "labels": {"c": "d"}}).record()})


def test_network_removal(mirror: Mirror) -> None:
    """A network with endpoints stays, and the error names some of them; an empty one goes."""
    carry_out(mirror, plan_list(mirror, "h1", [listed(n) for n in range(7)]))
    with pytest.raises(InUse, match="e0 on h1, e1 on h1, e2 on h1, e3 on h1, e4 on h1 and 2 more"):
        plan_network_removal(mirror, "n1")
    carry_out(mirror, plan_list(mirror, "h1", [listed(n) for n in range(5)]))
    with pytest.raises(InUse, match=r"e3 on h1, e4 on h1$"):
        plan_network_removal(mirror, "n1")
    carry_out(mirror, plan_list(mirror, "h1", []))
    carry_out(mirror, plan_network_removal(mirror, "n1"))
    assert plan_network(mirror, network(2, subnet="10.1.0.0/24")).created


# -- endpoints ---------------------------------------------------------------------------------------------------------


def test_endpoint(mirror: Mirror) -> None:
    """An endpoint is added, changed (if only in its host), as it should be, or removed."""
    added = carry_out(mirror, plan_endpoint(mirror, endpoint(1)))
    assert added == Plan({"endpoints/e1": endpoint(1).record()}, created=True, endpoints=Difference(added=("e1",)))
    moved = endpoint(1, host="h2", port="eth9")
    changed = carry_out(mirror, plan_endpoint(mirror, moved))
    assert changed == Plan({"endpoints/e1": moved.record()}, endpoints=Difference(changed=("e1",)))
    assert plan_endpoint(mirror, moved) == Plan({})
    assert plan_endpoint_removal(mirror, "e1") == Plan({"endpoints/e1": None}, endpoints=Difference(removed=("e1",)))


@pytest.mark.parametrize(
    ("spec", "error", "field"),
    [
        (endpoint(2, host="h9"), Invalid, "host"),
        (endpoint(2, network="n9"), Invalid, "network"),
        (endpoint(2, ipv4="10.2.0.5"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.0.0"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.255.255"), Invalid, "ipv4"),
        (endpoint(2, ipv4="10.1.0.1"), Invalid, "ipv4"),
        (endpoint(2, ipv4=endpoint(1).ipv4), Clash, "ipv4"),
        (endpoint(2, mac=endpoint(1).mac), Clash, "mac"),
        (endpoint(2, port="veth1"), Clash, "port"),
        (endpoint(2, port="eth0"), Clash, "port"),
    ],
)
def test_endpoint_refused(mirror: Mirror, spec: EndpointSpec, error: type[InventoryError], field: str) -> None:
    """An endpoint that cannot be there is refused by field, alone or in a list."""
    put(mirror, endpoint(1))
    with pytest.raises(error) as caught:
        plan_endpoint(mirror, spec)
    assert caught.value.field == field
    in_list = ListedEndpoint.model_validate(spec.model_dump())
    with pytest.raises((error, Invalid)) as caught:
        plan_list(mirror, "h1", [listed(1), listed(3), in_list])
    assert caught.value.field == f"endpoints[2].{field}"


@pytest.mark.parametrize("name", ["h9", "", "h1/x"])
def test_not_there(mirror: Mirror, name: str) -> None:
    """What is not there can be neither removed nor given endpoints."""
    for plan_removal in (plan_host_removal, plan_network_removal, plan_endpoint_removal):
        with pytest.raises(NotFound):
            plan_removal(mirror, name)
    with pytest.raises(NotFound):
        plan_list(mirror, name, [])


# -- lists -------------------------------------------------------------------------------------------------------------


def test_list(mirror: Mirror) -> None:
    """A list is a difference: what is the same is not written, and one from another host moves here."""
    put(mirror, endpoint(9, host="h2"))
    first = carry_out(mirror, plan_list(mirror, "h1", [listed(1), listed(2), listed(3)]))
    assert first.endpoints == Difference(added=("e1", "e2", "e3"))
    second = carry_out(mirror, plan_list(mirror, "h1", [listed(1), listed(2, port="veth22"), listed(9), listed(4)]))
    assert second.endpoints == Difference(added=("e4",), changed=("e2", "e9"), removed=("e3",))
    assert second.changes == {
        "endpoints/e3": None,
        "endpoints/e2": endpoint(2, port="veth22").record(),
        "endpoints/e9": endpoint(9).record(),
        "endpoints/e4": endpoint(4).record(),
    }
    assert plan_list(mirror, "h1", [listed(4), listed(9), listed(2, port="veth22"), listed(1)]) == Plan({})


def test_pending_endpoint_stays_known(mirror: Mirror) -> None:
    """Who does not know whose an endpoint is takes nothing away from what was told of it before."""
    called: dict[str, Any] = {"name": "web", "labels": {"app": "db"}, "container": "ab" * 32, "aliases": ("www",)}
    carry_out(mirror, plan_list(mirror, "h1", [listed(1, pending=True)]))
    assert mirror.view.endpoints["e1"].pending
    carry_out(mirror, plan_list(mirror, "h1", [listed(1, **called)]))
    assert plan_list(mirror, "h1", [listed(1, pending=True)]) == Plan({})
    assert plan_endpoint(mirror, endpoint(1, pending=True)) == Plan({})
    carry_out(mirror, plan_list(mirror, "h1", [listed(1, pending=True, port="veth22"), listed(2, pending=True)]))
    assert mirror.view.endpoints["e1"] == endpoint(1, port="veth22", **called).record()
    assert mirror.view.endpoints["e2"].pending


def test_swap(mirror: Mirror) -> None:
    """Endpoints may exchange addresses, MACs and ports within a list."""
    put(mirror, endpoint(1), endpoint(2))
    swapped: list[dict[str, Any]] = [values(2, id="e1"), values(1, id="e2")]
    plan = carry_out(mirror, plan_list(mirror, "h1", [ListedEndpoint(**fields) for fields in swapped]))
    assert plan.endpoints == Difference(changed=("e1", "e2"))
    assert mirror.view.endpoints == {fields["id"]: EndpointSpec(host="h1", **fields).record() for fields in swapped}


@pytest.mark.parametrize("field", ["ipv4", "mac"])
def test_list_clashes_with_another_host(mirror: Mirror, field: str) -> None:
    """An endpoint in a list cannot have what one on another host has."""
    put(mirror, endpoint(1, host="h2"))
    with pytest.raises(Clash, match="endpoint e1") as caught:
        plan_list(mirror, "h1", [listed(2, **{field: values(1)[field]})])
    assert caught.value.field == f"endpoints[0].{field}"


@pytest.mark.parametrize("field", ["id", "ipv4", "mac", "port"])
def test_twice_in_a_list(mirror: Mirror, field: str) -> None:
    """Two endpoints of a list cannot have one id, address, MAC or port."""
    with pytest.raises(Invalid, match=r"first at endpoints\[0\]") as caught:
        plan_list(mirror, "h1", [listed(1), listed(2), listed(3, **{field: values(1)[field]})])
    assert caught.value.field == f"endpoints[2].{field}"


def test_list_of_another_host(mirror: Mirror) -> None:
    """An endpoint in a host's list cannot say that it is on another."""
    with pytest.raises(Invalid, match="list of host h1") as caught:
        plan_list(mirror, "h1", [listed(1, host="h2")])
    assert caught.value.field == "endpoints[0].host"
