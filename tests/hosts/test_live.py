"""Live routes with their counters."""

from __future__ import annotations

from typing import cast

from tests.hosts.rig import Rig

from daoli.datapath import Datapath


async def test_route_counters_come_from_the_sources(rig: Rig) -> None:
    """GET /routes sums what the source flows of either direction counted; a host that is away counts None."""
    await rig.ready()
    rig.punt(1, 2)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.bytes, route.packets_back, route.bytes_back) == (7, 700, 7, 700)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    (route,) = await rig.fabric.routes()
    assert (route.packets, route.packets_back) == (7, None)
