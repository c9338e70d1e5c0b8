"""Agents' words on probes, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.api.client import Api

from daoli.hosts.inquiry import Sought, Word

SOUGHT = Sought(source="10.1.0.2", destination="198.51.100.7", protocol="icmp", token="00ff" * 4, token_at=20)
PASSED = {"family": "ip", "table": "filter", "chain": "FORWARD", "rule": None, "verdict": "drop"}


async def test_answer(populated: Api) -> None:
    """Who follows the fabric hears of an inquiry; the word on it is handed to the one who asked."""
    async with populated.client.get("/watch") as watch:
        await watch.content.readline()
        async with populated.fabric.inquiries.ask("h1", SOUGHT) as asked:
            line = (await watch.content.readline()).decode()
            (name,) = (part.split('"')[0] for part in line.split('"id":"')[1:])
            path = f"/hosts/h1/inquiries/{name}"
            answer = await populated.ask("PUT", path, {"outcome": "watching"})
            assert (answer.status, answer.body) == (200, {"host": "h1", "id": name})
            assert await asked.watching(0)
            await populated.ask("PUT", path, {"outcome": "dropped", "passed": [PASSED]})
            assert await asked.word(0) == Word.model_validate({"outcome": "dropped", "passed": [PASSED]})
    assert (await populated.ask("PUT", path, {"outcome": "absent"})).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({"outcome": "eaten"}, "outcome"),
        ({"outcome": "left", "interface": ""}, "interface"),
        ({"outcome": "lost", "detail": "x" * 1001}, "detail"),
        ({"outcome": "dropped", "passed": 101 * [PASSED]}, "passed"),
        ({"outcome": "dropped", "passed": [PASSED | {"verdict": 1}]}, "passed[0].verdict"),
    ],
)
async def test_nonsense(populated: Api, body: dict[str, Any], field: str) -> None:
    """A word that is none, or too long, is refused by field."""
    answer = await populated.ask("PUT", "/hosts/h1/inquiries/1", body)
    assert (answer.status, answer.field) == (422, field)
