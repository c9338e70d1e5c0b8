"""Published ports over HTTP."""

from __future__ import annotations

import pytest
from tests.api.client import Api, listed

WEB = "a" * 64


@pytest.fixture
async def running(populated: Api) -> Api:
    """An API with container web1 on h1."""
    await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1) | {"container": WEB}, listed(2)]})
    return populated


async def test_publish(running: Api) -> None:
    """A port is published once, shown, listed, and published no more."""
    answer = await running.ask("POST", "/publish", {"port": 8080, "target": "web1", "target_port": 80})
    found = answer.body["id"]
    assert (answer.status, answer.headers["Location"]) == (201, f"/publish/{found}")
    assert answer.body == {
        "id": found,
        "host": None,
        "address": None,
        "protocol": "tcp",
        "port": 8080,
        "container": WEB,
        "name": "web1",
        "target_port": 80,
        "network": None,
        "problems": [],
        "awaited": [],
    }
    again = await running.ask("POST", "/publish", {"port": 8080, "target": "web1", "host": "h2"})
    assert (again.status, again.field) == (409, "port")
    assert (await running.ask("GET", f"/publish/{found}")).body == answer.body
    assert (await running.ask("GET", "/publish")).body == {"publications": [answer.body]}
    assert (await running.ask("DELETE", f"/publish/{found}")).body["removed"] == [found]
    assert (await running.ask("DELETE", f"/publish/{found}")).status == 404


async def test_no_container(running: Api) -> None:
    """Nothing leads to an endpoint that is no container's."""
    answer = await running.ask("POST", "/publish", {"port": 8080, "target": "web2"})
    assert (answer.status, answer.field) == (404, "target")


async def test_container_removed(running: Api) -> None:
    """What is published of a container goes with it; a container of which nothing is published is fine."""
    found = (await running.ask("POST", "/publish", {"port": 8080, "target": "e1"})).body["id"]
    assert (await running.ask("DELETE", f"/containers/{WEB}")).body["removed"] == [found]
    assert (await running.ask("DELETE", f"/containers/{WEB}")).body["removed"] == []
    assert (await running.ask("GET", "/publish")).body == {"publications": []}
