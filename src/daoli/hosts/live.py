"""Live routes, as they are told to those who ask: with the counters that their datapaths hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.reports import HostCounts, LiveRoute, RouteReport
from daoli.ofproto import FlowStatsReply, FlowStatsRequest
from daoli.routing.model import dpid_text, ipv4_text
from daoli.routing.packet import PROTOCOLS, TCP, UDP
from daoli.routing.pipeline import (
    CONNECTION_COOKIE,
    COOKIE_ALL,
    KIND_MASK,
    PAIR_COOKIE,
    Cookie,
    connection_cookie,
    pair_cookie,
)
from daoli.routing.router import Router
from daoli.routing.routes import Route
from daoli.routing.view import End, Switch

log = structlog.get_logger(__name__)

COUNT_TIMEOUT: Final = 5.0
"""Seconds that a datapath has to tell its counters."""
LIVE_TIMEOUT: Final = 2.0
"""Seconds that a host has to tell the counters of the routes that are explained."""
SHOWN: Final = 16
"""Live routes that an explanation shows."""
AT_ONCE: Final = 64
"""Flows that are compared, or routes that are reported, in one turn of the loop: 3 ms of them."""

T = TypeVar("T")


class LiveRoutes:
    """Reads the table of live routes, and their flows' counters from the datapaths."""

    def __init__(self, router: Router, datapaths: Mapping[int, Datapath], now: Callable[[], float]) -> None:
        """`datapaths` are the connected ones, by id; `now` is the event loop's clock, in seconds."""
        self._router = router
        self._datapaths = datapaths
        self._now = now

    async def routes(self) -> list[RouteReport]:
        """List live routes, with the counters that their datapaths hold now."""
        routes = list(self._router.routes)
        kinds = {(d, PAIR_COOKIE if r.connection is None else CONNECTION_COOKIE) for r in routes for d in r.dpids()}
        counted: dict[tuple[int, bytes], tuple[int, int]] = {}
        await asyncio.gather(*(self._count(dpid, cookie, counted) for dpid, cookie in kinds))
        reports = []
        async for route in unhurried(routes):
            packets, size = counted.get((route.id, route.source.ipv4), (None, None))
            packets_back, size_back = counted.get((route.id, route.destination.ipv4), (None, None))
            reports.append(
                replace(
                    self.report(route), packets=packets, bytes=size, packets_back=packets_back, bytes_back=size_back
                )
            )
        return reports

    async def _count(self, dpid: int, cookie: int, counted: dict[tuple[int, bytes], tuple[int, int]]) -> None:
        """Read the counters of one kind of flows at routes' sources; a datapath that fails is left out."""
        datapath = self._datapaths.get(dpid)
        if datapath is None:
            return
        request = FlowStatsRequest(cookie=cookie, cookie_mask=KIND_MASK)
        try:
            async for part in datapath.multipart(request, FlowStatsReply, timeout=COUNT_TIMEOUT):
                async for flow in unhurried(part.flows):
                    found, source = Cookie.parse(flow.cookie), flow.match.get("ipv4_src")
                    if found is not None and source is not None and "eth_src" in flow.match:
                        counted[found.route_id, source] = (flow.packet_count, flow.byte_count)
        except (DatapathError, TimeoutError) as error:
            log.warning("counters_missing", dpid=dpid_text(dpid), error=str(error) or "no answer in time")

    async def between(self, a: End, b: End, protocol: int | None, port: int | None) -> tuple[list[LiveRoute], int]:
        """Tell the live routes of two ends with what both hosts count, the newest first, and how many there are.

        With a protocol, and a port of `b`, those that carry it. Only the flows of what is told are asked for.
        """
        endpoint = a.endpoint or b.endpoint
        pairs = (a.ipv4 + b.ipv4, b.ipv4 + a.ipv4)
        known = self._router.routes.of_endpoint(endpoint.id) if endpoint is not None else []
        found = [route for route in known if route.pair in pairs and _carries(route, b, protocol, port)]
        shown = sorted(found, key=lambda route: (-route.opened, route.id))[:SHOWN]
        reports = [self.report(route) for route in shown]
        hosts = dict.fromkeys(end.switch for route in shown for end in route.ends())
        told = await asyncio.gather(*(self._told(switch.dpid, switch.host.name, shown) for switch in hosts))
        counts = dict(zip(hosts, told, strict=True))
        return [_joined(route, report, counts) for route, report in zip(shown, reports, strict=True)], len(found)

    async def _told(self, dpid: int, host: str, routes: Iterable[Route]) -> dict[int, HostCounts]:
        """Read what one host counts of some routes, by route id; what it does not tell in time is told so."""
        counts: dict[int, HostCounts] = {}
        problem = f"host {host} is not connected"
        if (datapath := self._datapaths.get(dpid)) is not None:
            problem = f"host {host} did not answer in time"
            try:
                async with asyncio.timeout(LIVE_TIMEOUT):
                    for route in routes:
                        if dpid in route.dpids():
                            counts[route.id] = await _counted(datapath, host, route)
            except (DatapathError, TimeoutError) as error:
                log.warning("counters_missing", dpid=dpid_text(dpid), error=str(error) or "no answer in time")
        return {route.id: counts.get(route.id) or HostCounts(host, problem=problem) for route in routes}

    def report(self, route: Route) -> RouteReport:
        """Say what a route is, without counters."""
        source, destination, connection = route.source, route.destination, route.connection
        judgement = self._router.judged(route) or route.judgement
        has_ports = connection is not None and connection.protocol in (TCP, UDP)
        return RouteReport(
            id=route.id,
            source=_id_of(source),
            destination=_id_of(destination),
            source_host=source.switch.host.name,
            destination_host=destination.switch.host.name,
            granularity="pair" if connection is None else "connection",
            reason=judgement.reason,
            rule=judgement.rule,
            age_seconds=self._now() - route.opened,
            source_address=ipv4_text(source.ipv4),
            destination_address=ipv4_text(destination.ipv4),
            protocol=PROTOCOLS.get(connection.protocol, str(connection.protocol)) if connection else None,
            source_port=connection.source_port if has_ports and connection else None,
            destination_port=connection.destination_port if has_ports and connection else None,
        )


def _carries(route: Route, b: End, protocol: int | None, port: int | None) -> bool:
    """Tell whether a route is for a protocol and a port of one of its ends."""
    connection = route.connection
    if connection is None or protocol is None:
        return True
    own = connection.destination_port if route.destination.ipv4 == b.ipv4 else connection.source_port
    return connection.protocol == protocol and (port is None or own == port)


async def _counted(datapath: Datapath, host: str, route: Route) -> HostCounts:
    """Read the counters of a route's flows on one host, and of no others."""
    build = pair_cookie if route.connection is None else connection_cookie
    request = FlowStatsRequest(cookie=build(route.generation, route.id), cookie_mask=COOKIE_ALL)
    parts = datapath.multipart(request, FlowStatsReply, timeout=LIVE_TIMEOUT)
    flows = {flow.match.get("ipv4_src"): flow async for part in parts for flow in part.flows}
    forth, back = flows.get(route.source.ipv4), flows.get(route.destination.ipv4)
    missing = [end.ipv4 for end, flow in zip(route.ends(), (forth, back), strict=True) if flow is None]
    problem = f"host {host} has no flow of what comes from {' and '.join(map(ipv4_text, missing))}" if missing else None
    return HostCounts(
        host,
        packets=forth.packet_count if forth else None,
        bytes=forth.byte_count if forth else None,
        packets_back=back.packet_count if back else None,
        bytes_back=back.byte_count if back else None,
        problem=problem,
    )


def _joined(route: Route, report: RouteReport, counts: Mapping[Switch, Mapping[int, HostCounts]]) -> LiveRoute:
    """Put a route and its counters together; its own are those that left each side's host."""
    here, there = (counts[end.switch][route.id] for end in route.ends())
    own = replace(
        report,
        packets=here.packets,
        bytes=here.bytes,
        packets_back=there.packets_back,
        bytes_back=there.bytes_back,
    )
    return LiveRoute(own, (here,) if here is there else (here, there))


async def unhurried(items: Iterable[T]) -> AsyncIterator[T]:
    """Give items one by one; after each `AT_ONCE` of them others have a turn of the loop: packets wait for routes."""
    for n, item in enumerate(items, 1):
        yield item
        if not n % AT_ONCE:
            await asyncio.sleep(0)


def _id_of(end: End) -> str | None:
    return end.endpoint.id if end.endpoint is not None else None
