"""What the agent asks of its own engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.hosts.docker_api import DockerApi, shown

from daoli.agent.engine import DockerEngine
from daoli.agent.networks import EngineAway, EngineError

WEB = "aa" * 32
NETWORK = {
    "Id": "cd" * 32,
    "Name": "dnet1",
    "Driver": "daoli",
    "Internal": True,
    "IPAM": {"Config": [{"Subnet": "10.1.0.0/24", "Gateway": "10.1.0.1/24"}]},
    "Options": {"daoli.fabric": "true"},
    "Labels": None,
}


@pytest.fixture
async def docker(tmp_path: Path) -> AsyncIterator[DockerApi]:
    """An engine with a network and a container."""
    async with DockerApi(tmp_path / "docker.sock") as api:
        api.containers[WEB] = shown(WEB, "web")
        api.networks["cd" * 32] = NETWORK
        yield api


@pytest.fixture
async def engine(docker: DockerApi) -> AsyncIterator[DockerEngine]:
    """The agent's side of it."""
    engine = DockerEngine(docker.url)
    yield engine
    await engine.close()


async def test_networks(docker: DockerApi, engine: DockerEngine) -> None:
    """Networks are told with who made them, and are made and removed."""
    docker.networks["00" * 32] = {"Id": "00" * 32, "Name": "none", "Driver": "null", "IPAM": {"Config": []}}
    ours, none = await engine.networks()
    assert (ours.name, ours.subnet, ours.gateway, ours.internal, ours.ours) == (
        "dnet1",
        "10.1.0.0/24",
        "10.1.0.1",
        True,
        True,
    )
    assert (none.driver, none.subnet, none.ours) == ("null", "", False)
    await engine.create_network({"Name": "dnet2"})
    assert docker.requests[-1] == ("POST", "networks/create", {"Name": "dnet2"})
    await engine.remove_network("cd" * 32)
    assert docker.requests[-1][:2] == ("DELETE", f"networks/{'cd' * 32}")


async def test_identities(docker: DockerApi, engine: DockerEngine) -> None:
    """A network tells the containers of its endpoints, and the list of containers what those are called."""
    nobody = "34" * 32
    docker.networks["cd" * 32] = NETWORK | {
        "Containers": {WEB: {"EndpointID": "12" * 32}, f"ep-{nobody}": {"EndpointID": nobody}}
    }
    assert await engine.owners("cd" * 32) == {"12" * 32: WEB}
    assert await engine.owners("ee" * 32) == {}
    (web,) = await engine.introduce([WEB])
    assert web == (WEB, "web", {"team": "blue"})
    docker.fault = (500, "the disk is full")
    with pytest.raises(EngineError, match="the disk is full"):
        await engine.owners("cd" * 32)


async def test_containers(docker: DockerApi, engine: DockerEngine) -> None:
    """A container is shown, made, connected, started, stopped and removed."""
    found = await engine.inspect(WEB)
    assert found is not None
    assert found["Name"] == "/web"
    assert await engine.create("db", {"Image": "tools"}) == "ab" * 32
    await engine.connect("cd" * 32, {"Container": WEB})
    await engine.disconnect("cd" * 32, WEB)
    await engine.start(WEB)
    await engine.stop(WEB, 3)
    await engine.remove(WEB)
    asked = [path for method, path, _ in docker.requests if method in {"POST", "DELETE"}]
    network = f"networks/{'cd' * 32}"
    container = f"containers/{WEB}"
    assert asked == [
        "containers/create",
        f"{network}/connect",
        f"{network}/disconnect",
        f"{container}/start",
        f"{container}/stop",
        container,
    ]


async def test_what_is_gone(engine: DockerEngine) -> None:
    """What is not there need not be stopped or removed; to start it is an error."""
    assert await engine.inspect("gone") is None
    assert await engine.image("gone") is None
    await engine.stop("gone", 1)
    await engine.remove("gone")
    with pytest.raises(EngineError, match="no such thing"):
        await engine.start("gone")


async def test_refusal(docker: DockerApi, engine: DockerEngine) -> None:
    """Docker's own words are told."""
    docker.fault = (500, "it has active endpoints")
    with pytest.raises(EngineError, match="it has active endpoints"):
        await engine.remove_network("cd" * 32)


async def test_engine_away(tmp_path: Path) -> None:
    """An engine that nobody runs is away, which is an error of its own."""
    engine = DockerEngine(f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineAway, match=r"Cannot connect to Docker|Docker does not answer"):
        await engine.networks()
    await engine.close()
