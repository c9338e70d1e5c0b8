"""What the running agent answers on its own socket: how it is, and to leave."""

from __future__ import annotations

import json
from typing import Any, Protocol

from aiohttp import web

from daoli.agent.leave import Say
from daoli.agent.preflight import Unfit


class Reporter(Protocol):
    """What is asked of `agent.agent.Agent`."""

    def status(self) -> dict[str, Any]:
        """Tell how this host is."""
        ...

    async def leave(self, say: Say, *, force: bool) -> bool:
        """Leave the fabric; Unfit if it may not."""
        ...


def make_status_app(agent: Reporter) -> web.Application:
    """Make the application: ``GET /status``, and ``POST /leave`` which answers a JSON object a line."""

    async def status(_: web.Request) -> web.StreamResponse:
        return web.json_response(agent.status())

    async def leave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)

        async def tell(**words: Any) -> None:
            await response.write(json.dumps(words).encode() + b"\n")

        try:
            done = await agent.leave(lambda text: tell(said=text), force=request.query.get("force") == "true")
        except Unfit as error:
            await tell(refused=error.problems)
        else:
            await tell(done=done)
        await response.write_eof()
        return response

    app = web.Application()
    app.router.add_get("/status", status)
    app.router.add_post("/leave", leave)
    return app
