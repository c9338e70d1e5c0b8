"""Moves in an inventory that follows its store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.hosts.records import endpoint, following, host, network

from daoli.hosts.errors import Clash, Invalid
from daoli.hosts.inventory import Inventory
from daoli.hosts.move import MoveReport, MoveRequest
from daoli.hosts.moves import Moves
from daoli.routing.view import View
from daoli.store.base import StoreUnavailable
from daoli.store.memory import MemoryStore
from daoli.store.sqlite import SqliteStore

REQUEST = MoveRequest(container="web", to="h2")
WEB = endpoint(1, name="web", container="a" * 64)


@asynccontextmanager
async def running(moves: Moves) -> AsyncIterator[None]:
    """Look for silent agents meanwhile."""
    task = asyncio.ensure_future(moves.run())
    await asyncio.sleep(0)  # it looks at the clock when it begins
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(autouse=True)
def connected(inventory: Inventory) -> None:
    """The target is connected."""
    inventory.view.set_ports(2, [])


async def test_not_connected(inventory: Inventory) -> None:
    """A move to a host that is not connected is refused, and one to a host that is not there."""
    inventory.view.disconnect(2)
    await inventory.put_endpoint(WEB)
    with pytest.raises(Clash, match="host h2 is not connected"):
        await Moves(inventory).begin(REQUEST)
    with pytest.raises(Invalid, match="there is no host h9"):
        await Moves(inventory).begin(MoveRequest(container="web", to="h9"))


async def test_begin_and_report(inventory: Inventory) -> None:
    """A move begins and goes on by reports; the latest is listed first."""
    times = iter((1.0, 2.0, 3.0))
    moves = Moves(inventory, clock=lambda: next(times))
    await inventory.put_endpoint(WEB)
    move = await moves.begin(REQUEST)
    assert (move.state, move.created) == ("preparing", 1.0)
    failed = await moves.report(move.id, MoveReport(host="h1", state="failed", detail="it has a volume"))
    assert (failed.state, failed.updated, failed.detail) == ("failed", 2.0, "it has a volume")
    again = await moves.begin(REQUEST)
    assert moves.all() == [again, failed]


async def test_silent_agent(inventory: Inventory) -> None:
    """A move whose agent is silent fails by itself."""
    now = 0.0
    moves = Moves(inventory, clock=lambda: now, check_seconds=0)
    await inventory.put_endpoint(WEB)
    move = await moves.begin(REQUEST)
    changed = asyncio.Event()
    inventory.subscribe(lambda _: changed.set())
    with capture_logs():
        async with running(moves), asyncio.timeout(5):
            now = 100.0
            await changed.wait()
    assert moves.find(move.id).state == "failed"


async def test_store_away(inventory: Inventory, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be written is tried again."""
    commit, failures = store.commit, 3

    async def fail(*arguments: object) -> int:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("no disk")
        return await commit(*arguments)  # type: ignore[arg-type]

    now = 0.0
    moves = Moves(inventory, clock=lambda: now, check_seconds=0)
    await inventory.put_endpoint(WEB)
    move = await moves.begin(REQUEST)
    monkeypatch.setattr(store, "commit", fail)
    changed = asyncio.Event()
    inventory.subscribe(lambda _: changed.set())
    with capture_logs() as logs:
        async with running(moves), asyncio.timeout(5):
            now = 100.0
            await changed.wait()
    assert [entry["event"] for entry in logs[:3]] == 3 * ["moves_store_unavailable"]
    assert moves.find(move.id).state == "failed"


async def test_restart(tmp_path: Path) -> None:
    """A move goes on after a restart where it was."""
    store = await SqliteStore.open(tmp_path)
    async with following(Inventory(store, View())) as before:
        await before.load()
        for spec in (host(1), host(2)):
            await before.put_host(spec)
        await before.put_network(network())
        await before.put_endpoint(WEB)
        before.view.set_ports(2, [])
        moves = Moves(before)
        move = await moves.begin(REQUEST)
        ready = MoveReport(host="h1", state="checking", blueprint={"Image": "web", "Env": ["A=b"]})
        expected = await moves.report(move.id, ready)
    await store.close()
    store = await SqliteStore.open(tmp_path)
    async with following(Inventory(store, View())) as after:
        await after.load()
        assert Moves(after).find(move.id) == expected
        stopping = await Moves(after).report(move.id, MoveReport(host="h2", state="stopping"))
        assert stopping.blueprint == {"Image": "web", "Env": ["A=b"]}
    await store.close()
