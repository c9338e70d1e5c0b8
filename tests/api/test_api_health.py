"""Probes."""

from __future__ import annotations

from tests.api.client import Api


async def test_health(api: Api) -> None:
    """A process that answers is healthy."""
    assert (await api.ask("GET", "/healthz")).body == {"status": "ok", "version": "1.2.3"}


async def test_readiness(api: Api) -> None:
    """A controller that cannot do its work says why."""
    assert (await api.ask("GET", "/readyz")).body == {"status": "ready"}
    api.fabric.problem = "the store is away"
    answer = await api.ask("GET", "/readyz")
    assert (answer.status, answer.body["detail"]) == (503, "the store is away")
    assert (await api.ask("GET", "/healthz")).status == 200
