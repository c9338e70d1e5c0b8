"""A datapath settles: its ports are learnt, its flows compared and made right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.hosts.gateways import LOCAL_MAC, enter, open_world
from tests.hosts.rig import UPLINK, FakeDatapath, Rig, port, uplink

from daoli.datapath import Datapath
from daoli.ofproto import (
    FlowMod,
    Message,
    PortDescRequest,
    PortNo,
    PortReason,
    PortStatus,
    SetAsync,
)
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.routes import BACK, FORTH
from daoli.routing.static import static_flows


async def test_settling_installs_the_static_flows(rig: Rig) -> None:
    """A registered datapath that connects is asked for all async messages and gets its static flows, no more."""
    await rig.ready()
    datapath = rig.datapaths[1]
    assert isinstance(datapath.sent[0], SetAsync)
    assert len(datapath.static) == len(datapath.table) == len(static_flows(UPLINK, uplink(1).hw_addr))
    assert rig.fabric.host_status("h1").connected
    assert rig.fabric.host_status("h1").problems == ()


async def test_settling_again_changes_nothing(rig: Rig) -> None:
    """A datapath that comes back with the right flows is sent no flow_mod."""
    await rig.ready()
    rig.punt(1, 2)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), None)
    rig.datapaths[1].sent.clear()
    await rig.connect(1)
    assert not any(isinstance(message, FlowMod) for message in rig.datapaths[1].sent)


async def test_uplink_with_another_mac_cuts_what_led_by_it(rig: Rig) -> None:
    """When an uplink changes, routes by it go and the static guard is for the new MAC."""
    await rig.ready()
    rig.punt(1, 2)
    changed = port(UPLINK, "up", bytes.fromhex("02dd000000ff"))
    rig.datapaths[2].ports = [changed, port(12, "p2")]
    rig.fabric.received(cast("Datapath", rig.datapaths[2]), PortStatus(PortReason.MODIFY, changed))
    await rig.quiet()
    assert [rig.datapaths[n].routes for n in (1, 2)] == [[], []]
    assert any(flow.match.get("eth_dst") == changed.hw_addr for flow in rig.datapaths[2].static)
    assert not any(flow.match.get("eth_dst") == uplink(2).hw_addr for flow in rig.datapaths[2].static)


async def test_news_of_a_port_that_overtakes_the_list_counts(rig: Rig) -> None:
    """A port that changes while a datapath lists its ports is known as it is then, not as the list had it."""

    class Overtaken(FakeDatapath):
        """Tells that a port has gone while its reply is under way."""

        async def multipart(self, request: Message, reply: type[Message], **options: Any) -> AsyncIterator[Message]:
            parts = [part async for part in super().multipart(request, reply, **options)]
            if isinstance(request, PortDescRequest) and len(self.ports) > 1:
                gone = self.ports.pop()
                rig.fabric.received(cast("Datapath", self), PortStatus(PortReason.DELETE, gone))
            for part in parts:
                yield part

    rig.datapaths[1] = Overtaken(1, rig.datapaths[1].ports)
    await rig.ready()
    assert rig.fabric.host_status("h1").ports == {"up": UPLINK}


async def test_failure_while_settling_ends_that_connection_only(rig: Rig) -> None:
    """A datapath that does not answer while it settles is closed; another is not touched."""
    rig.datapaths[1].deaf = True
    await rig.ready()
    assert not rig.datapaths[1].alive
    assert rig.datapaths[2].alive
    assert not rig.fabric.host_status("h1").connected


async def test_restarted_controller_adopts_the_routes(rig: Rig) -> None:
    """A fabric that knows nothing takes over the flows that it finds, and sends no flow_mod."""
    await rig.ready()
    rig.punt(1, 2)
    second = Rig()
    second.datapaths = rig.datapaths
    for datapath in rig.datapaths.values():
        datapath.sent.clear()
    await second.ready()
    assert [r.source for r in await second.fabric.routes()] == ["e1"]
    assert not any(isinstance(m, FlowMod) for d in rig.datapaths.values() for m in d.sent)
    await second.fabric.close()


async def test_many_flows_are_compared_in_several_turns(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a long flow table is read others have their turns, after a few flows each; so when routes are listed."""
    await rig.ready()
    rig.punt(1, 2)
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), None)
    monkeypatch.setattr("daoli.hosts.live.AT_ONCE", 1)
    turns: list[int] = []

    def turn() -> None:
        turns.append(len(turns))
        asyncio.get_running_loop().call_soon(turn)

    turn()
    before = len(turns)
    await rig.connect(1)
    assert len(turns) - before > len(rig.datapaths[1].table)
    before = len(turns)
    assert len(await rig.fabric.routes()) == 1
    assert len(turns) - before > len(rig.datapaths[1].routes)


async def test_gateway_and_names_change_the_static_flows(rig: Rig) -> None:
    """A host that becomes a gateway, or gets a port for names, is settled with the flows of that; and back again."""
    await rig.ready()
    datapath = rig.datapaths[1]
    plain = len(datapath.static)
    datapath.ports.append(port(PortNo.LOCAL, "daoli", LOCAL_MAC[1]))
    rig.post(replace(rig.hosts[1], gateway=True))
    await rig.quiet()
    assert len(datapath.static) == plain + 2
    names = port(40, NAMES_PORT)
    for reason, change, more in (
        (PortReason.ADD, datapath.ports.append, 8),
        (PortReason.DELETE, datapath.ports.remove, 2),
    ):
        change(names)
        rig.fabric.received(cast("Datapath", datapath), PortStatus(reason, names))
        await rig.quiet()
        assert len(datapath.static) == plain + more == rig.fabric.host_status("h1").static_flows
    rig.post(rig.hosts[1])
    await rig.quiet()
    assert len(datapath.static) == plain


async def test_unclear_flows_wait_for_their_host(rig: Rig) -> None:
    """Of a restarted fabric the host of the container may connect first: its flows are adopted with the other host."""
    await open_world(rig)
    enter(rig, 1, 2)
    old = {n: dict(rig.datapaths[n].table) for n in (1, 2)}
    fresh = Rig()
    fresh.hosts, fresh.datapaths = rig.hosts, rig.datapaths
    fresh.post(fresh.network, *fresh.hosts.values(), *fresh.endpoints.values())
    await fresh.connect(2)
    assert len(fresh.fabric.router.routes) == 0
    await fresh.connect(1)
    (route,) = fresh.fabric.router.routes
    assert route.alive == FORTH | BACK
    assert {n: dict(rig.datapaths[n].table) for n in (1, 2)} == old
