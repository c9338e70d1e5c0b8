"""Endpoints over HTTP."""

from __future__ import annotations

import pytest
from tests.api.client import Api, listed

from daoli.routing.view import PortInfo


async def test_replace(populated: Api) -> None:
    """A host's list is applied as a difference, which is told."""
    moved = listed(2) | {"port": "veth22"}
    answer = await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [moved, listed(3)]})
    difference = {key: answer.body[key] for key in ("added", "changed", "removed")}
    assert (answer.status, difference) == (200, {"added": ["e3"], "changed": ["e2"], "removed": ["e1"]})
    again = await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(3), moved]})
    assert (again.body["revision"], again.body["added"]) == (answer.body["revision"], [])


async def test_post(populated: Api) -> None:
    """One endpoint is created at its own path, and the same again changes nothing."""
    body = listed(3) | {"host": "h2"}
    answer = await populated.ask("POST", "/endpoints", body)
    assert (answer.status, answer.headers["Location"]) == (201, "/endpoints/e3")
    assert body.items() <= answer.body.items()
    assert (await populated.ask("POST", "/endpoints", body)).status == 200


async def test_move(populated: Api) -> None:
    """An endpoint that is posted from another host moves there."""
    assert (await populated.ask("POST", "/endpoints", listed(1) | {"host": "h2"})).status == 200
    assert (await populated.ask("GET", "/endpoints/e1")).body["host"] == "h2"


async def test_live_half(populated: Api) -> None:
    """An endpoint is reachable once its host is connected and has its port."""
    assert (await populated.ask("GET", "/endpoints/e1")).body["reachable"] is False
    populated.inventory.view.set_ports(0xA1, [PortInfo(7, "veth1", bytes(6))])
    first, second = (await populated.ask("GET", "/endpoints")).body["endpoints"]
    assert (first["port_no"], first["reachable"]) == (7, True)
    assert (second["port_no"], second["reachable"]) == (None, False)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["e1", "e2", "e3", "e4"]),
        ("?host=h1", ["e1", "e2", "e4"]),
        ("?network=red", ["e3", "e4"]),
        ("?host=h1&network=red", ["e4"]),
        ("?host=h2&network=blue", []),
    ],
)
async def test_filter(populated: Api, query: str, ids: list[str]) -> None:
    """Endpoints are listed by id, of one host or network if asked."""
    await populated.ask("POST", "/networks", {"name": "red", "subnet": "10.7.0.0/24"})
    for n, host in ((4, "h1"), (3, "h2")):
        body = listed(n) | {"host": host, "network": "red", "ipv4": f"10.7.0.{n}"}
        assert (await populated.ask("POST", "/endpoints", body)).status == 201
    answer = await populated.ask("GET", f"/endpoints{query}")
    assert [endpoint["id"] for endpoint in answer.body["endpoints"]] == ids


async def test_filter_unknown(populated: Api) -> None:
    """A filter by what does not exist is a mistake, not an empty list."""
    assert (await populated.ask("GET", "/endpoints?host=h9")).status == 404
    assert (await populated.ask("GET", "/endpoints?network=n9")).status == 404
    assert (await populated.ask("GET", "/endpoints?host=")).status == 404


async def test_remove(populated: Api) -> None:
    """A removed endpoint is gone."""
    assert (await populated.ask("DELETE", "/endpoints/e1")).status == 200
    assert (await populated.ask("GET", "/endpoints/e1")).status == 404
    assert (await populated.ask("DELETE", "/endpoints/e1")).status == 404


async def test_clash(populated: Api) -> None:
    """What another endpoint has is refused with its field, in a list with its place there."""
    answer = await populated.ask("POST", "/endpoints", listed(3) | {"host": "h2", "mac": listed(1)["mac"]})
    assert (answer.status, answer.field) == (409, "mac")
    body = {"endpoints": [listed(3), listed(4) | {"ipv4": listed(1)["ipv4"]}]}
    answer = await populated.ask("PUT", "/hosts/h2/endpoints", body)
    assert (answer.status, answer.field) == (409, "endpoints[1].ipv4")
    assert answer.body["errors"] == [{"field": "endpoints[1].ipv4", "detail": answer.body["detail"]}]
    assert (await populated.ask("GET", "/endpoints?host=h2")).body == {"endpoints": []}


async def test_a_thousand(populated: Api) -> None:
    """A list of a thousand endpoints is one request."""
    body = [
        listed(1)
        | {"id": f"x{n}", "mac": f"02:43:00:00:{n >> 8:02x}:{n & 255:02x}", "ipv4": f"10.1.{n >> 8}.{n & 255}"}
        for n in range(256, 1256)
        if n & 255 != 255
    ]
    ports = [item | {"port": f"p{index}"} for index, item in enumerate(body)]
    answer = await populated.ask("PUT", "/hosts/h2/endpoints", {"endpoints": ports})
    assert (answer.status, len(answer.body["added"])) == (200, len(ports))
