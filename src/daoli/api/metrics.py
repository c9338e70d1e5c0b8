"""Figures for Prometheus: what the fabric counts, how much the inventory holds, and the process itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from daoli.api.operation import Ask, Operation, Query, Reply
from daoli.api.refusals import Refusals
from daoli.api.services import Fabric
from daoli.hosts.inventory import Inventory

PREFIX: Final = "daoli_"
HELP: Final = {
    "api_refused_total": "Requests to the API without the right token, by address; of the last addresses only.",
    "build_info": "The version that runs.",
    "endpoints": "Endpoints in the inventory.",
    "hosts": "Registered hosts.",
    "hosts_settled": "Registered hosts whose flow table has been checked since they connected.",
    "hosts_connected": "Registered hosts whose datapath is connected.",
    "inventory_revision": "Revision of the store that the inventory is at.",
    "ledger_damaged_total": "Lines of the ledger's file that could not be read at the start.",
    "ledger_dropped_total": "Notes of conversations that the ledger's file lacks: it could not be written so fast.",
    "ledger_entries_total": "Conversations noted, by what became of them.",
    "ledger_written_total": "Lines in the ledger's file.",
    "networks": "Networks in the inventory.",
    "over_budget_total": "Punted packets that were dropped since their port had spent its budget.",
    "packets_total": "Punted packets that were judged, by outcome.",
    "punts_total": "Packets that datapaths sent to the controller.",
    "routes": "Live routes.",
    "routes_adopted_total": "Routes that an earlier controller had opened, and that were found on datapaths.",
    "routes_closed_total": "Routes that ended, by idling out or by being cut.",
    "routes_opened_total": "Routes that were opened.",
    "switch_errors_total": "OpenFlow error messages from datapaths.",
    "unexpected_messages_total": "OpenFlow messages that the controller has no use for.",
    "unregistered_datapaths": "Datapaths that are connected and belong to no host.",
}
_NAME: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<label>[a-z_]+)=(?P<value>.*)\})?")


class DaoliCollector(Collector):
    """Reads the figures when Prometheus asks."""

    def __init__(self, inventory: Inventory, fabric: Fabric, refusals: Refusals, version: str) -> None:
        self._inventory = inventory
        self._fabric = fabric
        self._refusals = refusals
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield each figure with its help and labels."""
        build = GaugeMetricFamily(f"{PREFIX}build_info", HELP["build_info"], labels=["version"])
        build.add_metric([self._version], 1)
        yield build
        yield from _families(CounterMetricFamily, {**self._refusals.counters, **self._fabric.counters})
        yield from _families(GaugeMetricFamily, {**self._own(), **self._fabric.gauges()})

    def _own(self) -> dict[str, float]:
        view = self._inventory.view
        return {
            "hosts": len(view.hosts),
            "hosts_connected": sum(switch.connected for switch in view.switches.values()),
            "networks": len(view.networks),
            "endpoints": len(view.endpoints),
            "inventory_revision": self._inventory.revision,
            "unregistered_datapaths": len(self._fabric.quarantined()),
        }


def _families(
    kind: type[CounterMetricFamily | GaugeMetricFamily], figures: Mapping[str, float]
) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
    """Gather figures that differ in their label only; one whose name is not ours to give is left out."""
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for key, figure in sorted(figures.items()):
        found = _NAME.fullmatch(key)
        if found is None:
            continue
        name, label, value = found["name"], found["label"], found["value"]
        if name not in families:
            text = HELP.get(name) or f"{name.replace('_', ' ').capitalize()}."
            families[name] = kind(PREFIX + name, text, labels=[label] if label else [])
        families[name].add_metric([value] if label else [], figure)
    return iter(families.values())


def make_registry(inventory: Inventory, fabric: Fabric, refusals: Refusals, version: str) -> CollectorRegistry:
    """Make a registry of this application alone."""
    registry = CollectorRegistry()
    registry.register(DaoliCollector(inventory, fabric, refusals, version))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


async def show_metrics(ask: Ask[None, Query]) -> web.StreamResponse:
    """Give the figures in the format that Prometheus asks for."""
    encode, content_type = choose_encoder(ask.request.headers.get("Accept", ""))
    return web.Response(body=encode(ask.services.registry), headers={"Content-Type": content_type})


OPERATIONS = (
    Operation(
        method="GET",
        path="/metrics",
        handler=show_metrics,
        replies={HTTPStatus.OK: Reply("Figures for Prometheus", media_type="text/plain")},
    ),
)
