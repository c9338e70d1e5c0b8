"""A Docker engine, watched: which containers run there, under which names, on which networks.

Events only say where to look: each container that one names is inspected, once for all the events that came meanwhile,
and what Docker says then is the truth. When the stream of events breaks, everything is listed anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Never, Protocol

import aiodocker
import aiohttp
import structlog
from aiodocker.exceptions import DockerError

FIRST_BACKOFF: Final = 0.5
LAST_BACKOFF: Final = 10.0
"""Seconds between attempts to reach an engine."""
GATHER_SECONDS: Final = 0.02
"""How long events are gathered before their containers are inspected: a start sends four of them."""
INSPECTIONS: Final = 8
"""How many containers are inspected at the same time."""
CONTAINER_ACTIONS: Final = frozenset({"start", "die", "destroy", "rename", "restart"})
NETWORK_ACTIONS: Final = frozenset({"connect", "disconnect"})

log = structlog.get_logger(__name__)


class Attachment(NamedTuple):
    """A running container's interface on one network."""

    network: str
    """The network's name."""
    network_id: str
    endpoint_id: str
    ipv4: str
    mac: str
    aliases: tuple[str, ...]


class Container(NamedTuple):
    """A container as Docker tells of it. One that does not run has no attachments."""

    id: str
    name: str
    labels: Mapping[str, str]
    running: bool
    attachments: tuple[Attachment, ...]


class Listener(Protocol):
    """Who wants to know; plain calls, in the order in which things happened."""

    def listed(self, containers: Mapping[str, Container]) -> None:
        """Take all containers there are: at the start, and after the stream of events broke."""
        ...

    def seen(self, container_id: str, container: Container | None) -> None:
        """Take a container as it is now; None when it was removed."""
        ...

    def attached(self) -> None:
        """Note that a container was connected to a network; it may be about to start, and cannot be inspected yet."""
        ...

    def networks_changed(self) -> None:
        """Note that a network was made or removed."""
        ...

    def lost(self, reason: str) -> None:
        """Note that the engine cannot be watched now."""
        ...


class _Ended(Exception):
    """There are no more events."""


class EngineWatcher:
    """Follows one engine, for ever."""

    def __init__(self, url: str, listener: Listener) -> None:
        """`url` is ``unix://PATH`` or ``tcp://HOST:PORT``."""
        self._url = url
        self._listener = listener
        self._dirty: set[str] = set()
        self._work = asyncio.Event()
        self.problem: str | None = "it has not been reached yet"

    async def run(self) -> Never:
        """Watch the engine; what goes wrong is told to the listener, and tried again."""
        backoff = FIRST_BACKOFF
        while True:
            reason = await self._watched()
            if self.problem is None:
                backoff = FIRST_BACKOFF
            if reason != self.problem:
                log.warning("engine_lost", engine=self._url, reason=reason)
                self._listener.lost(reason)
            self.problem = reason
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LAST_BACKOFF)

    async def _watched(self) -> str:
        """Watch until it cannot go on, and say why."""
        reason = "its stream of events ended"
        try:
            async with aiodocker.Docker(url=self._url) as docker:
                await self._follow(docker)
        except* _Ended:
            pass
        except* (aiohttp.ClientError, DockerError, OSError, ValueError, TimeoutError) as group:
            reason = _first(group)
        return reason

    async def _follow(self, docker: aiodocker.Docker) -> None:
        """List everything, then look at what events name."""
        events: Any = docker.events
        news = events.subscribe(since=await _clock(docker), filters=json.dumps({"type": ["container", "network"]}))
        try:
            self._dirty.clear()
            containers = await _list(docker)
            if self.problem is not None:
                log.info("engine_watched", engine=self._url, containers=len(containers))
            self.problem = None
            self._listener.listed(containers)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(news))
                tasks.create_task(self._inspect(docker))
        finally:
            with suppress(aiohttp.ClientError, DockerError, OSError):
                await events.stop()

    async def _read(self, news: Any) -> Never:
        while (event := await news.get()) is not None:
            self._take(event)
        raise _Ended

    def _take(self, event: Mapping[str, Any]) -> None:
        action = str(event.get("Action", "")).partition(":")[0]
        actor = event.get("Actor") or {}
        match event.get("Type"):
            case "container" if action in CONTAINER_ACTIONS:
                self._look_at(actor.get("ID"))
            case "network" if action in NETWORK_ACTIONS:
                if action == "connect":
                    self._listener.attached()
                self._look_at((actor.get("Attributes") or {}).get("container"))
            case "network":
                self._listener.networks_changed()

    def _look_at(self, container_id: Any) -> None:
        if isinstance(container_id, str) and container_id:
            self._dirty.add(container_id)
            self._work.set()

    async def _inspect(self, docker: aiodocker.Docker) -> Never:
        while True:
            await self._work.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._work.clear()
            ids, self._dirty = self._dirty, set()
            for container_id, container in (await _inspect_all(docker, ids)).items():
                self._listener.seen(container_id, container)


async def _clock(docker: aiodocker.Docker) -> str:
    """Ask for the engine's own time, in seconds since 1970: events are wanted from there on, and replayed."""
    text = str((await docker.system.info())["SystemTime"])  # RFC 3339 with nanoseconds, which Python does not read
    zone = "+00:00" if text.endswith("Z") else text[-6:]
    return str(int(datetime.fromisoformat(text[:19] + zone).timestamp()))


async def _list(docker: aiodocker.Docker) -> dict[str, Container]:
    ids = [container.id for container in await docker.containers.list(all=1)]
    return {key: container for key, container in (await _inspect_all(docker, ids)).items() if container is not None}


async def _inspect_all(docker: aiodocker.Docker, ids: Iterable[str]) -> dict[str, Container | None]:
    gate = asyncio.Semaphore(INSPECTIONS)

    async def inspect(container_id: str) -> tuple[str, Container | None]:
        async with gate:
            return container_id, await _show(docker, container_id)

    return dict(await asyncio.gather(*map(inspect, ids)))


async def _show(docker: aiodocker.Docker, container_id: str) -> Container | None:
    try:
        return container_of(await docker.containers.container(container_id).show())
    except DockerError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


def container_of(shown: Mapping[str, Any]) -> Container:
    """Read what Docker shows of a container (`GET /containers/{id}/json`)."""
    running = bool((shown.get("State") or {}).get("Running"))
    networks = (shown.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=shown["Id"],
        name=str(shown.get("Name", "")).removeprefix("/"),
        labels=dict((shown.get("Config") or {}).get("Labels") or {}),
        running=running,
        attachments=tuple(_attachments(networks)) if running else (),
    )


def _attachments(networks: Mapping[str, Mapping[str, Any]]) -> Iterable[Attachment]:
    for name, settings in networks.items():
        if settings.get("EndpointID") and settings.get("IPAddress"):
            yield Attachment(
                network=name,
                network_id=str(settings.get("NetworkID", "")),
                endpoint_id=str(settings["EndpointID"]),
                ipv4=str(settings["IPAddress"]),
                mac=str(settings.get("MacAddress", "")).lower(),
                aliases=tuple(settings.get("Aliases") or ()),
            )


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first) or type(first).__name__
