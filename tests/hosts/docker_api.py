"""A Docker engine's API made of nothing, on a unix socket: containers, networks, and a stream of events that breaks."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Self

from aiohttp import web


class DockerApi:
    """An async context manager; what is in `containers` is what `docker inspect` shows."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.containers: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.fault: tuple[int, str] | None = None
        """Status and message of all answers, if nothing works."""
        self._path = path
        self._streams: list[asyncio.Queue[dict[str, Any] | None]] = []
        self._streaming = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.UnixSite(self._runner, self._path).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.break_off()
        if self._runner is not None:
            await self._runner.cleanup()

    async def followed(self) -> None:
        """Wait until somebody follows the events."""
        await self._streaming.wait()

    def tell(self, kind: str, action: str, actor: str, **attributes: str) -> None:
        """Have an event happen."""
        event = {"Type": kind, "Action": action, "Actor": {"ID": actor, "Attributes": attributes}, "time": 1}
        for stream in self._streams:
            stream.put_nowait(event)

    def break_off(self) -> None:
        """End the streams of events."""
        self._streaming.clear()
        for stream in self._streams:
            stream.put_nowait(None)
        self._streams.clear()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path.startswith("v1."):
            path = path.partition("/")[2]
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, path, body))
        if self.fault is not None and path != "version":
            return web.json_response({"message": self.fault[1]}, status=self.fault[0])
        if path == "events":
            return await self._events(request)
        return self._answer(request.method, path, body)

    def _answer(self, method: str, path: str, body: Any) -> web.Response:
        match method, path.split("/"):
            case "GET", ["version"]:
                return web.json_response({"ApiVersion": "1.41"})
            case "GET", ["info"]:
                return web.json_response({"SystemTime": "2026-11-23T21:00:00.123456789Z"})
            case "GET", ["containers", "json"]:
                return web.json_response(list(map(_in_list, self.containers.values())))
            case "GET", ["containers", key, "json"] if key in self.containers:
                return web.json_response(self.containers[key])
            case "POST", ["containers", "create"]:
                return web.json_response({"Id": "ab" * 32}, status=201)
            case "GET", ["networks"]:
                return web.json_response(list(self.networks.values()))
            case "GET", ["networks", key] if key in self.networks:
                return web.json_response(self.networks[key])
            case "POST", ["networks", "create"]:
                return web.json_response({"Id": "cd" * 32}, status=201)
            case "POST" | "DELETE", [_, key, *_] if key in self.networks or key in self.containers:
                return web.Response(status=204 if body is None else 200)
        return web.json_response({"message": f"no such thing: {path}"}, status=404)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        stream: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._streams.append(stream)
        self._streaming.set()
        while (event := await stream.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


def _in_list(found: dict[str, Any]) -> dict[str, Any]:
    """Show a container as lists do; links to it are names of it too."""
    labels = found["Config"]["Labels"]
    return {"Id": found["Id"], "Names": [f"/other{found['Name']}", found["Name"]], "Labels": labels}


def shown(key: str, name: str, *, running: bool = True, endpoint: str = "12" * 32) -> dict[str, Any]:
    """What Docker shows of a container on dnet1."""
    settings = {
        "NetworkID": "cd" * 32,
        "EndpointID": endpoint if running else "",
        "IPAddress": "10.1.0.2" if running else "",
        "MacAddress": "02:42:0A:01:00:02" if running else "",
        "Aliases": [key[:12], "www"],
    }
    return {
        "Id": key,
        "Name": f"/{name}",
        "State": {"Running": running},
        "Config": {"Labels": {"team": "blue"}},
        "NetworkSettings": {"Networks": {"dnet1": settings, "other": {"EndpointID": "", "IPAddress": ""}}},
    }
