"""``daolictl trace``."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint

LOST: dict[str, Any] = {
    "source": "e1abc",
    "destination": "db",
    "protocol": "tcp",
    "port": 80,
    "arrived": False,
    "reason": "it left host h1 by dlup, and has not come to host h2",
    "stopped_at": "h1",
    "steps": [
        {"host": "h1", "what": "sent into the bridge", "flow": None, "packets": None},
        {"host": "h1", "what": "taken by a flow", "flow": "ip actions=output:1", "packets": 1},
    ],
}


@pytest.fixture(autouse=True)
def _two(api: FakeApi) -> None:
    api.refuses("GET", "/endpoints/web", 404, "no")
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1abc")]})
    api.says("GET", "/endpoints/db", endpoint("db"))


def test_lost(api: FakeApi, run: Run) -> None:
    """Each step is told with its flow, then where it ended, and the exit code says so."""
    api.says("POST", "/trace", LOST)
    said = run("trace", "web", "db", "80/tcp")
    assert said.code == 1
    assert said.out == (
        "1. h1: sent into the bridge\n"
        "2. h1: taken by a flow\n"
        "     ip actions=output:1  (+1)\n"
        "web > db 80/tcp: lost at h1: it left host h1 by dlup, and has not come to host h2\n"
    )
    assert api.asked[-1].body == {"source": "e1abc", "destination": "db", "protocol": "tcp", "port": 80}


def test_outside(api: FakeApi, run: Run) -> None:
    """An address is sent as it is; a rule of the host's firewall is told once, with the step that it made."""
    accept = {"host": "h1", "what": "ip filter FORWARD: by rule: jump X", "rule": "jump X", "flow": None}
    drop = {"host": "h1", "what": "ip filter X: by rule: drop", "rule": "ip daddr 198.51.100.0/24 drop", "flow": None}
    api.says("POST", "/trace", LOST | {"steps": [accept, drop], "reason": "dropped"})
    said = run("trace", "web", "198.51.100.7", "80/tcp")
    assert said.out == (
        "1. h1: ip filter FORWARD: by rule: jump X\n"
        "2. h1: ip filter X: by rule: drop\n"
        "     ip daddr 198.51.100.0/24 drop\n"
        "web > 198.51.100.7 80/tcp: lost at h1: dropped\n"
    )
    assert api.asked[-1].body["destination"] == "198.51.100.7"
    run("trace", "198.51.100.7", "db", "--via", "h1")
    assert api.asked[-1].body == {"source": "198.51.100.7", "destination": "db", "via": "h1"}


@pytest.mark.parametrize(("arrived", "code", "word"), [(True, 0, "arrived"), (None, 1, "unseen")])
def test_others(arrived: bool | None, code: int, word: str, api: FakeApi, run: Run) -> None:
    """What arrived is 0; what is not to be seen is not."""
    api.says("POST", "/trace", LOST | {"arrived": arrived, "stopped_at": None})
    said = run("trace", "web", "db", "-o", "name")
    assert (said.code, said.out) == (code, f"{word}\n")
    assert api.asked[-1].body == {"source": "e1abc", "destination": "db"}
