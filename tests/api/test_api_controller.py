"""The controller over HTTP."""

from __future__ import annotations

from tests.api.client import HOST, Api, serving

from daoli.api.services import SERVICES


async def test_show(populated: Api) -> None:
    """The controller tells its version, its OpenFlow port, its pool, and how much it knows."""
    populated.fabric.measured = {"routes": 3.0}
    assert (await populated.ask("GET", "/controller")).body == {
        "version": "1.2.3",
        "openflow": {"port": 6653},
        "pool": "10.210.0.0/16",
        "hosts": 2,
        "networks": 1,
        "endpoints": 2,
        "routes": 3,
        "refused": [],
        "ledger": {"written": 0, "dropped": 0, "problem": None},
    }


async def test_refused() -> None:
    """Who had no token, or a wrong one, is told to who has it, and counted."""
    async with serving(token="right") as api:  # noqa: S106 - a test's token
        right = {"Authorization": "Bearer right"}
        await api.ask("GET", "/hosts")
        await api.ask("GET", "/hosts", headers={"Authorization": "Bearer wrong"})
        await api.ask("POST", "/hosts", HOST, headers=right)
        assert api.client.app is not None
        api.client.app[SERVICES].refusals.note(HOST["address"], "the token is wrong")
        other, found = (await api.ask("GET", "/controller", headers=right)).body["refused"]
        assert found.pop("last_seconds") >= 0.0
        assert found == {"address": "127.0.0.1", "host": None, "count": 2, "reason": "the token is wrong"}
        assert (other["host"], other["count"]) == (HOST["name"], 1)
        metrics = (await api.ask("GET", "/metrics", headers=right)).text
        assert 'daoli_api_refused_total{peer="127.0.0.1"} 2.0' in metrics
