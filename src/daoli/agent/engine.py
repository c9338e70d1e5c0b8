"""This host's Docker engine, as the agent asks it to do things; what it says of itself comes by `hosts.engine`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeVar

import aiodocker.networks
import aiohttp
from aiodocker.exceptions import DockerError

from daoli.agent.identities import Introduction
from daoli.agent.networks import DockerNetwork, EngineAway, EngineError

STOP_GRACE: Final = 15.0
"""Seconds beyond the container's own that Docker has for stopping it."""

NOBODY: Final = "ep-"
"""What Docker puts before the id of an endpoint, in the place of the id of a container, where none has it."""
NO_ANSWER: Final = 900
"""The status that aiodocker gives to an engine which it cannot connect to."""


class ImageFacts(NamedTuple):
    """What tells one image from another."""

    id: str
    digests: frozenset[str]
    """As registries know it, which is the same for engines that store images differently."""


class DockerEngine:
    """Requests to one engine; to be closed."""

    def __init__(self, url: str) -> None:
        """`url` is ``unix://PATH``."""
        self._docker = aiodocker.Docker(url=url)

    async def close(self) -> None:
        """Close the connections."""
        await self._docker.close()

    async def networks(self) -> list[DockerNetwork]:
        """List all networks, of whatever driver."""
        async with _translated():
            return [_network(shown) for shown in await self._docker.networks.list()]

    async def owners(self, network_id: str) -> dict[str, str]:
        """Tell a network's endpoints by id, each with its container's; those that no container has yet are left out."""
        async with _translated():
            # aiodocker gives its constructor no types; its `get` would ask Docker once more.
            network = aiodocker.networks.DockerNetwork(self._docker, network_id)  # type: ignore[no-untyped-call]
            shown = await _or_none(network.show()) or {}
        containers = shown.get("Containers") or {}
        return {str(found["EndpointID"]): key for key, found in containers.items() if not key.startswith(NOBODY)}

    async def create_network(self, config: dict[str, Any]) -> None:
        """Make a network, as `POST /networks/create` has it; EngineError if Docker refuses."""
        async with _translated():
            await self._docker.networks.create(config)

    async def remove_network(self, network_id: str) -> None:
        """Remove a network; EngineError if Docker refuses."""
        async with _translated():
            await (await self._docker.networks.get(network_id)).delete()

    # -- containers ------------------------------------------------------------------------------------------------

    async def introduce(self, container_ids: Sequence[str]) -> list[Introduction]:
        """Tell what containers are called; unlike `inspect` it does not wait for one that starts."""
        async with _translated():
            filters = json.dumps({"id": list(container_ids)})
            return [
                Introduction(found.id, name, found["Labels"] or {})
                for found in await self._docker.containers.list(all=1, filters=filters)
                if (name := _own_name(found["Names"])) is not None
            ]

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """Show a container; None if there is none of that id or name."""
        async with _translated():
            return await _or_none(self._docker.containers.container(container).show())

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Make a container and give its id; EngineError if Docker refuses."""
        async with _translated():
            return (await self._docker.containers.create(config, name=name)).id

    async def connect(self, network: str, config: dict[str, Any]) -> None:
        """Connect a container to a network, as `POST /networks/{id}/connect` has it."""
        async with _translated():
            await (await self._docker.networks.get(network)).connect(config)

    async def disconnect(self, network: str, container: str) -> None:
        """Disconnect a container from a network."""
        async with _translated():
            await (await self._docker.networks.get(network)).disconnect({"Container": container})

    async def start(self, container: str) -> None:
        """Start a container; one that runs is fine. EngineError if it does not start."""
        async with _translated():
            await self._docker.containers.container(container).start()

    async def stop(self, container: str, seconds: int) -> None:
        """Stop a container, with SIGKILL after some seconds; one that does not run, or is gone, is fine."""
        async with _translated():
            await _or_none(self._docker.containers.container(container).stop(t=seconds, timeout=seconds + STOP_GRACE))

    async def remove(self, container: str) -> None:
        """Remove a container, but none of its volumes; one that is gone is fine."""
        async with _translated():
            await _or_none(self._docker.containers.container(container).delete(force=True))

    # -- images ----------------------------------------------------------------------------------------------------

    async def image(self, name: str) -> ImageFacts | None:
        """Say which image this is, by name or id; None if it is not here."""
        async with _translated():
            shown = await _or_none(self._docker.images.inspect(name))
        return None if shown is None else ImageFacts(str(shown["Id"]), frozenset(shown.get("RepoDigests") or ()))

    async def pull(self, image: str, seconds: float) -> None:
        """Get an image from its registry; EngineError if that fails."""
        async with _translated():
            await self._docker.images.pull(image, timeout=seconds)


def _own_name(names: Sequence[str]) -> str | None:
    """Find a container's name: links to it have the name of the other container before them."""
    return next((name[1:] for name in names if name.rfind("/") == 0), None)


T = TypeVar("T")


async def _or_none(request: Awaitable[T]) -> T | None:
    try:
        return await request
    except DockerError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DockerError as error:
        kind = EngineAway if error.status >= NO_ANSWER else EngineError
        raise kind(error.message) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise EngineAway(f"Docker does not answer: {str(error) or type(error).__name__}") from error


def _network(shown: Mapping[str, Any]) -> DockerNetwork:
    ipam = ((shown.get("IPAM") or {}).get("Config") or [{}])[0]
    options = shown.get("Options") or {}
    return DockerNetwork(
        id=str(shown["Id"]),
        name=str(shown["Name"]),
        driver=str(shown["Driver"]),
        subnet=str(ipam.get("Subnet", "")),
        gateway=str(ipam.get("Gateway", "")).partition("/")[0],
        internal=bool(shown.get("Internal")),
        labels=dict(shown.get("Labels") or {}),
        ours=options.get("daoli.fabric") == "true",
    )
