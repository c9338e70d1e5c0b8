"""The fabric: connected datapaths and the routing core, kept true to the inventory.

It is told three things, all by plain calls from the event loop: what datapaths say (`datapath.Handler`), what the
inventory changed, and what the API asks. It writes the live half of the view, and nothing of it waits on the way of a
punted packet.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Final

import structlog

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.cuts import Cuts
from daoli.hosts.events import EventHub
from daoli.hosts.explain import explain, look_up
from daoli.hosts.herald import Herald
from daoli.hosts.inquiries import Inquiries
from daoli.hosts.ledger import Ledger
from daoli.hosts.live import LiveRoutes
from daoli.hosts.mirror import Changed
from daoli.hosts.obstacles import obstacles
from daoli.hosts.question import Question, ends
from daoli.hosts.reports import CutReport, Explanation, HostStatus, Quarantined, RouteReport
from daoli.hosts.ruling import tried
from daoli.hosts.settling import Settling, port_info
from daoli.hosts.stored import Record
from daoli.hosts.trace import Trace, Tracer
from daoli.hosts.why_not import why_not
from daoli.ofproto import (
    Error,
    FlowRemoved,
    PacketIn,
    PortReason,
    PortStatus,
)
from daoli.ofproto.shapes import Punt
from daoli.routing.flows import FORGET, Ended, EndedProtocol, EndedTcp
from daoli.routing.model import Host, dpid_text, mac_text
from daoli.routing.pipeline import MAGIC, MAGIC_MASK
from daoli.routing.reconcile import wanted_flows
from daoli.routing.router import Router
from daoli.routing.routes import Route
from daoli.routing.verdict import Outcome
from daoli.routing.view import Switch, View

log = structlog.get_logger(__name__)


_COUNTED: Final = (
    "punts_total",
    "routes_adopted_total",
    "routes_opened_total",
    "routes_closed_total",
    "switch_errors_total",
    "unexpected_messages_total",
)


class Fabric:
    """Connected datapaths, live routes, and what is known of both."""

    def __init__(
        self,
        view: View,
        router: Router,
        events: EventHub,
        now: Callable[[], float],
        ledger: Ledger | None = None,
    ) -> None:
        """`now` is the event loop's clock, in seconds; without a ledger none is kept."""
        self.view = view
        self.router = router
        self.events = events
        self.engine_problems: Callable[[str], Iterable[str]] = lambda _: ()
        """Says of a host, by name, what is wrong with its Docker engine, where that is watched from here."""
        self._ledger = ledger or Ledger(kept=0)
        self._herald = Herald(events, self._ledger, router.routes, now)
        self._counts = Counter(dict.fromkeys(_COUNTED, 0))
        self._working = False
        self._now = now
        self._datapaths: dict[int, Datapath] = {}
        self._live = LiveRoutes(router, self._datapaths, now)
        self._tracer = Tracer(view, self._datapaths)
        self._cuts = Cuts(router, self._live, self._herald, self._datapaths, self._counts)
        self._settling = Settling(view, router, self._cuts, self._herald, events, self._datapaths, self._counts, now)

    async def close(self) -> None:
        """Stop what is under way. Flows stay on the datapaths."""
        await self._settling.close()
        await self._cuts.close()

    # -- what datapaths say (datapath.Handler) ---------------------------------------------------------------------

    def connected(self, datapath: Datapath) -> None:
        """Take in a datapath; of two with one id the newer one wins."""
        dpid = datapath.dpid
        older = self._datapaths.get(dpid)
        self._datapaths[dpid] = datapath
        if older is not None:
            log.warning("datapath_replaced", dpid=dpid_text(dpid), older=older.peer, newer=datapath.peer)
            older.close(DatapathError("the same datapath id connected anew"))
        if dpid in self.view.switches:
            self._settling.soon(datapath)
        else:
            log.warning("datapath_unregistered", dpid=dpid_text(dpid), peer=datapath.peer)
            self.events.publish("datapath.unregistered", dpid=dpid_text(dpid), peer=datapath.peer)

    def received(self, datapath: Datapath, message: Any) -> None:
        """Act on what a datapath says of itself."""
        if type(message) is Punt:
            self._punted(datapath, message)
        elif isinstance(message, Ended | EndedTcp | EndedProtocol | FlowRemoved):
            self._ended(datapath, message)
        elif isinstance(message, PacketIn):
            if (punt := Punt.of(message)) is not None:
                self._punted(datapath, punt)
        elif isinstance(message, PortStatus):
            self._port_changed(datapath, message)
        elif isinstance(message, Error):
            self._counts["switch_errors_total"] += 1
            log.error("switch_error", dpid=dpid_text(datapath.dpid), error=str(message))
        else:
            self._counts["unexpected_messages_total"] += 1

    def disconnected(self, datapath: Datapath, failure: Exception | None) -> None:
        """Note that a datapath is gone; its flows, and the routes that they are part of, go on."""
        dpid = datapath.dpid
        if self._datapaths.get(dpid) is not datapath:
            return
        del self._datapaths[dpid]
        self._settling.disconnected(dpid)
        self._herald.away(dpid)
        reason = str(failure or "closed")
        log.warning("datapath_disconnected", dpid=dpid_text(dpid), peer=datapath.peer, reason=reason)
        switch = self.view.switches.get(dpid)
        if switch is None:
            return
        for port in switch.ports.values():
            self.router.forget_port(dpid, port.number)
        self.view.disconnect(dpid)
        self.events.publish("host.disconnected", host=switch.host.name, dpid=dpid_text(dpid), reason=reason)

    def _punted(self, datapath: Datapath, punt: Punt) -> None:
        self._counts["punts_total"] += 1
        switch = self.view.switches.get(datapath.dpid)
        if switch is None or not switch.connected:
            return
        if self._tracer.probe is not None and self._tracer.punted(datapath.dpid, punt):
            return
        answer = self.router.punted(datapath.dpid, punt, self._now())
        for dpid, data in answer.writes:
            if (target := self._datapaths.get(dpid)) is not None:
                target.write(data)
        if answer.opened is not None:
            self._counts["routes_opened_total"] += 1
            if answer.held:
                asyncio.get_running_loop().call_later(self.router.settings.hold, self._cuts.write, answer.held)
            self._cuts.tell(answer.replaced, "a connection came in by another host")
            if self._herald.hearing:
                self._herald.opened(answer.opened, punt, answer)
        elif answer.outcome is not Outcome.FORWARD and self._herald.hearing:
            self._herald.refused(switch, punt, answer)

    def _ended(self, datapath: Datapath, message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> None:
        if self._herald.hearing:
            self._herald.counted(message)
        route = self.router.removed(message)
        self._settling.flow_ended(datapath.dpid, message)
        if route is not None:
            self._counts["routes_closed_total"] += 1
            if self._herald.hearing:
                self._herald.closed(route, "idle")

    def _port_changed(self, datapath: Datapath, message: PortStatus) -> None:
        dpid = datapath.dpid
        self._settling.heard_of_port(dpid)
        switch = self.view.switches.get(dpid)
        if switch is None or not switch.connected:
            return  # the whole list is asked for when the datapath settles
        port = message.port
        place = self.view.place_at(switch, port.name)
        before = _special_ports(switch)
        number, local_mac = place.port_no if place else None, switch.local_mac
        if message.reason == PortReason.DELETE:
            self.view.remove_port(dpid, port.name, port.port_no)
            self.router.forget_port(dpid, port.port_no)
        else:
            self.view.put_port(dpid, port_info(port))
        if place is not None and place.port_no != number:
            log.info("port", dpid=dpid_text(dpid), port=port.name, number=place.port_no, endpoint=place.endpoint.id)
            self._cuts.revoke(self.router.routes.of_endpoint(place.endpoint.id), "port changed")
        self._cuts.write(self.router.lift_denials(self._now()))
        if local_mac not in (None, switch.local_mac):
            self._cuts.revoke(self._outward(dpid), "LOCAL changed")
        if (now := _special_ports(switch)) != before:
            if now[:2] != before[:2]:
                mac = mac_text(switch.uplink_mac)
                log.warning("uplink_changed", dpid=dpid_text(dpid), number=switch.uplink, mac=mac)
            self._settling.soon(datapath)

    def _outward(self, dpid: int) -> list[Route]:
        """List the routes that lead to the outside by the host of this datapath."""
        routes = self.router.routes.of_datapath(dpid)
        return [route for route in routes if (outside := route.outside) is not None and outside.dpid == dpid]

    # -- what the inventory changed --------------------------------------------------------------------------------

    def changed(self, change: Changed) -> None:
        """Follow a change that the inventory has put into the view: cut what it affects, at both ends, at once."""
        cut: list[Route] = []
        for before, after in change.endpoints:
            if before is not None and (after is None or not after.same_way(before)):
                cut += self.router.routes.of_endpoint(before.id)
        left = [was for was, now in change.hosts if was is not None and (now is None or now.dpid != was.dpid)]
        for host in left:
            cut += self.router.routes.of_datapath(host.dpid)
        cut += self._no_longer_outside(change)
        cut += self._no_longer_allowed(change)
        reports, dpids = self._cuts.revoke(cut, "inventory changed")
        for host in left:
            dpids.add(host.dpid)
            self._leave(host)
        lifted = self.router.lift_denials(self._now())
        self._cuts.write(lifted)
        dpids.update(dpid for dpid, _ in lifted)
        for was, now in change.hosts:
            if now is None or (was is not None and _same_table(was, now)):
                continue
            if (datapath := self._datapaths.get(now.dpid)) is not None:
                self._settling.soon(datapath)
        self._herald.inventory(change)
        if dpids:
            names = {was.dpid: was.name for was, _ in change.hosts if was is not None}
            names |= {host.dpid: host.name for host in self.view.hosts.values()}
            self._cuts.confirm(change.revision, reports, {dpid: names.get(dpid, dpid_text(dpid)) for dpid in dpids})

    def _no_longer_outside(self, change: Changed) -> list[Route]:
        """List the routes to the outside that a host no longer serves, or that a network now holds."""
        closed = {was.dpid for was, now in change.hosts if was is not None and now is not None and not now.gateway}
        networks = [network for _, network in change.networks if network is not None]
        if not closed and not networks:
            return []
        return [
            route
            for route in self.router.routes
            if (outside := route.outside) is not None
            and (outside.dpid in closed or any(IPv4Address(outside.ipv4) in network.subnet for network in networks))
        ]

    async def confirmed(self, revision: int) -> CutReport:
        """Wait until the datapaths have confirmed what the change of this revision cut, or failed to."""
        return await self._cuts.confirmed(revision)

    def _leave(self, host: Host) -> None:
        """Take all that is ours off a datapath whose host is gone; it stays connected, in quarantine."""
        self._settling.left(host.dpid)
        if (datapath := self._datapaths.get(host.dpid)) is not None:
            datapath.write(FORGET.pack(0, MAGIC << 48, MAGIC_MASK))

    # -- what the API asks -----------------------------------------------------------------------------------------

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted since the start."""
        outcomes = {f"packets_total{{outcome={o.value}}}": n for o, n in self.router.outcomes.items()}
        own = {**self._counts, **outcomes, "over_budget_total": self.router.over_budget}
        return {**own, **self._ledger.counters}

    def gauges(self) -> Mapping[str, float]:
        """Measure what goes up and down."""
        return {"routes": len(self.router.routes), "hosts_settled": len(self._settling.settled)}

    def ready(self) -> str | None:
        """Tell why the controller cannot do its work; None if it can."""
        return None if self._working else "not listening for datapaths yet"

    def start(self) -> None:
        """Note that datapaths can connect."""
        self._working = True

    def host_status(self, name: str) -> HostStatus:
        """Tell the live half of a registered host."""
        host = self.view.hosts[name]
        switch = self.view.switches[host.dpid]
        datapath = self._datapaths.get(host.dpid)
        return HostStatus(
            connected=datapath is not None and host.dpid in self._settling.settled,
            peer=datapath.peer if datapath else None,
            connected_seconds=self._now() - datapath.connected_at if datapath else None,
            static_flows=len(wanted_flows(switch)) if datapath else 0,
            live_routes=len(self.router.routes.of_datapath(host.dpid)),
            ports={port.name: port.number for port in switch.ports.values()},
            problems=(*self._problems(switch, datapath), *self.engine_problems(name)),
        )

    def _problems(self, switch: Switch, datapath: Datapath | None) -> Iterable[str]:
        host = switch.host
        if datapath is None:
            yield f"no datapath {dpid_text(host.dpid)} is connected: check ovs-vsctl show on {host.name}"
            return
        if host.dpid not in self._settling.settled:
            yield "its flow table is being read"
            return
        if switch.uplink is None:
            yield f"the bridge has no port {host.uplink}: cross-host traffic is impossible"
        for endpoint in self.view.endpoints_of(host.name):
            if endpoint.port not in switch.ports:
                yield f"the bridge has no port {endpoint.port}, which endpoint {endpoint.id} should have"
            if endpoint.pending:
                yield f"the container of endpoint {endpoint.id} is not known yet: nothing passes to or from it"
        if foreign := self._settling.foreign.get(host.dpid):
            yield f"{foreign} flows on the bridge are not daoli's; they are left alone"

    def quarantined(self) -> list[Quarantined]:
        """List the datapaths that are connected and belong to no host."""
        now = self._now()
        return [
            Quarantined(dpid, datapath.peer, now - datapath.connected_at)
            for dpid, datapath in self._datapaths.items()
            if dpid not in self.view.switches
        ]

    async def routes(self) -> list[RouteReport]:
        """List live routes, with the counters that their datapaths hold now."""
        return await self._live.routes()

    def _no_longer_allowed(self, change: Changed) -> list[Route]:
        """List the routes that a change of rules, groups, names or labels leaves without a right to be."""
        rules = [spec.record() for pair in change.rules for spec in pair if spec is not None]
        networks = {network.name for _, network in change.networks if network is not None}
        networks |= {network for pair in change.groups for group in pair if group for network in group.networks}
        concerned = set(self.router.affected(rules, networks))
        for was, now in change.endpoints:
            if was is not None and now is not None and now.same_way(was):
                concerned.update(self.router.routes.of_endpoint(now.id))
        endpoints = [endpoint for pair in change.endpoints for endpoint in pair if endpoint is not None]
        if change.publications or change.hosts or any(map(self.view.doors.concern, endpoints)):
            concerned.update(self.router.with_hosts())
        return self.router.obsolete(concerned)

    def would_cut(self, changes: Mapping[str, Record | None]) -> CutReport:
        """Say what routes a change of rules and groups would cut; nothing is written, and nothing waits."""
        with tried(self.view.policy, changes) as concern:
            cut = self.router.obsolete(self.router.affected(*concern))
        return CutReport(tuple(map(self._live.report, cut)))

    async def explain(self, question: Question) -> Explanation:
        """Say what would happen to a packet, and why, and what is live; nothing is installed."""
        a, b = ends(self.view, question)
        found = obstacles(a, b, self._settling.settled)
        said = explain(self.router, question, a, b, found, self._settling.settled)
        if question.why_not:
            said = replace(said, why_not=why_not(self.view, question, a, b, found))
        routes, total = await self._live.between(a, b, question.number, question.port)
        return replace(said, routes=tuple(routes), routes_total=total, names=await look_up(self.view, a, b))

    @property
    def inquiries(self) -> Inquiries:
        """What hosts' agents are asked about probes."""
        return self._tracer.inquiries

    async def trace(self, question: Question) -> Trace:
        """Send a probe, and tell how far it got; no route is opened. Errors are those of `question.ends`."""
        return await self._tracer.trace(question)


def _special_ports(switch: Switch) -> tuple[int | None, bytes, int | None]:
    """Give what a host's static flows depend on."""
    return switch.uplink, switch.uplink_mac, switch.names


def _same_table(was: Host, now: Host) -> bool:
    """Tell whether two records of a host lead to the same static flows on the same datapath."""
    return (was.dpid, was.uplink, was.gateway) == (now.dpid, now.uplink, now.gateway)
