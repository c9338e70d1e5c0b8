"""Publishing without waiting, subscribing without holding anybody up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from daoli.hosts.events import DROPPED, Event, EventHub, Subscription


@pytest.fixture
def hub() -> EventHub:
    """A hub that keeps four events, at a time that stands still."""
    return EventHub(clock=lambda: 7.0, kept=4)


async def take(subscription: Subscription, count: int) -> list[Event]:
    return [await anext(subscription) for _ in range(count)]


async def test_in_order(hub: EventHub) -> None:
    """A subscriber is told what is published from then on, in order, with ids, time and fields."""
    hub.publish("before")
    async with hub.subscribe() as events:
        hub.publish("one", host="a")
        hub.publish("two")
        assert await take(events, 2) == [Event(2, "one", 7.0, {"host": "a"}), Event(3, "two", 7.0, {})]


async def test_waits(hub: EventHub) -> None:
    """A subscriber who has been told everything waits for the next event."""
    async with hub.subscribe() as events:
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.publish("one")
        assert (await waiting).kind == "one"


async def test_kinds(hub: EventHub) -> None:
    """A subscriber to some kinds is told of those only, and loses none to the others."""
    async with hub.subscribe({"wanted"}) as events:
        hub.publish("wanted", n=1)
        for _ in range(10):
            hub.publish("other")
        hub.publish("wanted", n=2)
        assert [event.fields for event in await take(events, 2)] == [{"n": 1}, {"n": 2}]


async def test_slow_subscriber(hub: EventHub) -> None:
    """Who reads too slowly is told how many events it lost, once, before those that came after."""
    async with hub.subscribe() as slow, hub.subscribe() as other:
        for n in range(3):
            hub.publish("x", n=n)
            await anext(other)
        for n in range(3, 7):
            hub.publish("x", n=n)
        lost, *rest = await take(slow, 5)
        assert lost == Event(None, DROPPED, 7.0, {"count": 3})
        assert [event.fields["n"] for event in rest] == [3, 4, 5, 6]
        assert [event.fields["n"] for event in await take(other, 4)] == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("after", "lost", "told"),
    [(10, 0, []), (8, 0, [9, 10]), (6, 0, [7, 8, 9, 10]), (4, 2, [7, 8, 9, 10])],
)
async def test_resume(hub: EventHub, after: int, lost: int, told: list[int]) -> None:
    """Who comes back is told what it missed, as far as it is kept, and how much is not."""
    for _ in range(10):
        hub.publish("x")
    async with hub.subscribe(after=after) as events:
        got = await take(events, (lost > 0) + len(told))
        assert [event.id for event in got if event.kind == "x"] == told
        assert [event.fields for event in got if event.kind == DROPPED] == ([{"count": lost}] if lost else [])
        hub.publish("now")
        assert (await anext(events)).id == 11


@pytest.mark.parametrize("after", [3, 99, 1000], ids=["of long ago", "of the last one", "that is yet to come"])
async def test_another_process(after: int) -> None:
    """Who comes back from another process is told that nobody knows what it missed, and then all there is."""
    hub = EventHub(clock=lambda: 7.0, kept=4, after=100)
    for _ in range(6):
        hub.publish("x")
    async with hub.subscribe(after=after) as events:
        anew, *rest = await take(events, 5)
        assert (anew.kind, anew.id, anew.fields["count"]) == (DROPPED, None, None)
        assert "started anew" in anew.fields["reason"]
        assert [event.id for event in rest] == [103, 104, 105, 106]


async def test_close(hub: EventHub) -> None:
    """Closing ends an iteration that waits, and nobody listens any more."""
    subscription = hub.subscribe()
    assert not hub.listening
    async with subscription as events:
        assert hub.listening
        rest = asyncio.ensure_future(collect(events))
        await asyncio.sleep(0)
        events.close()
        assert await rest == []
        assert not hub.listening
    hub.publish("nobody")


async def collect(events: Subscription) -> list[Event]:
    return [event async for event in events]


def test_default_clock() -> None:
    """Events carry the time of day where no clock is given."""
    clock: Callable[[], float] = EventHub()._clock
    assert clock() > 1_700_000_000
