"""An engine that is followed: what it says at first, in events, and after it was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.hosts.docker_api import DockerApi, shown

from daoli.hosts import engine
from daoli.hosts.engine import Container, EngineWatcher, container_of

WEB, DB = "aa" * 32, "bb" * 32


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    def listed(self, containers: Mapping[str, Container]) -> None:
        """Note it."""
        self.told.put_nowait(("listed", {each.name for each in containers.values()}))

    def seen(self, container_id: str, container: Container | None) -> None:
        """Note it."""
        assert container_id
        self.told.put_nowait(("seen", container and (container.name, container.running)))

    def attached(self) -> None:
        """Note it."""
        self.told.put_nowait(("attached", None))

    def networks_changed(self) -> None:
        """Note it."""
        self.told.put_nowait(("networks", None))

    def lost(self, reason: str) -> None:
        """Note it."""
        self.told.put_nowait(("lost", reason))

    async def next(self) -> tuple[str, object]:
        """Give what it is told next."""
        async with asyncio.timeout(10):
            return await self.told.get()


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have waits take no time."""
    monkeypatch.setattr(engine, "FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(engine, "LAST_BACKOFF", 0.002)
    monkeypatch.setattr(engine, "GATHER_SECONDS", 0.001)


@pytest.fixture
async def docker(tmp_path: Path) -> AsyncIterator[DockerApi]:
    """An engine with one container."""
    async with DockerApi(tmp_path / "docker.sock") as api:
        api.containers[WEB] = shown(WEB, "web")
        yield api


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(EngineWatcher(url, listener).run())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_list_and_events(docker: DockerApi) -> None:
    """First everything is listed; then each container that events name is looked at, once for several of them."""
    async with watching(docker.url) as listener:
        assert await listener.next() == ("listed", {"web"})
        await docker.followed()
        docker.containers[DB] = shown(DB, "db")
        docker.tell("container", "create", DB)
        docker.tell("network", "connect", "cd" * 32, container=DB)
        docker.tell("container", "start", DB)
        assert await listener.next() == ("attached", None)
        assert await listener.next() == ("seen", ("db", True))
        docker.containers[WEB] = shown(WEB, "web", running=False)
        docker.tell("container", "die", WEB)
        assert await listener.next() == ("seen", ("web", False))
        del docker.containers[WEB]
        docker.tell("container", "destroy", WEB)
        assert await listener.next() == ("seen", None)
        docker.tell("container", "exec_start: ls", DB)
        docker.tell("network", "create", "cd" * 32)
        assert await listener.next() == ("networks", None)


async def test_broken_stream(docker: DockerApi) -> None:
    """When the stream of events breaks, it is told, and everything is listed anew."""
    async with watching(docker.url) as listener:
        assert await listener.next() == ("listed", {"web"})
        await docker.followed()
        docker.containers[DB] = shown(DB, "db")
        docker.break_off()
        assert await listener.next() == ("lost", "its stream of events ended")
        assert await listener.next() == ("listed", {"web", "db"})


async def test_engine_that_fails(docker: DockerApi) -> None:
    """An engine that answers with errors is lost once, not at every attempt, and found again."""
    docker.fault = (500, "the disk is full")
    async with watching(docker.url) as listener:
        what, why = await listener.next()
        assert what == "lost"
        assert "the disk is full" in str(why)
        docker.fault = None
        assert await listener.next() == ("listed", {"web"})


async def test_no_engine(tmp_path: Path) -> None:
    """Where nobody listens, it is said."""
    async with watching(f"unix://{tmp_path}/none.sock") as listener:
        assert (await listener.next())[0] == "lost"


def test_container() -> None:
    """A running container has its interfaces, those without address left out; one that does not run has none."""
    web = container_of(shown(WEB, "web"))
    (attachment,) = web.attachments
    assert (web.name, web.labels, web.running) == ("web", {"team": "blue"}, True)
    assert (attachment.network, attachment.network_id, attachment.endpoint_id) == ("dnet1", "cd" * 32, "12" * 32)
    assert (attachment.ipv4, attachment.mac) == ("10.1.0.2", "02:42:0a:01:00:02")
    assert attachment.aliases == (WEB[:12], "www")
    assert container_of(shown(WEB, "web", running=False)).attachments == ()
