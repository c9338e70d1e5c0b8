"""An API that says what a test wants, over real HTTP, and bodies as the real one has them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web
from pydantic import BaseModel

from daoli.api.endpoints import EndpointBody
from daoli.api.hosts import HostBody
from daoli.api.networks import NetworkBody
from daoli.hosts.move import Move, State
from daoli.hosts.publication import Publication
from daoli.hosts.reports import HostStatus

CONTAINER = "c0ffee" + "0" * 58


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    body: Any
    token: str | None
    last_event_id: str | None


class Answer(NamedTuple):
    """What is said to a request."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class FakeApi:
    """Answers by method and path, the query left out; of several answers each is given once, the last for ever."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)

    def says(self, method: str, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """Answer a request so, after what was said before."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault((method, path), []).append(Answer(status, body, named))

    def refuses(self, method: str, path: str, status: int, detail: str, **fields: Any) -> None:
        """Answer with a problem document."""
        problem = {"type": "urn:daoli:problem:x", "title": "No", "status": status, "detail": detail, **fields}
        self.says(method, path, problem, status)

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request."""
        text = await request.text()
        token = request.headers.get("Authorization")
        last_event = request.headers.get("Last-Event-ID")
        self.asked.append(Asked(request.method, request.path_qs, json.loads(text) if text else None, token, last_event))
        known = self.answers.get((request.method, request.path))
        if not known:
            return web.json_response({"type": "about:blank", "title": "Not Found"}, status=404)
        answer = known.pop(0) if len(known) > 1 else known[0]
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@contextmanager
def serving() -> Iterator[FakeApi]:
    """Serve a fake API on loopback, by a thread of its own."""
    fake, ready, loop = FakeApi(), threading.Event(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def work() -> None:
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        ready.wait()
        yield fake
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def dump(body: BaseModel) -> dict[str, Any]:
    """Give a body as JSON has it."""
    found: dict[str, Any] = body.model_dump(mode="json")
    return found


def host(name: str = "h1", problems: tuple[str, ...] = (), *, connected: bool = True, **more: Any) -> dict[str, Any]:
    """Describe a host."""
    seconds = 7500.0 if connected else None
    status = HostStatus(connected, "192.0.2.1:40000" if connected else None, seconds, 9, 2, {"dlup": 1}, problems)
    fields: dict[str, Any] = {"dpid": "00000000000000a1", "address": "192.0.2.1", "uplink": "dlup", "endpoints": 1}
    return dump(HostBody(name=name, status=status, **(fields | more)))


def network(name: str = "blue", **more: Any) -> dict[str, Any]:
    """Describe a network."""
    fields: dict[str, Any] = {"subnet": "10.1.0.0/24", "gateway": "10.1.0.1", "endpoints": 1}
    return dump(NetworkBody(name=name, **(fields | more)))


def endpoint(endpoint_id: str = "e1abc", **more: Any) -> dict[str, Any]:
    """Describe an endpoint."""
    fields: dict[str, Any] = {
        "name": "web",
        "host": "h1",
        "network": "blue",
        "mac": "02:42:0a:01:00:02",
        "ipv4": "10.1.0.2",
        "port": "dle1",
        "container": CONTAINER,
        "port_no": 5,
        "reachable": True,
    }
    return dump(EndpointBody(id=endpoint_id, **(fields | more)))


def publication(publication_id: str = "abc123", **more: Any) -> dict[str, Any]:
    """Describe a published port."""
    fields: dict[str, Any] = {"port": 8080, "container": CONTAINER, "name": "web", "target_port": 80}
    return dump(Publication(id=publication_id, **(fields | more)))


def move(state: State = "preparing", **more: Any) -> dict[str, Any]:
    """Describe a move."""
    fields: dict[str, Any] = {
        "container": CONTAINER,
        "name": "web",
        "source": "h1",
        "to": "h2",
        "created": 1000.0,
        "updated": 1000.0,
    }
    return dump(Move(id="fade01", state=state, **(fields | more)))
