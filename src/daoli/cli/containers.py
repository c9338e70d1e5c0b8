"""Containers, as their endpoints tell of them: the API has no list of its own. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def gathered(endpoints: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the endpoints of each container together, by name and host."""
    found: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        if endpoint.get("container"):
            container = found.setdefault(
                endpoint["container"],
                {
                    "container": endpoint["container"],
                    "name": endpoint.get("name") or endpoint["id"],
                    "host": endpoint["host"],
                    "labels": endpoint.get("labels") or {},
                    "reachable": True,
                    "endpoints": [],
                },
            )
            container["reachable"] = container["reachable"] and endpoint["reachable"]
            container["endpoints"].append(
                {key: endpoint.get(key) for key in ("id", "network", "ipv4", "mac", "aliases")}
            )
    return sorted(found.values(), key=lambda container: (container["name"], container["host"]))
