"""Figures for Prometheus."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from tests.api.client import Api, serving

from daoli.hosts.reports import Quarantined
from daoli.routing.view import PortInfo


def parse(text: str) -> dict[str, float]:
    """Read figures by name and labels."""
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_figures(populated: Api) -> None:
    """What the fabric counts and measures and what the inventory holds is told, with labels and help."""
    populated.fabric.counters = {
        "punts_total": 7,
        "denied_total{reason=spoofed}": 2,
        'denied_total{reason=a "b"}': 1,
        "Not a name": 5,
    }
    populated.fabric.measured = {"routes": 3.0, "queue_bytes": 10.0}
    populated.fabric.unregistered = [Quarantined(1, "x", 1.0)]
    populated.inventory.view.set_ports(0xA1, [PortInfo(1, "eth0", bytes(6))])
    answer = await populated.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert {key: value for key, value in parse(answer.text).items() if key.startswith("daoli_")} == {
        "daoli_build_info version=1.2.3": 1,
        "daoli_punts_total": 7,
        "daoli_denied_total reason=spoofed": 2,
        'daoli_denied_total reason=a "b"': 1,
        "daoli_routes": 3,
        "daoli_queue_bytes": 10,
        "daoli_hosts": 2,
        "daoli_hosts_connected": 1,
        "daoli_networks": 1,
        "daoli_endpoints": 2,
        "daoli_inventory_revision": 4,
        "daoli_unregistered_datapaths": 1,
    }
    assert "# HELP daoli_punts_total Packets that datapaths sent to the controller." in answer.text
    assert "# HELP daoli_queue_bytes Queue bytes." in answer.text


async def test_process(api: Api) -> None:
    """The process's own figures are there, and two applications in one process do not meet."""
    async with serving() as other:
        for one in (api, other):
            assert "process_resident_memory_bytes" in parse((await one.ask("GET", "/metrics")).text)


async def test_open_metrics(api: Api) -> None:
    """Who asks for OpenMetrics gets it."""
    answer = await api.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
