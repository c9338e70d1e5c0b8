"""Ends rules when their time has come, with nobody asking: what they allowed is cut by the change of the inventory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Never

import structlog

from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed
from daoli.hosts.ruling import next_expiry, plan_expiry
from daoli.store.base import StoreUnavailable

LONGEST_WAIT: Final = 3600.0
"""Seconds after which the clock is looked at again: it may have been set."""
RETRY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Expiry:
    """Waits for the next rule that ends."""

    def __init__(self, inventory: Inventory, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970."""
        self._inventory = inventory
        self._clock = clock
        self._rules_changed = asyncio.Event()
        inventory.subscribe(self._changed)

    def _changed(self, change: Changed) -> None:
        if change.rules:
            self._rules_changed.set()

    async def run(self) -> Never:
        """End rules, for ever."""
        while True:
            self._rules_changed.clear()
            at = next_expiry(self._inventory.mirror)
            left = LONGEST_WAIT if at is None else max(0.0, min(at - self._clock(), LONGEST_WAIT))
            if left == 0.0:
                await self._end()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._rules_changed.wait()

    async def _end(self) -> None:
        try:
            await self._inventory.write(lambda mirror: plan_expiry(mirror, self._clock()))
        except StoreUnavailable as error:
            log.warning("rules_not_ended", reason=error.reason)
            await asyncio.sleep(RETRY_SECONDS)
