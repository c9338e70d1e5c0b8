"""The source's steps of a move."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agent.docker_fake import IMAGE_ID, OLD, WEB, FakeEngine, shown
from tests.agent.fakes import make_world
from tests.hosts.records import network

from daoli.agent import departure
from daoli.agent.blueprint import blueprint_of, creation
from daoli.agent.departure import Departure
from daoli.agent.engine import ImageFacts
from daoli.agent.networks import EngineAway, EngineError
from daoli.agent.world import World
from daoli.hosts.move import Move


@pytest.fixture
def world() -> World:
    """A world that is followed, with network n1."""
    return make_world({"networks/n1": network().model_dump(mode="json")})


@pytest.fixture
def engine() -> FakeEngine:
    """An engine where container web runs."""
    engine = FakeEngine("h1")
    engine.containers[OLD] = shown()
    return engine


@pytest.fixture
def steps(engine: FakeEngine, world: World) -> Departure:
    """The steps of host h1."""

    async def vacate(addresses: list[str]) -> None:
        engine.calls.append(f"vacate {addresses}")

    return Departure(engine, world, "h1", vacate)


def a_move(*, blueprint: bool = True, **changes: Any) -> Move:
    fields = {"id": "m1", "container": OLD, "name": "web", "source": "h1", "to": "h2", "created": 1.0, "updated": 1.0}
    drawn = blueprint_of(shown(**changes), {"n1"}, without_volumes=True).model_dump(mode="json") if blueprint else None
    addresses = [{"network": "n1", "ipv4": WEB.ipv4, "mac": WEB.mac}]
    return Move.model_validate({**fields, "addresses": addresses, "blueprint": drawn, "detail": "it does not start"})


async def test_prepare(steps: Departure, engine: FakeEngine) -> None:
    """The blueprint says which image it is, also as registries know it."""
    report = await steps.prepare(a_move(blueprint=False))
    assert report["state"] == "checking"
    assert (report["blueprint"]["image_id"], report["blueprint"]["image_digests"]) == (IMAGE_ID, ["tools@sha256:1"])
    engine.images = {"tools": ImageFacts("sha256:ff", frozenset())}
    assert (await steps.prepare(a_move(blueprint=False)))["blueprint"]["image_digests"] == []


async def test_stays(steps: Departure, engine: FakeEngine) -> None:
    """A container that cannot go or does not run stays, and it is said why."""
    engine.containers[OLD] = shown(HostConfig__NetworkMode="host")
    why = "web stays on h1: it has the network mode host, and no address that could move"
    assert await steps.prepare(a_move(blueprint=False)) == {"state": "failed", "detail": why}
    engine.containers[OLD] = shown(State__Paused=True)
    why = "web stays on h1: it is paused; docker unpause web first"
    assert await steps.prepare(a_move(blueprint=False)) == {"state": "failed", "detail": why}
    for gone in (shown(State__Running=False), None):
        engine.containers = {OLD: gone} if gone else {}
        report = await steps.prepare(a_move(blueprint=False))
        assert report == {"state": "failed", "detail": "web does not run on h1"}


async def test_stop(steps: Departure, engine: FakeEngine) -> None:
    """The container is stopped, and its addresses are nobody's here, before the target may start it."""
    assert await steps.stop(a_move()) == {"state": "starting"}
    assert engine.calls == ["stop", f"vacate {[WEB.ipv4]}"]


async def test_not_stopped(steps: Departure, engine: FakeEngine) -> None:
    """One that cannot be stopped is started again; one that was removed is gone; one that came back is tried again."""
    engine.broken["stop"] = EngineError("no")
    assert await steps.stop(a_move()) == {"state": "restoring", "detail": "web cannot be stopped on h1: no"}
    engine.broken["stop"] = EngineAway("Docker does not answer")
    with pytest.raises(EngineAway):
        await steps.stop(a_move())
    engine.broken.clear()

    async def in_vain(*_: object) -> None:
        pass

    engine.stop = in_vain  # type: ignore[assignment,method-assign]
    with pytest.raises(EngineError, match="web was started again on h1"):
        await steps.stop(a_move())
    engine.containers.clear()
    assert await steps.stop(a_move()) == {"state": "failed", "detail": "web was removed on h1"}


async def test_removes_itself(steps: Departure, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that was started with --rm is waited for until it is gone."""
    monkeypatch.setattr(departure, "LOOK_SECONDS", 0)
    with pytest.raises(EngineError, match="Docker does not remove it"):
        await steps.stop(a_move(HostConfig__AutoRemove=True))  # this one stays
    engine.containers[OLD]["HostConfig"]["AutoRemove"] = True
    assert await steps.stop(a_move(HostConfig__AutoRemove=True)) == {"state": "starting"}
    assert await steps.stop(a_move(HostConfig__AutoRemove=True)) == {"state": "starting"}


async def test_remove(steps: Departure, engine: FakeEngine) -> None:
    """The old container goes once the new one runs."""
    for _ in range(2):
        assert await steps.remove(a_move()) == {"state": "done", "detail": "web runs on h2"}
    assert not engine.containers


async def test_restore(steps: Departure, engine: FakeEngine) -> None:
    """The old container runs again, however often that is asked; one that was never stopped goes on."""
    engine.containers[OLD] = shown(State__Running=False)
    for _ in range(2):
        report = await steps.restore(a_move())
        assert report == {"state": "failed", "detail": "it does not start; it runs on h1 again", "container": OLD}
    assert engine.calls == ["disconnect", "connect", "start", "start"]


async def test_restore_what_removed_itself(steps: Departure, engine: FakeEngine) -> None:
    """A container that removed itself is made anew, once, with its volumes."""
    bind = {"Type": "bind", "Source": "/etc", "Destination": "/host"}
    move = a_move(HostConfig__AutoRemove=True, HostConfig__Binds=["/etc:/host"], Mounts=[bind])
    engine.containers.clear()
    reports = [await steps.restore(move) for _ in range(2)]
    assert reports[0] == reports[1]
    (made,) = engine.containers.values()
    assert (made["Id"], made["HostConfig"]["Binds"]) == (reports[0]["container"], ["/etc:/host"])
    assert (
        made["HostConfig"]["NetworkMode"]
        == creation(blueprint_of(shown(), {"n1"}, without_volumes=True))["HostConfig"]["NetworkMode"]
    )


async def test_not_restored(steps: Departure, engine: FakeEngine, world: World) -> None:
    """One that does not start any more is told; not while Docker or the controller is away, without which none does."""
    engine.broken["start"] = EngineError("no device")
    why = "it does not start; and it does not start again on h1: no device"
    assert await steps.restore(a_move()) == {"state": "failed", "detail": why}
    world.connected = False
    with pytest.raises(EngineError):
        await steps.restore(a_move())
    engine.broken["start"] = EngineAway("Docker does not answer")
    world.connected = True
    with pytest.raises(EngineAway):
        await steps.restore(a_move())
