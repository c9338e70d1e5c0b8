"""Routes are cut at both ends, and hosts confirm it or are named."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from tests.hosts.rig import Rig

from daoli.datapath import Datapath


async def test_hosts_that_cannot_confirm_are_named(rig: Rig) -> None:
    """A datapath that does not answer the barrier, or is away, is reported by its host's name."""
    await rig.ready()
    rig.punt(1, 2)
    rig.datapaths[1].deaf = True
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
    rig.remove(rig.endpoints[2])
    assert (await rig.fabric.confirmed(rig.revision)).unconfirmed == ("h1", "h2")


async def test_a_change_that_cuts_nothing_is_confirmed_at_once(rig: Rig) -> None:
    """A revision that cut no route has an empty report."""
    await rig.ready()
    rig.post(replace(rig.endpoints[1], labels={"a": "b"}))
    assert await rig.fabric.confirmed(rig.revision) == await rig.fabric.confirmed(999)
