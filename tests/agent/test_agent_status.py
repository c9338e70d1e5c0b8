"""The agent's own socket."""

from __future__ import annotations

import json
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from daoli.agent.leave import Say
from daoli.agent.preflight import Unfit
from daoli.agent.status import make_status_app


class FakeAgent:
    """Leaves if it is forced."""

    def status(self) -> dict[str, Any]:
        return {"host": "h1"}

    async def leave(self, say: Say, *, force: bool) -> bool:
        if not force:
            raise Unfit(["c1 is on blue"])
        await say("deleted the bridge")
        return True


async def test_status_and_leaving() -> None:
    """Status is one JSON object; leaving answers an object for each step, then how it ended."""
    async with TestClient(TestServer(make_status_app(FakeAgent()))) as client:
        assert await (await client.get("/status")).json() == {"host": "h1"}
        refused = await (await client.post("/leave", params={"force": "false"})).text()
        assert json.loads(refused) == {"refused": ["c1 is on blue"]}
        left = await (await client.post("/leave", params={"force": "true"})).text()
        assert [json.loads(line) for line in left.splitlines()] == [{"said": "deleted the bridge"}, {"done": True}]
