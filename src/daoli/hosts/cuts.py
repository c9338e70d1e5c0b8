"""Routes that end before their time: their flows go at both ends, and a report says when that is confirmed."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.herald import Herald
from daoli.hosts.live import LiveRoutes
from daoli.hosts.reports import CutReport, RouteReport
from daoli.routing.router import Router, Write
from daoli.routing.routes import Route

CONFIRM_TIMEOUT: Final = 5.0
"""Seconds that a datapath has to answer the barrier after a change."""
_REPORTS_KEPT: Final = 1024


class Cuts:
    """Takes routes away, tells of it, and knows by the inventory's revision which hosts have confirmed."""

    def __init__(
        self,
        router: Router,
        live: LiveRoutes,
        herald: Herald,
        datapaths: Mapping[int, Datapath],
        counts: Counter[str],
    ) -> None:
        """`datapaths` are the connected ones, by id; what is closed is added to `counts`."""
        self._router = router
        self._live = live
        self._herald = herald
        self._datapaths = datapaths
        self._counts = counts
        self._reports: OrderedDict[int, asyncio.Task[CutReport]] = OrderedDict()

    async def close(self) -> None:
        """Wait for no more confirmations."""
        tasks = list(self._reports.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def write(self, writes: Iterable[Write]) -> None:
        """Write to those datapaths that are connected."""
        for dpid, data in writes:
            if (datapath := self._datapaths.get(dpid)) is not None:
                datapath.write(data)

    def revoke(self, routes: Iterable[Route], why: str) -> tuple[list[RouteReport], set[int]]:
        """Take routes away; give what they were, and the datapaths that were written to."""
        taken, writes = self._router.revoke(routes)
        self.write(writes)
        self.tell(taken, why)
        return [self._live.report(route) for route in taken], {dpid for dpid, _ in writes}

    def tell(self, taken: Collection[Route], why: str) -> None:
        """Count and tell of routes that were taken out of the table; what deletes their flows is written."""
        self._counts["routes_closed_total"] += len(taken)
        if self._herald.hearing:
            for route in taken:
                self._herald.cut(route, why, self._datapaths)

    def confirm(self, revision: int, cut: Collection[RouteReport], hosts: Mapping[int, str]) -> None:
        """Have the hosts, by datapath id, confirm what the change of a revision cut."""
        self._reports[revision] = asyncio.get_running_loop().create_task(self._confirm(cut, hosts))
        while len(self._reports) > _REPORTS_KEPT:
            self._reports.popitem(last=False)

    async def _confirm(self, cut: Collection[RouteReport], hosts: Mapping[int, str]) -> CutReport:
        async def barrier(dpid: int, name: str) -> str | None:
            datapath = self._datapaths.get(dpid)
            try:
                if datapath is not None:
                    await datapath.barrier(timeout=CONFIRM_TIMEOUT)
                    return None
            except (DatapathError, TimeoutError):
                pass
            return name

        failed = await asyncio.gather(*(barrier(dpid, name) for dpid, name in hosts.items()))
        return CutReport(tuple(cut), tuple(sorted(name for name in failed if name)))

    async def confirmed(self, revision: int) -> CutReport:
        """Wait until the datapaths have confirmed what the change of this revision cut, or failed to."""
        task = self._reports.get(revision)
        return await asyncio.shield(task) if task is not None else CutReport()
