"""Moves of containers: this host's part of each, as the source or as the target.

A move is a record at the controller, and its state says whose turn it is. Each step may be done twice without harm, so
that an agent that starts again goes on where it was: the record is all that it needs. A record from the disk is not
enough: what it says may be long over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Never, Protocol

import structlog

from daoli.agent.arrival import Arrival
from daoli.agent.client import Refused as ControllerRefused
from daoli.agent.client import Unreachable
from daoli.agent.departure import Departure
from daoli.agent.making import Engine
from daoli.agent.networks import EngineError
from daoli.agent.world import World
from daoli.hosts.move import WORKER, Move

SIGN_SECONDS: Final = 15.0
"""How often a step that takes long says that it goes on."""
RETRY_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class Controller(Protocol):
    """What is asked of `agent.client.Client`."""

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Make a request, and return the JSON of its answer."""
        ...


class Moves:
    """This host's part of all moves."""

    def __init__(
        self,
        engine: Engine,
        controller: Controller,
        world: World,
        host: str,
        *,
        vacate: Callable[[list[str]], Awaitable[None]],
        port_free: Callable[[str, str, int], bool],
        settle: Callable[[], None],
        retry_seconds: float = RETRY_SECONDS,
        sign_seconds: float = SIGN_SECONDS,
    ) -> None:
        """Take what the steps need: see `Departure` and `Arrival`; `settle` has the controller told of the leases."""
        departure = Departure(engine, world, host, vacate)
        self._arrival = Arrival(engine, world, host, vacate, port_free)
        self._controller = controller
        self._world = world
        self._host = host
        self._settle = settle
        self._retry_seconds = retry_seconds
        self._sign_seconds = sign_seconds
        self._work = asyncio.Event()
        self._busy: set[str] = set()
        self._reported: dict[str, str] = {}
        self._cleared: set[str] = set()
        self._steps: dict[str, Callable[[Move], Awaitable[dict[str, Any]]]] = {
            "preparing": departure.prepare,
            "checking": self._arrival.check,
            "stopping": departure.stop,
            "starting": self._arrival.start,
            "removing": departure.remove,
            "restoring": departure.restore,
        }

    def look(self) -> None:
        """Look soon whether it is this host's turn in some move."""
        self._work.set()

    async def run(self) -> Never:
        """Do this host's part of each move, several at the same time."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._work.clear()
                for move in list(self._world.moves.values()) if self._world.connected else ():
                    if move.id not in self._busy and (work := self._work_at(move)) is not None:
                        self._busy.add(move.id)
                        tasks.create_task(self._turn(move, work), name=f"move {move.id}")
                await self._work.wait()

    def _work_at(self, move: Move) -> Callable[[Move], Awaitable[None]] | None:
        """Find what is to be done here for a move, if anything."""
        if move.to == self._host and move.state in {"restoring", "failed"} and move.id not in self._cleared:
            return self._clear
        worker = {"source": move.source, "target": move.to}.get(WORKER.get(move.state, ""))
        if worker != self._host or self._reported.get(move.id) == move.state:
            return None
        return self._step

    async def _turn(self, move: Move, work: Callable[[Move], Awaitable[None]]) -> None:
        try:
            await work(move)
        except (EngineError, Unreachable, ControllerRefused) as error:
            log.warning("move_delayed", move=move.id, state=move.state, problem=str(error))
            await asyncio.sleep(self._retry_seconds)
        finally:
            self._busy.discard(move.id)
            self._work.set()

    async def _step(self, move: Move) -> None:
        signs = asyncio.create_task(self._signs(move))
        try:
            report = await self._steps[move.state](move)
        finally:
            signs.cancel()
        log.info("move_step", move=move.id, container=move.name, was=move.state, **{"is": report["state"]})
        await self._report(move, report)
        if report["state"] == "failed":
            self._settle()  # nobody keeps the addresses any more, of a container that does not run
        if report["state"] != move.state:
            self._reported[move.id] = move.state  # until the news of it is here, or the step would be done again

    async def _clear(self, move: Move) -> None:
        await self._arrival.clear(move)
        self._cleared.add(move.id)

    async def _signs(self, move: Move) -> Never:
        while True:
            await asyncio.sleep(self._sign_seconds)
            with suppress(Unreachable, ControllerRefused):
                await self._report(move, {"state": move.state})

    async def _report(self, move: Move, report: dict[str, Any]) -> None:
        await self._controller.request("POST", f"/moves/{move.id}/reports", {"host": self._host, **report})
