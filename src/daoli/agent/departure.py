"""A container leaves this host: the source's steps of a move. Each may be done twice without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from daoli.agent.blueprint import Blueprint, Refused, blueprint_of
from daoli.agent.making import Engine, blueprint_in, failed, is_running, make, pin
from daoli.agent.networks import EngineAway, EngineError
from daoli.agent.world import World
from daoli.hosts.move import Move

LOOKS: Final = 100
LOOK_SECONDS: Final = 0.1
"""How often it is looked whether Docker has removed a container that was started with `--rm`."""


class Departure:
    """The source's steps; each gives the report to be made."""

    def __init__(self, engine: Engine, world: World, host: str, vacate: Callable[[list[str]], Awaitable[None]]) -> None:
        """`vacate` sees that nothing here has these addresses any more, and that the controller knows."""
        self._engine = engine
        self._world = world
        self._host = host
        self._vacate = vacate

    async def prepare(self, move: Move) -> dict[str, Any]:
        """Write down what the container is made from, or say why it stays."""
        shown = await self._engine.inspect(move.container)
        if shown is None or not is_running(shown):
            return failed(f"{move.name} does not run on {self._host}")
        if shown["State"].get("Paused"):
            return failed(f"{move.name} stays on {self._host}: it is paused; docker unpause {move.name} first")
        try:
            blueprint = blueprint_of(shown, set(self._world.networks), without_volumes=move.without_volumes)
        except Refused as error:
            return failed(f"{move.name} stays on {self._host}: {error}")
        if (image := await self._engine.image(blueprint.image_id)) is not None:
            blueprint.image_digests = sorted(image.digests)
        return {"state": "checking", "blueprint": blueprint.model_dump(mode="json")}

    async def stop(self, move: Move) -> dict[str, Any]:
        """Stop the container; its addresses are free when this returns."""
        blueprint = blueprint_in(move)
        if await self._engine.inspect(move.container) is None and not _removes_itself(blueprint):
            return failed(f"{move.name} was removed on {self._host}")
        try:
            await self._engine.stop(move.container, blueprint.stop_timeout)
        except EngineAway:
            raise
        except EngineError as error:
            return failed(f"{move.name} cannot be stopped on {self._host}: {error}", "restoring")
        if _removes_itself(blueprint):
            await self._gone(move.container)
        # Docker shows a container that it stops only once its interfaces are gone.
        if is_running(await self._engine.inspect(move.container)):
            raise EngineError(f"{move.name} was started again on {self._host}")
        await self._vacate([address.ipv4 for address in move.addresses])
        return {"state": "starting"}

    async def _gone(self, container: str) -> None:
        for _ in range(LOOKS):
            if await self._engine.inspect(container) is None:
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise EngineError("Docker does not remove it, though it was started with --rm")

    async def remove(self, move: Move) -> dict[str, Any]:
        """Remove the old container, since the new one runs."""
        await self._engine.remove(move.container)
        return {"state": "done", "detail": f"{move.name} runs on {move.to}"}

    async def restore(self, move: Move) -> dict[str, Any]:
        """Start the old container again; one that removed itself when it stopped (`--rm`) is made anew."""
        blueprint = blueprint_in(move)
        container = move.container
        try:
            shown = await self._engine.inspect(container)
            if shown is None:
                container = await self._remake(blueprint)
            elif not is_running(shown):
                await pin(self._engine, blueprint, container)
            await self._engine.start(container)
        except EngineAway:
            raise
        except EngineError as error:
            if not self._world.connected:
                raise  # without the controller no address can be leased
            return failed(f"{move.detail}; and it does not start again on {self._host}: {error}")
        return {**failed(f"{move.detail}; it runs on {self._host} again"), "container": container}

    async def _remake(self, blueprint: Blueprint) -> str:
        found = await self._engine.inspect(blueprint.name)
        if found is not None and is_running(found):
            return str(found["Id"])
        return await make(self._engine, blueprint, with_volumes=True)


def _removes_itself(blueprint: Blueprint) -> bool:
    return bool(blueprint.host.get("AutoRemove"))
