"""A datapath's flow table against what it should hold, when it connects or its uplink changes.

Good flows are never wiped: a restarted controller adopts the routes that it finds, so that nobody's traffic notices.
Wrong ones go, missing static ones are put back, and flows that are not ours are counted and left alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from daoli.ofproto import FlowMod, FlowModCommand, FlowModFlags, FlowStats, Match, Output, PortNo
from daoli.routing.flows import (
    FORGET,
    Arrive,
    ArriveIcmp,
    ArriveProtocol,
    ArriveTcp,
    ArriveTcpAnswer,
    ArriveUdp,
    Forward,
    ForwardIcmp,
    ForwardProtocol,
    ForwardTcp,
    ForwardTcpAnswer,
    ForwardUdp,
)
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import ICMP, TCP, UDP, partner
from daoli.routing.pipeline import COOKIE_ALL, STATIC_COOKIE, Cookie, Kind
from daoli.routing.policy import Judgement, Policy
from daoli.routing.router import Router, forget
from daoli.routing.routes import BACK, FORTH, Connection, Route, key_of, selector
from daoli.routing.static import static_flows
from daoli.routing.verdict import answering, standing, unknown
from daoli.routing.view import End, Outside, Switch, View

_Key = tuple[int, int, frozenset[object]]
_OTHER: Final = -1
"""A protocol without ports."""
_QUERY: Final = -2
"""ICMP requests or replies of one type."""
_ANSWER: Final = -3
"""A TCP connection's side that may not open it."""


class Repair(NamedTuple):
    """What one datapath needs, and what was found there."""

    writes: list[bytes]
    static_added: int
    stale_removed: int
    adopted: int
    foreign: int
    ended: list[Route]
    """Routes of the table that this datapath no longer holds, at either end."""
    unclear: bool = False
    """Whether flows lead to an uplink that no host has yet: to be looked at again when another host has connected."""


class _Ends(NamedTuple):
    """Between whom a found flow is, and what of their packets it takes."""

    source: End
    destination: End
    connection: Connection | None

    def judgement(self, view: View) -> Judgement | None:
        """Judge the route that the flow is part of; None if there may be no route of this kind between the two."""
        if unknown(self.source, self.destination):
            return None
        return standing(view, self.source, self.destination, self.connection)

    def only_answers(self, policy: Policy) -> bool:
        """Tell whether what goes from source to destination may not open the connection that it is of."""
        between = policy.between(self.source, self.destination)
        return self.connection is not None and answering(between, self.connection)[0]

    def key(self) -> bytes:
        return key_of(self.connection, self.source, self.destination)

    def in_order(self) -> _Ends:
        """Put that end first which may have opened the route: who is outside for a connection, else the lower address.

        Of a pair route with the outside that is the endpoint.
        """
        source, destination, connection = self
        if (source.endpoint is None) != (destination.endpoint is None):
            turn = (connection is None) == (source.endpoint is None)
        else:
            turn = destination.ipv4 < source.ipv4
        return _Ends(destination, source, connection.back() if connection else None) if turn else self


def wanted_flows(switch: Switch) -> tuple[FlowMod, ...]:
    """List the static flows that a datapath should hold."""
    return static_flows(switch.uplink, switch.uplink_mac, gateway=switch.host.gateway, names=switch.names)


class Reconciler:
    """Takes one datapath's flows, dumped since `started`, one by one; `finish` tells what to do about them."""

    def __init__(self, router: Router, switch: Switch, started: float) -> None:
        self._router = router
        self._switch = switch
        self._started = started
        self._missing: dict[_Key, FlowMod] = {_key(flow): flow for flow in wanted_flows(switch)}
        self._writes: list[bytes] = []
        self._seen: set[tuple[int, int]] = set()
        self._gone: set[tuple[int, bytes]] = set()
        self._stale = self._adopted = self._foreign = 0
        self._unclear = False

    def removed(self, cookie: int, ipv4_src: bytes) -> None:
        """Note that a flow has ended, which may be among those that were dumped and not taken yet."""
        self._gone.add((cookie, ipv4_src))

    def take(self, flow: FlowStats) -> None:
        """Compare one flow."""
        cookie = Cookie.parse(flow.cookie)
        if (flow.cookie, flow.match.get("ipv4_src")) in self._gone and "eth_src" in flow.match:
            return
        if cookie is None:
            self._foreign += 1
        elif cookie.kind == Kind.STATIC:
            self._take_static(flow)
        elif cookie.kind in (Kind.PAIR, Kind.CONNECTION):
            if self._take_live(flow, cookie):
                self._stale += 1
                self._writes.append(FORGET.pack(0, flow.cookie, COOKIE_ALL))
        elif cookie.kind != Kind.DENY:  # those end by themselves
            self._remove_strictly(flow)

    def finish(self, now: float) -> Repair:
        """Say what is missing, after the last flow was taken."""
        ended = []
        routes = self._router.routes
        for route in routes.of_datapath(self._switch.dpid):
            if route.connection is None and routes.go_elsewhere(route.outward):
                self._writes.append(forget(route))
                ended.append(route)
                continue
            if route.installed >= self._started:
                continue
            for place, direction in ((route.source, FORTH), (route.destination, BACK)):
                if place.dpid == self._switch.dpid and (route.id, direction) not in self._seen:
                    route.alive &= ~direction
            if not route.alive:
                ended.append(route)
        routes.take(ended)
        writes = self._writes + [flow.encode() for flow in self._missing.values()]
        return Repair(
            writes, len(self._missing), self._stale, self._adopted, self._foreign, ended, unclear=self._unclear
        )

    def _take_static(self, flow: FlowStats) -> None:
        wanted = self._missing.get(_key(flow))
        if wanted is not None and (flow.cookie, flow.instructions) == (STATIC_COOKIE, wanted.instructions):
            if not (flow.idle_timeout or flow.hard_timeout):
                del self._missing[_key(flow)]
        elif wanted is None:
            self._remove_strictly(flow)  # one that is merely different is replaced by the addition of the right one

    def _remove_strictly(self, flow: FlowStats) -> None:
        self._stale += 1
        self._writes.append(
            FlowMod(
                command=FlowModCommand.DELETE_STRICT,
                table_id=flow.table_id,
                priority=flow.priority,
                match=flow.match,
            ).encode()
        )

    def _take_live(self, flow: FlowStats, cookie: Cookie) -> bool:
        """Adopt a route's flow; True if it must go."""
        connection = _connection_of(flow)
        if (connection is None) != (cookie.kind == Kind.PAIR):
            return True
        ends = self._ends(flow, connection)
        if ends is None:
            return not self._may_become_clear(flow)
        judgement = ends.judgement(self._router.view)
        if judgement is None or not judgement.allowed:
            return True
        if self._by_uplink(flow):
            return self._take_arrival(flow, cookie, ends)
        return self._take_forward(flow, cookie, ends)

    def _by_uplink(self, flow: FlowStats) -> bool:
        return self._switch.uplink is not None and flow.match.number("in_port") == self._switch.uplink

    def _ends(self, flow: FlowStats, connection: Connection | None) -> _Ends | None:
        """Find out between whom a flow is; None if that cannot be, or is not clear yet."""
        view = self._router.view
        src, dst = flow.match.get("ipv4_src") or b"", flow.match.get("ipv4_dst") or b""
        source, destination = view.by_ipv4.get(src), view.by_ipv4.get(dst)
        if source is not None and destination is not None:
            return _Ends(source, destination, connection)
        if source is not None:
            outside = self._outside(dst, source.gateway, self._exit(flow))
            return _Ends(source, outside, connection) if outside else None
        if destination is not None:
            # What arrives does not say where it was let in; nor does it matter here, where it arrives.
            outside = self._outside(src, destination.gateway, self._switch, here=not self._by_uplink(flow))
            return _Ends(outside, destination, connection) if outside else None
        return None

    def _outside(self, ipv4: bytes, gateway: bytes, switch: Switch | None, *, here: bool = True) -> Outside | None:
        if switch is None or not ipv4 or self._router.view.network_of(ipv4) is not None:
            return None
        return Outside(switch, ipv4, gateway) if switch.host.gateway or not here else None

    def _exit(self, flow: FlowStats) -> Switch | None:
        """Find the host by whose LOCAL port a flow sends to the outside."""
        if self._by_uplink(flow) or _output(flow) == PortNo.LOCAL:
            return self._switch
        return self._router.view.by_uplink.get(_eth_dst_set(flow))

    def _may_become_clear(self, flow: FlowStats) -> bool:
        """Tell whether a flow may lead to a host that has not connected yet, so that nobody knows its uplink's MAC."""
        view = self._router.view
        source = view.by_ipv4.get(flow.match.get("ipv4_src") or b"")
        if source is None or self._by_uplink(flow) or _output(flow) != self._switch.uplink:
            return False
        away = any(switch.host.gateway and not switch.connected for switch in view.switches.values())
        if away and view.network_of(flow.match["ipv4_dst"]) is None and _eth_dst_set(flow) not in view.by_uplink:
            self._unclear = True
            return True
        return False

    def _take_forward(self, flow: FlowStats, cookie: Cookie, ends: _Ends) -> bool:
        source, destination = ends.source, ends.destination
        here, there = source.switch, destination.switch
        if here is not self._switch or source.port_no is None or (here is there and destination.port_no is None):
            return True
        sent_to = _eth_dst_set(flow)
        if here is there:
            way = (ROUTER_MAC, destination.mac, destination.port_no or 0)
        else:
            # Until the other host connects nobody knows its uplink's MAC: the flow is believed until then.
            way = (here.uplink_mac, there.uplink_mac if there.connected else sent_to, here.uplink or 0)
        head = (0, flow.cookie, flow.idle_timeout, source.port_no, source.mac, source.ipv4, destination.ipv4)
        if not _same(flow, _FORWARDS[self._kind(ends)](*head, *selector(ends.connection), *way).message()):
            return True
        route = self._adopt(cookie, ends)
        if route is None:
            return True
        direction = route.direction_from(source.ipv4)
        route.alive |= direction
        self._seen.add((route.id, direction))
        if here is not there and not there.connected:
            self._router.believe(route, there.dpid, sent_to)
        return False

    def _take_arrival(self, flow: FlowStats, cookie: Cookie, ends: _Ends) -> bool:
        switch, source, destination = self._switch, ends.source, ends.destination
        if destination.switch is not switch or switch.uplink is None or destination.port_no is None:
            return True
        if source.endpoint is not None and source.switch is switch:
            return True
        head = (0, flow.cookie, flow.idle_timeout, switch.uplink, switch.uplink_mac, source.ipv4, destination.ipv4)
        way = (destination.mac, destination.port_no)
        if not _same(flow, _ARRIVALS[self._kind(ends)](*head, *selector(ends.connection), *way).message()):
            return True
        route = self._router.routes.find(ends.key())
        return route is not None and (route.id, route.generation) != (cookie.route_id, cookie.generation)

    def _kind(self, ends: _Ends) -> int | None:
        return _ANSWER if ends.only_answers(self._router.view.policy) else _kind(ends.connection)

    def _adopt(self, cookie: Cookie, ends: _Ends) -> Route | None:
        """Find or make the route of a good flow; None if it belongs to another installation than the live one."""
        routes = self._router.routes
        route = routes.find(ends.key())
        if route is not None:
            return route if (route.id, route.generation) == (cookie.route_id, cookie.generation) else None
        if routes.get(cookie.route_id) is not None:
            return None
        ends = ends.in_order()
        first, second, connection = ends
        judgement = ends.judgement(self._router.view)
        if judgement is None:
            return None
        route = Route(cookie.route_id, first, second, judgement, self._started, connection)
        self._router.limit(route)
        route.generation = cookie.generation
        route.alive = 0
        route.installed = 0.0
        routes.add(route)
        self._adopted += 1
        return route


_FORWARDS: Final = {
    None: Forward,
    TCP: ForwardTcp,
    UDP: ForwardUdp,
    _OTHER: ForwardProtocol,
    _QUERY: ForwardIcmp,
    _ANSWER: ForwardTcpAnswer,
}
_ARRIVALS: Final = {
    None: Arrive,
    TCP: ArriveTcp,
    UDP: ArriveUdp,
    _OTHER: ArriveProtocol,
    _QUERY: ArriveIcmp,
    _ANSWER: ArriveTcpAnswer,
}


def _kind(connection: Connection | None) -> int | None:
    if connection is None:
        return None
    if connection.is_query:
        return _QUERY
    return connection.protocol if connection.protocol in (TCP, UDP) else _OTHER


def _connection_of(flow: FlowStats) -> Connection | None:
    """Read which connection a flow is limited to; None if it takes all of a pair."""
    protocol = flow.match.number("ip_proto")
    if protocol is None:
        return None
    if protocol == ICMP and (icmp_type := flow.match.number("icmpv4_type")) is not None:
        return Connection(ICMP, icmp_type, partner(icmp_type))
    name = "tcp" if protocol == TCP else "udp"
    return Connection(protocol, flow.match.number(f"{name}_src") or 0, flow.match.number(f"{name}_dst") or 0)


def _output(flow: FlowStats) -> int | None:
    """Read to which port a flow sends; None if to none."""
    for instruction in flow.instructions:
        for action in getattr(instruction, "actions", ()):
            if isinstance(action, Output):
                return action.port
    return None


def _key(flow: FlowMod | FlowStats) -> _Key:
    return (flow.table_id, flow.priority, frozenset(flow.match))


def _same(flow: FlowStats, wanted: FlowMod) -> bool:
    return (
        (flow.table_id, flow.priority, flow.hard_timeout) == (wanted.table_id, wanted.priority, wanted.hard_timeout)
        and not (flow.flags ^ wanted.flags) & FlowModFlags.SEND_FLOW_REM  # without it a route would never end
        and frozenset(flow.match) == frozenset(wanted.match)
        and flow.instructions == wanted.instructions
    )


def _eth_dst_set(flow: FlowStats) -> bytes:
    """Read which destination MAC a flow writes; zeros if none."""
    for instruction in flow.instructions:
        for action in getattr(instruction, "actions", ()):
            oxm = getattr(action, "oxm", None)
            if oxm is not None and Match.of((oxm,)).get("eth_dst") is not None:
                return bytes(oxm.value)
    return bytes(6)
