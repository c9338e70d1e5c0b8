"""How far probes get, between datapaths that do as they are told; `tests/e2e/test_e2e_trace.py` has real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from tests.hosts.rig import NO_BUFFER, FakeDatapath, Rig

from daoli.datapath import Datapath, Disconnected
from daoli.hosts.trace import Trace, Tracer
from daoli.ofproto import FlowStatsRequest, Message, PacketOut, PortNo, PortState
from daoli.ofproto.shapes import Punt


class Wire:
    """Does with probes what switches and a wire would: flows of routes count them, what has none is punted."""

    def __init__(self, rig: Rig, *, cut: bool = False) -> None:
        self.rig = rig
        self.cut = cut
        self.taken: dict[int, int] = {}
        """Packets that flows have counted, by datapath."""
        for n, datapath in rig.datapaths.items():
            self._tap(n, datapath)
        rig.fabric._tracer = Tracer(rig.view, rig.fabric._datapaths, patience=0.0)

    def _tap(self, n: int, datapath: FakeDatapath) -> None:
        write, stats = datapath.send, datapath._stats

        def send(message: Message) -> None:
            write(message)
            if isinstance(message, PacketOut):
                self._out(n, message)

        def counted(flow: Any) -> Any:
            return replace(stats(flow), packet_count=self.taken.get(n, 0))

        datapath.send = send  # type: ignore[method-assign]
        datapath._stats = counted  # type: ignore[method-assign]

    def _out(self, n: int, message: PacketOut) -> None:
        port = message.actions[0].port  # type: ignore[attr-defined]
        if port == PortNo.TABLE:
            self._enter(n, message.in_port, message.data)
        elif port == 1 and not self.cut:
            self._enter(3 - n, 1, message.data)

    def _enter(self, n: int, in_port: int, data: bytes) -> None:
        datapath = self.rig.datapaths[n]
        if "deny" in datapath.table:
            self.taken[n] = 1
        elif datapath.live:
            self.taken[n] = self.taken.get(n, 0) + 1
            if in_port != 1 and not self.cut:
                self._enter(3 - n, 1, data)
        else:
            punt = Punt(0, NO_BUFFER, len(data), 0, 0, 0, in_port, data)
            self.rig.fabric.received(cast("Datapath", datapath), punt)


async def trace(rig: Rig, source: int = 1, destination: int = 2, *packet: Any) -> Trace:
    """Send a probe."""
    return await rig.fabric.trace(rig.endpoints[source], rig.endpoints[destination], *packet)


def said(trace: Trace) -> list[tuple[str, str]]:
    """The hosts and the first words of the steps."""
    return [(step.host, " ".join(step.what.split()[:3])) for step in trace.steps]


async def test_without_a_route(rig: Rig) -> None:
    """It goes by the controller at both hosts, by the wire between them, and opens nothing."""
    await rig.ready()
    Wire(rig)
    found = await trace(rig, 1, 2, "tcp", 80)
    assert (found.arrived, found.stopped_at, found.protocol, found.port) == (True, None, "tcp", 80)
    assert said(found) == [
        ("h1", "sent into the"),
        ("h1", "no flow takes"),
        ("h1", "sent on by"),
        ("h2", "no flow takes"),
        ("h2", "put into port"),
    ]
    assert not rig.datapaths[1].live
    assert len(rig.fabric.router.routes) == 0
    assert rig.fabric.router.outcomes == dict.fromkeys(rig.fabric.router.outcomes, 0)


async def test_by_a_live_route(rig: Rig) -> None:
    """The flows that count it are told, and nothing is sent for it but the probe itself."""
    await rig.ready()
    rig.punt(1, 2)
    Wire(rig)
    found = await trace(rig)
    assert found.arrived
    assert [step.host for step in found.steps if step.flow] == ["h1", "h2"]
    assert [step.packets for step in found.steps if step.flow] == [1, 1]
    assert "n_packets" not in (found.steps[1].flow or "")


@pytest.mark.parametrize("live", [True, False])
async def test_cut_wire(rig: Rig, live: bool) -> None:
    """What has left one host and has not come to the other is lost between them."""
    await rig.ready()
    if live:
        rig.punt(1, 2)
    Wire(rig, cut=True)
    found = await trace(rig)
    assert (found.arrived, found.stopped_at) == (False, "h1")
    assert found.reason == "it left host h1 by up, and has not come to host h2"


async def test_nothing_takes_it(rig: Rig) -> None:
    """A bridge that neither counts nor asks is said to do so."""
    await rig.ready()
    Wire(rig)._enter = lambda *_: None  # type: ignore[method-assign]
    found = await trace(rig)
    assert (found.arrived, found.stopped_at) == (False, "h1")
    assert "has not come to the controller" in found.reason


def _no_port(rig: Rig) -> None:
    rig.view.remove_port(1, "p1", 11)


def _other_away(rig: Rig) -> None:
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)


def _down(rig: Rig, n: int) -> None:
    ports = rig.datapaths[n].ports
    ports[1] = replace(ports[1], state=PortState.LINK_DOWN)


@pytest.mark.parametrize(
    ("wrong", "arrived", "reason"),
    [
        (_no_port, False, "port p1 of e1 is not on host h1"),
        (_other_away, False, "unreachable: host h2 is not connected"),
        (lambda rig: _down(rig, 1), False, "port p1 of e1 on host h1 is down: it could send nothing"),
        (lambda rig: _down(rig, 2), False, "port p2 of e2 on host h2 is down: it goes nowhere from there"),
    ],
)
async def test_obstacles(rig: Rig, wrong: Callable[[Rig], None], arrived: bool | None, reason: str) -> None:
    """What keeps a packet from going on is named."""
    await rig.ready()
    Wire(rig)
    wrong(rig)
    found = await trace(rig)
    assert (found.arrived, found.reason) == (arrived, reason)


async def test_unseen(rig: Rig) -> None:
    """A live route to a host that is not connected goes on there unseen."""
    await rig.ready()
    rig.punt(1, 2)
    Wire(rig)
    _other_away(rig)
    found = await trace(rig)
    assert (found.arrived, found.reason) == (None, "host h2 is not connected: it is not to be seen there")


async def test_itself(rig: Rig) -> None:
    """An endpoint does not reach itself."""
    await rig.ready()
    assert (await trace(rig, 1, 1)).reason == "an endpoint does not reach itself by the network"


async def test_refused_just_now(rig: Rig) -> None:
    """A flow that drops what was refused is told as such."""
    await rig.ready()
    rig.remove(rig.endpoints[2])
    rig.punt(1, 2)
    rig.post(rig.endpoints[2])
    deny = [flow for flow in rig.datapaths[1].sent if "eth_src" in getattr(flow, "match", ())][-1]
    Wire(rig)
    rig.datapaths[1].table["deny"] = deny  # type: ignore[assignment]
    found = await trace(rig)
    assert (found.arrived, found.stopped_at) == (False, "h1")
    assert found.reason == "such a packet was refused just now; daolictl explain says why"


async def test_a_host_that_does_not_answer(rig: Rig) -> None:
    """A datapath that goes away meanwhile leaves it unknown."""
    await rig.ready()
    Wire(rig)
    multipart = rig.datapaths[1].multipart

    async def gone(request: Message, *arguments: Any, **options: Any) -> Any:
        if isinstance(request, FlowStatsRequest):
            raise Disconnected("gone")
        async for part in multipart(request, *arguments, **options):
            yield part

    rig.datapaths[1].multipart = gone  # type: ignore[method-assign]
    found = await trace(rig)
    assert (found.arrived, found.reason) == (None, "a host did not answer: gone")
