"""Probes over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.client import Api


async def test_trace(populated: Api) -> None:
    """Endpoints may be told by name; what the fabric found is told."""
    answer = await populated.ask(
        "POST", "/trace", {"source": "web1", "destination": "10.1.0.3", "protocol": "tcp", "port": 80}
    )
    assert (answer.status, answer.body["arrived"], answer.body["stopped_at"]) == (200, False, "h1")
    (step,) = answer.body["steps"]
    assert {name: value for name, value in step.items() if value} == {"host": "h1", "what": "e1 e2 tcp 80"}


async def test_outside(populated: Api) -> None:
    """Either end may be an address that no network holds; such a source enters by the host that is told."""
    answer = await populated.ask("POST", "/trace", {"source": "web1", "destination": "198.51.100.7"})
    assert (answer.status, answer.body["destination"]) == (200, "198.51.100.7")
    answer = await populated.ask("POST", "/trace", {"source": "198.51.100.7", "destination": "web1", "via": "h2"})
    assert (answer.status, answer.body["source"], answer.body["stopped_at"]) == (200, "198.51.100.7", "h2")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"source": "e9", "destination": "e1"}, 404, "source"),
        ({"source": "e1"}, 422, "destination"),
        ({"source": "e1", "destination": "10.1.0.99"}, 404, "destination"),
        ({"source": "e1", "destination": "198.51.100"}, 404, "destination"),
        ({"source": "e1", "destination": "127.0.0.1"}, 422, "destination"),
        ({"source": "198.51.100.7", "destination": "198.51.100.8"}, 422, "destination"),
        ({"source": "198.51.100.7", "destination": "e1", "via": "h9"}, 404, "via"),
        ({"source": "e1", "destination": "e2", "via": "h1"}, 422, "via"),
        ({"source": "e1", "destination": "e2", "port": 1}, 422, "port"),
        ({"source": "e1", "destination": "e2", "protocol": "icmp", "port": 1}, 422, "port"),
        ({"source": "e1", "destination": "e2", "colour": "red"}, 422, "colour"),
    ],
)
async def test_wrong(populated: Api, body: dict[str, Any], status: int, field: str) -> None:
    """What cannot be sent is refused with the field."""
    answer = await populated.ask("POST", "/trace", body)
    assert (answer.status, answer.field) == (status, field)
