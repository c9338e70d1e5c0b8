"""A datapath settles: its ports are learnt, and its flow table is made what it should be; again when that changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import structlog

from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError
from daoli.hosts.cuts import Cuts
from daoli.hosts.events import EventHub
from daoli.hosts.herald import Herald
from daoli.hosts.live import unhurried
from daoli.ofproto import (
    FlowRemoved,
    FlowStatsReply,
    FlowStatsRequest,
    Port,
    PortConfig,
    PortDescReply,
    PortDescRequest,
    PortState,
    SetAsync,
)
from daoli.routing.flows import Ended, EndedProtocol, EndedTcp
from daoli.routing.model import dpid_text
from daoli.routing.reconcile import Reconciler
from daoli.routing.router import Router, source_of
from daoli.routing.view import PortInfo, Switch, View

log = structlog.get_logger(__name__)

_LISTINGS: Final = 8
"""How often ports are listed while they go on changing."""
# 7.3.10: all reasons; as slave (second of each pair) only port changes. INVALID_TTL is off unless asked for.
_ASYNC: Final = SetAsync(packet_in_mask=(0b111, 0), port_status_mask=(0b111, 0b111), flow_removed_mask=(0b1111, 0))
_NO_MAC: Final = bytes(6)


class Settling:
    """Keeps registered datapaths right, one task for each that settles."""

    def __init__(
        self,
        view: View,
        router: Router,
        cuts: Cuts,
        herald: Herald,
        events: EventHub,
        datapaths: Mapping[int, Datapath],
        counts: Counter[str],
        now: Callable[[], float],
    ) -> None:
        """`datapaths` are the connected ones, by id; `now` is the event loop's clock, in seconds."""
        self.settled: set[int] = set()
        """Datapaths that are as they should be."""
        self.foreign: dict[int, int] = {}
        """How many flows are not ours, by datapath."""
        self._view = view
        self._router = router
        self._cuts = cuts
        self._herald = herald
        self._events = events
        self._datapaths = datapaths
        self._counts = counts
        self._now = now
        self._reconcilers: dict[int, Reconciler] = {}
        """Those at work, by datapath."""
        self._uplink_macs: dict[int, bytes] = {}
        self._port_news: Counter[int] = Counter()
        """How often each datapath has told of a port."""
        self._unclear: set[int] = set()
        """Datapaths with flows to a host that has not connected yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Stop what is under way. Flows stay on the datapaths."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def heard_of_port(self, dpid: int) -> None:
        """Note that a datapath has told of a port: a list that is under way may be older."""
        self._port_news[dpid] += 1

    def flow_ended(self, dpid: int, message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> None:
        """Note that a flow has ended: a comparison that is under way may have taken it already."""
        if (reconciler := self._reconcilers.get(dpid)) is not None and (source := source_of(message)):
            reconciler.removed(message.cookie, source)

    def disconnected(self, dpid: int) -> None:
        """Forget what is known of a connection."""
        self.settled.discard(dpid)
        self._port_news.pop(dpid, None)

    def left(self, dpid: int) -> None:
        """Forget a datapath whose host is gone."""
        self.settled.discard(dpid)
        self._uplink_macs.pop(dpid, None)

    def soon(self, datapath: Datapath) -> None:
        """Settle a datapath, in a task of its own."""
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
        switch = self._view.switches.get(dpid)
        if switch is None or self._datapaths.get(dpid) is not datapath:
            return  # the host was removed, or the datapath replaced, meanwhile
        self._view.set_ports(dpid, map(port_info, ports))
        self._check_uplink(switch)
        started = self._now()
        reconciler = Reconciler(self._router, switch, started)
        await self._compare(datapath, reconciler)
        if self._view.switches.get(dpid) is not switch or self._datapaths.get(dpid) is not datapath:
            return
        repair = reconciler.finish(self._now())
        if repair.writes:
            datapath.write(b"".join(repair.writes))
        self._cuts.write(self._router.lift_denials(self._now()))
        self._counts["routes_adopted_total"] += repair.adopted
        self._counts["routes_closed_total"] += len(repair.ended)
        if self._herald.hearing:
            for route in repair.ended:
                self._herald.closed(route, "gone when its host reconnected")
        await datapath.barrier()
        self.foreign[dpid] = repair.foreign
        newly = dpid not in self.settled
        self.settled.add(dpid)
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
            self._events.publish("host.connected", host=switch.host.name, dpid=dpid_text(dpid), adopted=repair.adopted)

    def _look_again(self) -> None:
        """Settle those once more whose flows may now be understood, since another host's uplink is known."""
        for dpid in self._unclear:
            if (datapath := self._datapaths.get(dpid)) is not None:
                self.soon(datapath)

    def _check_uplink(self, switch: Switch) -> None:
        """Cut the routes that lead by an uplink which is not what it was."""
        dpid = switch.dpid
        known = self._uplink_macs.get(dpid, switch.uplink_mac)
        cut = self._router.disbelieved(dpid)
        if switch.uplink_mac != known:
            cut += [r for r in self._router.routes.of_datapath(dpid) if len(r.dpids()) > 1]
        if switch.uplink_mac != _NO_MAC:
            self._uplink_macs[dpid] = switch.uplink_mac
        self._cuts.revoke(cut, "uplink changed")

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


def port_info(port: Port) -> PortInfo:
    """Give what is to be known of a port."""
    down = port.state & PortState.LINK_DOWN or port.config & PortConfig.PORT_DOWN
    return PortInfo(port.port_no, port.name, port.hw_addr, up=not down)
