"""The inventory as a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientError, ClientResponse, ClientSession
from tests.api.client import HOST, NETWORK, Api, listed

from daoli.api import make_app, serve
from daoli.api.services import SERVICES
from daoli.hosts.feed import BACKLOG
from daoli.hosts.spec import HostSpec


@asynccontextmanager
async def watching(api: Api) -> AsyncIterator[ClientResponse]:
    async with api.client.get("/watch") as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")
        yield response


async def read(response: ClientResponse) -> dict[str, Any]:
    """Read one line."""
    line: dict[str, Any] = json.loads(await response.content.readline())
    return line


async def test_watch(populated: Api) -> None:
    """A watcher gets everything, with defaults filled in, and then what changes."""
    async with watching(populated) as response:
        first = await read(response)
        assert first["revision"] == populated.inventory.revision
        assert set(first["snapshot"]) == {"hosts/h1", "hosts/h2", "networks/blue", "endpoints/e1", "endpoints/e2"}
        assert first["snapshot"]["hosts/h1"] == HOST | {
            "site": None,
            "docker": None,
            "labels": {},
            "gateway": False,
            "mtu": 1500,
            "subnets": {},
        }
        assert first["snapshot"]["networks/blue"].items() >= (NETWORK | {"gateway": "10.1.0.1"}).items()
        await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1), listed(3)]})
        change = await read(response)
        assert change["revision"] == first["revision"] + 1
        assert change["changes"]["endpoints/e2"] is None
        assert change["changes"]["endpoints/e3"]["ipv4"] == "10.1.0.4"
        assert set(change["changes"]) == {"endpoints/e2", "endpoints/e3"}


async def test_shutdown(populated: Api) -> None:
    """A watch ends when the application shuts down."""
    async with watching(populated) as response:
        await read(response)
        assert populated.client.app is not None
        await populated.client.app.shutdown()
        assert await response.content.read() == b""


async def test_slow_reader(api: Api) -> None:
    """A watcher that does not read is cut off once too much waits for it."""
    app = make_app(api.inventory, api.fabric, api.events)
    listening = await serve(app, "127.0.0.1:0")
    async with ClientSession() as session, session.get(f"http://{listening.address}/watch") as response:
        labels = {f"k{n}": "v" * 1024 for n in range(63)}
        for n in range(4 * BACKLOG // 2**16):
            await api.inventory.put_host(host(n, labels))
            if not app[SERVICES].feed.readers:
                break
        assert not app[SERVICES].feed.readers
        with pytest.raises(ClientError):
            await response.content.read()
    await listening.close()


def host(n: int, labels: dict[str, str]) -> HostSpec:
    """Give host h1 with other labels each time."""
    return HostSpec.model_validate(HOST | {"labels": labels | {"n": str(n)}})
