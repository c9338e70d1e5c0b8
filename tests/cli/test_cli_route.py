"""``daolictl route``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint

PAIR: dict[str, Any] = {
    "id": 7,
    "source": "e1",
    "destination": "f" * 64,
    "source_host": "h1",
    "destination_host": "h2",
    "granularity": "pair",
    "reason": "same network",
    "age_seconds": 200.0,
    "packets": 3,
    "bytes": 300,
    "packets_back": None,
    "bytes_back": None,
}
IN = PAIR | {
    "source": None,
    "source_address": "198.51.100.7",
    "source_port": 40000,
    "destination": "e1",
    "destination_port": 80,
    "destination_host": "h1",
    "protocol": "tcp",
}


def test_ls(api: FakeApi, run: Run) -> None:
    """Routes are listed by names and addresses, with their ports, and counters as far as they are known."""
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    api.says("GET", "/routes", {"routes": [PAIR, IN]})
    assert run("route", "ls").lines[1:] == [
        ["7", "web", "f" * 12, "-", "h1", ">", "h2", "300", "-", "3m"],
        ["7", "198.51.100.7:40000", "web:80", "tcp", "h1", "300", "-", "3m"],
    ]


def test_watch_learns_names(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that comes while routes are watched is shown by its name."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    for routes in ([], [IN]):
        api.says("GET", "/routes", {"routes": routes})
    api.refuses("GET", "/routes", 401, "the token is wrong")
    assert run("route", "ls", "--watch").lines[1][2] == "web:80"


def test_as_json(api: FakeApi, run: Run) -> None:
    """Programs get the API's body, and no names are asked for."""
    api.says("GET", "/routes", {"routes": [PAIR]})
    assert json.loads(run("route", "ls", "-o", "json").out) == {"routes": [PAIR]}
    assert [asked.path for asked in api.asked] == ["/routes"]


def test_unknown_outside(api: FakeApi, run: Run) -> None:
    """Who has neither id nor address is outside."""
    api.says("GET", "/endpoints", {"endpoints": []})
    api.says("GET", "/routes", {"routes": [PAIR | {"source": None}]})
    assert run("route", "ls").lines[1][1] == "outside"
