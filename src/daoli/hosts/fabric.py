"""The fabric: connected datapaths and the routing core, kept true to the inventory.

It is told three things, all by plain calls from the event loop: what datapaths say (`datapath.Handler`), what the
inventory changed, and what the API asks. It writes the live half of the view, and nothing of it waits on the way of a
punted packet.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Final

import structlog

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.events import EventHub
from daoli.hosts.explain import explain, look_up
from daoli.hosts.herald import Herald
from daoli.hosts.inquiries import Inquiries
from daoli.hosts.ledger import Ledger
from daoli.hosts.live import LiveRoutes, unhurried
from daoli.hosts.mirror import Changed
from daoli.hosts.obstacles import obstacles
from daoli.hosts.question import Question, ends
from daoli.hosts.reports import CutReport, Explanation, HostStatus, Quarantined, RouteReport
from daoli.hosts.ruling import tried
from daoli.hosts.stored import Record
from daoli.hosts.trace import Trace, Tracer
from daoli.hosts.why_not import why_not
from daoli.ofproto import (
    Error,
    FlowRemoved,
    FlowStatsReply,
    FlowStatsRequest,
    PacketIn,
    Port,
    PortConfig,
    PortDescReply,
    PortDescRequest,
    PortReason,
    PortState,
    PortStatus,
    SetAsync,
)
from daoli.ofproto.shapes import Punt
from daoli.routing.flows import FORGET, Ended, EndedProtocol, EndedTcp
from daoli.routing.model import Host, dpid_text, mac_text
from daoli.routing.pipeline import MAGIC, MAGIC_MASK
from daoli.routing.reconcile import Reconciler, wanted_flows
from daoli.routing.router import Router, Write, source_of
from daoli.routing.routes import Route
from daoli.routing.verdict import Outcome
from daoli.routing.view import PortInfo, Switch, View

log = structlog.get_logger(__name__)

CONFIRM_TIMEOUT: Final = 5.0
"""Seconds that a datapath has to answer the barrier after a change."""
_REPORTS_KEPT: Final = 1024
_LISTINGS: Final = 8
"""How often ports are listed while they go on changing."""
# 7.3.10: all reasons; as slave (second of each pair) only port changes. INVALID_TTL is off unless asked for.
_ASYNC: Final = SetAsync(packet_in_mask=(0b111, 0), port_status_mask=(0b111, 0b111), flow_removed_mask=(0b1111, 0))
_NO_MAC: Final = bytes(6)


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
        self._counts = dict.fromkeys(
            (
                "punts_total",
                "routes_adopted_total",
                "routes_opened_total",
                "routes_closed_total",
                "switch_errors_total",
                "unexpected_messages_total",
            ),
            0,
        )
        self._working = False
        self._now = now
        self._datapaths: dict[int, Datapath] = {}
        self._live = LiveRoutes(router, self._datapaths, now)
        self._tracer = Tracer(view, self._datapaths)
        self._settled: set[int] = set()
        self._reconcilers: dict[int, Reconciler] = {}
        """Those at work, by datapath."""
        self._foreign: dict[int, int] = {}
        self._uplink_macs: dict[int, bytes] = {}
        self._port_news: Counter[int] = Counter()
        """How often each datapath has told of a port."""
        self._unclear: set[int] = set()
        """Datapaths with flows to a host that has not connected yet."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._reports: OrderedDict[int, asyncio.Task[CutReport]] = OrderedDict()

    async def close(self) -> None:
        """Stop what is under way. Flows stay on the datapaths."""
        tasks = [*self._tasks, *self._reports.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
            self._settle_soon(datapath)
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
        self._settled.discard(dpid)
        self._port_news.pop(dpid, None)
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
            self._tell_cut(answer.replaced, "it came in by another host")
            if self._herald.hearing:
                self._herald.opened(answer.opened, punt, answer)
        elif answer.outcome is not Outcome.FORWARD and self._herald.hearing:
            self._herald.refused(switch, punt, answer)

    def _ended(self, datapath: Datapath, message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> None:
        if self._herald.hearing:
            self._herald.counted(message)
        route = self.router.removed(message)
        if (reconciler := self._reconcilers.get(datapath.dpid)) is not None and (source := source_of(message)):
            reconciler.removed(message.cookie, source)
        if route is not None:
            self._counts["routes_closed_total"] += 1
            if self._herald.hearing:
                self._herald.closed(route, "idle")

    def _port_changed(self, datapath: Datapath, message: PortStatus) -> None:
        dpid = datapath.dpid
        self._port_news[dpid] += 1
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
            self.view.put_port(dpid, _port_info(port))
        if place is not None and place.port_no != number:
            log.info("port", dpid=dpid_text(dpid), port=port.name, number=place.port_no, endpoint=place.endpoint.id)
            self._revoke(self.router.routes.of_endpoint(place.endpoint.id), "port changed")
        self._write(self.router.lift_denials(self._now()))
        if local_mac not in (None, switch.local_mac):
            self._revoke(self._outward(dpid), "LOCAL changed")
        if (now := _special_ports(switch)) != before:
            if now[:2] != before[:2]:
                mac = mac_text(switch.uplink_mac)
                log.warning("uplink_changed", dpid=dpid_text(dpid), number=switch.uplink, mac=mac)
            self._settle_soon(datapath)

    # -- a datapath settles ----------------------------------------------------------------------------------------

    def _settle_soon(self, datapath: Datapath) -> None:
        self._spawn(self._settle(datapath), datapath)

    async def _compare(self, datapath: Datapath, reconciler: Reconciler) -> None:
        """Have the flows of a datapath taken; those that end meanwhile are known to have ended."""
        self._reconcilers[datapath.dpid] = reconciler
        try:
            async for part in datapath.multipart(FlowStatsRequest(), FlowStatsReply):
                async for flow in unhurried(part.flows):
                    reconciler.take(flow)
        finally:
            if self._reconcilers.get(datapath.dpid) is reconciler:
                del self._reconcilers[datapath.dpid]

    async def _list_ports(self, datapath: Datapath) -> list[Port]:
        """List a datapath's ports, again if there is news of one meanwhile: it may be newer than the list."""
        ports: list[Port] = []
        for _ in range(_LISTINGS):
            heard = self._port_news[datapath.dpid]
            ports = [port async for part in datapath.multipart(PortDescRequest(), PortDescReply) for port in part.ports]
            if self._port_news[datapath.dpid] == heard:
                break
        return ports

    async def _settle(self, datapath: Datapath) -> None:
        """Learn a datapath's ports, and make its flow table what it should be."""
        dpid = datapath.dpid
        datapath.send(_ASYNC)
        ports = await self._list_ports(datapath)
        switch = self.view.switches.get(dpid)
        if switch is None or self._datapaths.get(dpid) is not datapath:
            return  # the host was removed, or the datapath replaced, meanwhile
        self.view.set_ports(dpid, map(_port_info, ports))
        self._check_uplink(switch)
        started = self._now()
        reconciler = Reconciler(self.router, switch, started)
        await self._compare(datapath, reconciler)
        if self.view.switches.get(dpid) is not switch or self._datapaths.get(dpid) is not datapath:
            return
        repair = reconciler.finish(self._now())
        if repair.writes:
            datapath.write(b"".join(repair.writes))
        self._write(self.router.lift_denials(self._now()))
        self._counts["routes_adopted_total"] += repair.adopted
        self._counts["routes_closed_total"] += len(repair.ended)
        if self._herald.hearing:
            for route in repair.ended:
                self._herald.closed(route, "gone when its host reconnected")
        await datapath.barrier()
        self._foreign[dpid] = repair.foreign
        newly = dpid not in self._settled
        self._settled.add(dpid)
        log.info(
            "datapath_settled",
            dpid=dpid_text(dpid),
            host=switch.host.name,
            peer=datapath.peer,
            ports=len(ports),
            static_added=repair.static_added,
            stale_removed=repair.stale_removed,
            adopted=repair.adopted,
            foreign=repair.foreign,
        )
        self._unclear.discard(dpid)
        if newly:
            self._look_again()
        if repair.unclear:
            self._unclear.add(dpid)
        if newly:
            self.events.publish("host.connected", host=switch.host.name, dpid=dpid_text(dpid), adopted=repair.adopted)

    def _look_again(self) -> None:
        """Settle those once more whose flows may now be understood, since another host's uplink is known."""
        for dpid in self._unclear:
            if (datapath := self._datapaths.get(dpid)) is not None:
                self._settle_soon(datapath)

    def _outward(self, dpid: int) -> list[Route]:
        """List the routes that lead to the outside by the host of this datapath."""
        routes = self.router.routes.of_datapath(dpid)
        return [route for route in routes if (outside := route.outside) is not None and outside.dpid == dpid]

    def _check_uplink(self, switch: Switch) -> None:
        """Cut the routes that lead by an uplink which is not what it was."""
        dpid = switch.dpid
        known = self._uplink_macs.get(dpid, switch.uplink_mac)
        cut = self.router.disbelieved(dpid)
        if switch.uplink_mac != known:
            cut += [r for r in self.router.routes.of_datapath(dpid) if len(r.dpids()) > 1]
        if switch.uplink_mac != _NO_MAC:
            self._uplink_macs[dpid] = switch.uplink_mac
        self._revoke(cut, "uplink changed")

    def _spawn(self, work: Coroutine[Any, Any, None], datapath: Datapath) -> None:
        task = asyncio.get_running_loop().create_task(self._supervise(work, datapath))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _supervise(self, work: Coroutine[Any, Any, None], datapath: Datapath) -> None:
        """Let one datapath's trouble end that datapath's connection, and nothing else: it will come again."""
        try:
            await work
        except (DatapathError, TimeoutError) as error:
            if datapath.alive:
                text = str(error) or "no answer in time"
                log.warning("datapath_failed", dpid=dpid_text(datapath.dpid), peer=datapath.peer, error=text)
                datapath.close(error)
        except Exception as error:
            log.exception("datapath_supervision", dpid=dpid_text(datapath.dpid), peer=datapath.peer)
            datapath.close(error)

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
        reports, dpids = self._revoke(cut, "inventory changed")
        for host in left:
            dpids.add(host.dpid)
            self._leave(host)
        lifted = self.router.lift_denials(self._now())
        self._write(lifted)
        dpids.update(dpid for dpid, _ in lifted)
        for was, now in change.hosts:
            if now is None or (was is not None and _same_table(was, now)):
                continue
            if (datapath := self._datapaths.get(now.dpid)) is not None:
                self._settle_soon(datapath)
        self._herald.inventory(change)
        if dpids:
            names = {was.dpid: was.name for was, _ in change.hosts if was is not None}
            names |= {host.dpid: host.name for host in self.view.hosts.values()}
            task = asyncio.get_running_loop().create_task(self._confirm(reports, dpids, names))
            self._reports[change.revision] = task
            while len(self._reports) > _REPORTS_KEPT:
                self._reports.popitem(last=False)

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
        task = self._reports.get(revision)
        return await asyncio.shield(task) if task is not None else CutReport()

    def _leave(self, host: Host) -> None:
        """Take all that is ours off a datapath whose host is gone; it stays connected, in quarantine."""
        self._settled.discard(host.dpid)
        self._uplink_macs.pop(host.dpid, None)
        if (datapath := self._datapaths.get(host.dpid)) is not None:
            datapath.write(FORGET.pack(0, MAGIC << 48, MAGIC_MASK))

    def _revoke(self, routes: Iterable[Route], why: str) -> tuple[list[RouteReport], set[int]]:
        taken, writes = self.router.revoke(routes)
        self._write(writes)
        self._tell_cut(taken, why)
        return [self._live.report(route) for route in taken], {dpid for dpid, _ in writes}

    def _tell_cut(self, taken: Collection[Route], why: str) -> None:
        """Count and tell of routes that were taken out of the table; what deletes their flows is written."""
        self._counts["routes_closed_total"] += len(taken)
        if self._herald.hearing:
            for route in taken:
                self._herald.cut(route, why, self._datapaths)

    async def _confirm(self, cut: list[RouteReport], dpids: set[int], names: dict[int, str]) -> CutReport:
        async def barrier(dpid: int) -> str | None:
            datapath = self._datapaths.get(dpid)
            try:
                if datapath is not None:
                    await datapath.barrier(timeout=CONFIRM_TIMEOUT)
                    return None
            except (DatapathError, TimeoutError):
                pass
            return names.get(dpid, dpid_text(dpid))

        failed = await asyncio.gather(*(barrier(dpid) for dpid in dpids))
        return CutReport(tuple(cut), tuple(sorted(name for name in failed if name)))

    def _write(self, writes: Iterable[Write]) -> None:
        for dpid, data in writes:
            if (datapath := self._datapaths.get(dpid)) is not None:
                datapath.write(data)

    # -- what the API asks -----------------------------------------------------------------------------------------

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted since the start."""
        outcomes = {f"packets_total{{outcome={o.value}}}": n for o, n in self.router.outcomes.items()}
        own = {**self._counts, **outcomes, "over_budget_total": self.router.over_budget}
        return {**own, **self._ledger.counters}

    def gauges(self) -> Mapping[str, float]:
        """Measure what goes up and down."""
        return {"routes": len(self.router.routes), "hosts_settled": len(self._settled)}

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
            connected=datapath is not None and host.dpid in self._settled,
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
        if host.dpid not in self._settled:
            yield "its flow table is being read"
            return
        if switch.uplink is None:
            yield f"the bridge has no port {host.uplink}: cross-host traffic is impossible"
        for endpoint in self.view.endpoints_of(host.name):
            if endpoint.port not in switch.ports:
                yield f"the bridge has no port {endpoint.port}, which endpoint {endpoint.id} should have"
        if foreign := self._foreign.get(host.dpid):
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
        return self.router.obsolete(concerned)

    def would_cut(self, changes: Mapping[str, Record | None]) -> CutReport:
        """Say what routes a change of rules and groups would cut; nothing is written, and nothing waits."""
        with tried(self.view.policy, changes) as concern:
            cut = self.router.obsolete(self.router.affected(*concern))
        return CutReport(tuple(map(self._live.report, cut)))

    async def explain(self, question: Question) -> Explanation:
        """Say what would happen to a packet, and why, and what is live; nothing is installed."""
        a, b = ends(self.view, question)
        found = obstacles(a, b, self._settled)
        said = explain(self.router, question, a, b, found, self._settled)
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


def _port_info(port: Port) -> PortInfo:
    down = port.state & PortState.LINK_DOWN or port.config & PortConfig.PORT_DOWN
    return PortInfo(port.port_no, port.name, port.hw_addr, up=not down)
