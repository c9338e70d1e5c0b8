"""Whose endpoints are, asked of Docker while it starts their containers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.agent.driver.parts import Parts
from tests.agent.fakes import NETWORK_ID

from daoli.agent import identities
from daoli.agent.driver.registry import Endpoint
from daoli.agent.identities import PATIENCE, Identities, Introduction
from daoli.agent.networks import EngineAway


class Engine:
    """A Docker engine: containers by the ids of their endpoints."""

    def __init__(self) -> None:
        self.containers: dict[str, Introduction] = {}
        self.asked: list[int] = []
        """Of how many containers each request was."""
        self.fault: Exception | None = None
        self.stuck = False

    async def owners(self, network_id: str) -> Mapping[str, str]:
        """Tell the endpoints of the one network."""
        assert network_id == NETWORK_ID
        if self.fault is not None:
            raise self.fault
        if self.stuck:
            await asyncio.Event().wait()
        return {endpoint_id: container.id for endpoint_id, container in self.containers.items()}

    async def introduce(self, container_ids: Sequence[str]) -> Sequence[Introduction]:
        """Tell of containers."""
        self.asked.append(len(container_ids))
        return [container for container in self.containers.values() if container.id in container_ids]


class Rig(Parts):
    """The driver's parts, and what is under test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.now = 0.0
        self.engine = Engine()
        self.identities = Identities(self.engine, self.endpoints, self.registry, lambda: self.now)

    def add(self, number: int) -> str:
        """Have the driver make an endpoint."""
        endpoint = Endpoint(
            id=f"{number:064x}",
            network=NETWORK_ID,
            ipv4=f"10.1.0.{number}",
            mac=f"02:42:0a:01:00:{number:02x}",
            port=f"dl{number}",
        )
        self.registry.endpoints[endpoint.id] = endpoint
        self.endpoints.restore([self.driver.listed(endpoint)])
        return endpoint.id

    def start(self, number: int) -> None:
        """Have Docker give an endpoint to a container."""
        self.engine.containers[f"{number:064x}"] = Introduction(
            f"{number + 1000:064x}", f"c{number}", {"n": str(number)}
        )

    async def run_until_known(self) -> None:
        """Run until something becomes known, and the controller is told."""
        async with self, asyncio.timeout(10):
            self.tasks.append(asyncio.create_task(self.identities.run()))
            while not self.controller.requests or self.controller.requests[-1][2]["endpoints"][0].get("pending"):
                self.controller.told.clear()
                await self.controller.told.wait()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """The parts on an empty host."""
    return Rig(tmp_path)


async def test_nobody_is_asked_for_nothing(rig: Rig) -> None:
    """Where all endpoints are known Docker is left alone."""
    rig.engine.fault = AssertionError("not to be asked")
    await rig.identities.step()
    assert rig.identities.problems == {}


async def test_known_once_docker_can_tell(rig: Rig) -> None:
    """An endpoint that no container has yet stays pending; then it gets name, container and labels at once."""
    endpoint_id = rig.add(2)
    await rig.identities.step()
    assert rig.endpoints.listed[endpoint_id].pending
    rig.start(2)
    await rig.identities.step()
    listed = rig.endpoints.listed[endpoint_id]
    assert (listed.pending, listed.name, listed.container) == (False, "c2", f"{1002:064x}")
    assert listed.labels == {"n": "2"}


async def test_storm_takes_few_requests(rig: Rig) -> None:
    """Two hundred containers that start together are asked for by the dozen."""
    for number in range(2, 202):
        rig.add(number)
        rig.start(number)
    await rig.identities.step()
    assert rig.engine.asked == [64, 64, 64, 8]
    assert not any(endpoint.pending for endpoint in rig.endpoints.listed.values())


async def test_look_ends_the_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Docker tells of leads to a question at once."""
    monkeypatch.setattr(identities, "LOOK_SECONDS", 1000.0)
    endpoint_id = rig.add(2)
    rig.start(2)
    rig.identities.look()
    await rig.run_until_known()
    assert rig.endpoints.listed[endpoint_id].name == "c2"


async def test_looks_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that was missed keeps nobody waiting for long."""
    monkeypatch.setattr(identities, "LOOK_SECONDS", 0.001)
    endpoint_id = rig.add(2)
    rig.start(2)
    await rig.run_until_known()
    assert rig.endpoints.listed[endpoint_id].name == "c2"


async def test_silent_engine_is_a_problem(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Docker does not tell is a problem after a while, logged once, and over when it does."""
    monkeypatch.setattr(identities, "ANSWER_SECONDS", 0.001)
    endpoint_id = rig.add(2)
    with capture_logs() as logs:
        await rig.identities.step()
        assert rig.identities.problems == {}
        rig.now += PATIENCE
        await rig.identities.step()
        assert rig.identities.problems[endpoint_id].endswith("Docker shows no container that has it")
        rig.engine.stuck = True
        await rig.identities.step()
        assert rig.identities.problems[endpoint_id].endswith("Docker does not answer")
        rig.engine.fault = EngineAway("no such file")
        await rig.identities.step()
        assert rig.identities.problems[endpoint_id].endswith("no such file")
    assert [entry["event"] for entry in logs] == ["endpoint_unknown"]
    rig.engine.fault, rig.engine.stuck = None, False
    rig.start(2)
    await rig.identities.step()
    assert rig.identities.problems == {}
