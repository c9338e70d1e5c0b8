"""Moves of containers: this host's part of each, as the source or as the target.

A move is a record at the controller, and its state says whose turn it is. Each step may be done twice without harm, so
that an agent that starts again goes on where it was: the record is all that it needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never, Protocol

import structlog
from pydantic import ValidationError

from daoli.agent.blueprint import Blueprint, Refused, blueprint_of, connections, creation, host_ports
from daoli.agent.client import Refused as ControllerRefused
from daoli.agent.client import Unreachable
from daoli.agent.networks import DockerNetwork, EngineError
from daoli.agent.world import World
from daoli.hosts.move import WORKER, Move

PULL_SECONDS: Final = 600.0
SIGN_SECONDS: Final = 20.0
"""How often a step that takes long says that it goes on."""
RETRY_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


class Engine(Protocol):
    """What is asked of a Docker engine; each may raise `EngineError`."""

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """Show a container; None if there is none."""
        ...

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Make a container and give its id."""
        ...

    async def connect(self, network: str, config: dict[str, Any]) -> None:
        """Connect a container to a network."""
        ...

    async def start(self, container: str) -> None:
        """Start a container; one that runs is fine."""
        ...

    async def stop(self, container: str, seconds: int) -> None:
        """Stop a container; one that is gone is fine."""
        ...

    async def remove(self, container: str) -> None:
        """Remove a container, but no volume; one that is gone is fine."""
        ...

    async def has_image(self, image: str) -> bool:
        """Tell whether an image is here."""
        ...

    async def pull(self, image: str, seconds: float) -> None:
        """Get an image from its registry."""
        ...

    async def networks(self) -> list[DockerNetwork]:
        """List all networks."""
        ...


class Controller(Protocol):
    """What is asked of `agent.client.Client`."""

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Make a request, and return the JSON of its answer."""
        ...


class Moves:
    """This host's part of all moves."""

    def __init__(
        self,
        engine: Engine,
        controller: Controller,
        world: World,
        host: str,
        *,
        list_sent: Callable[[], Awaitable[None]],
        port_free: Callable[[str, str, int], bool],
    ) -> None:
        """`list_sent` waits until the controller has this host's endpoints as they are."""
        self._engine = engine
        self._controller = controller
        self._world = world
        self._host = host
        self._list_sent = list_sent
        self._port_free = port_free
        self._work = asyncio.Event()
        self._busy: set[str] = set()
        self._reported: dict[str, str] = {}

    def look(self) -> None:
        """Look soon whether it is this host's turn in some move."""
        self._work.set()

    async def run(self) -> Never:
        """Do this host's part of each move, several at the same time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._work.clear()
                for move in self._world.moves.values():
                    if self._is_ours(move) and move.id not in self._busy:
                        self._busy.add(move.id)
                        tasks.create_task(self._turn(move), name=f"move {move.id}")
                await self._work.wait()

    def _is_ours(self, move: Move) -> bool:
        worker = WORKER.get(move.state)
        if self._reported.get(move.id) == move.state:
            return False
        return self._host == {"source": move.source, "target": move.to}.get(worker or "")

    async def _turn(self, move: Move) -> None:
        try:
            report = await self._step(move)
            await self._report(move, report)
        except (EngineError, Unreachable, ControllerRefused) as error:
            log.warning("move_delayed", move=move.id, state=move.state, problem=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._busy.discard(move.id)
            self._work.set()

    async def _report(self, move: Move, report: dict[str, Any]) -> None:
        log.info("move_step", move=move.id, container=move.name, was=move.state, **{"is": report["state"]})
        await self._controller.request("POST", f"/moves/{move.id}/reports", {"host": self._host, **report})
        self._reported[move.id] = move.state  # until the news of it is here, or the step would be done again

    async def _step(self, move: Move) -> dict[str, Any]:
        steps: dict[str, Callable[[Move], Awaitable[dict[str, Any]]]] = {
            "preparing": self._prepare,
            "checking": self._check,
            "stopping": self._stop,
            "starting": self._start,
            "removing": self._remove,
            "restoring": self._restore,
        }
        signs = asyncio.create_task(self._signs(move))
        try:
            return await steps[move.state](move)
        finally:
            signs.cancel()

    async def _signs(self, move: Move) -> Never:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            await self._controller.request(
                "POST", f"/moves/{move.id}/reports", {"host": self._host, "state": move.state}
            )

    # -- the source ------------------------------------------------------------------------------------------------

    async def _prepare(self, move: Move) -> dict[str, Any]:
        shown = await self._engine.inspect(move.container)
        if shown is None or not (shown.get("State") or {}).get("Running"):
            return _failed(f"{move.name} does not run on {self._host}")
        fabric = set(self._world.networks)
        try:
            blueprint = blueprint_of(shown, fabric, without_volumes=move.without_volumes)
        except Refused as error:
            return _failed(f"{move.name} stays on {self._host}: {error}")
        return {"state": "checking", "blueprint": blueprint.model_dump(mode="json")}

    async def _stop(self, move: Move) -> dict[str, Any]:
        blueprint = _blueprint(move)
        try:
            await self._engine.stop(move.container, blueprint.stop_timeout)
        except EngineError as error:
            return _failed(f"{move.name} cannot be stopped on {self._host}: {error}", "restoring")
        await self._list_sent()
        return {"state": "starting"}

    async def _remove(self, move: Move) -> dict[str, Any]:
        await self._engine.remove(move.container)
        return {"state": "done", "detail": f"{move.name} runs on {move.to}"}

    async def _restore(self, move: Move) -> dict[str, Any]:
        """Start the old container again; one that removed itself when it stopped (`--rm`) is made anew."""
        blueprint = _blueprint(move)
        container = move.container
        try:
            if await self._engine.inspect(container) is None:
                container = await self._make(blueprint)
            await self._engine.start(container)
        except EngineError as error:
            return _failed(f"{move.detail}; and it does not start again on {self._host}: {error}")
        return {**_failed(f"{move.detail}; it runs on {self._host} again"), "container": container}

    # -- the target ------------------------------------------------------------------------------------------------

    async def _check(self, move: Move) -> dict[str, Any]:
        blueprint = _blueprint(move)
        why = await self._obstacle(blueprint) or await self._lack_of_image(blueprint.image)
        return {"state": "stopping"} if why is None else _failed(why)

    async def _obstacle(self, blueprint: Blueprint) -> str | None:
        if (taken := await self._engine.inspect(blueprint.name)) is not None:
            return f"{self._host} has a container {blueprint.name} already: {str(taken['Id'])[:12]}"
        here = {network.name for network in await self._engine.networks()}
        if missing := sorted({part.network for part in blueprint.networks} - here):
            return f"{self._host} has no network {', '.join(missing)} yet"
        for address, protocol, port in host_ports(blueprint):
            if not self._port_free(address, protocol, port):
                return f"{protocol} port {port} of {self._host} is taken"
        return None

    async def _lack_of_image(self, image: str) -> str | None:
        if await self._engine.has_image(image):
            return None
        try:
            await self._engine.pull(image, PULL_SECONDS)
        except EngineError as error:
            return (
                f"image {image} is not on {self._host}, and cannot be pulled ({error}): "
                f"docker save {image} | ssh {self._host} docker load"
            )
        return None

    async def _start(self, move: Move) -> dict[str, Any]:
        blueprint = _blueprint(move)
        try:
            found = await self._engine.inspect(blueprint.name)
            container = str(found["Id"]) if found is not None else await self._make(blueprint)
            await self._engine.start(container)
        except EngineError as error:
            if (found := await self._engine.inspect(blueprint.name)) is not None:
                await self._engine.remove(str(found["Id"]))
            return _failed(f"{move.name} does not start on {self._host}: {error}", "restoring")
        return {"state": "removing", "container": container}

    async def _make(self, blueprint: Blueprint) -> str:
        container = await self._engine.create(blueprint.name, creation(blueprint))
        for network, config in connections(blueprint, container):
            await self._engine.connect(network, config)
        return container


def _blueprint(move: Move) -> Blueprint:
    try:
        return Blueprint.model_validate(move.blueprint)
    except ValidationError as error:
        raise EngineError(f"the move has no usable blueprint: {error}") from error


def _failed(why: str, state: str = "failed") -> dict[str, Any]:
    return {"state": state, "detail": why}
