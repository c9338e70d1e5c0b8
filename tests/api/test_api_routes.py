"""Routes and explanations over HTTP."""

from __future__ import annotations

from dataclasses import asdict, replace
from ipaddress import IPv4Address

import pytest
from tests.api.client import Api

from daoli.hosts.question import Question
from daoli.hosts.reports import RouteReport


async def test_list(api: Api) -> None:
    """Routes are shown as the fabric reports them, with null for counters that it could not read."""
    api.fabric.live = [
        RouteReport(1, "e1", "e2", "h1", "h2", "pair", "same network", 3.5, 1, 100, 1, 100),
        RouteReport(2, "e3", "e4", "h1", "h2", "connection", "rule 7", 0.5),
        RouteReport(3, None, "e4", "h1", "h2", "connection", "outside", 0.5, protocol="tcp", destination_port=80),
    ]
    answer = await api.ask("GET", "/routes")
    assert answer.body == {"routes": [asdict(route) for route in api.fabric.live]}
    assert answer.body["routes"][1]["packets"] is None
    assert answer.body["routes"][2]["source"] is None


@pytest.mark.parametrize("source", ["e1", "web1", "10.1.0.2"])
async def test_explain(populated: Api, source: str) -> None:
    """Endpoints may be told by id, name or address."""
    answer = await populated.ask("GET", f"/explain?source={source}&destination=e2&protocol=tcp&port=80")
    assert (answer.body["source"], answer.body["destination"], answer.body["reason"]) == ("e1", "e2", "same network")
    known = populated.inventory.endpoint
    assert populated.fabric.explained == [Question(known("e1"), known("e2"), "tcp", 80)]


async def test_explain_the_outside(populated: Api) -> None:
    """One end may be an address outside; then the published ports that lead to the other are told."""
    container = "ab" * 32
    named = {"id": "e8", "name": "shop", "host": "h2", "network": "blue", "ipv4": "10.1.0.88", "port": "p8"}
    await populated.ask("POST", "/endpoints", named | {"mac": "02:42:00:00:00:88", "container": container})
    for port, target_port in ((8080, 80), (8443, 443)):
        await populated.ask("POST", "/publish", {"port": port, "target": "shop", "target_port": target_port})
    query = "source=198.51.100.7&destination=shop&protocol=tcp&port=80&via=h1&why_not=true"
    answer = await populated.ask("GET", f"/explain?{query}")
    assert (answer.body["source"], answer.body["destination"]) == (None, "e8")
    (port,) = answer.body["published"]
    assert (port["port"], port["target_port"], port["host"]) == (8080, 80, None)
    shop = populated.inventory.endpoint("e8")
    (asked,) = populated.fabric.explained
    assert replace(asked, published=()) == Question(IPv4Address("198.51.100.7"), shop, "tcp", 80, "h1", why_not=True)
    answer = await populated.ask("GET", "/explain?source=shop&destination=198.51.100.7")
    assert answer.body["published"] == []


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "source"),
        ("source=e1", 400, "destination"),
        ("source=e9&destination=e2", 404, "source"),
        ("source=e1&destination=10.1.0.99", 404, "destination"),
        ("source=e1&destination=10.1.0.1", 404, "destination"),
        ("source=224.0.0.1&destination=e1", 422, "source"),
        ("source=e1&destination=e2&protocol=sctp", 400, "protocol"),
        ("source=e1&destination=e2&protocol=tcp&port=0", 400, "port"),
        ("source=e1&destination=e2&protocol=tcp&port=65536", 400, "port"),
        ("source=e1&destination=e2&protocol=tcp&port=http", 400, "port"),
        ("source=e1&destination=e2&protocol=icmp&port=1", 400, "port"),
        ("source=e1&destination=e2&port=1", 400, "port"),
        ("source=e1&destination=e2&color=red", 400, "color"),
        ("source=e1&source=e2&destination=e2", 400, "source"),
    ],
)
async def test_bad_query(populated: Api, query: str, status: int, field: str) -> None:
    """What cannot be asked is refused with the parameter."""
    answer = await populated.ask("GET", f"/explain?{query}")
    assert (answer.status, answer.field) == (status, field)


async def test_ambiguous(populated: Api) -> None:
    """A name that two endpoints have is refused, and both are named."""
    await populated.ask("POST", "/networks", {"name": "red", "subnet": "10.7.0.0/24"})
    twin = {"id": "e7", "name": "web1", "host": "h2", "network": "red", "ipv4": "10.7.0.7", "port": "p"}
    await populated.ask("POST", "/endpoints", twin | {"mac": "02:42:00:00:00:77"})
    answer = await populated.ask("GET", "/explain?source=e2&destination=web1")
    assert (answer.status, answer.field) == (422, "destination")
    assert "e1 (10.1.0.2 on host h1), e7 (10.7.0.7 on host h2)" in answer.body["detail"]
