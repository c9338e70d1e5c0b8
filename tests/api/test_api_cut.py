"""What a change cut is part of its answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from tests.api.client import HOST, Api, listed

from daoli.hosts.reports import CutReport, RouteReport

ROUTE = RouteReport(9, "e1", "e2", "h1", "h1", "pair", "same network", 1.25, 10, 1000, 9, 900)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/hosts", HOST | {"address": "192.0.2.77"}),
        ("DELETE", "/hosts/h1", None),
        ("PUT", "/hosts/h1/endpoints", {"endpoints": []}),
        ("POST", "/endpoints", listed(1) | {"host": "h2"}),
        ("DELETE", "/endpoints/e1", None),
    ],
)
async def test_told(populated: Api, method: str, path: str, body: Any) -> None:
    """Every change that can cut routes tells which, and which hosts could not confirm."""
    populated.fabric.cuts = {populated.inventory.revision + 1: CutReport((ROUTE,), ("h2",))}
    answer = await populated.ask(method, path, body)
    assert (answer.status, answer.body["cut"], answer.body["unconfirmed"]) == (200, [asdict(ROUTE)], ["h2"])
    assert answer.body["revision"] == populated.inventory.revision


async def test_unchanged(populated: Api) -> None:
    """What changed nothing cut nothing, whatever the last change did."""
    populated.fabric.cuts = {populated.inventory.revision: CutReport((ROUTE,), ("h2",))}
    answer = await populated.ask("POST", "/hosts", HOST)
    assert (answer.body["cut"], answer.body["unconfirmed"]) == ([], [])
