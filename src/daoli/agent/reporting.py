"""Keeps `PUT /hosts/{name}/problems` true: which publications are in place on this host, and why others are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Never, Protocol

import structlog

from daoli.agent.client import Refused, Unreachable
from daoli.agent.world import World
from daoli.hosts.publication import LONGEST, MOST

RETRY_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class Controller(Protocol):
    """Who is told."""

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request; Unreachable or Refused."""
        ...


class Reporting:
    """Tells the controller when what there is to say differs from what it was told."""

    def __init__(
        self, controller: Controller, world: World, host: str, publications: Callable[[], Mapping[str, str | None]]
    ) -> None:
        """`publications` gives, by id, why each is not in place here, or None if it is."""
        self._controller = controller
        self._world = world
        self._host = host
        self._publications = publications
        self._told: Mapping[str, str | None] | None = None
        self._work = asyncio.Event()

    def look(self) -> None:
        """Compare soon: something has changed."""
        self._work.set()

    def forget(self) -> None:
        """Tell it anew: the controller may not know any more what it was told."""
        self._told = None
        self._work.set()

    async def run(self) -> Never:
        """Report whenever there is something new."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self.report()
            except Refused as error:
                log.warning("report_refused", problem=str(error))
            except Unreachable:
                await self._pause()

    async def report(self) -> None:
        """Tell the controller, if it does not know; Unreachable or Refused."""
        if self._host not in self._world.hosts:
            self._told = None  # it forgets with the host
            return
        report = _cut(self._publications())
        if report != self._told:
            self._told = report
            try:
                await self._controller.request("PUT", f"/hosts/{self._host}/problems", {"publications": report})
            except Unreachable:
                self._told = None
                raise

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_SECONDS):
                await self._work.wait()
        self._work.set()


def _cut(publications: Mapping[str, str | None]) -> dict[str, str | None]:
    """Leave out what the controller would not take; problems come first."""
    ordered = sorted(publications.items(), key=lambda item: (item[1] is None, item[0]))
    return {entry: problem and problem[:LONGEST] for entry, problem in ordered[:MOST]}
