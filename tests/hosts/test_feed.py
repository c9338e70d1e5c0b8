"""Lines for those who keep a copy of the inventory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.hosts.records import endpoint, host

from daoli.hosts.feed import Feed, Reader
from daoli.hosts.inventory import Inventory


def no_cut() -> None:
    """Refuse to be called."""
    raise AssertionError


async def line(reader: Reader) -> dict[str, Any]:
    """Read the next line."""
    data = await anext(reader)
    assert data.endswith(b"\n")
    value: dict[str, Any] = json.loads(data)
    return value


async def test_copy(inventory: Inventory) -> None:
    """Whoever applies the changes to the snapshot has what a new snapshot says."""
    feed = Feed(inventory)
    async with feed.read(no_cut) as reader:
        copy: dict[str, Any] = (await line(reader))["snapshot"]
        assert set(copy) == {"hosts/h1", "hosts/h2", "networks/n1"}
        await inventory.put_endpoint(endpoint(1))
        await inventory.put_endpoint(endpoint(2, host="h2"))
        await inventory.remove_host("h2")
        for _ in range(3):
            copy |= (await line(reader))["changes"]
        fresh = json.loads(feed.snapshot())
    assert fresh == {"revision": inventory.revision, "snapshot": {k: v for k, v in copy.items() if v is not None}}
    assert feed.readers == 0


async def test_sign_of_life(inventory: Inventory) -> None:
    """A reader for whom there is no news hears the revision."""
    async with Feed(inventory, heartbeat=0).read(no_cut) as reader:
        await line(reader)
        assert await line(reader) == {"revision": inventory.revision}


async def test_notes(inventory: Inventory) -> None:
    """A note goes to those who read now, and is not in the copy of those who come later."""
    feed = Feed(inventory)
    async with feed.read(no_cut) as reader:
        await line(reader)
        feed.tell({"inquiry": {"id": "1"}})
        assert await line(reader) == {"revision": inventory.revision, "inquiry": {"id": "1"}}
    assert b"inquiry" not in feed.snapshot()


async def test_cut_off(inventory: Inventory) -> None:
    """A reader for whom too much waits is cut off; another, who reads, is not."""
    cuts: list[str] = []
    feed = Feed(inventory, backlog=1000)
    async with feed.read(lambda: cuts.append("slow")) as slow, feed.read(lambda: cuts.append("quick")) as quick:
        await line(quick)
        for n in range(10):
            await inventory.put_host(host(1, labels={"n": str(n)}))
            assert (await line(quick))["changes"]["hosts/h1"]["labels"] == {"n": str(n)}
        assert (cuts, feed.readers) == (["slow"], 1)
        await anext(slow)
        with pytest.raises(StopAsyncIteration):
            await anext(slow)


async def test_close(inventory: Inventory) -> None:
    """Closing ends every reader, and nobody is told any more."""
    feed = Feed(inventory)
    async with feed.read(no_cut) as reader:
        await line(reader)
        feed.close()
        await inventory.remove_host("h2")
        assert [text async for text in reader] == []
