"""Moves of containers in the inventory, and the end of those whose agent is silent."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Never

import structlog

from daoli.hosts.errors import Clash
from daoli.hosts.inventory import Inventory
from daoli.hosts.move import Move, MoveReport, MoveRequest
from daoli.hosts.moving import find_move, overdue, plan_move, plan_overdue, plan_report
from daoli.store.base import StoreUnavailable

CHECK_SECONDS: Final = 5.0
"""How often silent agents are looked for."""

log = structlog.get_logger(__name__)


class Moves:
    """The moves; `clock` gives seconds since 1970, since moves outlive the process."""

    def __init__(
        self, inventory: Inventory, *, clock: Callable[[], float] = time.time, check_seconds: float = CHECK_SECONDS
    ) -> None:
        self._inventory = inventory
        self._clock = clock
        self._check_seconds = check_seconds

    def all(self) -> list[Move]:
        """List moves, the latest first."""
        return sorted(self._inventory.mirror.moves.values(), key=lambda move: (-move.created, move.id))

    def find(self, move_id: str) -> Move:
        """Find a move by its id."""
        return find_move(self._inventory.mirror, move_id)

    async def begin(self, request: MoveRequest) -> Move:
        """Begin a move; Clash if the target is not connected, where nothing could come of it."""
        self._check_connected(request.to)
        new_id, now = secrets.token_hex(6), self._clock()
        await self._inventory.write(lambda mirror: plan_move(mirror, request, new_id, now))
        return self.find(new_id)

    def _check_connected(self, name: str) -> None:
        view = self._inventory.view
        host = view.hosts.get(name)
        if host is not None and not view.switches[host.dpid].connected:
            raise Clash(f"host {name} is not connected", "to")

    async def report(self, move_id: str, report: MoveReport) -> Move:
        """Take an agent's report."""
        now = self._clock()
        await self._inventory.write(lambda mirror: plan_report(mirror, move_id, report, now))
        return self.find(move_id)

    async def run(self) -> Never:
        """Let moves fail whose agent is silent, until cancelled."""
        heard_from = self._clock()
        while True:
            await asyncio.sleep(self._check_seconds)
            now = self._clock()
            silent = overdue(self._inventory.mirror, now, heard_from)
            if not silent:
                continue
            try:
                await self._inventory.write(partial(plan_overdue, now=now, heard_from=heard_from))
            except StoreUnavailable as error:
                log.warning("moves_store_unavailable", reason=error.reason)
            else:
                log.warning("moves_failed", moves=[move.id for move in silent])
