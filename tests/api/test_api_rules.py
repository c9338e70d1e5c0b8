"""Rules over HTTP."""

from __future__ import annotations

import pytest
from tests.api.client import Api

from daoli.hosts.reports import CutReport, RouteReport

RULE = {"action": "deny", "source": {"endpoint": "web1"}, "destination": {"network": "blue"}}
ROUTE = RouteReport(1, "e1", "e2", "h1", "h1", "pair", "same network", 1.0)


async def test_life_of_a_rule(populated: Api) -> None:
    """A rule is made, shown with what it matches, listed in the order of asking, and removed."""
    made = await populated.ask("POST", "/rules", RULE)
    assert made.status == 201
    rule_id = made.body["id"]
    assert made.headers["Location"] == f"/rules/{rule_id}"
    assert (made.body["source_matches"], made.body["destination_matches"], made.body["cut"]) == (1, 2, [])
    await populated.ask("POST", "/rules", {"id": "first", "action": "allow", "priority": 500})
    listed = (await populated.ask("GET", "/rules")).body["rules"]
    assert [rule["id"] for rule in listed] == ["first", rule_id]
    assert (await populated.ask("GET", f"/rules/{rule_id[:4]}")).body == listed[1]
    assert (await populated.ask("DELETE", f"/rules/{rule_id}")).status == 200
    assert (await populated.ask("GET", f"/rules/{rule_id}")).status == 404


async def test_the_same_again(populated: Api) -> None:
    """Made twice under one id it is there already; another under it is a clash."""
    body = {"id": "mine", **RULE}
    assert (await populated.ask("POST", "/rules", body)).status == 201
    assert (await populated.ask("POST", "/rules", body)).status == 200
    clash = await populated.ask("POST", "/rules", {**body, "action": "allow"})
    assert (clash.status, clash.field) == (409, "id")


async def test_put(populated: Api) -> None:
    """A rule under an id is made, stays, or is replaced, in one write; another id in the body is refused."""
    made = await populated.ask("PUT", "/rules/mine", RULE)
    assert (made.status, made.body["id"], made.body["action"]) == (201, "mine", "deny")
    revision = (await populated.ask("PUT", "/rules/mine", {"id": "mine", **RULE})).body["revision"]
    assert revision == made.body["revision"]
    other = await populated.ask("PUT", "/rules/mine", {**RULE, "action": "allow", "protocol": "tcp", "ports": [80]})
    assert (other.status, other.body["revision"]) == (200, revision + 1)
    assert (await populated.ask("GET", "/rules/mine")).body["ports"] == [80]
    for path, body, field in (
        ("/rules/mine", {"id": "yours", **RULE}, "id"),
        ("/rules/-", RULE, "id"),
        ("/rules/mine", {**RULE, "source": {"endpoint": "x"}}, "source.endpoint"),
    ):
        refused = await populated.ask("PUT", path, body)
        assert (refused.status, refused.field) == (422, field)


async def test_unknown_names(populated: Api) -> None:
    """A rule about nobody is refused with the field, unless that is wanted; it then matches nothing."""
    body = {"action": "deny", "source": {"group": "nobody"}}
    refused = await populated.ask("POST", "/rules", body)
    assert (refused.status, refused.field) == (422, "source.group")
    made = await populated.ask("POST", "/rules?allow_unknown=true", body)
    assert (made.status, made.body["source_matches"]) == (201, 0)


@pytest.mark.parametrize("path", ["/rules", "/rules?allow_unknown=true"])
async def test_malformed(populated: Api, path: str) -> None:
    """What says nothing clear is refused."""
    for body in ({}, {**RULE, "ports": [80]}, {**RULE, "source": {"network": "blue", "label": "a=b"}}):
        assert (await populated.ask("POST", path, body)).status == 422


async def test_dry_run(populated: Api) -> None:
    """What would be cut is told, and nothing is written; what would be refused is."""
    populated.fabric.cuts[0] = CutReport((ROUTE,))
    said = await populated.ask("POST", "/rules?dry_run=true", {"id": "mine", **RULE})
    assert (said.status, [route["id"] for route in said.body["cut"]]) == (200, [1])
    assert (await populated.ask("GET", "/rules")).body["rules"] == []
    assert (await populated.ask("POST", "/rules?dry_run=true", {**RULE, "source": {"endpoint": "x"}})).status == 422
    await populated.ask("POST", "/rules", {"id": "mine", **RULE})
    assert len((await populated.ask("DELETE", "/rules/mine?dry_run=true")).body["cut"]) == 1
    assert (await populated.ask("GET", "/rules/mine")).status == 200
    assert populated.fabric.tried == [{"rules/mine"}] * 2


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [("POST", "/rules", "until"), ("PUT", "/rules/r1", "until"), ("PUT", "/policy", "rules[0].until")],
)
async def test_over_already(populated: Api, method: str, path: str, field: str) -> None:
    """A rule whose time is over would be gone at once: it is refused, and the field named."""
    rule = {"id": "r1", "action": "deny", "until": "2020-01-01T00:00:00Z"}
    answer = await populated.ask(method, path, {"rules": [rule]} if path == "/policy" else rule)
    assert (answer.status, answer.field) == (422, field)
    assert (await populated.ask("GET", "/rules")).body == {"rules": []}
