"""Publications of containers that were removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from tests.agent.fakes import CONTAINER_ID, FakeController, away, make_world, tell

from daoli.agent.containers import Containers
from daoli.agent.departed import Departed
from daoli.agent.world import World

PUBLICATION = {"id": "p1", "port": 80, "container": CONTAINER_ID, "name": "web", "target_port": 80}
GONE = ("DELETE", f"/containers/{CONTAINER_ID}")


class FakeContainers:
    """The containers of an engine, by id only."""

    def __init__(self, *ids: str) -> None:
        self.known: dict[str, Any] = dict.fromkeys(ids)
        self.problem: str | None = None
        self.listeners: list[Callable[[str], None]] = []

    def when_removed(self, listener: Callable[[str], None]) -> None:
        self.listeners.append(listener)

    async def listed_once(self) -> None:
        """All are known."""

    def remove(self, container: str) -> None:
        del self.known[container]
        for listener in self.listeners:
            listener(container)


def published(*, connected: bool = True) -> World:
    return make_world({"publications/p1": PUBLICATION}, connected=connected)


def departed(controller: FakeController, world: World, containers: FakeContainers, folder: Path) -> Departed:
    return Departed(controller, world, cast("Containers", containers), folder)


def told(controller: FakeController) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in controller.requests]


async def test_removed_container_is_told(tmp_path: Path) -> None:
    """The controller is told once of a published container that was removed, and never of others."""
    controller, world, containers = FakeController(), published(), FakeContainers(CONTAINER_ID, "other")
    ours = departed(controller, world, containers, tmp_path)
    await ours.settle()
    assert told(controller) == []
    containers.remove("other")
    containers.remove(CONTAINER_ID)
    await ours.settle()
    await ours.settle()
    assert told(controller) == [GONE]


async def test_container_of_another_host_is_left_alone(tmp_path: Path) -> None:
    """A published container that was never here is not taken for one that was removed."""
    controller = FakeController()
    await departed(controller, published(), FakeContainers(), tmp_path).settle()
    assert told(controller) == []


async def test_controller_is_told_when_it_is_back(tmp_path: Path) -> None:
    """While the controller is away, or does not answer, nothing is forgotten."""
    controller, world, containers = FakeController(), published(), FakeContainers(CONTAINER_ID)
    ours = departed(controller, world, containers, tmp_path)
    await ours.settle()
    tell(world, {}, connected=False)
    containers.remove(CONTAINER_ID)
    await ours.settle()
    assert told(controller) == []
    tell(world, {})
    controller.answers = {GONE: away()}
    await ours.settle()
    controller.answers = {}
    await ours.settle()
    assert told(controller) == [GONE, GONE]


async def test_container_that_was_removed_while_nobody_looked(tmp_path: Path) -> None:
    """An agent that starts again knows which published containers were here; not while Docker is silent."""
    controller = FakeController()
    await departed(controller, published(), FakeContainers(CONTAINER_ID), tmp_path).settle()
    containers = FakeContainers()
    containers.problem = "Docker does not answer"
    again = departed(controller, published(), containers, tmp_path)
    await again.settle()
    assert told(controller) == []
    containers.problem = None
    await again.settle()
    assert told(controller) == [GONE]


async def test_unreadable_note_is_none(tmp_path: Path) -> None:
    """A note that makes no sense is as if there were none."""
    (tmp_path / "published.json").write_text("[1,")
    controller = FakeController()
    await departed(controller, published(), FakeContainers(), tmp_path).settle()
    assert told(controller) == []


async def test_removal_is_told_at_once(tmp_path: Path) -> None:
    """While it runs, a removal is compared without waiting."""
    controller, containers = FakeController(), FakeContainers(CONTAINER_ID)
    ours = departed(controller, published(), containers, tmp_path)
    task = asyncio.ensure_future(ours.run())
    while not (tmp_path / "published.json").exists():  # noqa: ASYNC110  nobody there would set an event
        await asyncio.sleep(0)
    containers.remove(CONTAINER_ID)
    while not controller.requests:  # noqa: ASYNC110  as above
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert told(controller) == [GONE]
