"""``daolictl connect`` and ``disconnect``."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint
from tests.cli.test_cli_rule import CUT, RULE

from daoli.cli.connect import rule_of
from daoli.cli.ports import Traffic


@pytest.fixture
def two(api: FakeApi) -> FakeApi:
    """Let there be web and db."""
    for name in ("web", "db"):
        api.refuses("GET", f"/endpoints/{name}", 404, "no")
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1abc"), endpoint("e2", name="db", ipv4="10.1.0.3")]})
    return api


def posted(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = api.asked[-1].body
    return body


def path_of(traffic: Traffic | None = None) -> str:
    return f"/rules/{rule_of('allow', 'web', 'db', traffic)['id']}"


def test_connect(two: FakeApi, run: Run) -> None:
    """It is a both-ways rule on two endpoints, by the names that people gave them."""
    two.says("PUT", path_of(Traffic("tcp", 5432)), RULE | CUT, 201)
    said = run("connect", "web", "db", "5432/tcp")
    assert said.out.startswith("rule 3f2a9c000001 made: ")
    assert posted(two) == {
        "id": posted(two)["id"],
        "action": "allow",
        "priority": 1000,
        "both_ways": True,
        "source": {"endpoint": "web"},
        "destination": {"endpoint": "db"},
        "protocol": "tcp",
        "ports": [5432],
    }


def test_disconnect_takes_the_place_of_connect(two: FakeApi, run: Run) -> None:
    """The rule of the same two and the same port that says otherwise is replaced in one request."""
    two.says("PUT", path_of(), RULE | CUT)
    assert run("disconnect", "web", "db").out.startswith("rule 3f2a9c000001 is in place: ")
    assert [asked.method for asked in two.asked if asked.method != "GET"] == ["PUT"]
    assert posted(two)["action"] == "deny"


def test_dry_run_is_asked_for(two: FakeApi, run: Run) -> None:
    """What would be cut is asked for by the same request."""
    two.says("PUT", path_of(), RULE | CUT)
    assert run("disconnect", "web", "db", "--dry-run").code == 0
    assert two.asked[-1].path == f"{path_of()}?dry_run=true"


def test_refusals(two: FakeApi, run: Run) -> None:
    """A refusal is told."""
    two.refuses("PUT", path_of(), 422, "no")
    assert run("connect", "web", "db").code == 1


def test_same_id() -> None:
    """The id is that of the two and what they speak, whoever is named first and whatever is said of them."""
    assert rule_of("allow", "a", "b", None)["id"] == rule_of("deny", "b", "a", None)["id"]
    assert rule_of("allow", "a", "b", None)["id"] != rule_of("allow", "a", "b", Traffic("icmp"))["id"]
