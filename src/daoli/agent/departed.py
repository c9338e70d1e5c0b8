"""Containers that are no more: the controller is told of those that had ports published, sooner or later.

Which of the fabric's published containers are on this host is noted on disk, so that one that is removed while nobody
looks, or while the controller is away, takes its publications along.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Never, Protocol

import structlog

from daoli.agent.client import Refused, Unreachable
from daoli.agent.containers import Containers
from daoli.agent.state import write_atomically
from daoli.agent.world import World

FILE: Final = "published.json"
RETRY_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


class Controller(Protocol):
    """Who is told."""

    async def request(self, method: str, path: str) -> Any:
        """Make a request; Unreachable or Refused."""
        ...


class Departed:
    """Ends the publications of containers that were removed from this host."""

    def __init__(self, client: Controller, world: World, containers: Containers, folder: Path) -> None:
        self._client = client
        self._world = world
        self._containers = containers
        self._path = folder / FILE
        self._mine: frozenset[str] = self._load()
        self._work = asyncio.Event()
        containers.when_removed(self._removed)

    def _load(self) -> frozenset[str]:
        with suppress(OSError, ValueError):
            return frozenset(map(str, json.loads(self._path.read_text(encoding="utf-8"))))
        return frozenset()

    def look(self) -> None:
        """Compare soon: the fabric has changed."""
        self._work.set()

    def _removed(self, container: str) -> None:
        self._mine |= {container}  # it may have been published since the last look
        self.look()

    async def run(self) -> Never:
        """Compare at each change, and now and then."""
        await self._containers.listed_once()
        while True:
            self._work.clear()
            await self.settle()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._work.wait(), RETRY_SECONDS)

    async def settle(self) -> None:
        """Tell of those that were here and are no more, and note those that are."""
        if not self._world.connected or self._containers.problem is not None:
            return
        published = {publication.container for publication in self._world.publications.values()}
        here = self._containers.known.keys()
        left = [container for container in sorted(self._mine & published - here) if not await self._told(container)]
        self._note({*left, *(published & here)})

    async def _told(self, container: str) -> bool:
        try:
            await self._client.request("DELETE", f"/containers/{container}")
        except (Unreachable, Refused) as error:
            log.warning("publications_left", container=container, problem=str(error))
            return False
        return True

    def _note(self, mine: Collection[str]) -> None:
        if self._mine != mine:
            self._mine = frozenset(mine)
            try:
                write_atomically(self._path, json.dumps(sorted(mine)).encode())
            except OSError as error:
                log.warning("published_not_saved", problem=str(error))
