"""How far probes get, between datapaths that do as they are told; `tests/e2e/test_e2e_trace.py` has real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, cast

import pytest
from tests.hosts.rig import NO_BUFFER, FakeDatapath, Rig, port

from daoli.datapath import Datapath, Disconnected
from daoli.hosts import inquiries
from daoli.hosts.inquiry import Inquiry, Passed, Word
from daoli.hosts.question import Question
from daoli.hosts.trace import Trace, Tracer
from daoli.ofproto import FlowStatsRequest, Match, Message, Output, PacketOut, PortNo, PortState
from daoli.ofproto.shapes import Punt
from daoli.routing.packet import ICMP
from daoli.routing.probe import build_probe
from daoli.routing.view import Outside

OUT = bytes((198, 51, 100, 7))
LOCAL_MAC = bytes.fromhex("02ee00000001")
WATCHING = Word(outcome="watching")
ACCEPT = Passed(family="ip", table="filter", chain="FORWARD", rule="accept", verdict="accept")
DROP = Passed(family="ip", table="filter", chain="FORWARD", verdict="drop")


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


def open_gateway(rig: Rig) -> None:
    """Have host h1 lead outside."""
    rig.hosts[1] = replace(rig.hosts[1], gateway=True)
    rig.datapaths[1].ports.append(port(PortNo.LOCAL, "daoli", LOCAL_MAC))


def answer(rig: Rig, *words: Word) -> list[Inquiry]:
    """Have host h1's agent say this to each inquiry; give the notes that it gets."""
    notes: list[Inquiry] = []

    def hear(note: dict[str, Any]) -> None:
        notes.append(Inquiry.model_validate(note["inquiry"]))
        for word in words if notes[-1].packet else ():
            rig.fabric.inquiries.take("h1", notes[-1].id, word)

    rig.fabric.inquiries.subscribe(hear)
    return notes


async def outside(rig: Rig, *packet: Any) -> Trace:
    """Send a probe to the outside."""
    return await rig.fabric.trace(Question(rig.endpoints[1], IPv4Address("198.51.100.7"), *packet))


async def trace(rig: Rig, source: int = 1, destination: int = 2, *packet: Any) -> Trace:
    """Send a probe."""
    return await rig.fabric.trace(Question(rig.endpoints[source], rig.endpoints[destination], *packet))


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


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("word", "arrived", "stopped_at"),
    [
        (Word(outcome="left", interface="eth0", passed=(ACCEPT,)), True, None),
        (Word(outcome="dropped", passed=(ACCEPT, DROP)), False, "h1"),
        (Word(outcome="failed", detail="no nft here"), None, "h1"),
    ],
)
async def test_outside(rig: Rig, live: bool, word: Word, arrived: bool | None, stopped_at: str | None) -> None:
    """What goes outside ends in the host's stack, and the host's agent says how; it was watching before it came."""
    open_gateway(rig)
    await rig.ready()
    if live:
        to_outside = build_probe(rig.view.place_of("e1"), Outside(rig.view.switches[1], OUT, OUT), ICMP, 9, bytes(8))
        punt = Punt(0, NO_BUFFER, len(to_outside), 0, 0, 0, 11, to_outside)
        rig.fabric.received(cast("Datapath", rig.datapaths[1]), punt)
        assert rig.datapaths[1].live
    Wire(rig)
    notes = answer(rig, WATCHING, word)
    found = await outside(rig)
    assert (found.arrived, found.stopped_at, found.destination) == (arrived, stopped_at, "198.51.100.7")
    assert said(found)[2] == ("h1", "given to host")
    assert bool(found.steps[1].flow) is live
    tables = [(step.table, step.chain, step.rule) for step in found.steps[3:]]
    assert tables == [("ip filter", "FORWARD", passed.rule) for passed in word.passed]
    assert [note.packet is not None for note in notes] == [True]
    sent = [out for out in rig.datapaths[1].emitted if out.actions == (Output(PortNo.LOCAL),)]
    assert [out.data[:6] for out in sent[live:]] == ([] if live else [LOCAL_MAC])


async def test_outside_without_an_agent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for an agent that is away, and what its host did is not known."""
    monkeypatch.setattr(inquiries.Asked.watching, "__defaults__", (0.0,))
    open_gateway(rig)
    await rig.ready()
    Wire(rig)
    found = await outside(rig, "udp", 53)
    assert (found.arrived, found.stopped_at) == (None, "h1")
    assert found.reason == "host h1's agent does not answer: what its firewall did is not known"


async def test_outside_is_refused(rig: Rig) -> None:
    """What does not come to the host's stack needs no agent, which hears that it is over."""
    await rig.ready()
    Wire(rig)
    notes = answer(rig, WATCHING)
    found = await outside(rig)
    assert (found.arrived, found.reason) == (False, "unknown network: no network holds this address")
    assert [note.packet is not None for note in notes] == [True, False]


async def test_outside_by_another_host(rig: Rig) -> None:
    """What goes back to a host by which a conversation came in is not said to have come to this host's stack."""
    open_gateway(rig)
    await rig.ready()
    Wire(rig)
    answer(rig, WATCHING)
    rig.punt(1, 2)
    flow = next(flow for flow in rig.datapaths[1].live if flow.match.get("in_port") == (11).to_bytes(4, "big"))
    fields = {one.name: one.value for one in flow.match} | {"ipv4_dst": OUT}
    rig.datapaths[1].table["moved"] = replace(flow, match=Match(**fields))
    found = await outside(rig)
    assert (found.arrived, found.stopped_at) == (None, "h1")
    assert "came in by another host" in found.reason


async def test_outside_without_local(rig: Rig) -> None:
    """A bridge without LOCAL is said to have none."""
    open_gateway(rig)
    await rig.ready()
    Wire(rig)
    answer(rig, WATCHING)
    rig.view.remove_port(1, "daoli", PortNo.LOCAL)
    assert (await outside(rig)).reason == "unreachable: port LOCAL is not on host h1"


async def test_outside_with_local_down(rig: Rig) -> None:
    """A LOCAL whose interface is down leads nowhere."""
    open_gateway(rig)
    await rig.ready()
    Wire(rig)
    answer(rig, WATCHING)
    ports = rig.datapaths[1].ports
    ports[2] = replace(ports[2], state=PortState.LINK_DOWN)
    assert (await outside(rig)).reason == "port LOCAL on host h1 is down: it goes nowhere from there"


@pytest.mark.parametrize(("destination", "hosts"), [(1, {"h1"}), (2, {"h1", "h2"})])
async def test_from_outside(rig: Rig, destination: int, hosts: set[str]) -> None:
    """What comes from outside begins at LOCAL of its host, as if let in; whether it would be is not to be seen."""
    open_gateway(rig)
    await rig.ready()
    Wire(rig)
    question = Question(IPv4Address("198.51.100.7"), rig.endpoints[destination], "tcp", 80, via="h1")
    found = await rig.fabric.trace(question)
    assert (found.arrived, found.source, found.destination) == (None, "198.51.100.7", f"e{destination}")
    assert found.stopped_at is None
    assert {step.host for step in found.steps} == hosts
    assert found.steps[0].what == "sent into the bridge as if let in by host h1, port LOCAL"
    assert found.reason.endswith("what the firewall of host h1 lets in was not tried")
    assert not rig.datapaths[1].live
