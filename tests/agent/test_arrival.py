"""The target's steps of a move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.agent.docker_fake import IMAGE_ID, OLD, FakeEngine, shown
from tests.agent.fakes import make_world

from daoli.agent.arrival import Arrival
from daoli.agent.blueprint import blueprint_of
from daoli.agent.client import Unreachable
from daoli.agent.engine import ImageFacts
from daoli.agent.networks import EngineAway, EngineError
from daoli.agent.world import World
from daoli.hosts.move import Move

FULL = EngineError("no space left on device")
TAKEN = {("", "tcp", 8080)}


@pytest.fixture
def world() -> World:
    """A world that is followed."""
    return make_world()


@pytest.fixture
def engine() -> FakeEngine:
    """An engine without containers."""
    return FakeEngine("h2")


@pytest.fixture
def steps(engine: FakeEngine, world: World) -> Arrival:
    """The steps of host h2, all of whose ports are free."""
    return Arrival(engine, world, "h2", vacating(engine), lambda *_: True)


def vacating(engine: FakeEngine) -> Callable[[list[str]], Awaitable[None]]:
    async def vacate(addresses: list[str]) -> None:
        engine.calls.append(f"vacate {addresses}")

    return vacate


def a_move(container: str | None = None, digests: list[str] | None = None, **changes: Any) -> Move:
    fields = {"id": "m1", "container": OLD, "name": "web", "source": "h1", "to": "h2", "created": 1.0, "updated": 1.0}
    drawn = blueprint_of(shown(**changes), {"n1"}, without_volumes=False)
    drawn.image_digests = digests or []
    return Move.model_validate({**fields, "blueprint": drawn.model_dump(mode="json"), "new_container": container})


async def why_not(steps: Arrival, move: Move) -> str:
    report = await steps.check(move)
    assert report["state"] == "failed"
    return str(report["detail"])


async def test_check(steps: Arrival, engine: FakeEngine) -> None:
    """The container is made but not started, once."""
    reports = [await steps.check(a_move()) for _ in range(2)]
    (container,) = engine.containers
    assert reports == 2 * [{"state": "stopping", "container": container}]
    assert engine.calls == ["create"]
    assert not engine.running


async def test_obstacles(steps: Arrival, engine: FakeEngine, world: World) -> None:
    """A name, network or port that cannot be had is told, and nothing is made; any port of a range is good enough."""
    engine.containers["f" * 64] = shown(Id="f" * 64)
    assert await why_not(steps, a_move()) == "h2 has a container web already: ffffffffffff"
    engine.containers.clear()
    engine.known_networks = []
    assert await why_not(steps, a_move()) == "h2 has no network n1 yet"
    engine.known_networks = ["n1"]
    taken = Arrival(engine, world, "h2", vacating(engine), lambda *wanted: wanted not in TAKEN)
    why = "port 8080/tcp cannot be had on h2: it is taken, or the address is not this host's"
    assert await why_not(taken, a_move()) == why
    assert not engine.calls
    a_range = {"80/tcp": [{"HostIp": "", "HostPort": "8080-8081"}]}
    assert (await taken.check(a_move(HostConfig__PortBindings=a_range)))["state"] == "stopping"


async def test_image(steps: Arrival, engine: FakeEngine) -> None:
    """An image is pulled where it is missing; it must be the same one, by id or as registries know it."""
    image = engine.images.pop("tools")
    why = await why_not(steps, a_move())
    assert why.startswith("image tools is not on h2, and cannot be pulled (no such image): docker save tools")
    engine.registry["tools"] = ImageFacts("sha256:ff", frozenset({"tools@sha256:2"}))
    assert await why_not(steps, a_move()) == f"image tools is another one on h2: sha256:ff, not {IMAGE_ID}"
    assert (await steps.check(a_move(digests=["tools@sha256:2"])))["state"] == "stopping"
    engine.containers.clear()
    engine.images["tools"] = image
    assert (await steps.check(a_move()))["state"] == "stopping"
    del engine.images["tools"]
    engine.broken["pull"] = EngineAway("Docker does not answer")
    with pytest.raises(EngineAway):
        await steps.check(a_move())


async def test_cannot_be_made(steps: Arrival, engine: FakeEngine) -> None:
    """What Docker does not make is refused before anything stops, and what it made of it is removed."""
    engine.broken["create"] = FULL
    assert await why_not(steps, a_move()) == "web cannot be made on h2: no space left on device"
    engine.broken["create"] = EngineAway("Docker does not answer")
    with pytest.raises(EngineAway):
        await steps.check(a_move())
    engine.broken = {"connect": FULL}
    networks = {
        name: {**shown()["NetworkSettings"]["Networks"]["n1"], "IPAddress": f"10.1.0.{n}"}
        for n, name in enumerate(("n1", "n2"), 5)
    }
    drawn = blueprint_of(shown(NetworkSettings__Networks=networks), {"n1", "n2"}, without_volumes=False)
    engine.known_networks = ["n1", "n2"]
    two = a_move().model_copy(update={"blueprint": drawn.model_dump(mode="json")})
    assert await why_not(steps, two) == "web cannot be made on h2: no space left on device"
    assert not engine.containers


async def test_start(steps: Arrival, engine: FakeEngine) -> None:
    """The container that was made is started, however often that is asked."""
    made = (await steps.check(a_move()))["container"]
    for _ in range(2):
        assert await steps.start(a_move(made)) == {"state": "removing", "container": made}
    assert engine.running == ["/web"]


async def test_made_again(steps: Arrival, engine: FakeEngine) -> None:
    """One that somebody removed meanwhile is made again, and told before it is started."""
    report = await steps.start(a_move("e" * 64))
    (container,) = engine.containers
    assert report == {"state": "starting", "container": container}
    assert not engine.running


async def test_does_not_start(steps: Arrival, engine: FakeEngine, world: World) -> None:
    """What does not start is told; not while Docker or the controller is away, without which nothing does."""
    made = (await steps.check(a_move()))["container"]
    engine.broken["start"] = FULL
    why = "web does not start on h2: no space left on device"
    assert await steps.start(a_move(made)) == {"state": "restoring", "detail": why}
    assert engine.calls == ["create", "start", "vacate []"]
    world.connected = False
    with pytest.raises(EngineError):
        await steps.start(a_move(made))
    world.connected = True
    engine.broken["start"] = EngineError(f"failed to allocate: {Unreachable('http://192.0.2.9', 'connection reset')}")
    with pytest.raises(EngineError, match="cannot be reached"):
        await steps.start(a_move(made))
    engine.broken["start"] = EngineAway("Docker does not answer")
    with pytest.raises(EngineAway):
        await steps.start(a_move(made))


async def test_clear(steps: Arrival, engine: FakeEngine) -> None:
    """What was made for a move that failed is removed, by its id."""
    made = (await steps.check(a_move()))["container"]
    await steps.clear(a_move())
    assert engine.containers
    for _ in range(2):
        await steps.clear(a_move(made))
    assert not engine.containers
