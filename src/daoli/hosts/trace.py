"""How far a packet gets between endpoints, or between one and the outside, found out by sending one.

The probe enters the source's datapath as if its container had sent it. Where a flow takes it, that flow's counter
says so; where none does it comes to the controller, which judges it as any packet, installs nothing, and sends it on
as the route would. What goes outside ends in the host's own stack: there the host's agent says what became of it. What
comes from outside begins behind that stack, at port LOCAL.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.firewall import conclude, ruled, silent
from daoli.hosts.inquiries import Asked, Inquiries
from daoli.hosts.inquiry import Sought
from daoli.hosts.question import Question, ends
from daoli.ofproto import (
    ApplyActions,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    Output,
    PacketOut,
    PortConfig,
    PortDescReply,
    PortDescRequest,
    PortNo,
    PortState,
)
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ROUTER_MAC, ipv4_text
from daoli.routing.packet import ICMP, PROTOCOLS, TCP, UDP, forwarded
from daoli.routing.pipeline import DENY_COOKIE, KIND_MASK, Cookie, Kind
from daoli.routing.probe import TOKEN_LENGTH, build_probe, may_take, token_at
from daoli.routing.verdict import Outcome, Verdict, absence, decide
from daoli.routing.view import End, Outside, Place, Switch, View

PATIENCE: Final = 2.0
"""Seconds that a probe has for each host; Open vSwitch gathers its counters twice a second."""
INTERVAL: Final = 0.05
"""Seconds between two looks at the counters."""
TIMEOUT: Final = 3.0
DISCARD: Final = 9
"""The port that a probe without one goes to (RFC 863)."""
NUMBERS: Final = {"tcp": TCP, "udp": UDP, "icmp": ICMP}
_LINK_DOWN: Final = PortState.LINK_DOWN
_ROUTE_KINDS: Final = (Kind.PAIR, Kind.CONNECTION, Kind.DENY)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of the probe at one host."""

    host: str
    what: str
    flow: str | None = None
    """The flow that took it, as ``ovs-ofctl`` writes it."""
    packets: int | None = None
    """How many packets that flow took meanwhile; more than one are not the probe alone."""
    table: str | None = None
    """The table of the host's own firewall that had a say, such as ``ip filter``, and its chain."""
    chain: str | None = None
    rule: str | None = None
    """The rule there, as ``nft`` writes it; null if it was the chain's policy."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How far a probe got."""

    source: str
    """An endpoint's id, or the address outside, as is the destination."""
    destination: str
    protocol: str
    port: int | None
    arrived: bool | None
    """Whether it went into the destination's port, or left the host for outside; null where that is not to be seen.

    From outside it is null at best: whether the host's own firewall lets such a packet in was not tried.
    """
    reason: str
    stopped_at: str | None
    """The host behind which it was not seen any more; null if it was seen to its end."""
    steps: tuple[Step, ...]


class _Stop(Exception):
    """The probe has come to its end."""

    def __init__(self, host: str, reason: str, *, unseen: bool = False) -> None:
        self.host = host
        self.reason = reason
        self.unseen = unseen


class _Taken(NamedTuple):
    """What a host did with the probe: a flow took it, or it was punted and judged."""

    flow: FlowStats | None = None
    packets: int = 0
    verdict: Verdict | None = None


@dataclass
class _Probe:
    """A probe under way."""

    source: End
    destination: End
    protocol: int
    port: int
    token: bytes
    steps: list[Step] = field(default_factory=list)
    punts: dict[int, Verdict] = field(default_factory=dict)
    """By the datapath to which no flow was known."""
    counted: dict[int, dict[int, int]] = field(default_factory=dict)
    """Packets of flows before the probe, by datapath, and by what tells a flow."""

    def fields_at(self, dpid: int) -> dict[str, int | bytes]:
        """Say how the probe comes to a datapath."""
        if dpid == self.source.dpid:
            return {"in_port": self.source.port_no or 0, "eth_src": self.source.mac, "eth_dst": ROUTER_MAC}
        switch, away = self.destination.switch, self.source.switch
        return {"in_port": switch.uplink or 0, "eth_src": away.uplink_mac, "eth_dst": switch.uplink_mac}


class Tracer:
    """Sends probes, one at a time, and looks where they are."""

    def __init__(self, view: View, datapaths: Mapping[int, Datapath], patience: float = PATIENCE) -> None:
        self.probe: _Probe | None = None
        """The one that is under way."""
        self.inquiries = Inquiries()
        """What hosts' agents are asked."""
        self._view = view
        self._datapaths = datapaths
        self._patience = patience
        self._turn = asyncio.Lock()

    def punted(self, dpid: int, punt: Punt) -> bool:
        """Take a punt if it is the probe's: no route is opened by it."""
        probe = self.probe
        if probe is None or not punt.data.endswith(probe.token):
            return False
        probe.punts[dpid] = decide(self._view, dpid, punt)
        return True

    async def trace(self, question: Question) -> Trace:
        """Send a probe, by default an ICMP echo request, and tell how far it got; errors are those of `ends`."""
        name, port = question.protocol or "icmp", question.port or DISCARD
        async with self._turn:
            a, b = ends(self._view, question)
            probe = _Probe(a, b, NUMBERS[name], port, secrets.token_bytes(TOKEN_LENGTH))
            arrived, reason, host = await self._run(probe)
        asked = None if name == "icmp" else port
        return Trace(_called(a), _called(b), name, asked, arrived, reason, host, tuple(probe.steps))

    async def _run(self, probe: _Probe) -> tuple[bool | None, str, str | None]:
        self.probe = probe
        try:
            reason = await self._follow(probe)
            arrived = None if probe.source.endpoint is None else True
        except _Stop as stop:
            return (None if stop.unseen else False), stop.reason, stop.host
        except (DatapathError, TimeoutError) as error:
            return None, f"a host did not answer: {str(error) or 'no answer in time'}", probe.source.switch.host.name
        finally:
            self.probe = None
        return arrived, reason, None

    async def _follow(self, probe: _Probe) -> str:
        a, b = probe.source, probe.destination
        host = a.switch.host.name
        if a is b:
            raise _Stop(host, "an endpoint does not reach itself by the network")
        if away := absence(a):
            raise _Stop(host, away)
        await self._check_link(a, "it could send nothing")
        for dpid in dict.fromkeys((a.dpid, b.dpid)):
            if dpid in self._datapaths:
                probe.counted[dpid] = {_key(flow): flow.packet_count for flow in await self._flows(probe, dpid)}
        if isinstance(b, Outside):
            async with self.inquiries.ask(host, _sought(probe)) as asked:
                return await self._leave(probe, b, asked)
        return await self._reach(probe, b)

    async def _send(self, probe: _Probe) -> tuple[_Taken, bytes]:
        """Have it enter the source's bridge; give what that did with it, and the frame."""
        a, host = probe.source, probe.source.switch.host.name
        frame = build_probe(a, probe.destination, probe.protocol, probe.port, probe.token)
        self._datapaths[a.dpid].send(PacketOut(in_port=a.port_no or 0, actions=(Output(PortNo.TABLE),), data=frame))
        by = f"by {a.endpoint.id}, port {a.endpoint.port}" if a.endpoint else f"let in by host {host}, port LOCAL"
        probe.steps.append(Step(host, f"sent into the bridge as if {by}"))
        taken = await self._taken(probe, a.dpid)
        if taken is None:
            raise _Stop(host, f"no flow of host {host} has counted it, and it has not come to the controller")
        return taken, frame

    # -- to another endpoint ---------------------------------------------------------------------------------------

    async def _reach(self, probe: _Probe, b: Place) -> str:
        """Follow it to an endpoint."""
        a, host = probe.source, probe.source.switch.host
        taken, frame = await self._send(probe)
        if a.dpid == b.dpid:
            return await self._deliver(probe, b, taken, frame, hops=1)
        await self._cross(probe, b.switch, taken, frame)
        there = await self._taken(probe, b.dpid)
        if there is None:
            missing = b.switch.host.name
            raise _Stop(host.name, f"it left host {host.name} by {host.uplink}, and has not come to host {missing}")
        return await self._deliver(probe, b, there, frame, hops=2)

    async def _cross(self, probe: _Probe, b: Switch, taken: _Taken, frame: bytes) -> None:
        """Have it leave the source's host, as the route's flow has done or would."""
        a = probe.source.switch
        self._note(probe, a.host.name, taken)
        if taken.flow is None:
            self._datapaths[a.dpid].send(
                PacketOut(actions=(Output(a.uplink or 0),), data=forwarded(frame, b.uplink_mac, a.uplink_mac, 1))
            )
            probe.steps.append(Step(a.host.name, f"sent on by {a.host.uplink}, as the route's flow would"))
        if b.dpid not in self._datapaths:
            raise _Stop(a.host.name, f"host {b.host.name} is not connected: it is not to be seen there", unseen=True)

    async def _deliver(self, probe: _Probe, b: Place, taken: _Taken, frame: bytes, hops: int) -> str:
        """Have it go into the destination's port."""
        host, port = b.switch.host.name, b.endpoint.port
        self._note(probe, host, taken)
        if away := absence(b):
            raise _Stop(host, away)
        if taken.flow is None:
            data = forwarded(frame, b.mac, ROUTER_MAC, hops)
            self._datapaths[b.dpid].send(PacketOut(actions=(Output(b.port_no or 0),), data=data))
        await self._check_link(b, "it goes nowhere from there")
        by = "by the controller, as the first packet of a route" if taken.flow is None else "by that flow"
        probe.steps.append(Step(host, f"put into port {port} {by}"))
        went = f"it went into port {port} of {b.endpoint.id}"
        if taken.packets > 1:
            went = f"flows that take it have counted, but {taken.packets} packets: others' went by, and it may be lost"
        if probe.source.endpoint is None:
            return f"{went}; what the firewall of host {probe.source.switch.host.name} lets in was not tried"
        return went

    # -- to the outside --------------------------------------------------------------------------------------------

    async def _leave(self, probe: _Probe, b: Outside, asked: Asked) -> str:
        """Follow it into the host's own stack, and have the host's agent say what became of it there."""
        host = b.switch.host.name
        watched = await asked.watching()
        taken, frame = await self._send(probe)
        self._note(probe, host, taken)
        if away := absence(b):
            raise _Stop(host, away)
        await self._check_link(b, "it goes nowhere from there")
        if taken.flow is None:
            data = forwarded(frame, b.mac, ROUTER_MAC, 1)
            self._datapaths[b.dpid].send(PacketOut(actions=(Output(PortNo.LOCAL),), data=data))
        elif not _leads_to(taken.flow, PortNo.LOCAL):
            raise _Stop(
                host,
                "the other side came in by another host, and what is said to it goes back there: it is not followed",
                unseen=True,
            )
        probe.steps.append(Step(host, f"given to host {host}'s own stack by LOCAL"))
        word = await asked.word() if watched else None
        for said in ruled(word) if word else ():
            probe.steps.append(Step(host, said.what, table=said.table, chain=said.chain, rule=said.rule))
        end = conclude(host, word) if word else silent(host)
        if not end.arrived:
            raise _Stop(host, end.reason, unseen=end.arrived is None)
        return end.reason

    # -- what hosts do with it -------------------------------------------------------------------------------------

    def _note(self, probe: _Probe, host: str, taken: _Taken) -> None:
        """Write down what a host did with it; `_Stop` if that was the end."""
        if taken.flow is not None:
            text, kind = taken.flow.text(counters=False), _kind(taken.flow)
            what = (
                "dropped by a flow, since such a packet was refused just now"
                if kind == Kind.DENY
                else "taken by a flow"
            )
            probe.steps.append(Step(host, what, text, taken.packets))
            if kind == Kind.DENY:
                raise _Stop(host, "such a packet was refused just now; daolictl explain says why")
            return
        verdict = taken.verdict
        assert verdict is not None  # noqa: S101 (one of both is there)
        judgement = verdict.judgement
        reason = verdict.problem or (judgement.reason if judgement else verdict.outcome.value)
        going_on = verdict.outcome in (Outcome.FORWARD, Outcome.RESTORE)
        said = f"{'allowed' if going_on else verdict.outcome.value}: {reason}"
        probe.steps.append(Step(host, f"no flow takes it; the controller is asked: {said}"))
        if not going_on:
            raise _Stop(host, said)

    async def _taken(self, probe: _Probe, dpid: int) -> _Taken | None:
        """Wait until a host's flow has counted the probe, or it has been punted there; None if neither comes about."""
        now = asyncio.get_running_loop().time
        deadline = now() + self._patience
        while True:
            if (verdict := probe.punts.get(dpid)) is not None:
                return _Taken(verdict=verdict)
            before = probe.counted[dpid]
            for flow in await self._flows(probe, dpid):
                if (more := flow.packet_count - before.get(_key(flow), 0)) > 0:
                    return _Taken(flow, more)
            if now() >= deadline:
                return None
            await asyncio.sleep(INTERVAL)

    async def _flows(self, probe: _Probe, dpid: int) -> list[FlowStats]:
        """Read the flows of routes and refusals that may take the probe, the first to be asked first."""
        fields = probe.fields_at(dpid)
        found = [
            flow
            for cookie in _cookies()
            async for part in self._datapaths[dpid].multipart(
                FlowStatsRequest(cookie=cookie, cookie_mask=KIND_MASK), FlowStatsReply, timeout=TIMEOUT
            )
            for flow in part.flows
            if may_take(flow.match, probe.source, probe.destination, probe.protocol, probe.port, **fields)
        ]
        return sorted(found, key=lambda flow: -flow.priority)

    async def _check_link(self, place: End, so: str) -> None:
        """Refuse to believe in a port whose other end is not up."""
        datapath = self._datapaths[place.dpid]
        async for part in datapath.multipart(PortDescRequest(), PortDescReply, timeout=TIMEOUT):
            for port in part.ports:
                if port.port_no == place.port_no and (port.state & _LINK_DOWN or port.config & PortConfig.PORT_DOWN):
                    name = f"{place.endpoint.port} of {place.endpoint.id}" if place.endpoint else "LOCAL"
                    host = place.switch.host.name
                    raise _Stop(host, f"port {name} on host {host} is down: {so}")


def _cookies() -> tuple[int, ...]:
    return tuple(DENY_COOKIE & ~(0xFF << 40) | kind << 40 for kind in _ROUTE_KINDS)


def _sought(probe: _Probe) -> Sought:
    return Sought.model_validate(
        {
            "source": ipv4_text(probe.source.ipv4),
            "destination": ipv4_text(probe.destination.ipv4),
            "protocol": PROTOCOLS[probe.protocol],
            "token": probe.token.hex(),
            "token_at": token_at(probe.protocol),
        }
    )


def _leads_to(flow: FlowStats, port: int) -> bool:
    actions = [action for each in flow.instructions if isinstance(each, ApplyActions) for action in each.actions]
    return any(isinstance(action, Output) and action.port == port for action in actions)


def _called(end: End) -> str:
    return end.endpoint.id if end.endpoint else ipv4_text(end.ipv4)


def _kind(flow: FlowStats) -> int | None:
    cookie = Cookie.parse(flow.cookie)
    return cookie.kind if cookie else None


def _key(flow: FlowStats) -> int:
    return hash((flow.priority, flow.cookie, flow.match))
