"""Whole policies over HTTP."""

from __future__ import annotations

import pytest
from tests.api.client import Api
from tests.hosts.test_ledger import refused

from daoli.api.services import SERVICES
from daoli.hosts.ledger import Ledger
from daoli.hosts.reports import CutReport, RouteReport

POLICY = {
    "groups": [{"name": "g", "networks": ["blue"]}],
    "rules": [{"id": "r1", "action": "deny", "source": {"group": "g"}}, {"action": "allow", "priority": 500}],
}
ROUTE = RouteReport(1, "e1", "e2", "h1", "h1", "pair", "same network", 1.0)


async def test_put(populated: Api) -> None:
    """All is there at once, and what was before is not; what is shown can be put again."""
    await populated.ask("POST", "/rules", {"id": "old", "action": "deny"})
    revision = populated.inventory.revision
    assert (await populated.ask("PUT", "/policy", POLICY)).body["revision"] == revision + 1
    shown = (await populated.ask("GET", "/policy")).body
    assert [rule["priority"] for rule in shown["rules"]] == [500, 100]
    assert shown["groups"] == POLICY["groups"]
    assert (await populated.ask("PUT", "/policy", shown)).body["revision"] == revision + 1
    await populated.ask("PUT", "/policy", {})
    assert (await populated.ask("GET", "/policy")).body == {"groups": [], "rules": []}


async def test_dry_run(populated: Api) -> None:
    """What would be cut is told, and nothing is written."""
    populated.fabric.cuts[0] = CutReport((ROUTE,))
    said = await populated.ask("PUT", "/policy?dry_run=true", POLICY)
    assert [route["id"] for route in said.body["cut"]] == [1]
    assert (await populated.ask("GET", "/policy")).body["rules"] == []


@pytest.mark.parametrize("path", ["/policy", "/policy?dry_run=true"])
async def test_unknown(populated: Api, path: str) -> None:
    """What names nothing is refused with its field, also where it is only tried."""
    answer = await populated.ask("PUT", path, {"groups": [{"name": "g", "networks": ["red"]}]})
    assert (answer.status, answer.field) == (422, "groups[0].networks[0]")


async def test_replay(populated: Api) -> None:
    """What the ledger has is judged by the policy that is given."""
    app = populated.client.app
    assert app is not None
    ledger = app[SERVICES].ledger
    Ledger.__init__(ledger)
    ledger.add(refused(1.0))
    answer = await populated.ask("POST", "/policy/replay", POLICY | {"since": "1970-01-01T00:00:00Z"})
    begins = {"begins": "1970-01-01T00:00:01.000Z", "whole": False}
    assert answer.body == {"conversations": [], "judged": 0, "left_out": 1, **begins}
    assert (await populated.ask("POST", "/policy/replay", {"since": "soon"})).field == "since"


async def test_replay_unknown(populated: Api) -> None:
    """What names nothing is refused with its field as where it is put, unless that is wanted."""
    policy = {"rules": [{"action": "deny", "source": {"endpoint": "nobody"}}]}
    answer = await populated.ask("POST", "/policy/replay", policy)
    assert (answer.status, answer.field) == (422, "rules[0].source.endpoint")
    assert (await populated.ask("POST", "/policy/replay?allow_unknown=true", policy)).status == 200
