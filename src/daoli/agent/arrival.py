"""A container comes to this host: the target's steps of a move. Each may be done twice without harm.

All that may go wrong is tried before the container is stopped where it runs: it is made here as far as it can be
without its addresses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from daoli.agent.blueprint import Blueprint, host_ports
from daoli.agent.client import UNREACHABLE
from daoli.agent.engine import ImageFacts
from daoli.agent.making import Engine, blueprint_in, failed, is_half_made, is_running, make, pin
from daoli.agent.networks import EngineAway, EngineError
from daoli.agent.world import World
from daoli.hosts.move import Move

PULL_SECONDS: Final = 600.0
SHOWN_DIGITS: Final = 12
"""Of an id, in messages."""


class Arrival:
    """The target's steps; each gives the report to be made."""

    def __init__(
        self,
        engine: Engine,
        world: World,
        host: str,
        vacate: Callable[[list[str]], Awaitable[None]],
        port_free: Callable[[str, str, int], bool],
    ) -> None:
        """`vacate` sees that nothing here has these addresses any more, and that the controller knows."""
        self._engine = engine
        self._world = world
        self._host = host
        self._vacate = vacate
        self._port_free = port_free

    async def check(self, move: Move) -> dict[str, Any]:
        """Make the container, but do not start it; or say why it cannot be."""
        blueprint = blueprint_in(move)
        why = await self._obstacle(blueprint) or await self._lack_of_image(blueprint)
        if why is not None:
            return failed(why)
        try:
            container = await make(self._engine, blueprint)
        except EngineAway:
            raise
        except EngineError as error:
            await self._remove_half_made(blueprint)
            return failed(f"{move.name} cannot be made on {self._host}: {error}")
        return {"state": "stopping", "container": container}

    async def _remove_half_made(self, blueprint: Blueprint) -> None:
        found = await self._engine.inspect(blueprint.name)
        if found is not None and is_half_made(found, blueprint):
            await self._engine.remove(str(found["Id"]))

    async def _obstacle(self, blueprint: Blueprint) -> str | None:
        taken = await self._engine.inspect(blueprint.name)
        if taken is not None and not is_half_made(taken, blueprint):
            return f"{self._host} has a container {blueprint.name} already: {str(taken['Id'])[:SHOWN_DIGITS]}"
        here = {network.name for network in await self._engine.networks()}
        if missing := sorted({part.network for part in blueprint.networks} - here):
            return f"{self._host} has no network {', '.join(missing)} yet"
        for wanted in host_ports(blueprint):
            if not any(self._port_free(wanted.address, wanted.protocol, port) for port in wanted.ports):
                return f"port {wanted} cannot be had on {self._host}: it is taken, or the address is not this host's"
        return None

    async def _lack_of_image(self, blueprint: Blueprint) -> str | None:
        image = blueprint.image
        found = await self._engine.image(image)
        if found is None:
            try:
                await self._engine.pull(image, PULL_SECONDS)
            except EngineAway:
                raise
            except EngineError as error:
                return (
                    f"image {image} is not on {self._host}, and cannot be pulled ({error}): "
                    f"docker save {image} | ssh {self._host} docker load"
                )
            found = await self._engine.image(image)
        if found is not None and not _is_same(found, blueprint):
            return f"image {image} is another one on {self._host}: {found.id}, not {blueprint.image_id}"
        return None

    async def start(self, move: Move) -> dict[str, Any]:
        """Start the container, now that it can have its addresses."""
        blueprint = blueprint_in(move)
        try:
            shown = await self._engine.inspect(move.new_container) if move.new_container else None
            if shown is None:
                # Told before it is started, so that it can be found again whatever happens then.
                return {"state": "starting", "container": await make(self._engine, blueprint)}
            container = str(shown["Id"])
            if not is_running(shown):
                await pin(self._engine, blueprint, container)
            await self._engine.start(container)
        except EngineAway:
            raise
        except EngineError as error:
            if not self._world.connected or UNREACHABLE in str(error):
                raise  # without the controller no address can be leased; Docker may know that it is away before us
            if not is_running(await self._engine.inspect(blueprint.name)):
                await self._vacate([address.ipv4 for address in move.addresses])
            return failed(f"{move.name} does not start on {self._host}: {error}", "restoring")
        return {"state": "removing", "container": container}

    async def clear(self, move: Move) -> None:
        """Remove what was made for a move that does not come about."""
        if move.new_container is not None:
            await self._engine.remove(move.new_container)


def _is_same(image: ImageFacts, blueprint: Blueprint) -> bool:
    return image.id == blueprint.image_id or not image.digests.isdisjoint(blueprint.image_digests)
