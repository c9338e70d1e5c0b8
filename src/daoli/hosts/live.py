"""Live routes, as they are told to those who ask: with the counters that their datapaths hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.reports import RouteReport
from daoli.ofproto import FlowStatsReply, FlowStatsRequest
from daoli.routing.model import dpid_text, ipv4_text
from daoli.routing.packet import PROTOCOLS, TCP, UDP
from daoli.routing.pipeline import CONNECTION_COOKIE, KIND_MASK, PAIR_COOKIE, Cookie
from daoli.routing.router import Router
from daoli.routing.routes import Route
from daoli.routing.view import End

log = structlog.get_logger(__name__)

COUNT_TIMEOUT: Final = 5.0
"""Seconds that a datapath has to tell its counters."""
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


async def unhurried(items: Iterable[T]) -> AsyncIterator[T]:
    """Give items one by one; after each `AT_ONCE` of them others have a turn of the loop: packets wait for routes."""
    for n, item in enumerate(items, 1):
        yield item
        if not n % AT_ONCE:
            await asyncio.sleep(0)


def _id_of(end: End) -> str | None:
    return end.endpoint.id if end.endpoint is not None else None
