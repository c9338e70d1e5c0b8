"""What happens, as server-sent events: each with its id, its kind, and its fields as JSON."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse, sse_response

from daoli.api.operation import Ask, Operation, Query, Reply
from daoli.api.problems import Problem
from daoli.hosts.events import Event, Subscription
from daoli.hosts.spec import Fault

MEDIA_TYPE: Final = "text/event-stream"
STREAMS: Final[web.AppKey[set[Subscription]]] = web.AppKey("streams", set)
_LAST_ID: Final = "Last-Event-ID"


class EventQuery(Query):
    """Which kinds of events to tell, with commas between; all by default."""

    kinds: str | None = None


async def stream_events(ask: Ask[None, EventQuery]) -> web.StreamResponse:
    """Tell what happens from now on, or from the Last-Event-ID that a client saw before it lost the connection."""
    kinds = None if ask.query.kinds is None else {kind.strip() for kind in ask.query.kinds.split(",")}
    last = _last_id(ask.request)
    begun = ask.services.events.last_id if last is None else None
    subscription = ask.services.events.subscribe(kinds, last)
    streams = ask.request.app[STREAMS]
    streams.add(subscription)
    try:
        async with subscription, sse_response(ask.request) as response:
            # A client that leaves is noticed by the ping, which is where the response waits.
            gone = asyncio.ensure_future(response.wait())
            gone.add_done_callback(lambda _: subscription.close())
            await _send(response, subscription, begun)
    finally:
        streams.discard(subscription)
    await gone
    return response


async def _send(response: EventSourceResponse, events: Subscription, begun: int | None) -> None:
    """Send events; where a client begins, `begun`, it is told first, so that it can come back before any happens."""
    try:
        if begun is not None:
            await response.write(f"id: {begun}\r\n\r\n".encode())
        async for event in events:
            await response.send(encode(event), id=None if event.id is None else str(event.id), event=event.kind)
    except (ConnectionError, TimeoutError):
        pass  # nobody reads any more; the response has ended itself


def encode(event: Event) -> str:
    """Render an event's data: its fields, with id, kind and time."""
    time = datetime.fromtimestamp(event.time, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"id": event.id, "kind": event.kind, "time": time, **event.fields})


def _last_id(request: web.Request) -> int | None:
    text = request.headers.get(_LAST_ID)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < len("1" * 20)):
        fault = Fault(_LAST_ID, "this header has the id of an event, a number")
        raise Problem.of_faults(HTTPStatus.BAD_REQUEST, "query", [fault])
    return int(text)


async def end_streams(app: web.Application) -> None:
    """Let the clients go when the application shuts down."""
    streams = app[STREAMS]
    for subscription in tuple(streams):
        subscription.close()


OPERATIONS = (
    Operation(
        method="GET",
        path="/events",
        handler=stream_events,
        query=EventQuery,
        replies={HTTPStatus.OK: Reply("Events without end", media_type=MEDIA_TYPE)},
    ),
)
