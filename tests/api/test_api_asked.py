"""A packet that somebody asks about."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.api.client import Api

from daoli.api.asked import AskedPacket

ENDS = {"source": "web1", "destination": "web2"}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_port(protocol: str) -> None:
    """TCP and UDP have ports, from 1 on."""
    asked = AskedPacket.model_validate({**ENDS, "protocol": protocol, "port": 80})
    assert (asked.protocol, asked.port) == (protocol, 80)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"port": 80}, {"port"}),
        ({"protocol": "icmp", "port": 80}, {"port"}),
        ({"protocol": "tcp", "port": 0}, {"port"}),
        ({"protocol": "sctp", "port": 80}, {"protocol"}),
        ({"colour": "red"}, {"colour"}),
    ],
)
def test_wrong(fields: dict[str, Any], faulty: set[str]) -> None:
    """A port without a protocol that has them is refused; a faulty protocol is told alone."""
    with pytest.raises(ValidationError) as caught:
        AskedPacket.model_validate({**ENDS, **fields})
    assert {error["loc"][0] for error in caught.value.errors()} == faulty


@pytest.mark.parametrize(("method", "path"), [("GET", "/explain"), ("POST", "/trace")])
async def test_asked_of_either(populated: Api, method: str, path: str) -> None:
    """Explain and trace find the same ends, and refuse the same."""
    asked = {"source": "web1", "destination": "10.1.0.3"}
    for more, status, field in (({}, 200, None), ({"source": "e9"}, 404, "source")):
        whole = {**asked, **more}
        if method == "GET":
            answer = await populated.ask(method, f"{path}?{'&'.join(f'{key}={value}' for key, value in whole.items())}")
        else:
            answer = await populated.ask(method, path, whole)
        assert (answer.status, answer.field) == (status, field)
