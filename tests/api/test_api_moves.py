"""Moves over HTTP."""

from __future__ import annotations

from tests.api.client import Api, listed

WEB = "a" * 64


async def test_move(populated: Api) -> None:
    """A move is begun, shown, listed, and goes on by the reports of the agents."""
    await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1) | {"container": WEB}]})
    populated.inventory.view.set_ports(0xA2, [])
    answer = await populated.ask("POST", "/moves", {"container": "web1", "to": "h2"})
    path = f"/moves/{answer.body['id']}"
    assert (answer.status, answer.headers["Location"], answer.body["state"]) == (202, path, "preparing")
    assert answer.body["addresses"] == [{"network": "blue", "ipv4": "10.1.0.2", "mac": "02:42:00:00:00:01"}]
    assert (await populated.ask("GET", path)).body == answer.body
    assert (await populated.ask("GET", "/moves")).body == {"moves": [answer.body]}
    report = {"host": "h1", "state": "checking", "blueprint": {"Config": {"Env": ["A=b"]}}}
    assert (await populated.ask("POST", f"{path}/reports", report)).body["blueprint"] == report["blueprint"]
    for host, state, status in (("h1", "stopping", 409), ("h2", "stopping", 200), ("h1", "starting", 200)):
        told = await populated.ask("POST", f"{path}/reports", {"host": host, "state": state})
        assert told.status == status
    assert (await populated.ask("GET", "/leases")).body["leases"][0]["host"] == "h2"
    assert (await populated.ask("GET", "/endpoints")).body == {"endpoints": []}


async def test_refused(populated: Api) -> None:
    """What cannot be moved, where it cannot go, and a state that does not exist are told by field."""
    away = await populated.ask("POST", "/moves", {"container": "web1", "to": "h2"})
    assert (away.status, away.field, away.body["detail"]) == (409, "to", "host h2 is not connected")
    populated.inventory.view.set_ports(0xA2, [])
    assert (await populated.ask("POST", "/moves", {"container": "web1", "to": "h2"})).field == "container"
    assert (await populated.ask("GET", "/moves/m9")).status == 404
    answer = await populated.ask("POST", "/moves/m9/reports", {"host": "h1", "state": "flying"})
    assert (answer.status, answer.field) == (422, "state")
