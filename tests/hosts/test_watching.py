"""Engines that the controller watches itself: which hosts' are, and what becomes of what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Never

import pytest
from tests.hosts.records import host, network

from daoli.hosts.engine import Attachment, Container, Listener
from daoli.hosts.events import EventHub
from daoli.hosts.inventory import Inventory
from daoli.hosts.watching import Watching

URL = "tcp://192.0.2.1:2375"


class FakeEngines:
    """Stands for watchers of engines; the test speaks for the engine."""

    def __init__(self) -> None:
        self.listeners: dict[str, Listener] = {}

    def make(self, url: str, listener: Listener) -> FakeWatcher:
        self.listeners[url] = listener
        return FakeWatcher(self, url)


class FakeWatcher:
    """Watches until it is told to end."""

    def __init__(self, engines: FakeEngines, url: str) -> None:
        self._engines = engines
        self._url = url

    async def run(self) -> Never:
        try:
            await asyncio.Event().wait()
            raise AssertionError
        finally:
            del self._engines.listeners[self._url]


def container(number: int, *, ipv4: str = "", on: str = "n1") -> Container:
    attachment = Attachment(
        network=on,
        network_id="ab" * 32,
        endpoint_id=f"{number:02x}" * 32,
        ipv4=ipv4 or f"10.1.0.{number}",
        mac=f"02:42:0a:01:00:{number:02x}",
        aliases=("www",),
    )
    return Container(f"{number:064x}", f"c{number}", {"team": "blue"}, running=True, attachments=(attachment,))


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
def engines() -> FakeEngines:
    """Engines that say what the test says."""
    return FakeEngines()


@asynccontextmanager
async def watching(inventory: Inventory, engines: FakeEngines, events: EventHub) -> AsyncIterator[Watching]:
    subject = Watching(inventory, events, engines.make)
    inventory.subscribe(subject.changed)
    task = asyncio.create_task(subject.run())
    try:
        await settle()
        yield subject
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert engines.listeners == {}


async def test_only_hosts_that_name_their_engine(inventory: Inventory, engines: FakeEngines) -> None:
    """An engine is watched from when a host names it until it names another, or none."""
    async with watching(inventory, engines, EventHub()):
        assert engines.listeners == {}
        for url in (URL, "unix:///run/other.sock"):
            await inventory.put_host(host(1, docker=url))
            await settle()
            assert list(engines.listeners) == [url]
        await inventory.remove_host("h1")
        await settle()
        assert engines.listeners == {}


async def test_containers_are_the_list(inventory: Inventory, engines: FakeEngines) -> None:
    """Containers on the fabric's networks become the host's endpoints, and leave with their interface."""
    await inventory.put_host(host(1, docker=URL))
    async with watching(inventory, engines, EventHub()):
        engine = engines.listeners[URL]
        engine.listed({each.id: each for each in (container(2), container(3), container(4, on="bridge"))})
        await settle()
        found = inventory.view.endpoints
        assert {each.name for each in found.values()} == {"c2", "c3"}
        shown = found["02" * 32]
        assert (shown.host, shown.network, shown.port, shown.container) == ("h1", "n1", "dl" + "02" * 6, f"{2:064x}")
        assert (shown.labels, shown.aliases) == ({"team": "blue"}, ("www",))
        engine.seen(f"{2:064x}", None)
        engine.seen(f"{3:064x}", container(3)._replace(running=False, attachments=()))
        await settle()
        assert inventory.view.endpoints == {}


async def test_too_many_labels_are_told(inventory: Inventory, engines: FakeEngines) -> None:
    """A container with more labels than are kept is an endpoint all the same, and named among the problems."""
    await inventory.put_host(host(1, docker=URL))
    async with watching(inventory, engines, EventHub()) as found:
        one = container(2)._replace(labels={f"a{number}": "" for number in range(1001)})
        engines.listeners[URL].attached()
        engines.listeners[URL].listed({one.id: one})
        await settle()
        assert len(inventory.view.endpoints["02" * 32].labels) == 1000
        (problem,) = found.problems("h1")
        assert problem.startswith("container c2: 1 of its 1001 labels")


async def test_burst_is_one_list(inventory: Inventory, engines: FakeEngines) -> None:
    """Two hundred containers that come at once are stored in one or two commits."""
    await inventory.put_host(host(1, docker=URL))
    async with watching(inventory, engines, EventHub()):
        engine = engines.listeners[URL]
        engine.listed({})
        await settle()
        before = inventory.revision
        for number in range(2, 202):
            one = container(number)
            attachment = one.attachments[0]._replace(endpoint_id=f"{number:012x}")
            engine.seen(one.id, one._replace(attachments=(attachment,)))
        await settle()
        assert len(inventory.view.endpoints) == 200
        assert inventory.revision - before <= 2


async def test_container_at_fault_keeps_no_other(inventory: Inventory, engines: FakeEngines) -> None:
    """What the fabric refuses is left out and told of; the rest is known."""
    await inventory.put_host(host(1, docker=URL))
    async with watching(inventory, engines, EventHub()) as subject:
        wrong = container(0xA0)._replace(name="wrong")
        wrong = wrong._replace(attachments=(wrong.attachments[0]._replace(ipv4="10.9.0.9", endpoint_id="e" * 64),))
        unreadable = container(5)._replace(name="?")
        engines.listeners[URL].listed({each.id: each for each in (wrong, container(2), unreadable)})
        await settle()
        assert [each.name for each in inventory.view.endpoints.values()] == ["c2"]
        problems = subject.problems("h1")
    assert [problem.partition(" is left out: ")[0] for problem in sorted(problems)] == [
        "container ?",
        "container wrong",
    ]


async def test_network_that_comes_later(inventory: Inventory, engines: FakeEngines) -> None:
    """Containers on a network that the fabric does not have become known when it has it."""
    await inventory.put_host(host(1, docker=URL))
    async with watching(inventory, engines, EventHub()):
        engines.listeners[URL].listed({container(2).id: container(2, ipv4="10.2.0.2", on="n2")})
        await settle()
        assert inventory.view.endpoints == {}
        await inventory.put_network(network(2))
        await settle()
        assert len(inventory.view.endpoints) == 1


async def test_silent_engine(inventory: Inventory, engines: FakeEngines) -> None:
    """An engine that is lost is a problem and an event, and its containers stay known."""
    await inventory.put_host(host(1, docker=URL))
    events = EventHub()
    async with watching(inventory, engines, events) as subject, events.subscribe() as told:
        assert "not been reached yet" in subject.problems("h1")[0]
        assert subject.problems("h2") == []
        engine = engines.listeners[URL]
        engine.networks_changed()
        engine.listed({container(2).id: container(2)})
        await settle()
        assert subject.problems("h1") == []
        engine.lost("connection refused")
        await settle()
        assert len(inventory.view.endpoints) == 1
        assert f"{URL} cannot be watched: connection refused" in subject.problems("h1")[0]
        assert [(await anext(told)).kind for _ in range(2)] == ["engine.watched", "engine.lost"]
