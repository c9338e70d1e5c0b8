"""The mirror of the controller's state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json
from tests.agent.fakes import NETWORK, make_world, tell

from daoli.agent import world as module
from daoli.agent.client import Client, Unreachable
from daoli.agent.world import World
from daoli.hosts.inquiry import Inquiry
from daoli.hosts.spec import EndpointSpec

ENDPOINT = {"id": "e1", "host": "h1", "network": "dnet1", "mac": "02:42:0a:01:00:02", "ipv4": "10.1.0.2", "port": "dl1"}
OTHER = ENDPOINT | {"id": "e2", "mac": "02:42:0a:01:00:03", "ipv4": "10.1.0.3", "port": "dl2"}


def test_changes_and_removals() -> None:
    """Changes add, replace and remove entries of each kind; fields that only a newer controller knows are left out."""
    world = make_world({})
    tell(world, {"networks/dnet1": NETWORK | {"colour": "red"}, "endpoints/e1": ENDPOINT, "leases/10.1.0.2": {}})
    assert world.networks["dnet1"].subnet == "10.1.0.0/24"
    assert world.endpoints["e1"].ipv4 == "10.1.0.2"
    tell(world, {"networks/dnet1": NETWORK | {"internal": True}, "endpoints/e1": None})
    assert world.networks["dnet1"].internal
    assert world.endpoints == {}


def test_snapshot_replaces_all() -> None:
    """After a snapshot there is nothing that is not in it, and only what differs is told."""
    world = make_world({"endpoints/e1": ENDPOINT, "endpoints/e2": OTHER})
    told: list[tuple[EndpointSpec | None, EndpointSpec | None]] = []
    world.subscribe_endpoints(lambda before, after: told.append((before, after)))
    told.clear()
    gone = world.endpoints["e1"]
    tell(world, {"endpoints/e2": OTHER}, snapshot=True)
    assert list(world.endpoints) == ["e2"]
    assert told == [(gone, None)]


def test_an_entry_that_makes_no_sense() -> None:
    """What cannot be read is left out, and the rest is taken."""
    world = make_world({"networks/bad": {"name": "bad"}, "networks/dnet1": NETWORK})
    assert list(world.networks) == ["dnet1"]


def test_listeners_hear_of_changes_and_of_the_connection() -> None:
    """A listener is called once for each line that changes something, and not for signs of life."""
    world = make_world()
    calls: list[bool] = []
    world.subscribe(lambda: calls.append(world.connected))
    tell(world, {"endpoints/e1": ENDPOINT})
    world._take({"revision": 9}, connected=True)
    world._lost(Unreachable("http://192.0.2.1", "refused"))
    world._lost(Unreachable("http://192.0.2.1", "refused"))
    assert calls == [True, False]
    assert "cannot be reached" in (world.problem or "")


def test_inquiries() -> None:
    """An inquiry is handed on and not kept; one that makes no sense is left out, and so is what is not known at all."""
    world = make_world()
    asked: list[Inquiry] = []
    world.subscribe_inquiries(asked.append)
    inquiry = {"id": "1", "host": "h1", "seconds": 4.0, "packet": None}
    for note in ({"inquiry": inquiry | {"colour": "red"}}, {"inquiry": {"id": "2"}}, {"horoscope": "good"}):
        world._take({"revision": 7, **note}, connected=True)
    assert [each.id for each in asked] == ["1"]
    assert (world.revision, world.connected) == (7, True)


class Scripted(Client):
    """A controller that says its lines and goes away, each time that it is watched."""

    def __init__(self, *watches: list[dict[str, Any]]) -> None:
        super().__init__("http://192.0.2.1:8653")
        self.watches = list(watches)
        self.over = asyncio.Event()

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        if not self.watches:
            self.over.set()
            await asyncio.Event().wait()
        for line in self.watches.pop(0):
            yield line
        raise Unreachable(self.url, "it ended the connection")


async def test_follows_again_and_keeps_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller is followed again after it went; what is known stays, on the disk too."""
    monkeypatch.setattr(module, "FIRST_BACKOFF", 0.0)
    cache = tmp_path / "world.json"
    first = [
        {"revision": 1, "snapshot": {"networks/dnet1": NETWORK}},
        {"revision": 2, "changes": {"endpoints/e1": ENDPOINT}},
    ]
    client = Scripted(first, [], [{"revision": 3, "snapshot": {"networks/dnet1": NETWORK}}])
    world = World(client, cache)
    following = asyncio.create_task(world.follow())
    await client.over.wait()
    assert (world.revision, list(world.networks), list(world.endpoints)) == (3, ["dnet1"], [])
    while not cache.exists():  # noqa: ASYNC110  a thread writes it
        await asyncio.sleep(0)
    following.cancel()
    kept = World(client, cache)
    kept.load()
    assert list(kept.networks) == ["dnet1"]
    assert (kept.known, kept.connected) == (True, False)
    assert from_json(cache.read_bytes())["revision"] >= 1


async def test_what_came_last_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is ended writes what came since the last writing, however short ago that was."""
    monkeypatch.setattr(module, "SAVE_INTERVAL", 3600.0)
    cache = tmp_path / "world.json"
    client = Scripted([{"revision": 1, "snapshot": {"networks/dnet1": NETWORK}}])
    world = World(client, cache)
    following = asyncio.create_task(world.follow())
    while not cache.exists():  # noqa: ASYNC110  a thread writes it
        await asyncio.sleep(0)
    world._take({"revision": 2, "changes": {"endpoints/e1": ENDPOINT}}, connected=True)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    kept = World(client, cache)
    kept.load()
    assert (kept.revision, list(kept.networks), list(kept.endpoints)) == (2, ["dnet1"], ["e1"])


def test_no_copy_on_disk(tmp_path: Path) -> None:
    """Without a good copy nothing is known."""
    cache = tmp_path / "world.json"
    for text in (None, "", "[]", '{"revision": 1}'):
        if text is not None:
            cache.write_text(text)
        world = World(Client("http://192.0.2.1"), cache)
        world.load()
        assert not world.known
