"""The controller over HTTP."""

from __future__ import annotations

from tests.api.client import Api


async def test_show(populated: Api) -> None:
    """The controller tells its version, its OpenFlow port, its pool, and how much it knows."""
    assert (await populated.ask("GET", "/controller")).body == {
        "version": "1.2.3",
        "openflow": {"port": 6653},
        "pool": "10.210.0.0/16",
        "hosts": 2,
        "networks": 1,
        "endpoints": 2,
    }
