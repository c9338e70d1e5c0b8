"""A datapath's flow table against what it should hold, when it connects or its uplink changes.

Good flows are never wiped: a restarted controller adopts the routes that it finds, so that nobody's traffic notices.
Wrong ones go, missing static ones are put back, and flows that are not ours are counted and left alone.
"""

from __future__ import annotations

from typing import NamedTuple

from daoli.ofproto import FlowMod, FlowModCommand, FlowModFlags, FlowStats, Match
from daoli.routing.flows import COOKIE_ALL, FORGET, STATIC_COOKIE, Arrive, Cookie, Forward, Kind, static_flows
from daoli.routing.model import ROUTER_MAC
from daoli.routing.policy import judge
from daoli.routing.router import Router
from daoli.routing.routes import BACK, FORTH, Route
from daoli.routing.view import Place, Switch

_Key = tuple[int, int, frozenset[object]]


class Repair(NamedTuple):
    """What one datapath needs, and what was found there."""

    writes: list[bytes]
    static_added: int
    stale_removed: int
    adopted: int
    foreign: int
    ended: list[Route]
    """Routes of the table that this datapath no longer holds, at either end."""


class Reconciler:
    """Takes one datapath's flows, dumped since `started`, one by one; `finish` tells what to do about them."""

    def __init__(self, router: Router, switch: Switch, started: float) -> None:
        self._router = router
        self._switch = switch
        self._started = started
        self._missing: dict[_Key, FlowMod] = {
            _key(flow): flow for flow in static_flows(switch.uplink, switch.uplink_mac)
        }
        self._writes: list[bytes] = []
        self._seen: set[tuple[int, int]] = set()
        self._stale = self._adopted = self._foreign = 0

    def take(self, flow: FlowStats) -> None:
        """Compare one flow."""
        cookie = Cookie.parse(flow.cookie)
        if cookie is None:
            self._foreign += 1
        elif cookie.kind == Kind.STATIC:
            self._take_static(flow)
        elif cookie.kind == Kind.PAIR:
            if self._take_pair(flow, cookie):
                self._stale += 1
                self._writes.append(FORGET.pack(0, flow.cookie, COOKIE_ALL))
        elif cookie.kind != Kind.DENY:  # those end by themselves
            self._remove_strictly(flow)

    def finish(self, now: float) -> Repair:
        """Say what is missing, after the last flow was taken."""
        ended = []
        for route in self._router.routes.of_datapath(self._switch.dpid):
            if route.installed >= self._started:
                continue
            for place, direction in ((route.source, FORTH), (route.destination, BACK)):
                if place.dpid == self._switch.dpid and (route.id, direction) not in self._seen:
                    route.alive &= ~direction
            if not route.alive:
                ended.append(route)
        self._router.routes.take(ended)
        writes = self._writes + [flow.encode() for flow in self._missing.values()]
        return Repair(writes, len(self._missing), self._stale, self._adopted, self._foreign, ended)

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

    def _take_pair(self, flow: FlowStats, cookie: Cookie) -> bool:
        """Adopt a pair route's flow; True if it must go."""
        src, dst = flow.match.get("ipv4_src"), flow.match.get("ipv4_dst")
        source, destination = self._router.view.by_ipv4.get(src or b""), self._router.view.by_ipv4.get(dst or b"")
        if source is None or destination is None or not judge(source.endpoint, destination.endpoint).allowed:
            return True
        if source.switch is self._switch:
            return self._take_forward(flow, cookie, source, destination)
        if destination.switch is self._switch:
            return self._take_arrival(flow, cookie, source, destination)
        return True

    def _take_forward(self, flow: FlowStats, cookie: Cookie, source: Place, destination: Place) -> bool:
        here, there = source.switch, destination.switch
        if source.port_no is None or (here is there and destination.port_no is None):
            return True
        sent_to = _eth_dst_set(flow)
        if here is there:
            way = (ROUTER_MAC, destination.mac, destination.port_no or 0)
        else:
            # Until the other host connects nobody knows its uplink's MAC: the flow is believed until then.
            way = (here.uplink_mac, there.uplink_mac if there.connected else sent_to, here.uplink or 0)
        head = (0, flow.cookie, flow.idle_timeout, source.port_no, source.mac, source.ipv4, destination.ipv4)
        if not _same(flow, Forward(*head, *way).message()):
            return True
        route = self._adopt(cookie, source, destination)
        if route is None:
            return True
        direction = route.direction_from(source.ipv4)
        route.alive |= direction
        self._seen.add((route.id, direction))
        if here is not there and not there.connected:
            self._router.believe(route, there.dpid, sent_to)
        return False

    def _take_arrival(self, flow: FlowStats, cookie: Cookie, source: Place, destination: Place) -> bool:
        switch = self._switch
        if switch.uplink is None or destination.port_no is None:
            return True
        head = (0, flow.cookie, flow.idle_timeout, switch.uplink, switch.uplink_mac, source.ipv4, destination.ipv4)
        if not _same(flow, Arrive(*head, destination.mac, destination.port_no).message()):
            return True
        route = self._router.routes.find(source.ipv4 + destination.ipv4)
        return route is not None and (route.id, route.generation) != (cookie.route_id, cookie.generation)

    def _adopt(self, cookie: Cookie, source: Place, destination: Place) -> Route | None:
        """Find or make the route of a good flow; None if it belongs to another installation than the live one."""
        routes = self._router.routes
        route = routes.find(source.ipv4 + destination.ipv4)
        if route is not None:
            return route if (route.id, route.generation) == (cookie.route_id, cookie.generation) else None
        if routes.get(cookie.route_id) is not None:
            return None
        first, second = sorted((source, destination), key=lambda place: place.ipv4)
        route = Route(cookie.route_id, first, second, judge(first.endpoint, second.endpoint), self._started)
        route.generation = cookie.generation
        route.alive = 0
        route.installed = 0.0
        routes.add(route)
        self._adopted += 1
        return route


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
