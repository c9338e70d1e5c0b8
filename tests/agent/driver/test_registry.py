"""What the driver remembers."""

from __future__ import annotations

from pathlib import Path

from tests.agent.driver.parts import POOL, Parts
from tests.agent.fakes import NETWORK_ID

from daoli.agent.driver.messages import PortMapping
from daoli.agent.driver.registry import FILE, Endpoint, Registry


def test_everything_is_kept(parts: Parts, tmp_path: Path) -> None:
    """What was saved is there after a restart, and is found by subnet, name and address."""
    mapping = PortMapping.model_validate({"Proto": 6, "Port": 80, "HostPort": 8080})
    endpoint = Endpoint(
        id="e1", network=NETWORK_ID, ipv4="10.1.0.2", mac="02:42:0a:01:00:02", port="dle1", mappings=[mapping]
    )
    parts.registry.endpoints["e1"] = endpoint
    parts.registry.leases["10.1.0.2"] = "10.1.0.0/24"
    parts.registry.removals.add("old")
    parts.registry.save()
    again = Registry(tmp_path)
    assert again.pools == parts.registry.pools
    assert again.endpoint_at("10.1.0.2") == endpoint
    assert again.endpoint_at("10.1.0.3") is None
    assert again.network_of_subnet("10.1.0.0/24") == again.network_named("dnet1") == parts.registry.networks[NETWORK_ID]
    assert (again.leases, again.removals) == ({"10.1.0.2": "10.1.0.0/24"}, {"old"})
    assert POOL in again.pools


def test_damaged_file_counts_as_none(tmp_path: Path) -> None:
    """What cannot be read is as if it were not there."""
    (tmp_path / FILE).write_text("{")
    registry = Registry(tmp_path)
    assert (registry.pools, registry.network_named("dnet1")) == ({}, None)
