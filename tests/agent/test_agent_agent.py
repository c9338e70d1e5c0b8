"""The agent as a whole: which settings it starts with, who may run, and what it tells of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.agent.fakes import NETWORK, refused, tell

from daoli.agent import agent as module
from daoli.agent import preflight
from daoli.agent.agent import Agent, depart, only_one, start
from daoli.agent.bridge import Wanted
from daoli.agent.client import Client
from daoli.agent.engine import DockerEngine
from daoli.agent.links import Link
from daoli.agent.preflight import NoDocker, Unfit
from daoli.agent.settings import AgentSettings
from daoli.agent.state import State

WANTED = Wanted("0000966abab1b28c", "netdev", "tcp:192.0.2.9:6653", "eth0", whole=False, address="192.0.2.1")
URL = "http://192.0.2.9:8653"


@pytest.fixture
def settings(tmp_path: Path) -> AgentSettings:
    """Settings with all files in a folder of the test's."""
    folder = str(tmp_path / "state")
    sockets = {"plugin_socket": str(tmp_path / "plugin.sock"), "status_socket": str(tmp_path / "agent.sock")}
    return AgentSettings(
        controller=URL, name="h1", state_dir=folder, docker=f"unix://{tmp_path}/docker.sock", **sockets
    )


@pytest.fixture
async def agent(settings: AgentSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Agent]:
    """Build an agent that runs nothing, on a host that cannot be measured."""

    async def nothing(*_: object, **__: object) -> None:
        return None

    state = State(Path(settings.state_dir))
    agent = Agent(settings, WANTED, state, Client(URL))
    for name in ("measure", "repair"):
        monkeypatch.setattr(agent.bridge, name, nothing)
    monkeypatch.setattr(agent.registration, "check", nothing)
    monkeypatch.setattr(agent.registration, "post", nothing)
    yield agent
    await agent.engine.close()
    await agent.client.close()


def test_one_agent(tmp_path: Path) -> None:
    """Two agents do not share a state folder."""
    with only_one(tmp_path), pytest.raises(Unfit, match="another agent runs on this host"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


async def test_spec(agent: Agent) -> None:
    """The controller is told of the host as it is now: a way out, with the uplink's MTU."""
    agent.bridge.mtu = 1450
    spec = agent.spec()
    assert (spec.name, spec.dpid, spec.address) == ("h1", WANTED.dpid, "192.0.2.1")
    assert (spec.uplink, spec.gateway, spec.mtu) == ("dlup", True, 1450)


async def test_joining_is_noted(agent: Agent, settings: AgentSettings) -> None:
    """Who has joined what is on the disk, for a start without the controller."""
    await agent.join()
    kept = State.load(Path(settings.state_dir)).joined
    facts = {"host": "h1", "controller": URL, "token_file": "", "docker": settings.docker, "wanted": asdict(WANTED)}
    assert kept == facts


async def test_a_failed_joining_is_undone(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be made, and a host that the controller refuses, is undone at once and said."""
    undone: list[bool] = []

    async def undo(_: object) -> None:
        undone.append(True)

    async def post() -> None:
        raise refused("the address is taken")

    monkeypatch.setattr("daoli.agent.leave.Leaving.undo", undo)
    agent.bridge.problems = ["dlup cannot be made"]
    with pytest.raises(Unfit, match="dlup cannot be made"):
        await agent.join()
    agent.bridge.problems = []
    monkeypatch.setattr(agent.registration, "post", post)
    with pytest.raises(Unfit, match="the controller refuses: the address is taken"):
        await agent.join()
    assert undone == [True, True]


async def test_status(agent: Agent) -> None:
    """Status gathers what every part finds wrong."""
    agent.bridge.problems = ["eth0 is down"]
    agent.problems["names"] = "names failed: odd"
    agent.networks.problems["blue"] = "Docker has another"
    status = agent.status()
    assert status["problems"] == ["names failed: odd", "eth0 is down", "network blue: Docker has another"]
    assert (status["host"], status["connected"], status["wanted"]) == ("h1", False, asdict(WANTED))


async def test_networks_have_the_bridge_looked_at(agent: Agent) -> None:
    """A network that comes has the host's routes looked at; a container that comes has not."""
    agent._subscribe()
    tell(agent.world, {"networks/dnet1": NETWORK})
    assert agent.watch.changed.is_set()
    agent.watch.changed.clear()
    endpoint = {
        "id": "e1",
        "host": "h2",
        "network": "dnet1",
        "mac": "02:42:0a:01:00:02",
        "ipv4": "10.1.0.2",
        "port": "p",
    }
    tell(agent.world, {"endpoints/e1": endpoint})
    assert not agent.watch.changed.is_set()


async def test_another_name(settings: AgentSettings) -> None:
    """A host that has joined under one name does not join under another."""
    State(Path(settings.state_dir), {"host": "h7", "controller": URL, "wanted": asdict(WANTED)}).save()
    with pytest.raises(Unfit, match=r"this host is in the fabric as h7; .* daoli agent --leave first"):
        await start(settings)


async def test_a_joined_host_starts_without_anything(settings: AgentSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host that has joined, what was known serves where Docker, NIC and controller are away."""

    async def unfit(*_: object) -> None:
        raise Unfit(["there is no Docker"])

    monkeypatch.setattr(preflight, "check_host", unfit)
    monkeypatch.setattr(preflight, "wanted", unfit)
    state = State(Path(settings.state_dir), {"host": "h1", "controller": URL, "wanted": asdict(WANTED)})
    assert await module._wanted_again(settings, state) == WANTED


async def test_an_unfit_uplink_on_a_joined_host(settings: AgentSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another uplink that leads nowhere ends the start; the way out that was found by itself then stays as it was."""

    async def nothing(*_: object) -> None:
        return None

    async def found() -> dict[str, Link]:
        return {"lo": Link("lo", "", 65536, up=True), "eth0": Link("eth0", "", 1500, up=True)}

    async def another(*_: object) -> Wanted:
        return replace(WANTED, nic="lo")

    monkeypatch.setattr(preflight, "check_host", nothing)
    monkeypatch.setattr(preflight, "wanted", another)
    monkeypatch.setattr("daoli.agent.links.links", found)
    state = State(Path(settings.state_dir), {"host": "h1", "controller": URL, "wanted": asdict(WANTED)})
    with pytest.raises(Unfit, match="lo leads to no other host"):
        await module._wanted_again(replace(settings, uplink="lo"), state)
    assert await module._wanted_again(settings, state) == WANTED


async def test_a_refused_joining_closes_its_connections(
    settings: AgentSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that may not join leaves no session with Docker open."""
    closed: list[bool] = []

    async def nothing(*_: object) -> int:
        return 6653

    async def wanted(*_: object) -> Wanted:
        return WANTED

    async def unfit(_: Agent) -> None:
        raise Unfit(["the name is taken"])

    close = DockerEngine.close

    async def closing(engine: DockerEngine) -> None:
        closed.append(True)
        await close(engine)

    for name, stand_in in (("check_host", nothing), ("target", nothing), ("wanted", wanted)):
        monkeypatch.setattr(preflight, name, stand_in)
    monkeypatch.setattr(module, "reach", nothing)
    monkeypatch.setattr(Agent, "join", unfit)
    monkeypatch.setattr(DockerEngine, "close", closing)
    with pytest.raises(Unfit, match="the name is taken"):
        await start(settings)
    assert closed == [True]


@pytest.mark.parametrize("service", [True, False])
async def test_docker_that_comes_later(
    settings: AgentSettings, monkeypatch: pytest.MonkeyPatch, *, service: bool
) -> None:
    """A service that starts before Docker is ready without it, and waits; a person is told at once."""
    said: list[str] = []
    looks = iter([NoDocker(["there is no Docker socket"]), NoDocker(["Docker does not answer"]), None])

    async def check(_: AgentSettings) -> None:
        if (fault := next(looks)) is not None:
            raise fault

    monkeypatch.setattr(preflight, "check_host", check)
    monkeypatch.setattr(module, "is_awaited", lambda: service)
    monkeypatch.setattr(module, "notify", lambda *lines: said.extend(lines))
    monkeypatch.setattr(module, "DOCKER_SECONDS", 0)
    if service:
        await module._fit(settings)
        assert said == ["READY=1", "STATUS=waiting for Docker"] * 2
    else:
        with pytest.raises(NoDocker, match="there is no Docker socket"):
            await module._fit(settings)
        assert said == []


def test_tidying(tmp_path: Path) -> None:
    """The socket's folder goes once it is empty; what a killed agent left there goes where that is asked for."""
    socket = tmp_path / "run" / "agent.sock"
    socket.parent.mkdir()
    socket.touch()
    module._tidy(socket)
    assert socket.exists()
    module._tidy(socket, stale=True)
    assert not socket.parent.exists()


async def test_leaving_a_host_that_never_joined(settings: AgentSettings) -> None:
    """There is nothing to undo, and that is no failure."""
    said: list[str] = []

    async def say(text: str) -> None:
        said.append(text)

    assert await depart(replace(settings, controller=""), say, force=False)
    assert said == ["this host has not joined a fabric: there is nothing to undo"]
