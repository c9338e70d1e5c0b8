"""The inventory as a stream: everything once, then each change, a JSON object a line (NDJSON)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from daoli.api.operation import Ask, Operation, Query, Reply
from daoli.api.services import SERVICES

MEDIA_TYPE: Final = "application/x-ndjson"


async def watch(ask: Ask[None, Query]) -> web.StreamResponse:
    """Tell all hosts, networks, endpoints, publications and moves, then each change, in lines of JSON."""
    request = ask.request
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"})
    async with ask.services.feed.read(lambda: _abort(request)) as lines:
        await response.prepare(request)
        try:
            async for line in lines:
                await response.write(line)
        except ConnectionError:
            pass  # the client is gone, or was cut off
    return response


def _abort(request: web.Request) -> None:
    """End the connection of a client that does not read: what waits for it would never be written."""
    if request.transport is not None:
        request.transport.abort()


async def end_watches(app: web.Application) -> None:
    """Let the clients go when the application shuts down."""
    app[SERVICES].feed.close()


OPERATIONS = (
    Operation(
        method="GET",
        path="/watch",
        handler=watch,
        replies={HTTPStatus.OK: Reply("Changes without end", media_type=MEDIA_TYPE)},
    ),
)
