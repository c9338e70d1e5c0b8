"""From a punted packet to the bytes that answer it: the routing core's one object with state.

`punted` is the hot path: nothing in it waits, logs or builds text. What it returns is written to the datapaths in
order, so that on each channel the flows stand before the packet that needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from daoli.ofproto import FlowRemoved, PortNo
from daoli.ofproto.shapes import EMIT, Punt
from daoli.routing.budget import Budget
from daoli.routing.flows import (
    ARRIVE,
    ARRIVE_ICMP,
    ARRIVE_PROTOCOL,
    ARRIVE_TCP,
    ARRIVE_TCP_ANSWER,
    ARRIVE_UDP,
    DENY,
    DENY_ICMP,
    DENY_PROTOCOL,
    DENY_TCP,
    DENY_TYPE,
    DENY_UDP,
    FORGET,
    FORWARD,
    FORWARD_ICMP,
    FORWARD_PROTOCOL,
    FORWARD_TCP,
    FORWARD_TCP_ANSWER,
    FORWARD_UDP,
    MUTE,
    Ended,
    EndedProtocol,
    EndedTcp,
)
from daoli.routing.memory import Memory
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import (
    HOST_UNREACHABLE,
    ICMP,
    NETWORK_UNREACHABLE,
    PORT_UNREACHABLE,
    PROHIBITED,
    PROTOCOL_UNREACHABLE,
    TCP,
    TIME_EXCEEDED,
    UDP,
    Frame,
    Unreachable,
    acknowledges,
    echo_reply,
    ethernet,
    forwarded,
    icmp_error,
    may_be_reported,
)
from daoli.routing.pipeline import (
    COOKIE_ALL,
    DENY_COOKIE,
    KIND_MASK,
    Cookie,
    Kind,
    Priority,
    connection_cookie,
    pair_cookie,
)
from daoli.routing.policy import Between, Judgement
from daoli.routing.routes import BACK, FORTH, Connection, Route, RouteTable, key_of, selector
from daoli.routing.rules import Rule
from daoli.routing.verdict import Outcome, Verdict, answering, decide, standing, unknown
from daoli.routing.view import End, View

Write = tuple[int, bytes]
"""A dpid, and whole messages for it."""


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """Times and budgets of the routing core."""

    idle_timeout: int = 30
    """Seconds after which an unused route goes; every new conversation after that costs one punt."""
    deny_timeout: int = 1
    """Seconds for which a refused pair is dropped without asking: long for a scan, short for a person's retry."""
    noise_timeout: int = 60
    """Seconds for which an EtherType that is never routed (IPv6, LLDP) is dropped without asking."""
    mute_timeout: int = 1
    """Seconds for which a port that is over its budget is not heard. Its live routes go on."""
    punt_rate: float = 500.0
    """Punts a second that one container port may cause: new peers, not packets, so few need more than a handful."""
    punt_burst: float = 1000.0
    """Punts at once, for a container that greets all its peers when it starts."""
    uplink_factor: float = 10.0
    """How many times a port's budget the uplink has: it serves all containers of a host."""
    icmp_rate: float = 50.0
    """ICMP messages a second that routers send on behalf of one port's packets."""
    icmp_burst: float = 100.0
    """ICMP messages at once: a traceroute of 30 hops sends 90 probes."""
    grace: float = 1.0
    """Seconds after an installation in which punts of the same route are only passed on, not installed again."""
    hold: float = 0.05
    """Seconds for which a packet is held back whose connection came in by another host before. After a change of flows
    Open vSwitch forwards by what it has cached until it has looked through that, and the answer would go astray."""


class Answer(NamedTuple):
    """What a punt leads to. `opened` is the route if it is new."""

    outcome: Outcome | None
    """None when the port is over its budget."""
    verdict: Verdict | None
    opened: Route | None
    writes: list[Write]
    replaced: tuple[Route, ...] = ()
    """What `opened` takes the place of; it is out of the table."""
    held: tuple[Write, ...] = ()
    """What is to be written after `RouterSettings.hold`."""


_REPORTED: Final[dict[Outcome, Unreachable]] = {
    Outcome.DENIED: PROHIBITED,
    Outcome.UNKNOWN_HOST: HOST_UNREACHABLE,
    Outcome.UNREACHABLE: HOST_UNREACHABLE,
    Outcome.UNKNOWN_NETWORK: NETWORK_UNREACHABLE,
}
"""Refusals that the sender is told of; of the others it hears nothing."""


class Router:
    """Judges punts against a view, and keeps the table of live routes."""

    def __init__(self, view: View, settings: RouterSettings = RouterSettings(), first_route_id: int = 1) -> None:
        self.view = view
        self.settings = settings
        self.routes = RouteTable(first_route_id)
        self.outcomes: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
        self.over_budget = 0
        self._punts = Budget(settings.punt_rate, settings.punt_burst)
        self._uplink_punts = Budget(
            settings.punt_rate * settings.uplink_factor, settings.punt_burst * settings.uplink_factor
        )
        self._icmp = Budget(settings.icmp_rate, settings.icmp_burst)
        self._memory = Memory(self.routes)
        self._muted: dict[tuple[int, int], float] = {}
        self._denials: dict[int, float] = {}
        self._believed: dict[int, list[tuple[Route, bytes]]] = {}

    # -- punts ---------------------------------------------------------------------------------------------------

    def punted(self, dpid: int, punt: Punt, now: float) -> Answer:
        """Answer a packet that a registered host's datapath punted."""
        port = (dpid, punt.in_port)
        shared = punt.in_port == self.view.switches[dpid].uplink or punt.in_port == PortNo.LOCAL
        if not (self._uplink_punts if shared else self._punts).take(port, now):
            return Answer(None, None, None, self._mute(port, now, shared=shared))
        verdict = decide(self.view, dpid, punt, self._memory)
        outcome = verdict.outcome
        if outcome is Outcome.FORWARD or outcome is Outcome.RESTORE:
            answer = self._forward(verdict, punt, now)
        elif outcome is Outcome.EXPIRED:
            answer = Answer(outcome, verdict, None, self._expired(verdict, dpid, punt, now))
        elif outcome is Outcome.ANSWER:
            answer = Answer(outcome, verdict, None, self._gateway(verdict, punt, now))
        elif outcome is Outcome.REPORT:
            answer = self._pass_on(verdict, punt.data, now)
        else:
            answer = Answer(outcome, verdict, None, self._refuse(verdict, dpid, punt, now))
        self.outcomes[answer.outcome or outcome] += 1
        return answer

    def _forward(self, verdict: Verdict, punt: Punt, now: float) -> Answer:
        source, destination, frame = verdict.source, verdict.destination, verdict.frame
        judgement = verdict.judgement
        assert source is not None and destination is not None and frame is not None and judgement is not None  # noqa: S101, PT018 (what these two outcomes carry)
        hops = 1 if verdict.outcome is Outcome.RESTORE or source.dpid == destination.dpid else 2
        if frame.ttl <= hops:
            writes = self._time_exceeded(verdict, punt.data, destination.switch.host.address, now)
            return Answer(Outcome.EXPIRED, verdict._replace(outcome=Outcome.EXPIRED), None, writes)
        route = self.routes.find(key_of(verdict.connection, source, destination))
        emit = EMIT.pack(0, destination.port_no, forwarded(punt.data, destination.mac, ROUTER_MAC, hops))
        opened, writes = None, []
        replaced: list[Route] = []
        if route is not None and route.connection is not None and not route.joins(source.dpid, destination.dpid):
            if self._comes_late(route, verdict, now):
                return Answer(verdict.outcome, verdict, None, [(destination.dpid, emit)])
            replaced, writes = self.revoke([route])  # the same connection comes in by another host now
            route = None
        if route is None:
            route = opened = self.routes.open(source, destination, judgement, now, verdict.connection)
            self.limit(route)
            if route.connection is not None and route.elsewhere and (pair := self.routes.find(route.pair)) is not None:
                pairs, forgets = self.revoke([pair])  # by it this client could come to the own host unnoticed
                replaced += pairs
                writes += forgets
        elif route.alive == FORTH | BACK and (
            now - route.installed < self.settings.grace or _passes_alone(route, punt.data, frame)
        ):
            return Answer(verdict.outcome, verdict, None, [(destination.dpid, emit)])
        else:
            route.renew(now)
        writes += self.flows_of(route)
        if replaced:
            return Answer(verdict.outcome, verdict, opened, writes, tuple(replaced), ((destination.dpid, emit),))
        writes.append((destination.dpid, emit))
        return Answer(verdict.outcome, verdict, opened, writes)

    def _comes_late(self, route: Route, verdict: Verdict, now: float) -> bool:
        """Tell whether a packet may be older than the way of its connection, and is not to turn that back.

        An answer always may, since only clients choose; what another host has let in, just after the connection moved.
        """
        if verdict.destination is not None and verdict.destination.endpoint is None:
            return True
        return verdict.outcome is Outcome.RESTORE and now - route.installed < self.settings.grace

    def limit(self, route: Route) -> None:
        """Note in which directions a connection may not be opened, so that their flows take answers only."""
        if route.connection is None:
            return
        route.answering = _answering(self.view.policy.between(route.source, route.destination), route.connection)

    def affected(self, rules: Collection[Rule], networks: Collection[str] = ()) -> list[Route]:
        """List the routes that rules which come or go may concern, and those of networks whose groups change."""
        if not rules and not networks:
            return []
        concern = [self.view.policy.concerns(rule) for rule in rules]
        with_hosts = set(self.with_hosts())
        return [
            route
            for route in self.routes
            if route in with_hosts
            or any(concerns(route.source, route.destination) for concerns in concern)
            or (networks and any(end.endpoint and end.endpoint.network in networks for end in route.ends()))
        ]

    def with_hosts(self) -> list[Route]:
        """List the routes between endpoints and hosts' own addresses, whose ports may lead to other endpoints."""
        return [route for address in self.view.doors.hosts for route in self.routes.of_outside(address)]

    def obsolete(self, routes: Iterable[Route]) -> list[Route]:
        """List the routes that policy would not open as they are now."""
        return [route for route in routes if self.judged(route) is None]

    def judged(self, route: Route) -> Judgement | None:
        """Say why policy still allows a route as it is; None if it does not."""
        if unknown(route.source, route.destination):
            return None
        judgement = standing(self.view, route.source, route.destination, route.connection)
        if judgement is None or not judgement.allowed:
            return None
        if route.connection is None:
            return judgement
        between = self.view.policy.between(route.source, route.destination)
        return judgement if route.answering == _answering(between, route.connection) else None

    def _pass_on(self, verdict: Verdict, data: bytes, now: float) -> Answer:
        """Deliver an ICMP error that has no route, at most at the rate of its endpoint's port."""
        source, destination, frame = verdict.source, verdict.destination, verdict.frame
        assert source is not None and destination is not None and frame is not None  # noqa: S101, PT018 (what this outcome carries)
        endpoint = source if destination.endpoint is None else destination
        port_no, hops = destination.port_no, 1 if source.dpid == destination.dpid else 2
        paid = endpoint.port_no is not None and self._icmp.take((endpoint.dpid, endpoint.port_no), now)
        if port_no is None or frame.ttl <= hops or not paid:
            return Answer(verdict.outcome, verdict, None, [])
        emit = EMIT.pack(0, port_no, forwarded(data, destination.mac, ROUTER_MAC, hops))
        return Answer(verdict.outcome, verdict, None, [(destination.dpid, emit)])

    def flows_of(self, route: Route) -> list[Write]:
        """Build all flows of a route; an end whose place is not live is left out."""
        a, b = route.source, route.destination
        if route.connection is not None:
            return self._connection_flows(route, route.connection)
        cookie, idle = pair_cookie(route.generation, route.id), self.settings.idle_timeout
        if a.dpid == b.dpid:
            back = FORWARD.pack(0, cookie, idle, b.port_no, b.mac, b.ipv4, a.ipv4, ROUTER_MAC, a.mac, a.port_no)
            forth = FORWARD.pack(0, cookie, idle, a.port_no, a.mac, a.ipv4, b.ipv4, ROUTER_MAC, b.mac, b.port_no)
            return [(b.dpid, back + forth)]
        return [
            (here.dpid, _end(cookie, idle, here, there))
            for here, there in ((b, a), (a, b))
            if here.port_no is not None and here.switch.uplink is not None
        ]

    def _connection_flows(self, route: Route, connection: Connection) -> list[Write]:
        a, b = route.source, route.destination
        head = (0, connection_cookie(route.generation, route.id), self.settings.idle_timeout)
        writes = []
        for here, there, way, out in ((b, a, connection.back(), BACK), (a, b, connection, FORTH)):
            switch, pair = here.switch, (here.ipv4, there.ipv4, *selector(way))
            if here.port_no is None:
                continue
            forward, _ = _packers(connection, answers=bool(route.answering & out))
            if a.dpid == b.dpid:
                flows = forward(*head, here.port_no, here.mac, *pair, ROUTER_MAC, there.mac, there.port_no)
            elif switch.uplink is not None:
                _, arrive = _packers(connection, answers=bool(route.answering & ~out))
                macs = (switch.uplink_mac, there.switch.uplink_mac)
                from_there = (switch.uplink, switch.uplink_mac, there.ipv4, here.ipv4, *selector(way.back()))
                flows = arrive(*head, *from_there, here.mac, here.port_no)
                flows += forward(*head, here.port_no, here.mac, *pair, *macs, switch.uplink)
            else:
                continue
            writes.append((here.dpid, flows))
        return writes

    # -- what is not forwarded -----------------------------------------------------------------------------------

    def _refuse(self, verdict: Verdict, dpid: int, punt: Punt, now: float) -> list[Write]:
        """Drop this kind of packet for a while, and tell the sender where that is fitting."""
        settings, frame = self.settings, verdict.frame
        seconds = settings.deny_timeout
        if verdict.outcome is Outcome.PENDING:
            return []  # the next one may come when it is known
        if verdict.outcome is Outcome.UNKNOWN_PORT:
            drop = MUTE.pack(0, DENY_COOKIE, seconds, Priority.MUTE, punt.in_port)
        elif frame is not None:
            pair = (punt.in_port, frame.eth_src, frame.ipv4_src, frame.ipv4_dst)
            drop = _denial(verdict.connection)(0, DENY_COOKIE, seconds, *pair, *selector(verdict.connection))
        elif verdict.outcome is Outcome.NOT_IPV4 and (head := ethernet(punt.data)):
            seconds = settings.noise_timeout
            drop = DENY_TYPE.pack(0, DENY_COOKIE, seconds, punt.in_port, head[2])
        else:
            return []  # malformed: nothing to match on; the budget bounds it
        self._denials[dpid] = max(self._denials.get(dpid, 0.0), now + seconds + 1)
        writes = [(dpid, drop)]
        kind = _REPORTED.get(verdict.outcome)
        if kind is not None and verdict.source is not None and frame is not None:
            writes += self._report(kind, verdict.source, punt.data, verdict, verdict.source.gateway, now)
        return writes

    def _expired(self, verdict: Verdict, dpid: int, punt: Punt, now: float) -> list[Write]:
        source = verdict.source
        if source is None:
            return []
        router = source.gateway if source.dpid == dpid else self.view.switches[dpid].host.address
        return self._time_exceeded(verdict, punt.data, router, now)

    def _time_exceeded(self, verdict: Verdict, data: bytes, router: bytes, now: float) -> list[Write]:
        assert verdict.source is not None  # noqa: S101 (the callers have one)
        return self._report(TIME_EXCEEDED, verdict.source, data, verdict, router, now)

    def _gateway(self, verdict: Verdict, punt: Punt, now: float) -> list[Write]:
        """Be pinged; refuse everything else, as a router without services does."""
        source, frame = verdict.source, verdict.frame
        assert source is not None and frame is not None  # noqa: S101, PT018 (what this outcome carries)
        reply = echo_reply(punt.data, frame, eth_src=ROUTER_MAC, eth_dst=source.mac)
        if reply is None:
            if frame.proto == ICMP:
                return []  # answers, and pings in fragments
            kind = PORT_UNREACHABLE if frame.proto in (TCP, UDP) else PROTOCOL_UNREACHABLE
            return self._report(kind, source, punt.data, verdict, source.gateway, now)
        if source.port_no is None or not self._icmp.take((source.dpid, source.port_no), now):
            return []
        return [(source.dpid, EMIT.pack(0, source.port_no, reply))]

    def _report(
        self, kind: Unreachable, source: End, data: bytes, verdict: Verdict, router: bytes, now: float
    ) -> list[Write]:
        """Send an ICMP error about a packet into the port of its sender, at most at the port's rate."""
        frame = verdict.frame
        if frame is None or source.port_no is None or not may_be_reported(data, frame):
            return []
        if not self._icmp.take((source.dpid, source.port_no), now):
            return []
        error = icmp_error(kind, data, frame, eth_src=ROUTER_MAC, eth_dst=source.mac, ipv4_src=router)
        return [(source.dpid, EMIT.pack(0, source.port_no, error))]

    def _mute(self, port: tuple[int, int], now: float, *, shared: bool) -> list[Write]:
        """Stop hearing a port that is over its budget; once, since what it sent meanwhile is still on its way here."""
        self.over_budget += 1
        if self._muted.get(port, 0.0) > now:
            return []
        dpid, in_port = port
        self._muted[port] = now + self.settings.mute_timeout / 2
        priority = Priority.MUTE_UPLINK if shared else Priority.MUTE
        return [(dpid, MUTE.pack(0, DENY_COOKIE, self.settings.mute_timeout, priority, in_port))]

    # -- routes end ----------------------------------------------------------------------------------------------

    def removed(self, message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> Route | None:
        """Take note of a flow_removed; return the route if that ended it."""
        cookie = Cookie.parse(message.cookie)
        if cookie is None or cookie.kind not in (Kind.PAIR, Kind.CONNECTION):
            return None
        ipv4_src = source_of(message)
        if ipv4_src is None:
            return None
        route = self.routes.ended(cookie.route_id, cookie.generation, ipv4_src)
        if route is not None:
            self._memory.remember(route)
        return route

    def revoke(self, routes: Iterable[Route]) -> tuple[list[Route], list[Write]]:
        """End routes now: take them out of the table, and build what deletes their flows at both ends.

        Conversations that went by them are known from before, so that answers go on where the conversation still may.
        """
        taken = self.routes.take(routes)
        for route in taken:
            if all(end.endpoint is None or end.ipv4 in self.view.by_ipv4 for end in route.ends()):
                self._memory.remember(route)  # not of a container that is gone: another may have its address next
        return taken, [(dpid, forget(route)) for route in taken for dpid in route.dpids()]

    def believe(self, route: Route, dpid: int, uplink_mac: bytes) -> None:
        """Note an adopted route whose flows send to `uplink_mac` of a datapath that has not connected yet."""
        self._believed.setdefault(dpid, []).append((route, uplink_mac))

    def disbelieved(self, dpid: int) -> list[Route]:
        """List the adopted routes that send to another MAC than the uplink of `dpid` now turns out to have."""
        believed = self._believed.pop(dpid, [])
        return [route for route, mac in believed if mac != self.view.switches[dpid].uplink_mac]

    def lift_denials(self, now: float) -> list[Write]:
        """Delete drop flows that may be wrong now that the world has changed."""
        lift = FORGET.pack(0, DENY_COOKIE, KIND_MASK)
        writes = [(dpid, lift) for dpid, until in self._denials.items() if until > now]
        self._denials.clear()
        return writes

    def forget_port(self, dpid: int, port_no: int) -> None:
        """Drop what is kept for a port that is gone."""
        key = (dpid, port_no)
        for budget in (self._punts, self._uplink_punts, self._icmp):
            budget.forget(key)
        self._muted.pop(key, None)


def source_of(message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> bytes | None:
    """Read whose packets a flow took that is gone."""
    return message.match.get("ipv4_src") if isinstance(message, FlowRemoved) else message.ipv4_src


def _answering(between: Between, connection: Connection) -> int:
    """Tell, as bits of `Route.answering`, in which directions a connection may not be opened."""
    forth, back = answering(between, connection)
    return (FORTH if forth else 0) | (BACK if back else 0)


def _passes_alone(route: Route, data: bytes, frame: Frame) -> bool:
    """Tell whether a packet has come here since its direction's flow wants an ACK: it is passed on, and that is all."""
    return bool(route.answering & route.direction_from(frame.ipv4_src)) and not acknowledges(data, frame)


def forget(route: Route) -> bytes:
    """Build what deletes a route's flows on one datapath."""
    build = pair_cookie if route.connection is None else connection_cookie
    return FORGET.pack(0, build(route.generation, route.id), COOKIE_ALL)


_Packer = Callable[..., bytes]
_PACKERS: Final[dict[int, tuple[_Packer, _Packer]]] = {
    TCP: (FORWARD_TCP.pack, ARRIVE_TCP.pack),
    UDP: (FORWARD_UDP.pack, ARRIVE_UDP.pack),
}
_QUERY_PACKERS: Final = (FORWARD_ICMP.pack, ARRIVE_ICMP.pack)
_PROTOCOL_PACKERS: Final = (FORWARD_PROTOCOL.pack, ARRIVE_PROTOCOL.pack)
_ANSWER_PACKERS: Final = (FORWARD_TCP_ANSWER.pack, ARRIVE_TCP_ANSWER.pack)
_DENIALS: Final[dict[int, _Packer]] = {TCP: DENY_TCP.pack, UDP: DENY_UDP.pack}


def _packers(connection: Connection, *, answers: bool) -> tuple[_Packer, _Packer]:
    """Choose what packs the flows of one direction: one that only answers wants an ACK."""
    if answers:
        return _ANSWER_PACKERS
    return _QUERY_PACKERS if connection.is_query else _PACKERS.get(connection.protocol, _PROTOCOL_PACKERS)


def _denial(connection: Connection | None) -> _Packer:
    if connection is None:
        return DENY.pack
    return DENY_ICMP.pack if connection.is_query else _DENIALS.get(connection.protocol, DENY_PROTOCOL.pack)


def _end(cookie: int, idle: int, here: End, there: End) -> bytes:
    """Build one end of a route between two hosts: what arrives `here` from `there`, and what `here` sends there."""
    switch = here.switch
    arrive = ARRIVE.pack(
        0, cookie, idle, switch.uplink, switch.uplink_mac, there.ipv4, here.ipv4, here.mac, here.port_no
    )
    forward = FORWARD.pack(
        0,
        cookie,
        idle,
        here.port_no,
        here.mac,
        here.ipv4,
        there.ipv4,
        switch.uplink_mac,
        there.switch.uplink_mac,
        switch.uplink,
    )
    return bytes(arrive + forward)
