"""What the agent's parts talk to, made of nothing: a controller that answers as told, a world that was told so."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.world import World

DOCKER_ID = "ab" * 32
NETWORK_ID = "cd" * 32
CONTAINER_ID = "ef" * 32

NETWORK = {"name": "dnet1", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}


class FakeController:
    """Records requests, and answers by (method, beginning of the path); an exception is raised."""

    def __init__(self, answers: Mapping[tuple[str, str], Any] | None = None) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.answers = dict(answers or {})
        self.held: asyncio.Event | None = None
        self.told = asyncio.Event()

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        self.requests.append((method, path, body))
        self.told.set()
        if self.held is not None:
            await self.held.wait()
        for (wanted, start), answer in self.answers.items():
            if method == wanted and path.startswith(start):
                found = answer(method, path, body) if callable(answer) else answer
                if isinstance(found, Exception):
                    raise found
                return found
        return {}

    def made(self, method: str, path: str) -> list[Any]:
        """List the bodies of the requests of this method to this path."""
        return [body for done, where, body in self.requests if done == method and where.startswith(path)]


def away() -> Unreachable:
    return Unreachable("http://192.0.2.1:8653", "connection refused")


def refused(detail: str, field: str | None = None, status: int = 409) -> Refused:
    return Refused(status, "Something else has this", detail, [{"field": field, "detail": detail}] if field else [])


def make_world(entries: Mapping[str, Any] | None = None, *, connected: bool = True) -> World:
    """Make a world that knows these entries, with the network dnet1 unless told otherwise."""
    world = World(Client("http://192.0.2.1:8653"))
    tell(world, {"networks/dnet1": NETWORK} if entries is None else entries, connected=connected, snapshot=True)
    return world


def tell(world: World, entries: Mapping[str, Any], *, connected: bool = True, snapshot: bool = False) -> None:
    """Tell a world of changes, as the controller would."""
    kind = "snapshot" if snapshot else "changes"
    world._take({"revision": world.revision + 1, kind: dict(entries)}, connected=connected)
