"""A driver without kernel, switch, Docker and controller: each of them notes what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Self

from tests.agent.fakes import NETWORK_ID, FakeController, make_world

from daoli.agent.driver.ipam import Ipam
from daoli.agent.driver.messages import CreateEndpoint, PortMapping
from daoli.agent.driver.network import NetworkDriver
from daoli.agent.driver.registry import Network, Pool, Registry
from daoli.agent.endpoints import Endpoints

POOL = "10.1.0.0/24-00"
ENDPOINT = "12" * 32


class Cables:
    """Stands for veths and for ports of the bridge."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.fault: Exception | None = None

    async def add(self, port: str, inner: str, mac: str) -> None:
        """Make a pair."""
        assert inner
        assert mac
        await self.add_port(port)

    async def add_port(self, port: str) -> None:
        """Make a port."""
        if self.fault is not None:
            raise self.fault
        self.there.add(port)

    async def del_port(self, port: str) -> None:
        """Delete it."""
        if self.fault is not None:
            raise self.fault
        self.there.discard(port)

    delete = del_port


class FakePublisher:
    """Notes what is published."""

    def __init__(self) -> None:
        self.published: dict[str, list[PortMapping]] = {}

    async def publish(self, endpoint_id: str, ipv4: str, mappings: Sequence[PortMapping]) -> None:
        """Publish."""
        assert ipv4
        self.published[endpoint_id] = list(mappings)

    async def unpublish(self, endpoint_id: str) -> None:
        """Publish no more."""
        self.published.pop(endpoint_id, None)


class Gone:
    """Notes the networks that Docker has removed."""

    def __init__(self) -> None:
        self.networks: list[Network] = []

    async def removed(self, network: Network) -> None:
        """Note it."""
        self.networks.append(network)


class Parts:
    """All of it, with what it talks to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.controller = FakeController({("POST", "/leases"): {"ipv4": "10.1.0.2"}})
        self.world = make_world()
        self.registry = Registry(folder)
        self.registry.pools[POOL] = Pool(id=POOL, subnet="10.1.0.0/24", gateway="10.1.0.1", network=NETWORK_ID)
        self.registry.networks[NETWORK_ID] = Network(
            id=NETWORK_ID, pool=POOL, subnet="10.1.0.0/24", gateway="10.1.0.1", name="dnet1", registered=True
        )
        self.endpoints = Endpoints(self.controller, "h1", retry_seconds=0.001)
        self.veths, self.ports, self.publisher, self.gone = Cables(), Cables(), FakePublisher(), Gone()
        self.driver = NetworkDriver(
            self.registry, self.world, self.endpoints, self.veths, self.ports, self.publisher, clock=lambda: 1000.0
        )
        self.driver.removals = self.gone
        self.ipam = Ipam(
            self.registry, self.controller, self.world, "h1", lambda: {IPv4Network("192.0.2.0/24"): "eth0"}
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.tasks.append(asyncio.create_task(self.endpoints.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def creation(mac: str = "", *, address: str = "10.1.0.2/24", ports: Sequence[int] = ()) -> CreateEndpoint:
    """A call to make an endpoint."""
    mappings = [{"Proto": 6, "IP": "", "Port": port, "HostIP": "", "HostPort": port} for port in ports]
    return CreateEndpoint.model_validate(
        {
            "NetworkID": NETWORK_ID,
            "EndpointID": ENDPOINT,
            "Interface": {"Address": address, "AddressIPv6": "", "MacAddress": mac},
            "Options": {"com.docker.network.portmap": mappings},
        }
    )
