"""What Docker says of containers, told on to the controller and the driver."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.agent.driver.parts import Parts
from tests.agent.fakes import CONTAINER_ID, NETWORK_ID

from daoli.agent.containers import YOUNG_SECONDS, Containers
from daoli.agent.driver.registry import Endpoint
from daoli.agent.networks import DockerNetwork, Networks
from daoli.hosts.engine import Attachment, Container

ENDPOINT = "12" * 32


class Engine:
    """A Docker engine with one network."""

    async def networks(self) -> list[DockerNetwork]:
        """List it."""
        return [DockerNetwork(NETWORK_ID, "dnet1", "daoli", "10.1.0.0/24", "", internal=False, labels={}, ours=False)]

    async def create_network(self, config: dict[str, Any]) -> None:
        """Not asked for."""
        raise AssertionError(config)

    async def remove_network(self, network_id: str) -> None:
        """Not asked for."""
        raise AssertionError(network_id)


class Rig(Parts):
    """The driver's parts, with the listener and a clock."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.now = 1000.0
        self.networks = Networks(Engine(), self.controller, self.world, self.registry, self.driver)
        self.containers = Containers(self.registry, self.endpoints, self.driver, self.networks, lambda: self.now)
        self.removed: list[str] = []
        self.containers.when_removed(self.removed.append)

    def add_endpoint(self, *, made: float = 1000.0) -> Endpoint:
        """Have the driver make an endpoint, before Docker tells of it."""
        endpoint = Endpoint(
            id=ENDPOINT, network=NETWORK_ID, ipv4="10.1.0.2", mac="02:42:0a:01:00:02", port="dl12", made=made
        )
        self.registry.endpoints[ENDPOINT] = endpoint
        self.registry.leases["10.1.0.2"] = "10.1.0.0/24"
        self.endpoints.restore([self.driver.listed(endpoint)])
        return endpoint


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """The parts on an empty host."""
    return Rig(tmp_path)


def web(*, running: bool = True, labels: dict[str, str] | None = None, network_id: str = NETWORK_ID) -> Container:
    """A container, as Docker tells of it."""
    attachment = Attachment("dnet1", network_id, ENDPOINT, "10.1.0.2", "02:42:0a:01:00:02", ("www", "not valid!"))
    return Container(CONTAINER_ID, "web", labels or {}, running, (attachment,) if running else ())


async def test_names_follow(rig: Rig) -> None:
    """Name, container, labels of whatever kind, and usable aliases of an endpoint come from Docker."""
    rig.add_endpoint()
    labels = {"team": "blue", "long": "x" * 2000, "a key=": "y"}
    assert rig.endpoints.listed[ENDPOINT].pending
    rig.containers.seen(CONTAINER_ID, web(labels=labels))
    listed = rig.endpoints.listed[ENDPOINT]
    assert (listed.name, listed.container) == ("web", CONTAINER_ID)
    assert (listed.labels, listed.aliases, listed.pending) == (labels, ("www",), False)
    assert rig.registry.endpoints[ENDPOINT].seen
    found = rig.containers.of_endpoint(ENDPOINT)
    assert found is not None
    assert found.name == "web"
    assert rig.containers.of_endpoint("unknown") is None


async def test_attachments_are_told(rig: Rig) -> None:
    """Who wants to know hears that Docker has connected a container."""
    told: list[str] = []
    rig.containers.when_attached(lambda: told.append("attached"))
    rig.containers.attached()
    assert told == ["attached"]


async def test_other_networks_are_not_ours(rig: Rig) -> None:
    """A container on a network of another driver is left alone."""
    rig.containers.seen(CONTAINER_ID, web(network_id="ff" * 32))
    assert (rig.endpoints.listed, rig.registry.endpoints) == ({}, {})


async def test_removed_containers_are_told(rig: Rig) -> None:
    """Who wants to know hears of a removal once, whether seen or missing from a list."""
    rig.containers.listed({CONTAINER_ID: web(running=False)})
    assert list(rig.containers.known) == [CONTAINER_ID]
    rig.containers.seen(CONTAINER_ID, None)
    rig.containers.seen(CONTAINER_ID, None)
    assert rig.removed == [CONTAINER_ID]
    rig.containers.seen(CONTAINER_ID, web(running=False))
    rig.containers.listed({})
    assert rig.removed == [CONTAINER_ID] * 2


async def test_forgotten_endpoint_is_known_again(rig: Rig) -> None:
    """What the driver's file lost comes back from Docker, with its lease, before the first list is sent."""
    network = rig.registry.networks.copy()
    rig.registry.networks.clear()
    rig.containers.listed({CONTAINER_ID: web()})
    assert rig.registry.endpoints == {}
    waiting = asyncio.create_task(rig.containers.listed_once())
    await rig.networks.step()
    await waiting
    assert rig.registry.networks.keys() == network.keys()
    assert rig.registry.networks[NETWORK_ID].gateway == "10.1.0.1"
    assert rig.endpoints.listed[ENDPOINT].name == "web"
    assert rig.registry.leases == {"10.1.0.2": "10.1.0.0/24"}


async def test_what_cannot_be_adopted(rig: Rig) -> None:
    """An interface that the fabric could not take is only logged."""
    attachment = web().attachments[0]._replace(mac="01:00:00:00:00:01")
    rig.containers.seen(CONTAINER_ID, web()._replace(attachments=(attachment,)))
    assert rig.registry.endpoints == {}


async def test_ended_while_away(rig: Rig) -> None:
    """An endpoint that Docker has shown ends with its container, with veth, port and lease."""
    rig.add_endpoint(made=999.0).seen = True
    rig.ports.there.add("dl12")
    rig.veths.there.add("dl12")
    rig.containers.listed({CONTAINER_ID: web(running=False)})
    await rig.containers.tidy()
    assert (rig.registry.endpoints, rig.registry.leases, rig.endpoints.listed) == ({}, {}, {})
    assert (rig.ports.there, rig.veths.there) == (set(), set())


async def test_young_endpoints_stay(rig: Rig) -> None:
    """An endpoint that Docker has not shown yet has time; one that it shows stays for good."""
    rig.add_endpoint()
    rig.containers.listed({})
    await rig.containers.tidy()
    assert ENDPOINT in rig.registry.endpoints
    rig.containers.seen(CONTAINER_ID, web())
    rig.now += 10 * YOUNG_SECONDS
    await rig.containers.tidy()
    assert ENDPOINT in rig.registry.endpoints


async def test_old_endpoint_that_docker_never_showed(rig: Rig) -> None:
    """Docker died between asking for an endpoint and starting its container."""
    rig.add_endpoint()
    rig.containers.listed({})
    rig.now += YOUNG_SECONDS + 1
    await rig.containers.tidy()
    assert rig.registry.endpoints == {}


async def test_lease_without_endpoint(rig: Rig) -> None:
    """Docker died between asking for an address and for its endpoint."""
    rig.registry.leases["10.1.0.9"] = "10.1.0.0/24"
    rig.containers.listed({})
    await rig.containers.tidy()
    assert "10.1.0.9" in rig.registry.leases
    rig.now += YOUNG_SECONDS + 1
    await rig.containers.tidy()
    assert rig.registry.leases == {}


async def test_silent_engine(rig: Rig) -> None:
    """While Docker does not answer nothing ends."""
    rig.add_endpoint().seen = True
    rig.containers.lost("connection refused")
    assert rig.containers.problem == "connection refused"
    await rig.containers.tidy()
    assert ENDPOINT in rig.registry.endpoints
    rig.containers.listed({})
    assert rig.containers.problem is None


async def test_tidy_at_once_after_a_list(rig: Rig) -> None:
    """What a new list of Docker's does not have ends without delay."""
    await rig.networks.step()
    rig.containers.listed({CONTAINER_ID: web()})
    task = asyncio.create_task(rig.containers.run())
    rig.containers.networks_changed()
    await asyncio.sleep(0)
    rig.add_endpoint().seen = True
    rig.containers.listed({})
    for _ in range(10):
        await asyncio.sleep(0)
    assert rig.registry.endpoints == {}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
