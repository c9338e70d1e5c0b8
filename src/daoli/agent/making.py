"""Containers made from blueprints, at either end of a move. What was half done before is gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pydantic import ValidationError

from daoli.agent.blueprint import (
    Blueprint,
    connection,
    creation,
    is_attached,
    pinned_addresses,
    unpinned,
)
from daoli.agent.engine import ImageFacts
from daoli.agent.networks import DockerNetwork, EngineError
from daoli.hosts.move import Move

NEVER_STARTED: Final = "created"


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

    async def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network."""
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

    async def image(self, name: str) -> ImageFacts | None:
        """Say which image this is; None if it is not here."""
        ...

    async def pull(self, image: str, seconds: float) -> None:
        """Get an image from its registry."""
        ...

    async def networks(self) -> list[DockerNetwork]:
        """List all networks."""
        ...


def blueprint_in(move: Move) -> Blueprint:
    """Read the blueprint that the source's agent wrote; EngineError if it cannot be read."""
    try:
        return Blueprint.model_validate(move.blueprint)
    except ValidationError as error:
        raise EngineError(f"the move has no usable blueprint: {error}") from error


def failed(why: str, state: str = "failed") -> dict[str, Any]:
    """Write a report of what did not work."""
    return {"state": state, "detail": why}


def is_running(shown: Mapping[str, Any] | None) -> bool:
    """Tell whether a container runs, as Docker shows it."""
    return bool(((shown or {}).get("State") or {}).get("Running"))


def is_half_made(shown: Mapping[str, Any], blueprint: Blueprint) -> bool:
    """Tell whether this is what `make` left when it was interrupted: never started, with none but these addresses."""
    pinned = pinned_addresses(shown)
    never_started = (shown.get("State") or {}).get("Status") == NEVER_STARTED
    return never_started and bool(pinned) and pinned <= {part.ipv4 for part in blueprint.networks}


async def make(engine: Engine, blueprint: Blueprint, *, with_volumes: bool = False) -> str:
    """Make a container, but do not start it; give its id."""
    found = await engine.inspect(blueprint.name)
    if found is not None and is_half_made(found, blueprint):
        container = str(found["Id"])
    else:
        container = await engine.create(blueprint.name, creation(blueprint, with_volumes=with_volumes))
    await pin(engine, blueprint, container)
    return container


async def pin(engine: Engine, blueprint: Blueprint, container: str) -> None:
    """See that a container which does not run will be on all its networks, each with its own address."""
    shown = await engine.inspect(container) or {}
    for part in unpinned(blueprint, shown):
        if is_attached(part, shown):
            await engine.disconnect(part.network, container)
        await engine.connect(part.network, connection(part, container))
