"""Requests to the controller, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.serve import serving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk:
    """A controller at a socket file that answers as a test wants it to."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix:{path}"
        self.seen: list[tuple[str, str, Any, str | None]] = []
        self.handler: Handler | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.seen.append((request.method, request.path, body, request.headers.get("Authorization")))
        assert self.handler is not None
        return await self.handler(request)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Serve."""
    desk = Desk(tmp_path / "controller.sock")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", desk.handle)
    async with serving(app, tmp_path / "controller.sock"):
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[Client]:
    """Ask it."""
    client = Client(desk.url, "secret", timeout=2)
    yield client
    await client.close()


def answering(status: int, body: Any, kind: str = "application/json") -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body), content_type=kind)

    return handle


async def test_request(desk: Desk, client: Client) -> None:
    """A request carries its body as JSON and the token; the answer's JSON comes back, and the clocks are compared."""
    desk.handler = answering(201, {"ipv4": "10.1.0.2"})
    assert await client.request("POST", "/leases", {"host": "h1"}) == {"ipv4": "10.1.0.2"}
    assert desk.seen == [("POST", "/leases", {"host": "h1"}, "Bearer secret")]
    assert client.clock_skew is not None
    assert abs(client.clock_skew) <= 1


async def test_refusal(desk: Desk, client: Client) -> None:
    """A problem document becomes Refused, whose text is its detail."""
    errors = [{"field": "ipv4", "detail": "h2 has it"}]
    problem = {"title": "Something else has this", "status": 409, "detail": "h2 has it", "errors": errors}
    desk.handler = answering(409, problem, "application/problem+json")
    with pytest.raises(Refused, match=r"^h2 has it$") as refusal:
        await client.request("POST", "/leases", {})
    assert (refusal.value.status, refusal.value.title, refusal.value.errors) == (409, problem["title"], errors)


async def test_refusal_by_something_else(desk: Desk, client: Client) -> None:
    """An answer that is no problem document is told by its status."""
    desk.handler = answering(502, "<html>", "text/html")
    with pytest.raises(Refused, match=r"^the controller answers 502 Bad Gateway$"):
        await client.request("GET", "/hosts")


async def test_unreachable(tmp_path: Path) -> None:
    """Where nobody listens, the error is a sentence with the URL and the reason."""
    for url, reason in ((f"unix:{tmp_path}/none.sock", "no such file"), ("http://127.0.0.1:9", "connect")):
        client = Client(url)
        with pytest.raises(Unreachable, match=f"^the daoli controller at {url} cannot be reached: .*{reason}"):
            await client.request("GET", "/hosts")
        await client.close()


async def test_silence(desk: Desk, client: Client) -> None:
    """A controller that does not answer in time is unreachable."""

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    desk.handler = never
    with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        await client.request("GET", "/hosts", timeout=0.05)


async def test_watch(desk: Desk, client: Client) -> None:
    """Lines come one by one however they are cut; the end of them is Unreachable."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b'{"revi', b'sion":1}', b'\n\n{"revision":2}\n{"rev', b'ision":3}\n'):
            await response.write(part)
        return response

    desk.handler = handle
    lines = client.watch()
    assert [(await anext(lines))["revision"] for _ in range(3)] == [1, 2, 3]
    with pytest.raises(Unreachable, match="it ended the connection"):
        await anext(lines)


async def test_watch_refused(desk: Desk, client: Client) -> None:
    """A refusal to be watched is told as any other."""
    desk.handler = answering(401, {"title": "A token is needed", "detail": "the token is wrong"})
    with pytest.raises(Refused, match="the token is wrong"):
        await anext(client.watch())
