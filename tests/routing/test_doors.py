"""Published ports of hosts, and what is behind them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.routing.world import Spot, endpoint, host

from daoli.routing.doors import Doors
from daoli.routing.model import Endpoint, Lead, Published
from daoli.routing.packet import TCP, UDP

H0, H1 = host(0), host(1)
WEB = replace(endpoint(1, Spot(0)), container="c1")
OTHER = replace(WEB, id="e2", network="n1", ipv4=bytes((10, 1, 0, 2)))
OWN = Published(TCP, 8080, 80)
LEAD = Lead("p1", None, "c1", None, Published(TCP, 8081, 80))


@pytest.fixture
def doors() -> Doors:
    """Two hosts, with nothing published."""
    found = Doors()
    found.put_host(H0)
    found.put_host(H1)
    return found


def at(doors: Doors, number: int, protocol: int = TCP, port: int | None = None) -> list[tuple[int, str, int]]:
    """Name what is behind a host's port."""
    found = doors.at(host(number), protocol, port)
    return [(door.port, door.endpoint.id, door.target_port) for door in found]


def test_own_port(doors: Doors) -> None:
    """A port of the endpoint's own host leads to it while it is there, by its protocol, and from no other host."""
    published = replace(WEB, published=(OWN, Published(UDP, 53, 53)))
    doors.put_endpoint(published)
    assert at(doors, 0, port=8080) == at(doors, 0) == [(8080, "e1", 80)]
    assert at(doors, 0, UDP) == [(53, "e1", 53)]
    assert at(doors, 1) == at(doors, 0, port=80) == []
    doors.remove_endpoint(published)
    assert at(doors, 0) == at(doors, 0, UDP) == []


@pytest.mark.parametrize(("address", "found"), [(b"", True), (H0.address, True), (bytes((203, 0, 113, 1)), False)])
def test_port_of_one_address(doors: Doors, address: bytes, *, found: bool) -> None:
    """A port that holds for another address of the host is none of the address that is known."""
    doors.put_endpoint(replace(WEB, published=(OWN._replace(address=address),)))
    doors.put_lead(replace_port(LEAD, address))
    assert bool(at(doors, 0, port=8080)) == bool(at(doors, 0, port=8081)) == found


def replace_port(lead: Lead, address: bytes) -> Lead:
    """Have a lead hold for one address."""
    return lead._replace(published=lead.published._replace(address=address))


@pytest.mark.parametrize(
    ("lead", "hosts"),
    [(LEAD, (True, True)), (LEAD._replace(host="h1"), (False, True)), (LEAD._replace(container="c9"), (False, False))],
)
def test_port_that_leads_anywhere(doors: Doors, lead: Lead, hosts: tuple[bool, bool]) -> None:
    """A publication leads to its container from every host or from one, wherever that is."""
    doors.put_endpoint(WEB)
    doors.put_lead(lead)
    assert (bool(at(doors, 0)), bool(at(doors, 1))) == hosts
    doors.put_lead(lead)
    doors.remove_lead(lead.id)
    assert at(doors, 0) == at(doors, 1) == []


@pytest.mark.parametrize(("network", "led_to"), [(None, "e1"), ("n0", "e1"), ("n1", "e2")])
def test_network_of_a_publication(doors: Doors, network: str | None, led_to: str) -> None:
    """Of a container's networks the named one counts, or the first, as for the host's agent."""
    doors.put_endpoint(OTHER)
    doors.put_endpoint(WEB)
    doors.put_lead(LEAD._replace(network=network))
    assert at(doors, 1) == [(8081, led_to, 80)]


def test_own_port_goes_first(doors: Doors) -> None:
    """Where a container of the host has published the port itself, a publication of it does not hold there."""
    doors.put_endpoint(replace(endpoint(3, Spot(0)), published=(Published(TCP, 8081, 8000),)))
    doors.put_endpoint(WEB)
    doors.put_lead(LEAD)
    assert at(doors, 0) == [(8081, "e3", 8000)]
    assert at(doors, 1) == [(8081, "e1", 80)]


def test_whom_ports_concern(doors: Doors) -> None:
    """An endpoint matters that publishes, or to whose container a publication leads."""
    cases: list[tuple[Endpoint, bool]] = [(WEB, False), (replace(WEB, published=(OWN,)), True)]
    for each, concerned in cases:
        assert doors.concern(each) is concerned
    doors.put_lead(LEAD)
    assert doors.concern(WEB)
    assert not doors.concern(endpoint(3, Spot(0)))


def test_host_with_another_address(doors: Doors) -> None:
    """An address is its host's until that has gone, whoever had it before."""
    moved = replace(H1, address=bytes((192, 0, 2, 99)))
    doors.remove_host(H1)
    doors.put_host(moved)
    doors.put_host(replace(H0, address=H1.address))
    doors.remove_host(H1)
    assert doors.hosts[H1.address].name == "h0"
    assert doors.hosts[moved.address] is moved
