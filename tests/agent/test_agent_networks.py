"""The fabric's networks and Docker's, brought to the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.agent.driver.parts import Parts
from tests.agent.fakes import NETWORK, NETWORK_ID, away, refused, tell

from daoli.agent import networks as module
from daoli.agent.driver.registry import Network
from daoli.agent.networks import DockerNetwork, EngineError, Networks


class Engine:
    """A Docker engine's networks; what it is asked to make appears, of our driver."""

    def __init__(self) -> None:
        self.there: dict[str, DockerNetwork] = {}
        self.made: list[dict[str, Any]] = []
        self.fault: EngineError | None = None

    def add(self, name: str, network_id: str, subnet: str, *, driver: str = "daoli", ours: bool = False) -> None:
        """Have a network, made by a person unless it is `ours`."""
        self.there[network_id] = DockerNetwork(
            network_id, name, driver, subnet, "", internal=False, labels={}, ours=ours
        )

    async def networks(self) -> list[DockerNetwork]:
        """List them."""
        return list(self.there.values())

    async def create_network(self, config: dict[str, Any]) -> None:
        """Make one."""
        if self.fault is not None:
            raise self.fault
        self.made.append(config)

    async def remove_network(self, network_id: str) -> None:
        """Remove one."""
        if self.fault is not None:
            raise self.fault
        del self.there[network_id]


class Rig(Parts):
    """The driver's parts, and an engine that has dnet1 too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.controller.answers["DELETE", "/networks"] = {"revision": 0}
        self.engine = Engine()
        self.engine.add("dnet1", NETWORK_ID, "10.1.0.0/24")
        self.subject = Networks(self.engine, self.controller, self.world, self.registry, self.driver)

    def made_by_person(self, *, ours: bool = False) -> str:
        """Have dnet2 made on this host, as Docker and the driver know it then."""
        network_id = "22" * 32
        self.engine.add("dnet2", network_id, "10.2.0.0/24", ours=ours)
        self.registry.networks[network_id] = Network(id=network_id, pool="", subnet="10.2.0.0/24", gateway="10.2.0.1")
        return network_id


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Both sides have the network dnet1."""
    return Rig(tmp_path)


async def test_nothing_to_do(rig: Rig) -> None:
    """Where both are the same nothing is asked for."""
    rig.engine.add("bridge", "00" * 32, "172.17.0.0/16", driver="bridge")
    await rig.subject.step()
    assert (rig.controller.requests, rig.engine.made, rig.subject.problems) == ([], [], {})


async def test_made_here(rig: Rig) -> None:
    """What a person made here is registered under the name that Docker tells."""
    network_id = rig.made_by_person()
    await rig.subject.step()
    (body,) = rig.controller.made("POST", "/networks")
    assert (body["name"], body["subnet"], body["gateway"], body["internal"]) == (
        "dnet2",
        "10.2.0.0/24",
        "10.2.0.1",
        False,
    )
    assert not rig.registry.networks[network_id].registered
    tell(rig.world, {"networks/dnet2": {"name": "dnet2", "subnet": "10.2.0.0/24", "gateway": "10.2.0.1"}})
    await rig.subject.step()
    assert rig.registry.networks[network_id].registered


async def test_refused_by_the_fabric(rig: Rig) -> None:
    """What the fabric does not take goes here too; Docker may keep it."""
    rig.controller.answers["POST", "/networks"] = refused("10.2.0.0/24 overlaps")
    network_id = rig.made_by_person()
    await rig.subject.step()
    assert network_id not in rig.engine.there
    rig.made_by_person()
    rig.engine.fault = EngineError("it has active endpoints")
    await rig.subject.step()
    assert "overlaps, but Docker keeps it: it has active endpoints" in rig.subject.problems["dnet2"]


async def test_made_elsewhere(rig: Rig) -> None:
    """What the fabric has is made here with all that belongs to it."""
    spec = {"name": "dnet3", "subnet": "10.3.0.0/24", "gateway": "10.3.0.1", "labels": {"a": "b"}}
    tell(rig.world, {"networks/dnet3": spec | {"range": "10.3.0.128/25", "reserved": ["10.3.0.9"], "internal": True}})
    await rig.subject.step()
    (config,) = rig.engine.made
    assert (config["Name"], config["Driver"], config["Internal"], config["Labels"]) == (
        "dnet3",
        "daoli",
        True,
        {"a": "b"},
    )
    assert config["IPAM"]["Config"] == [
        {
            "Subnet": "10.3.0.0/24",
            "Gateway": "10.3.0.1",
            "IPRange": "10.3.0.128/25",
            "AuxiliaryAddresses": {"reserved0": "10.3.0.9"},
        }
    ]
    rig.engine.fault = EngineError("no room")
    await rig.subject.step()
    assert "Docker cannot make it here: no room" in rig.subject.problems["dnet3"]


async def test_name_of_another_driver(rig: Rig) -> None:
    """A network of another driver stands in the way of one of the same name, and is left alone."""
    rig.engine.add("dnet3", "33" * 32, "10.3.0.0/24", driver="bridge")
    tell(rig.world, {"networks/dnet3": {"name": "dnet3", "subnet": "10.3.0.0/24", "gateway": "10.3.0.1"}})
    await rig.subject.step()
    assert "of driver bridge" in rig.subject.problems["dnet3"]


async def test_removed_elsewhere(rig: Rig) -> None:
    """What the fabric had and has no more goes here, whether or not it was seen there."""
    tell(rig.world, {"networks/dnet1": None})
    made = rig.made_by_person(ours=True)
    await rig.subject.step()
    assert (NETWORK_ID in rig.engine.there, made in rig.engine.there) == (False, False)
    assert rig.controller.made("POST", "/networks") == []


async def test_another_of_that_name(rig: Rig) -> None:
    """A network that differs from the fabric's goes, and the fabric's is made in its place."""
    tell(rig.world, {"networks/dnet1": NETWORK | {"subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}})
    await rig.subject.step()
    assert rig.engine.there == {}


async def test_removed_here(rig: Rig) -> None:
    """What a person removes here goes from the fabric; until the news of that come nothing is made again."""
    rig.controller.answers["DELETE", "/networks"] = {"revision": rig.world.revision + 1}
    network = rig.registry.networks.pop(NETWORK_ID)
    rig.engine.there.clear()
    await rig.subject.removed(network)
    assert rig.controller.requests == [("DELETE", "/networks/dnet1", None)]
    await rig.subject.step()
    assert rig.engine.made == []
    tell(rig.world, {"networks/dnet1": None})
    await rig.subject.step()
    assert (rig.engine.made, rig.registry.removals) == ([], set())


async def test_removed_here_but_used_elsewhere(rig: Rig) -> None:
    """A network in use elsewhere is made here again at once."""
    rig.controller.answers["DELETE", "/networks"] = refused("network dnet1 has endpoints: db on h3")
    network = rig.registry.networks.pop(NETWORK_ID)
    rig.engine.there.clear()
    await rig.subject.removed(network)
    await rig.subject.step()
    assert [config["Name"] for config in rig.engine.made] == ["dnet1"]


async def test_removed_while_the_controller_is_away(rig: Rig) -> None:
    """The removal is made good when the controller is back."""
    tell(rig.world, {}, connected=False)
    network = rig.registry.networks.pop(NETWORK_ID)
    rig.engine.there.clear()
    await rig.subject.removed(network)
    await rig.subject.step()
    assert rig.controller.requests == []
    tell(rig.world, {})
    rig.controller.answers["DELETE", "/networks"] = refused("there is none", status=404)
    await rig.subject.step()
    assert rig.registry.removals == set()


async def test_controller_that_does_not_answer(rig: Rig) -> None:
    """A removal that could not be told stays due."""
    rig.controller.answers["DELETE", "/networks"] = away()
    await rig.subject.removed(rig.registry.networks[NETWORK_ID])
    assert rig.registry.removals == {"dnet1"}


async def test_what_nobody_knew_is_not_removed(rig: Rig) -> None:
    """A network that the fabric never had is removed here only."""
    network_id = rig.made_by_person()
    await rig.subject.removed(rig.registry.networks[network_id])
    assert rig.controller.requests == []


async def test_missing_before_the_driver_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that Docker lists no more is not made again before it had time to tell the driver."""
    rig.engine.there.clear()
    await rig.subject.step()
    assert (rig.engine.made, NETWORK_ID in rig.registry.networks) == ([], True)
    monkeypatch.setattr(module, "NEWS_SECONDS", 0.0)
    await rig.subject.step()
    assert [config["Name"] for config in rig.engine.made] == ["dnet1"]


async def test_run_tries_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left to do is tried again by itself."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    rig.controller.answers["POST", "/networks"] = away()
    rig.made_by_person()
    task = asyncio.create_task(rig.subject.run())
    async with asyncio.timeout(5):
        while len(rig.controller.made("POST", "/networks")) < 2:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        rig.controller.answers["POST", "/networks"] = {}
        rig.subject.look()
        tell(rig.world, {"networks/dnet2": {"name": "dnet2", "subnet": "10.2.0.0/24", "gateway": "10.2.0.1"}})
        while not rig.registry.networks["22" * 32].registered:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
