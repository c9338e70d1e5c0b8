"""This host's Docker engine, as the agent asks it to do things; what it says of itself comes by `hosts.engine`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import aiohttp
from aiodocker.exceptions import DockerError

from daoli.agent.networks import DockerNetwork, EngineError


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

    async def create_network(self, config: dict[str, Any]) -> None:
        """Make a network, as `POST /networks/create` has it; EngineError if Docker refuses."""
        async with _translated():
            await self._docker.networks.create(config)

    async def remove_network(self, network_id: str) -> None:
        """Remove a network; EngineError if Docker refuses."""
        async with _translated():
            await (await self._docker.networks.get(network_id)).delete()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except DockerError as error:
        raise EngineError(error.message) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise EngineError(f"Docker does not answer: {str(error) or type(error).__name__}") from error


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
