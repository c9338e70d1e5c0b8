"""Server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientResponse, ClientSession
from tests.api.client import Api

from daoli.api import make_app, serve
from daoli.api.events import STREAMS, encode
from daoli.hosts.events import KEPT, Event, EventHub


@asynccontextmanager
async def stream(api: Api, query: str = "", **headers: str) -> AsyncIterator[ClientResponse]:
    async with api.client.get(f"/events{query}", headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response


async def read(response: ClientResponse) -> dict[str, str]:
    """Read one event as its fields; what tells where the stream begins is none."""
    fields: dict[str, str] = {}
    while line := (await response.content.readline()).decode().rstrip("\r\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields if fields.keys() - {"id"} else await read(response)


async def test_stream(api: Api) -> None:
    """An event arrives with its id, its kind, and its fields as JSON."""
    async with stream(api) as response:
        api.events.publish("route.opened", source="e1", destination="e2")
        event = await read(response)
        assert (event["id"], event["event"]) == ("1", "route.opened")
        assert json.loads(event["data"]) == {
            "id": 1,
            "kind": "route.opened",
            "time": "1970-01-01T00:00:00.000+00:00",
            "source": "e1",
            "destination": "e2",
        }


async def test_kinds(api: Api) -> None:
    """Only the kinds asked for arrive."""
    async with stream(api, "?kinds=a,%20b") as response:
        for kind in "cabc":
            api.events.publish(kind)
        assert [(await read(response))["event"] for _ in range(2)] == ["a", "b"]


async def test_resume(api: Api) -> None:
    """A client that comes back is told what it missed."""
    for n in range(5):
        api.events.publish("x", n=n)
    async with stream(api, **{"Last-Event-ID": "3"}) as response:
        assert [(await read(response))["id"] for _ in range(2)] == ["4", "5"]


async def test_resume_before_any(api: Api) -> None:
    """A client that has seen no event knows from where to go on all the same."""
    api.events.publish("before")
    async with stream(api) as response:
        assert await response.content.readline() == b"id: 1\r\n"
        assert await response.content.readline() == b"\r\n"
    api.events.publish("missed")
    async with stream(api, **{"Last-Event-ID": "1"}) as response:
        assert (await read(response))["event"] == "missed"


async def test_dropped(api: Api) -> None:
    """A client that missed more than is kept is told how much, in an event without an id."""
    for _ in range(KEPT + 7):
        api.events.publish("x")
    async with stream(api, **{"Last-Event-ID": "2"}) as response:
        event = await read(response)
        assert "id" not in event
        assert json.loads(event["data"])["count"] == 5
        assert (await read(response))["id"] == "8"


@pytest.mark.parametrize("text", ["x", "-1", "", "1" * 20, "\u0663"])
async def test_bad_last_id(api: Api, text: str) -> None:
    """A Last-Event-ID that is no event's is refused."""
    answer = await api.ask("GET", "/events", headers={"Last-Event-ID": text})
    assert (answer.status, answer.field) == (400, "Last-Event-ID")


async def test_client_leaves(api: Api) -> None:
    """A client that goes away is forgotten at the next event."""
    async with stream(api) as response:
        assert api.events.listening
        response.close()
    assert api.client.app is not None
    while api.client.app[STREAMS]:
        api.events.publish("x")
        await asyncio.sleep(0)
    assert not api.events.listening


async def test_client_leaves_server(api: Api) -> None:
    """A server that does not cancel handlers, as ours, finds out when it writes, and lets go."""
    hub = EventHub()
    app = make_app(api.inventory, api.fabric, hub)
    listening = await serve(app, "127.0.0.1:0")
    async with ClientSession() as session, session.get(f"http://{listening.address}/events") as response:
        assert hub.listening
        response.close()
    while hub.listening:
        hub.publish("x")
        await asyncio.sleep(0)
    await listening.close()


async def test_shutdown(api: Api) -> None:
    """Streams end when the application shuts down."""
    async with stream(api) as response:
        assert api.client.app is not None
        await api.client.app.shutdown()
        assert await response.content.read() == b"id: 0\r\n\r\n"


def test_fields_cannot_hide_the_kind() -> None:
    """An event's data is one JSON object, however odd its fields."""
    event = Event(1, "x", 1.5, {"text": "a\nb\r\n", "none": None})
    assert "\n" not in encode(event)
    assert json.loads(encode(event))["text"] == "a\nb\r\n"
