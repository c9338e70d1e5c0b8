"""Finds out whose an endpoint is as soon as Docker can tell: before the container's first process runs.

Docker asks the driver for an endpoint without naming the container, and until that is known no rule on names or labels
could hold: the controller lets nothing pass. The container itself cannot be inspected while it starts, since Docker
holds its lock; its network can, and so can the list of containers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Never, Protocol

import structlog

from daoli.agent.driver.registry import Registry
from daoli.agent.endpoints import Endpoints
from daoli.agent.networks import EngineError

LOOK_SECONDS: Final = 1.0
"""Between two looks, if Docker tells of nothing: its events may be late, or not be followed just now."""
ANSWER_SECONDS: Final = 5.0
PATIENCE: Final = 5.0
"""How long an endpoint may be nobody's before that is a problem."""
ASKED: Final = 64
"""Containers that one request is about."""

log = structlog.get_logger(__name__)


class Introduction(NamedTuple):
    """What policy goes by of a container."""

    id: str
    name: str
    labels: Mapping[str, str]


class Engine(Protocol):
    """What is asked of `agent.engine.DockerEngine`."""

    async def owners(self, network_id: str) -> Mapping[str, str]:
        """Tell a network's endpoints by id, each with its container's."""
        ...

    async def introduce(self, container_ids: Sequence[str]) -> Sequence[Introduction]:
        """Tell what containers are called, starting ones too."""
        ...


class Identities:
    """The asker for pending endpoints."""

    def __init__(
        self, engine: Engine, endpoints: Endpoints, registry: Registry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._endpoints = endpoints
        self._registry = registry
        self._clock = clock
        self._since: dict[str, float] = {}
        self._work = asyncio.Event()
        self.problems: dict[str, str] = {}
        """By endpoint id, why it is not known whose it is."""

    def look(self) -> None:
        """Ask at once: Docker has connected a container."""
        self._work.set()

    async def run(self) -> Never:
        """Ask whenever Docker has connected a container, and now and then while some endpoint is nobody's."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._work.wait()
            self._work.clear()
            await self.step()

    async def step(self) -> None:
        """Ask whose the pending endpoints are, and tell it; nothing is asked where there are none."""
        reason = "Docker shows no container that has it"
        if self._pending():
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._learn()
            except EngineError as error:
                reason = str(error)
            except TimeoutError:
                reason = "Docker does not answer"
        self._complain(reason)

    def _pending(self) -> set[str]:
        return {endpoint.id for endpoint in self._endpoints.listed.values() if endpoint.pending}

    async def _learn(self) -> None:
        owners: dict[str, str] = {}
        for network_id in self._networks(self._pending()):
            owners.update(await self._engine.owners(network_id))
        owned = {endpoint_id: owners[endpoint_id] for endpoint_id in self._pending() & owners.keys()}
        ids = sorted(set(owned.values()))
        for first in range(0, len(ids), ASKED):
            for container in await self._engine.introduce(ids[first : first + ASKED]):
                self._tell(container, [key for key, owner in owned.items() if owner == container.id])

    def _networks(self, pending: set[str]) -> set[str]:
        known = self._registry.endpoints
        return {known[endpoint_id].network for endpoint_id in pending if endpoint_id in known}

    def _tell(self, container: Introduction, endpoint_ids: Iterable[str]) -> None:
        for endpoint_id in endpoint_ids:
            self._endpoints.describe(endpoint_id, name=container.name, container=container.id, labels=container.labels)

    def _complain(self, reason: str) -> None:
        now = self._clock()
        self._since = {endpoint_id: self._since.get(endpoint_id, now) for endpoint_id in self._pending()}
        late = sorted(endpoint_id for endpoint_id, since in self._since.items() if now - since >= PATIENCE)
        for endpoint_id in late:
            if endpoint_id not in self.problems:
                log.warning("endpoint_unknown", endpoint=endpoint_id, reason=reason)
        self.problems = dict.fromkeys(late, f"it is not known whose it is, and nothing passes to or from it: {reason}")
