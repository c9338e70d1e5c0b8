"""Both agents' parts in a move, from the first report to the last, whatever happens to them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.agent.docker_fake import OLD, WEB, Fabric, shown
from tests.agent.fakes import FakeController, make_world

from daoli.agent.blueprint import pinned_addresses
from daoli.agent.moves import Moves
from daoli.agent.networks import EngineAway, EngineError

KINDS: dict[str, dict[str, Any]] = {"plain": {}, "removes itself": {"HostConfig__AutoRemove": True}}
NO_DEVICE = EngineError("no such device")


async def moved(fabric: Fabric, **fields: Any) -> Fabric:
    """Move, and expect one container at most at any time, and one in the end."""
    with capture_logs():
        fabric.begin(**fields)
        await fabric.run()
    assert fabric.worst == 1
    assert sum(len(engine.running) for engine in fabric.engines.values()) == 1
    return fabric


@pytest.mark.parametrize("kind", KINDS)
async def test_all_goes_well(kind: str) -> None:
    """The new container is made before the old one is stopped, and the old one is removed."""
    fabric = await moved(Fabric(**KINDS[kind]))
    assert (fabric.move.state, fabric.move.detail) == ("done", "web runs on h2")
    assert [list(engine.containers) for engine in fabric.engines.values()] == [[], [fabric.move.new_container]]
    made = fabric.engines["h2"].containers[str(fabric.move.new_container)]
    assert pinned_addresses(made) == {WEB.ipv4}
    assert fabric.points.index("h2 after create") < fabric.points.index("h1 before stop")
    assert fabric.settled == []


@pytest.mark.parametrize("kind", KINDS)
async def test_does_not_start(kind: str) -> None:
    """A container that does not start on the target gets its address back, and nothing stays on the target."""
    fabric = Fabric(**KINDS[kind])
    fabric.engines["h2"].broken["start"] = NO_DEVICE
    await moved(fabric)
    why = "web does not start on h2: no such device; it runs on h1 again"
    assert (fabric.move.state, fabric.move.detail) == ("failed", why)
    (left,) = fabric.engines["h1"].containers.values()
    assert pinned_addresses(left) == {WEB.ipv4}
    assert (left["Id"] == OLD) == (kind == "plain")
    assert not fabric.engines["h2"].containers
    assert fabric.settled == ["h1"]


async def killed_everywhere(broken: dict[str, Exception], changes: dict[str, Any]) -> list[Fabric]:
    """Kill the agent at work at each of all points, one after the other; give what came of it."""
    ends: list[Fabric] = []
    while True:
        fabric = Fabric(die_at=len(ends), **changes)
        fabric.engines["h2"].broken |= broken
        await moved(fabric)
        if len(fabric.points) <= len(ends):
            return ends
        ends.append(fabric)


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_at_each_point(kind: str) -> None:
    """An agent that is killed, wherever it was, goes on when it is back; there is never more than one container."""
    ends = await killed_everywhere({}, KINDS[kind])
    assert len(ends) > 15
    assert [fabric.move.state for fabric in ends] == len(ends) * ["done"]
    assert all(not fabric.engines["h1"].containers for fabric in ends)
    assert all(len(fabric.engines["h2"].containers) == 1 for fabric in ends)


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_while_restoring(kind: str) -> None:
    """The same holds where the container does not start on the target: it runs at its source in the end."""
    ends = await killed_everywhere({"start": NO_DEVICE}, KINDS[kind])
    assert len(ends) > 15
    assert [fabric.move.state for fabric in ends] == len(ends) * ["failed"]
    assert all(len(fabric.engines["h1"].containers) == 1 for fabric in ends)
    assert all(not fabric.engines["h2"].containers for fabric in ends)


async def test_docker_away() -> None:
    """While an engine does not answer the step is tried again, and is not taken for refused."""
    fabric = Fabric()
    target = fabric.engines["h2"]
    target.broken["start"] = EngineAway("Docker does not answer: no such file")

    def come_back() -> None:
        assert fabric.move.state == "starting"
        target.broken.clear()

    with capture_logs() as logs:
        fabric.begin()
        asyncio.get_running_loop().call_later(0.05, come_back)
        await fabric.run()
    assert fabric.move.state == "done"
    assert "move_delayed" in {entry["event"] for entry in logs}


async def test_old_news() -> None:
    """What the disk says of a move is not acted upon: it may be long over."""
    fabric = Fabric()
    for world in fabric.worlds.values():
        world.connected = False
    fabric.begin()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await fabric.run()
    assert fabric.points == []


async def test_signs_of_life() -> None:
    """A step that takes long says that it goes on."""
    controller, fabric = FakeController(), Fabric()
    fabric.begin()
    stuck = asyncio.Event()

    async def inspect(_: str) -> dict[str, Any]:
        await stuck.wait()
        return shown()

    engine = fabric.engines["h1"]
    engine.inspect = inspect  # type: ignore[assignment,method-assign]
    moves = Moves(
        engine,
        controller,
        fabric.worlds["h1"],
        "h1",
        vacate=fabric.vacate,
        port_free=lambda *_: True,
        settle=lambda: None,
        sign_seconds=0,
    )
    with capture_logs():
        task = asyncio.ensure_future(moves.run())
        async with asyncio.timeout(5):
            while len(controller.requests) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0)
            stuck.set()
            while controller.requests[-1][2]["state"] != "checking":  # noqa: ASYNC110
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert controller.requests[0] == ("POST", "/moves/m1/reports", {"host": "h1", "state": "preparing"})
    assert make_world().moves == {}
