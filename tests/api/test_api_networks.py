"""Networks over HTTP."""

from __future__ import annotations

from tests.api.client import NETWORK, Api


async def test_make(api: Api) -> None:
    """A new network is created at its own path, with the gateway that it was not given."""
    answer = await api.ask("POST", "/networks", NETWORK)
    assert (answer.status, answer.headers["Location"]) == (201, "/networks/blue")
    assert answer.body == NETWORK | {
        "gateway": "10.1.0.1",
        "internal": False,
        "labels": {},
        "range": None,
        "reserved": [],
        "endpoints": 0,
    }


async def test_make_without_subnet(api: Api) -> None:
    """A network without a subnet gets one of the pool, and is the same network when it is asked for again."""
    answer = await api.ask("POST", "/networks", {"name": "blue"})
    assert answer.status == 201
    assert answer.body["subnet"].startswith("10.210.")
    again = await api.ask("POST", "/networks", {"name": "blue"})
    assert (again.status, again.body) == (200, answer.body)


async def test_make_again(populated: Api) -> None:
    """The same network again is fine; one with another subnet or gateway, or a subnet that overlaps, is a clash."""
    assert (await populated.ask("POST", "/networks", NETWORK)).status == 200
    for field, body in {
        "subnet": NETWORK | {"subnet": "10.2.0.0/16"},
        "gateway": NETWORK | {"gateway": "10.1.0.9"},
    }.items():
        answer = await populated.ask("POST", "/networks", body)
        assert (answer.status, answer.field) == (409, field)
    answer = await populated.ask("POST", "/networks", {"name": "red", "subnet": "10.1.2.0/24"})
    assert (answer.status, answer.field) == (409, "subnet")


async def test_list_and_show(populated: Api) -> None:
    """Networks are listed by name and shown one by one, with how many endpoints they have."""
    await populated.ask("POST", "/networks", {"name": "amber", "subnet": "10.9.0.0/24", "gateway": "10.9.0.254"})
    networks = (await populated.ask("GET", "/networks")).body["networks"]
    assert [(network["name"], network["endpoints"]) for network in networks] == [("amber", 0), ("blue", 2)]
    assert [(await populated.ask("GET", f"/networks/{n['name']}")).body for n in networks] == networks


async def test_remove(populated: Api) -> None:
    """A network goes once its endpoints are gone; until then the answer names them."""
    answer = await populated.ask("DELETE", "/networks/blue")
    assert (answer.status, answer.body["type"]) == (409, "urn:daoli:problem:in-use")
    assert "web1 on h1, web2 on h1" in answer.body["detail"]
    await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": []})
    assert (await populated.ask("DELETE", "/networks/blue")).body["cut"] == []
    assert (await populated.ask("DELETE", "/networks/blue")).status == 404
