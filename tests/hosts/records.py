"""Records by number, and ways to bring them in: into a mirror at once, or through an inventory that follows a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed, Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkSpec
from daoli.hosts.stored import encode, endpoint_key, host_key, network_key


def host(n: int, **fields: Any) -> HostSpec:
    return HostSpec(
        **{"name": f"h{n}", "dpid": f"{n:016x}", "address": f"192.0.2.{n}", "uplink": "eth0"} | fields,
    )


def network(n: int = 1, **fields: Any) -> NetworkSpec:
    return NetworkSpec(**{"name": f"n{n}", "subnet": f"10.{n}.0.0/16"} | fields)


def values(n: int, **fields: Any) -> dict[str, Any]:
    octets = f"{n // 250}.{n % 250 + 2}"
    mac = f"02:42:00:00:{n // 256:02x}:{n % 256:02x}"
    return {"id": f"e{n}", "network": "n1", "mac": mac, "ipv4": f"10.1.{octets}", "port": f"veth{n}"} | fields


def endpoint(n: int, **fields: Any) -> EndpointSpec:
    return EndpointSpec(**{"host": "h1"} | values(n, **fields))


def listed(n: int, **fields: Any) -> ListedEndpoint:
    return ListedEndpoint(**values(n, **fields))


def entry(spec: HostSpec | NetworkSpec | EndpointSpec) -> tuple[str, bytes]:
    """Give a record's key and value."""
    match spec:
        case HostSpec():
            return host_key(spec.name), spec.stored()
        case NetworkSpec():
            return network_key(spec.name), spec.stored()
        case EndpointSpec():
            return endpoint_key(spec.id), spec.stored()


def commit(mirror: Mirror, *changes: tuple[str, bytes | None]) -> Changed:
    """Have the mirror take a commit, whoever made it."""
    revision = mirror.revision + 1
    return mirror.apply(revision, [(key, value, revision) for key, value in changes])


def put(mirror: Mirror, *specs: HostSpec | NetworkSpec | EndpointSpec) -> Changed:
    """Have the mirror take records in one commit."""
    return commit(mirror, *map(entry, specs))


def carry_out(mirror: Mirror, plan: Plan) -> Plan:
    """Have the mirror take what was planned."""
    commit(mirror, *((key, None if record is None else encode(record)) for key, record in plan.changes.items()))
    return plan


@asynccontextmanager
async def following(inventory: Inventory) -> AsyncIterator[Inventory]:
    task = asyncio.ensure_future(inventory.run())
    try:
        yield inventory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
